"""The web application of the review: small JSON routes around a session, and the page's files."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from taglens.review.exporting import Exporter
from taglens.review.learning import LiveLearning
from taglens.review.merge import Prefer
from taglens.review.page import (
    SHUTDOWN_SECONDS,
    FromPage,
    Identifier,
    Index,
    TakeBody,
    add_answering,
    add_pictures,
    checked_size,
    jpeg,
    page_app,
    within,
)
from taglens.review.pictures import SIZES, ReviewPictures
from taglens.review.security import new_token
from taglens.review.session import ReviewSession
from taglens.review.state import Kind
from taglens.review.views import ReviewViews
from taglens.web.hosts import allowed_hosts
from taglens.web.server import serve_until_stopped

Share = Annotated[float, Query(ge=0, le=1)]


class QueueBody(TakeBody):
    """Asking for questions of a kind, about one class or all."""

    kind: Kind = "all"
    label: Index | None = None
    shown: tuple[Index, Index] | None = None
    """Picture and class of the question that the page shows now."""


class BulkBody(FromPage):
    """The same reply for the pictures that the preview showed."""

    action: Identifier
    label: Index
    reply: Literal["yes", "no"]
    images: Annotated[list[Index], Field(min_length=1, max_length=100_000)]


class ExportBody(BaseModel):
    """Writing the table."""

    conflicts: Prefer = "stop"
    train: bool = False
    """Also train a new run on what was written."""


def review_app(
    session: ReviewSession,
    pictures: ReviewPictures,
    *,
    token: str,
    hosts: list[str],
    learning: LiveLearning | None = None,
    train: Callable[[Path], Path] | None = None,
) -> FastAPI:
    """Return the application; ``token`` must come with every POST, ``hosts`` are the names it may be called by.

    ``learning`` and ``train`` are what learns from the answers and what trains a new run on the exported table, where something does.
    """
    app = page_app("TagLens review", token=token, hosts=hosts)
    views = ReviewViews(session, learning)
    _add_reading(app, views, token)
    add_pictures(app, pictures, views.images)
    _add_heat(app, views, pictures)
    add_answering(app, session, views)
    _add_writing(app, session, views, Exporter(session, train))
    return app


def serve_review(
    session: ReviewSession,
    pictures: ReviewPictures,
    listening: socket.socket,
    host: str,
    ready: Callable[[str], None],
    learning: LiveLearning | None = None,
    train: Callable[[Path], Path] | None = None,
) -> None:
    """Serve the page until Ctrl-C or a termination signal; running requests are finished first.

    Args:
        session: the review.
        pictures: its pictures.
        listening: where to serve.
        host: the name that was asked for; browsers may use it.
        ready: gets the address as soon as connections are accepted.
        learning: learns from the answers; None: nothing does.
        train: trains a new run on the exported table and returns its folder; None: nothing does.
    """
    app = review_app(session, pictures, token=new_token(), hosts=allowed_hosts(host), learning=learning, train=train)
    serve_until_stopped(app, listening, ready, finish=SHUTDOWN_SECONDS)


def _add_reading(app: FastAPI, views: ReviewViews, token: str) -> None:
    @app.get("/api/session")
    def session() -> dict[str, Any]:
        return views.overview() | {"token": token}

    @app.get("/api/queue")
    def queue(kind: Kind = "all", label: Index | None = None, count: Annotated[int, Query(ge=1, le=200)] = 20) -> dict[str, Any]:
        return views.queue(kind, None if label is None else within(label, views.labels, "class"), count)

    @app.post("/api/queue")
    def take(body: QueueBody) -> dict[str, Any]:
        label = None if body.label is None else within(body.label, views.labels, "class")
        shown = body.shown and (within(body.shown[0], views.images, "picture"), within(body.shown[1], views.labels, "class"))
        return views.take(body.kind, label, body.count, body.tab, shown)

    @app.get("/api/people")
    def people() -> dict[str, Any]:
        return views.people()

    @app.get("/api/labels")
    def labels() -> list[dict[str, Any]]:
        return views.label_counts()

    @app.get("/api/labels/{label}/cells")
    def label_cells(
        label: Index,
        show: Literal["open", "present", "absent", "answered"] = "open",
        offset: Index = 0,
        count: Annotated[int, Query(ge=1, le=200)] = 60,
    ) -> dict[str, Any]:
        return views.label_cells(within(label, views.labels, "class"), show, offset, count)

    @app.get("/api/labels/{label}/bulk")
    def bulk(label: Index, reply: Literal["yes", "no"], bound: Share) -> dict[str, Any]:
        return views.bulk(within(label, views.labels, "class"), reply, bound)

    @app.get("/api/pictures/{image}/cells")
    def picture_cells(image: Index) -> dict[str, Any]:
        return views.picture_cells(within(image, views.images, "picture"))


def _add_heat(app: FastAPI, views: ReviewViews, pictures: ReviewPictures) -> None:
    @app.get("/api/pictures/{image}/heat/{label}")
    def heat(image: Index, label: Index, size: int = SIZES[-1]) -> Response:
        row, column = within(image, views.images, "picture"), within(label, views.labels, "class")
        return jpeg(pictures.heat(row, column, checked_size(size)))


def _add_writing(app: FastAPI, session: ReviewSession, views: ReviewViews, exporter: Exporter) -> None:
    @app.post("/api/bulk")
    def accept(body: BulkBody) -> dict[str, Any]:
        for image in body.images:
            within(image, views.images, "picture")
        session.answer(
            body.action, within(body.label, views.labels, "class"), list(dict.fromkeys(body.images)), body.reply, body.tab, body.by
        )
        return views.standing()

    @app.post("/api/export")
    def export(body: ExportBody) -> dict[str, Any]:
        exporter.start(body.conflicts, body.train)
        return exporter.standing()

    @app.get("/api/export")
    def exported() -> dict[str, Any]:
        return exporter.standing()
