"""Clients that do not do what clients do, on raw sockets to this machine."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import httpx

BOUNDARY = "multipart/form-data; boundary=x"


def connect(url, *, receiving=None):
    """Return a connection; ``receiving`` bytes at most are taken for it by the system."""
    parts = urlsplit(url)
    client = socket.socket()
    if receiving is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receiving)
    client.settimeout(60)
    client.connect((parts.hostname, parts.port))
    return client


def received(client):
    """What comes until the server hangs up."""
    came = b""
    with contextlib.suppress(OSError):
        while part := client.recv(1_000_000):
            came += part
    return came


def request(method="GET", path="/healthz", body=b"", *, length=None, **headers):
    """The bytes of a request; ``length`` is what it says, None: the truth."""
    told = {"host": "127.0.0.1"} | ({"content-length": len(body) if length is None else length} if body or length else {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in (told | headers).items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def form(pictures=(), **texts):
    """A multipart body and, of it, the part before the last picture's end."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode() for name, text in texts.items()]
    for content in pictures:
        parts.append(b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a.jpg"\r\n\r\n' + content + b"\r\n")
    return b"".join(parts) + b"--x--\r\n"


def send_all(client, content):
    """Send what the server takes before it hangs up."""
    with contextlib.suppress(OSError):
        client.sendall(content)


def is_closed(client):
    """Whether the server has hung up, or does within a moment."""
    client.settimeout(0.2)
    try:
        while True:
            if not client.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True


def hung_up_within(clients, seconds):
    """How long it took until the server had hung up on all; fails after so many seconds."""
    start = time.monotonic()
    left = list(clients)
    while left := [client for client in left if not is_closed(client)]:
        assert time.monotonic() - start < seconds, f"{len(left)} of {len(clients)} are still connected"
    return time.monotonic() - start


def status_of(client):
    """The status of the answer that comes next; None: the server hung up."""
    with contextlib.suppress(OSError):
        return int(client.recv(65536)[9:12] or 0) or None
    return None


def slowest_health(url, running):
    """The longest that ``/healthz`` took while something runs, asked for again and again."""
    slowest = 0.0
    with httpx.Client(timeout=60) as web:
        while running():
            start = time.monotonic()
            assert web.get(f"{url}healthz").status_code == 200
            slowest = max(slowest, time.monotonic() - start)
            time.sleep(0.01)
    return slowest
