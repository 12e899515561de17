"""What keeps other web sites and greedy clients away from the review's page."""

import hmac
import secrets
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from taglens.web.bodies import Room, WholeBodies
from taglens.web.headers import WithHeaders
from taglens.web.hosts import OnlyHosts

TOKEN_HEADER = "x-taglens-token"
LONGEST_BODY = 2_000_000
BODY_SECONDS = 30.0


def new_token() -> str:
    """Return a token that only our own page can learn: other sites may send requests here, but cannot read the replies."""
    return secrets.token_urlsafe(32)


def protect(app: FastAPI, token: str, hosts: Sequence[str]) -> None:
    """Check host, origin, token and size of requests, and forbid the page everything that is not from here."""
    # the last one added is the outermost
    app.add_middleware(WholeBodies, most=lambda path: LONGEST_BODY, seconds=BODY_SECONDS, room=Room(16 * LONGEST_BODY))
    app.add_middleware(NeedsToken, token=token)
    app.add_middleware(OnlyHosts, hosts=hosts)
    app.add_middleware(WithHeaders)


class NeedsToken:
    """Refuses, before it is read, what would change something and has no token or no stated length."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        refusal = self._refusal(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"detail": refusal[1]}, refusal[0], {"Connection": "close"})(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        if method in ("GET", "HEAD"):
            return None
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode("utf-8", "surrogatepass"), self._token):
            return 403, "the token is missing or of an earlier start; reload the page"
        return None if headers.get("content-length", "").isdigit() else (411, "the length of the request must be stated")
