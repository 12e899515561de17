"""Foreign names, pages of other sites, and requests without the key: refused before anything is read or routed, on every route."""

import asyncio
import inspect
import json

import pytest
from mean_colour_model import MeanColour

from taglens.errors import TagLensError
from taglens.review.app import review_app
from taglens.review.audit_app import audit_app
from taglens.serve.app import serve_app, serve_predictions
from taglens.serve.options import ServeOptions
from taglens.web.hosts import allowed_hosts

KEY = "k" * 20
OPEN = {"/", "/docs", "/openapi.json", "/healthz", "/readyz"}


def app_of(key=None, hosts=None):
    return serve_app(MeanColour(), ServeOptions(decoders=1), key=key, hosts=hosts)


def ask(app, path, *, method="GET", headers=(), kind="http"):
    """Status and detail of the answer to a request as the server takes it apart, sent past every client that would tidy it up."""
    scope = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    said, asked = [], []

    async def receive():
        asked.append(1)
        if len(asked) > 1:
            await asyncio.Event().wait()  # nothing more comes, and nobody hangs up
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        said.append(message)

    asyncio.run(app(scope, receive, send))
    return said[0].get("status", said[0]["type"]), b"".join(message.get("body", b"") for message in said), bool(asked)


TRICKS = {
    # every one of these has led some framework to another path than the one that was checked
    "a path in the host": [("host", "127.0.0.1/healthz?")],
    "an open path and a fragment in the host": [("host", "127.0.0.1/static/#")],
    "a rewritten path": [("host", "127.0.0.1"), ("x-original-url", "/healthz"), ("x-rewrite-url", "/healthz")],
    "a forwarded prefix": [("host", "127.0.0.1"), ("x-forwarded-prefix", "/healthz"), ("x-forwarded-for", "127.0.0.1")],
    "no host": [],
    "two hosts": [("host", "127.0.0.1"), ("host", "127.0.0.1/healthz?")],
    "an empty key": [("host", "127.0.0.1"), ("authorization", "Bearer "), ("x-api-key", "")],
    "half a key": [("host", "127.0.0.1"), ("authorization", f"Bearer {KEY[:-1]}")],
    "the key and more": [("host", "127.0.0.1"), ("x-api-key", f"{KEY}, {KEY}")],
    "another scheme": [("host", "127.0.0.1"), ("authorization", f"Basic {KEY}")],
    "half a sign": [("host", "127.0.0.1"), ("x-api-key", "\udcff")],
    "a key in a cookie": [("host", "127.0.0.1"), ("cookie", f"key={KEY}")],
    "another method": [("host", "127.0.0.1"), ("x-http-method-override", "HEAD")],
}
PATHS = ["/v1/predict", "/v1/heatmap", "/v1/model", "/metrics", "//v1/model", "/v1/model/", "/V1/model", "/static", "/nowhere", ""]
PATHS += ["/healthz/../v1/model", "/healthz/", "/readyz/..;/v1/model", "/v1/model;/healthz", "/v1/model\x00/healthz", "http://x/healthz"]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "NONSENSE"])
def test_nothing_but_the_open_paths_is_read_or_routed_without_the_key(method, trick):
    app = app_of(KEY)
    for path in PATHS:
        status, _, was_read = ask(app, path, method=method, headers=TRICKS[trick])
        assert (status, was_read) == (401, False), path


def test_every_route_that_there_is_needs_the_key_or_is_known_to_be_open():
    app = app_of(KEY)
    routes = {getattr(route, "path", "") for route in app.routes}
    assert routes > OPEN
    for path in sorted(routes - OPEN - {"/static"}):
        assert ask(app, path, headers=[("host", "x")])[0] == 401, path
    for path in sorted(OPEN | {"/static/demo.js"}):
        assert ask(app, path, headers=[("host", "x")])[0] in (200, 503), path


def test_below_the_open_files_nothing_else_is_found():
    app = app_of(KEY)
    for path in ("/static/../v1/model", "/static//v1/model", "/static/..%2f..%2fapp.py", "/static/../../app.py", "/static/\x00"):
        assert ask(app, path, headers=[("host", "x")])[0] in (400, 404, 405), path


def test_keys_are_compared_in_constant_time():
    from taglens.review import security
    from taglens.serve import admission

    for module in (admission, security):
        assert "compare_digest" in inspect.getsource(module)


FOREIGN_HOSTS = [
    *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "x" * 300, ""),
    *("[::1", "[::2]", "127.0.0.1:", "127.0.0.1:80:80", "127.0.0.1 ", "127.0.0.1/healthz", "0x7f.1", "127.1", "localhost\x00", "\udcff"),
]
OWN_HOSTS = ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8000"]
ROUTES = ["/", "/healthz", "/v1/model", "/metrics", "/static/demo.js", "/openapi.json", "/nowhere"]


def test_foreign_names_are_refused_on_every_route():
    app = app_of(hosts=allowed_hosts("127.0.0.1"))
    for path in ROUTES:
        for host in FOREIGN_HOSTS:
            status, told, _ = ask(app, path, headers=[("host", host)])
            assert (status, "is not called" in json.loads(told)["detail"]) == (400, True), (path, host)
            assert told.decode().isprintable()
        for host in OWN_HOSTS:
            assert ask(app, path, headers=[("host", host)])[0] in (200, 404, 503), (path, host)
    assert ask(app, "/healthz")[0] == 400
    assert ask(app, "/healthz", headers=[("host", "localhost"), ("host", "evil.example")])[0] == 400


ORIGINS = {
    "http://127.0.0.1:8000": True,
    "https://127.0.0.1:8000": True,  # a proxy with TLS in front
    "https://evil.example": False,
    "http://127.0.0.1:9999": False,  # another server of this machine
    "http://localhost:8000": False,
    "null": False,
    "": False,
    "file://": False,
    "http://127.0.0.1:8000.evil.example": False,
    "http://evil.example/127.0.0.1:8000": False,
}


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_sites_are_refused(method, origin):
    app = app_of(hosts=allowed_hosts("127.0.0.1"))
    headers = [("host", "127.0.0.1:8000"), ("origin", origin)]
    assert (ask(app, "/v1/model", method=method, headers=headers)[0] != 403) is ORIGINS[origin]
    assert ask(app, "/v1/model", method=method, headers=[*headers, ("origin", "https://evil.example")])[0] == 403


LISTENING = {
    # listens at, named: called by                                                            allowed
    ("127.0.0.1", ()): {"localhost": True, "[::1]": True, "192.168.1.7": False, "box": False},
    ("::1", ()): {"localhost": True, "[::1]:8000": True, "127.0.0.1": True, "[::2]": False},
    ("192.168.1.7", ()): {"192.168.1.7:8000": True, "192.168.1.8": False, "localhost": False},
    ("192.168.1.7", ("tags.example.org",)): {"tags.example.org": True, "a.tags.example.org": False, "192.168.1.7": True},
    ("0.0.0.0", ()): {"10.1.2.3:8000": True, "[fe80::1]": True, "localhost": True, "evil.example": False},
    ("::", ("box",)): {"10.1.2.3": True, "[fe80::1]:8000": True, "BOX": True, "boxes": False},
    ("box", ()): {"box:8000": True, "127.0.0.1": False},
}


@pytest.mark.parametrize("listening", LISTENING, ids=str)
def test_which_names_are_allowed_by_default_and_by_request(listening):
    app = app_of(hosts=allowed_hosts(*listening))
    for host, allowed in LISTENING[listening].items():
        assert (ask(app, "/healthz", headers=[("host", host)])[0] == 200) is allowed, host


def test_a_site_in_front_that_calls_us_by_our_address_may_be_named():
    app = app_of(hosts=allowed_hosts("127.0.0.1", ("tags.example.org",)))
    for origin, allowed in {"https://tags.example.org": True, "https://evil.example": False, "http://127.0.0.1": False}.items():
        found = ask(app, "/v1/model", headers=[("host", "127.0.0.1:8000"), ("origin", origin)])[0]
        assert (found == 200) is allowed, origin


@pytest.mark.parametrize("named", ["http://tags.example.org", "tags.example.org:80", "", "*", "*.example.org", "a b"])
def test_what_is_named_must_be_a_name(named):
    with pytest.raises(TagLensError, match="--allowed-hosts: expected names"):
        allowed_hosts("127.0.0.1", (named,))


def test_the_command_always_says_which_names():
    """A library's user may leave the names to what is in front; `taglens serve`, `review` and `audit` cannot."""
    for function in (serve_predictions, review_app, audit_app):
        assert inspect.signature(function).parameters["hosts"].default is inspect.Parameter.empty


def test_no_other_protocol_is_let_in():
    app = app_of(KEY, allowed_hosts("127.0.0.1"))
    for path in ("/v1/predict", "/", "/nowhere"):
        assert ask(app, path, kind="websocket", headers=[("host", "127.0.0.1")])[0] in (401, 403, "websocket.close"), path
