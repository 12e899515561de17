"""What keeps other web sites away from the review's page."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from taglens.web.server import HEADERS, is_loopback

TOKEN_HEADER = "x-taglens-token"
LONGEST_BODY = 2_000_000


def new_token() -> str:
    """Return a token that only our own page can learn: other sites may send requests here, but cannot read the replies."""
    return secrets.token_urlsafe(32)


def allowed_hosts(host: str) -> list[str]:
    """Return the names a browser may call this server by; a foreign name that leads here (DNS rebinding) is refused.

    A server that listens on all addresses is called by names we cannot know.
    """
    if host in ("0.0.0.0", "::"):
        return ["*"]
    return [*dict.fromkeys(["127.0.0.1", "localhost", "[::1]", host])] if is_loopback(host) else [host]


def protect(app: FastAPI, token: str, hosts: Sequence[str]) -> None:
    """Check host, origin, token and size of requests, and forbid the page everything that is not from here."""

    @app.middleware("http")
    async def checked(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        refusal = _refusal(request, token)
        response = JSONResponse({"detail": refusal[1]}, refusal[0]) if refusal else await proceed(request)
        response.headers.update(HEADERS)
        return response

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)


def _refusal(request: Request, token: str) -> tuple[int, str] | None:
    """Return status and reason if the request must not be served."""
    if request.method in ("GET", "HEAD"):
        return None
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        return 403, "requests from other sites are refused"
    if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        return 403, "the token is missing or of an earlier start; reload the page"
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        return 411, "the length of the request must be stated"
    return (413, f"requests are at most {LONGEST_BODY:,} bytes long") if int(length) > LONGEST_BODY else None
