"""What the review and the audit have in common as web applications: the page's files, bodies, errors, and pictures by number."""

from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from taglens.errors import JournalError, PictureError, TagLensError
from taglens.review.journal import Reply
from taglens.review.pictures import SIZES, TablePictures
from taglens.review.security import protect
from taglens.review.session import ReviewSession
from taglens.version import VERSION
from taglens.web.server import NO_TELEMETRY

STATIC = Path(__file__).parent / "static"
SHUTDOWN_SECONDS = 3
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Index = Annotated[int, Field(ge=0)]


def _person(name: str) -> str:
    if not name.isprintable() or name != name.strip() or "|" in name:
        raise ValueError("a name has no '|', line break or outer space")
    return name


Person = Annotated[str, StringConstraints(min_length=1, max_length=60), AfterValidator(_person)]
"""A name that a table's source can hold."""


class FromPage(BaseModel):
    """What every page says of itself."""

    tab: Identifier
    by: Person | None = None
    """Who sits there; None: the one for whom the server was started."""


class AnswerBody(FromPage):
    """A reply about one cell."""

    action: Identifier
    image: Index
    label: Index
    reply: Reply


class UndoBody(FromPage):
    """Taking back an action."""

    action: Identifier


class TakeBody(FromPage):
    """Asking for questions."""

    count: Annotated[int, Field(ge=1, le=200)] = 20


class Views(Protocol):
    """What both applications show."""

    images: int
    labels: int

    def standing(self) -> dict[str, Any]:
        """Return the progress."""

    def answers(self, count: int) -> list[dict[str, Any]]:
        """Return the last answers that stand, newest first."""


def page_app(title: str, *, token: str, hosts: list[str]) -> FastAPI:
    """Return an application with the page and nothing behind it yet.

    Args:
        title: its name.
        token: must come with every POST.
        hosts: names it may be called by.
    """
    app = FastAPI(title=title, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
    _add_errors(app)
    app.mount("/static", StaticFiles(directory=STATIC))

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    protect(app, token, hosts)
    return app


def add_pictures(app: FastAPI, pictures: TablePictures, count: int) -> None:
    """Add the route of the plain pictures, of which there are ``count``."""

    @app.get("/api/pictures/{image}")
    def picture(image: Index, size: int = SIZES[-1]) -> Response:
        return jpeg(pictures.plain(within(image, count, "picture"), checked_size(size)))


def add_answering(app: FastAPI, session: ReviewSession, views: Views) -> None:
    """Add the routes of single answers: giving one, taking one back, and the last ones."""

    @app.get("/api/answers")
    def answers(count: Annotated[int, Query(ge=1, le=500)] = 60) -> list[dict[str, Any]]:
        return views.answers(count)

    @app.post("/api/answers")
    def answer(body: AnswerBody) -> dict[str, Any]:
        row, column = within(body.image, views.images, "picture"), within(body.label, views.labels, "class")
        earlier = session.earlier((row, column))
        fresh = session.answer(body.action, column, [row], body.reply, body.tab, body.by)
        return views.standing() | {"earlier": earlier if fresh else None}

    @app.post("/api/undo")
    def undo(body: UndoBody) -> dict[str, Any]:
        undone = session.undo(body.action, body.tab, body.by)
        return views.standing() | {"undone": None if undone is None else len(undone.images)}


def _add_errors(app: FastAPI) -> None:
    status: dict[type[TagLensError], int] = {PictureError: 404, JournalError: 409}

    @app.exception_handler(TagLensError)
    def told(request: Request, error: TagLensError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status.get(type(error), 400), headers={"Cache-Control": "no-store"})


def within(index: int, size: int, what: str) -> int:
    """Return a picture's or class's number, or refuse the request if there is none such."""
    if index >= size:
        raise HTTPException(404, f"there is no {what} {index}; there are {size:,}")
    return index


def checked_size(size: int) -> int:
    """Return the longer side of a picture, or refuse the request if the page has no such size."""
    if size not in SIZES:
        raise HTTPException(422, f"size must be one of {', '.join(map(str, SIZES))}")
    return size


def jpeg(content: bytes) -> Response:
    """Return a picture that the browser may keep for a while."""
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"})
