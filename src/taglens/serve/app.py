"""The web application of ``taglens serve``: predictions over HTTP, and a demo page."""

import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

from taglens.errors import TagLensError
from taglens.inference.model import PictureModel
from taglens.serve.admission import guard
from taglens.serve.answers import Model, PredictAnswer, Refusal, in_pieces, joined
from taglens.serve.batcher import StuckError
from taglens.serve.metrics import ServerMetrics
from taglens.serve.options import ServeOptions
from taglens.serve.service import Service
from taglens.version import VERSION
from taglens.web.bodies import SHARE, Room, Share
from taglens.web.server import NO_TELEMETRY, serve_until_stopped

STATIC = Path(__file__).parent / "static"
SHUTDOWN_SECONDS = 30

DESCRIPTION = """Recognises every tag in a picture and shows where it looked.

`curl -F pictures=@photo.jpg -F heatmaps=png http://127.0.0.1:8000/v1/predict`"""

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The request cannot be read, or calls the server by a foreign name."},
    401: {"model": Refusal, "description": "The API key is missing or wrong."},
    403: {"model": Refusal, "description": "The request comes from a page of another site."},
    408: {"model": Refusal, "description": "The request was not whole in time."},
    413: {"model": Refusal, "description": "The request is too large."},
    422: {"model": Refusal, "description": "A picture or a field cannot be used; the answer says which and why."},
    429: {"model": Refusal, "description": "Too many requests at once; Retry-After says when to try again."},
    503: {"model": Refusal, "description": "No answer within the time allowed; Retry-After says when to try again."},
}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_OPTIONS = {
    "heatmaps": {"type": "string", "enum": ["none", "png", "grid"], "default": "none"},
    "of": _TEXTS | {"description": "Classes whose heatmaps are wanted; none: the tags."},
    "names": _TEXTS | {"description": "Further class names, if the model keeps its text encoder."},
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["pictures"],
                    "properties": {"pictures": {"type": "array", "items": {"type": "string", "format": "binary"}}} | _OPTIONS,
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["pictures"],
                    "properties": {
                        "pictures": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "name": {"type": "string"},
                                    "data": {"type": "string", "format": "byte", "description": "The file in base64."},
                                },
                            },
                        }
                    }
                    | _OPTIONS,
                }
            },
        },
    }
}


HEATMAP_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["picture", "class"],
                    "properties": {"picture": {"type": "string", "format": "binary"}, "class": {"type": "string"}},
                }
            }
        },
    }
}


def serve_app(
    model: PictureModel, options: ServeOptions | None = None, *, key: str | None = None, hosts: list[str] | None = None
) -> FastAPI:
    """Return the application.

    Args:
        model: what answers.
        options: the limits.
        key: must then come with every request but those for the page and for the server's health.
        hosts: the only names that the server may be called by, see :func:`taglens.web.hosts.allowed_hosts`; None: any, for an
            application behind something that looks at them.
    """
    options = options or ServeOptions()
    metrics, room = ServerMetrics(), Room(options.bytes_at_once)
    service = Service(model, options, metrics, room)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="TagLens",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
    )
    app.add_exception_handler(TagLensError, _refused)
    app.add_exception_handler(StuckError, _stuck)
    _add_predictions(app, service, options)
    _add_operations(app, service, metrics)
    _add_page(app)
    guard(app, options, metrics, room, key=key, hosts=hosts)
    return app


def serve_predictions(
    model: PictureModel,
    listening: socket.socket,
    options: ServeOptions,
    *,
    key: str | None,
    hosts: list[str] | None,
    ready: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C or a termination signal; requests at work are answered first, for at most 30 seconds.

    ``ready`` gets the address once connections are accepted; the rest as for :func:`serve_app`.
    """
    # uvicorn shuts down in good order and then hands the signal on; a termination is no failure
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = serve_app(model, options, key=key, hosts=hosts)
    serve_until_stopped(app, listening, ready, finish=SHUTDOWN_SECONDS, limits=options.connection_limits)


def _refused(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


def _stuck(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"{error}; try again later"}, 503, {"Retry-After": "10"})


def _add_predictions(app: FastAPI, service: Service, options: ServeOptions) -> None:
    answered: dict[int | str, dict[str, Any]] = {200: {"model": PredictAnswer, "description": "What the model says of each picture."}}

    @app.post(
        "/v1/predict",
        response_class=StreamingResponse,
        responses=REFUSALS | answered,
        openapi_extra=BODY,
        summary="Probabilities, tags and heatmaps",
    )
    async def predict(request: Request) -> StreamingResponse:
        """Predict one picture or many, sent as files or as base64 in JSON."""
        parts = joined(await service.predict(*await _sent(request)))
        length = {"Content-Length": str(sum(map(len, parts)))}
        return StreamingResponse(_each(in_pieces(parts)), media_type="application/json", headers=length)

    image: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/png": {}}, "description": "The picture with the heatmap painted over it."}
    }

    @app.post(
        "/v1/heatmap", response_class=Response, responses=REFUSALS | image, openapi_extra=HEATMAP_BODY, summary="One heatmap as a picture"
    )
    async def heatmap(request: Request) -> Response:
        """Paint where a class was seen over the picture."""
        return Response(await service.heatmap(*await _sent(request)), media_type="image/png")

    described = _described(service, options)  # once: long lists of classes take their time

    @app.get("/v1/model", response_class=Response, responses={200: {"model": Model}}, summary="Classes, thresholds and limits")
    async def model() -> Response:
        """Say what is served."""
        return Response(described, media_type="application/json")


async def _sent(request: Request) -> tuple[bytes, str, Share]:
    """Return a request's body, which is not kept anywhere else, its kind, and its share of the room."""
    body = b"".join([part async for part in request.stream()])
    return body, request.headers.get("content-type", ""), request.scope[SHARE]


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same for an event loop, without the threads that Starlette would take for it."""
    for piece in pieces:
        yield piece


def _described(service: Service, options: ServeOptions) -> bytes:
    served = service.model
    return (
        Model(
            classes=list(served.classes),
            thresholds=[float(value) for value in served.thresholds],
            picture_size=served.transform.size,
            heatmaps=served.has_heatmaps,
            own_names=service.takes_names,
            most_pictures=options.most_pictures,
            largest_request=options.largest_request,
            largest_answer=options.largest_answer,
            card=served.card,
        )
        .model_dump_json()
        .encode()
    )


def _add_operations(app: FastAPI, service: Service, metrics: ServerMetrics) -> None:
    @app.get("/healthz", summary="Whether the process lives")
    async def health() -> dict[str, str]:
        """Answer while the process can."""
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether requests are taken", responses={503: {"model": Refusal}})
    async def ready() -> dict[str, str]:
        """Answer 200 once the model is warm; 503 before, while shutting down, and while model or decoders do not answer."""
        trouble = service.trouble()
        if trouble is not None:
            raise HTTPException(503, trouble)
        return {"status": "ready"}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def prometheus() -> Response:
        """Return counters and times in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI) -> None:
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        app.add_api_route(path, _file(STATIC / name), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _file(path: Path) -> Any:
    async def page() -> FileResponse:
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    return page
