"""The web application of the review: small JSON routes around a session, and the page's files."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field, StringConstraints

from taglens.errors import JournalError, PictureError, TagLensError
from taglens.review.journal import Reply
from taglens.review.merge import Prefer
from taglens.review.pictures import SIZES, ReviewPictures
from taglens.review.security import allowed_hosts, new_token, protect
from taglens.review.session import ReviewSession
from taglens.review.state import Kind
from taglens.review.views import ReviewViews
from taglens.version import VERSION
from taglens.web.server import NO_TELEMETRY, serve_until_stopped

STATIC = Path(__file__).parent / "static"
SHUTDOWN_SECONDS = 3
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Index = Annotated[int, Field(ge=0)]
Share = Annotated[float, Query(ge=0, le=1)]


class AnswerBody(BaseModel):
    """A reply about one cell."""

    action: Identifier
    tab: Identifier
    image: Index
    label: Index
    reply: Reply


class UndoBody(BaseModel):
    """Taking back an action."""

    action: Identifier
    tab: Identifier


class BulkBody(BaseModel):
    """The same reply for the pictures that the preview showed."""

    action: Identifier
    tab: Identifier
    label: Index
    reply: Literal["yes", "no"]
    images: Annotated[list[Index], Field(min_length=1, max_length=100_000)]


class ExportBody(BaseModel):
    """Writing the table."""

    conflicts: Prefer = "stop"


def review_app(session: ReviewSession, pictures: ReviewPictures, *, token: str, hosts: list[str]) -> FastAPI:
    """Return the application; ``token`` must come with every POST, ``hosts`` are the names it may be called by."""
    app = FastAPI(title="TagLens review", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
    views = ReviewViews(session)
    _add_errors(app)
    _add_reading(app, views, token)
    _add_pictures(app, views, pictures)
    _add_writing(app, session, views)
    app.mount("/static", StaticFiles(directory=STATIC))

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    protect(app, token, hosts)
    return app


def serve_review(
    session: ReviewSession, pictures: ReviewPictures, listening: socket.socket, host: str, ready: Callable[[str], None]
) -> None:
    """Serve the page until Ctrl-C or a termination signal; running requests are finished first.

    Args:
        session: the review.
        pictures: its pictures.
        listening: where to serve.
        host: the name that was asked for; browsers may use it.
        ready: gets the address as soon as connections are accepted.
    """
    app = review_app(session, pictures, token=new_token(), hosts=allowed_hosts(host))
    serve_until_stopped(app, listening, ready, finish=SHUTDOWN_SECONDS)


def _add_errors(app: FastAPI) -> None:
    status: dict[type[TagLensError], int] = {PictureError: 404, JournalError: 409}

    @app.exception_handler(TagLensError)
    def told(request: Request, error: TagLensError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status.get(type(error), 400), headers={"Cache-Control": "no-store"})


def _add_reading(app: FastAPI, views: ReviewViews, token: str) -> None:
    @app.get("/api/session")
    def session() -> dict[str, Any]:
        return views.overview() | {"token": token}

    @app.get("/api/queue")
    def queue(kind: Kind = "all", label: Index | None = None, count: Annotated[int, Query(ge=1, le=200)] = 20) -> dict[str, Any]:
        return views.queue(kind, None if label is None else _within(label, views.labels, "class"), count)

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
        return views.label_cells(_within(label, views.labels, "class"), show, offset, count)

    @app.get("/api/labels/{label}/bulk")
    def bulk(label: Index, reply: Literal["yes", "no"], bound: Share) -> dict[str, Any]:
        return views.bulk(_within(label, views.labels, "class"), reply, bound)

    @app.get("/api/pictures/{image}/cells")
    def picture_cells(image: Index) -> dict[str, Any]:
        return views.picture_cells(_within(image, views.images, "picture"))

    @app.get("/api/answers")
    def answers(count: Annotated[int, Query(ge=1, le=500)] = 60) -> list[dict[str, Any]]:
        return views.answers(count)


def _add_pictures(app: FastAPI, views: ReviewViews, pictures: ReviewPictures) -> None:
    @app.get("/api/pictures/{image}")
    def picture(image: Index, size: int = SIZES[-1]) -> Response:
        return _jpeg(pictures.plain(_within(image, views.images, "picture"), _size(size)))

    @app.get("/api/pictures/{image}/heat/{label}")
    def heat(image: Index, label: Index, size: int = SIZES[-1]) -> Response:
        row, column = _within(image, views.images, "picture"), _within(label, views.labels, "class")
        return _jpeg(pictures.heat(row, column, _size(size)))


def _add_writing(app: FastAPI, session: ReviewSession, views: ReviewViews) -> None:
    @app.post("/api/answers")
    def answer(body: AnswerBody) -> dict[str, Any]:
        row, column = _within(body.image, views.images, "picture"), _within(body.label, views.labels, "class")
        earlier = session.earlier((row, column))
        fresh = session.answer(body.action, column, [row], body.reply, body.tab)
        return views.standing() | {"earlier": earlier if fresh else None}

    @app.post("/api/bulk")
    def accept(body: BulkBody) -> dict[str, Any]:
        for image in body.images:
            _within(image, views.images, "picture")
        session.answer(body.action, _within(body.label, views.labels, "class"), list(dict.fromkeys(body.images)), body.reply, body.tab)
        return views.standing()

    @app.post("/api/undo")
    def undo(body: UndoBody) -> dict[str, Any]:
        undone = session.undo(body.action, body.tab)
        return views.standing() | {"undone": None if undone is None else len(undone.images)}

    @app.post("/api/export")
    def export(body: ExportBody) -> dict[str, Any]:
        merged = session.export(body.conflicts)
        return {"file": str(session.files.out), "applied": merged.applied, "notes": list(merged.notes(body.conflicts))}


def _within(index: int, size: int, what: str) -> int:
    if index >= size:
        raise HTTPException(404, f"there is no {what} {index}; there are {size:,}")
    return index


def _size(size: int) -> int:
    if size not in SIZES:
        raise HTTPException(422, f"size must be one of {', '.join(map(str, SIZES))}")
    return size


def _jpeg(content: bytes) -> Response:
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})
