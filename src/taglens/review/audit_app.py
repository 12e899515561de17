"""The web application of an audit: it has no route that could say what model or table think of a cell, and none for many answers."""

import socket
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query

from taglens.review.audit import AuditSession, AuditViews
from taglens.review.page import SHUTDOWN_SECONDS, TakeBody, add_answering, add_pictures, page_app
from taglens.review.pictures import TablePictures
from taglens.review.security import new_token
from taglens.web.hosts import allowed_hosts
from taglens.web.server import serve_until_stopped


def audit_app(session: AuditSession, pictures: TablePictures, *, token: str, hosts: list[str]) -> FastAPI:
    """Return the application; ``token`` must come with every POST, ``hosts`` are the names it may be called by."""
    app = page_app("TagLens audit", token=token, hosts=hosts)
    views = AuditViews(session)
    _add_reading(app, views, token)
    add_pictures(app, pictures, views.images)
    add_answering(app, session, views)
    return app


def serve_audit(session: AuditSession, pictures: TablePictures, listening: socket.socket, host: str, ready: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C or a termination signal; running requests are finished first.

    Args:
        session: the audit.
        pictures: those of its sample.
        listening: where to serve.
        host: the name that was asked for; browsers may use it.
        ready: gets the address as soon as connections are accepted.
    """
    app = audit_app(session, pictures, token=new_token(), hosts=allowed_hosts(host))
    serve_until_stopped(app, listening, ready, finish=SHUTDOWN_SECONDS)


def _add_reading(app: FastAPI, views: AuditViews, token: str) -> None:
    @app.get("/api/session")
    def session() -> dict[str, Any]:
        return views.overview() | {"token": token}

    @app.get("/api/queue")
    def queue(count: Annotated[int, Query(ge=1, le=200)] = 20) -> dict[str, Any]:
        return views.queue(count)

    @app.post("/api/queue")
    def take(body: TakeBody) -> dict[str, Any]:
        return views.take(body.count, body.tab)
