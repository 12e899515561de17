"""Pictures by address: nothing inside is reachable, and what is outside comes within limits."""

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from taglens.errors import PictureError
from taglens.serve import fetch as room
from taglens.serve.fetch import fetch, is_public

REFUSED = [
    ("http://127.0.0.1/a.jpg", "not a public server", "this machine"),
    ("http://localhost/a.jpg", "not a public server", "this machine by name"),
    ("http://2130706433/", "not a public server", "127.0.0.1 as one number"),
    ("http://0x7f.1/", "not a public server", "127.0.0.1 in parts"),
    ("http://0/", "not a public server", "0.0.0.0"),
    ("http://[::1]/", "not a public server", "this machine, version 6"),
    ("http://[::ffff:127.0.0.1]/", "not a public server", "this machine, version 4 within 6"),
    ("http://[64:ff9b::a00:1]/", "not a public server", "10.0.0.1 behind a translator"),
    ("http://10.1.2.3/", "not a public server", "private network"),
    ("http://192.168.0.1/", "not a public server", "private network"),
    ("http://169.254.169.254/latest/meta-data", "not a public server", "a cloud's metadata"),
    ("http://[fe80::1%25eth0]/", "no such server|not a public server", "link-local with its zone"),
    ("http://224.0.0.1/", "not a public server", "multicast"),
    ("file:///etc/passwd", "plain http or https", "a file"),
    ("ftp://example.org/a.jpg", "plain http or https", "another protocol"),
    ("gopher://127.0.0.1:6379/x", "plain http or https", "another protocol"),
    ("//example.org/a.jpg", "plain http or https", "no protocol"),
    ("http://user:pass@example.org/", "without a user name", "user and password"),
    ("http://example.org:6379/", "ports 80 and 443", "another service's port"),
    ("http://example.org:0x50/", "cannot be fetched", "no port number"),
    ("http:///a.jpg", "plain http or https", "no host"),
    ("http://no-such-host.invalid/", "no such server", "a name that does not exist"),
    ("", "plain http or https", "nothing"),
    ("http://exa mple.org/\n", "cannot be fetched|no such server", "signs that no address has"),
]


@pytest.mark.parametrize(("address", "message"), [row[:2] for row in REFUSED], ids=[f"{row[2]}: {row[0]!r}" for row in REFUSED])
def test_addresses_that_are_refused(address, message):
    with pytest.raises(PictureError, match=message):
        asyncio.run(fetch(address, 1000))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822", "2002:5db8:d822::"])
def test_what_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", ["2002:7f00:1::", "100.64.0.1", "198.18.0.1", "fc00::1", "240.0.0.1", "::", "fe80::1%eth0"])
def test_what_is_not(address):
    assert not is_public(address)


def test_one_private_address_among_public_ones_is_enough(monkeypatch):
    def both(host, port, *rest, **named):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(PictureError, match="not a public server"):
        asyncio.run(fetch("http://two-faced.example/", 1000))


class Answers(BaseHTTPRequestHandler):
    """/redirect/N leads to N-1, /inside to another private server, /big is large, anything else is a picture."""

    def do_GET(self):
        place = self.path.rpartition("/")[2]
        if self.path.startswith("/redirect/") and place != "0":
            return self.answer(302, f"/redirect/{int(place) - 1}")
        if place == "inside":
            return self.answer(302, f"http://10.0.0.1:{self.server.server_port}/")
        self.answer(404 if place == "gone" else 200, None, b"x" * (5000 if place == "big" else 10))

    def answer(self, status, location=None, content=b""):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode()[: len(content)].ljust(len(content), b"."))

    def log_message(self, *rest):
        pass


@pytest.fixture
def web(monkeypatch):
    """A server that stands for the public internet: 127.0.0.1 counts as public, and its port as the right one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(room, "is_public", lambda address: address == "127.0.0.1")
        monkeypatch.setattr(room, "PORTS", {"http": server.server_port})
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_picture_comes_with_its_servers_own_name_asked_for(web):
    assert asyncio.run(fetch(f"{web}/a.jpg", 1000)).startswith(b"localhost")
    assert asyncio.run(fetch(f"{web}/redirect/3", 1000)).startswith(b"localhost")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("big", "more than the 1,000 bytes"),
        ("gone", "answered 404"),
        ("redirect/4", "more than 3 redirects"),
        ("inside", "not a public server"),
    ],
)
def test_what_comes_within_limits_only(web, path, message):
    with pytest.raises(PictureError, match=message):
        asyncio.run(fetch(f"{web}/{path}", 1000))
