"""The web application of ``taglens serve``: predictions over HTTP, and a demo page."""

import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

from taglens.errors import TagLensError
from taglens.inference.model import Engine
from taglens.serve.admission import guard
from taglens.serve.answers import Answer, Model, Problem
from taglens.serve.metrics import ServerMetrics
from taglens.serve.options import ServeOptions
from taglens.serve.requests import named_upload, read_request
from taglens.serve.service import Service
from taglens.web.security import NO_TELEMETRY
from taglens.web.server import address

PAGE = Path(__file__).parent / "static"

DESCRIPTION = """Recognises every tag in a picture and shows where it looked.

`curl -F pictures=@photo.jpg -F heatmaps=png http://127.0.0.1:8000/v1/predict`"""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request cannot be read."},
    401: {"model": Problem, "description": "The API key is missing or wrong."},
    413: {"model": Problem, "description": "The request is too large."},
    422: {"model": Problem, "description": "A picture or a field cannot be used; the answer says which and why."},
    429: {"model": Problem, "description": "Too many requests at once; Retry-After says when to try again."},
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
                                    "url": {"type": "string", "description": "Instead of data, where the server allows it."},
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


def serve_app(engine: Engine, options: ServeOptions | None = None, *, key: str | None = None) -> FastAPI:
    """Return the application; ``key`` must then come with every request for predictions."""
    options = options or ServeOptions()
    metrics = ServerMetrics()
    service = Service(engine, options, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="TagLens",
        version=version("taglens"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=NO_TELEMETRY,
    )
    app.add_exception_handler(TagLensError, _refused)
    _add_predictions(app, service, options)
    _add_operations(app, service, metrics)
    _add_page(app)
    guard(app, options, metrics, key)
    return app


def _refused(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


def _add_predictions(app: FastAPI, service: Service, options: ServeOptions) -> None:
    @app.post("/v1/predict", response_model=Answer, responses=PROBLEMS, openapi_extra=BODY, summary="Probabilities, tags and heatmaps")
    async def predict(request: Request) -> Answer:
        """Predict one picture or many, sent as files or as base64 in JSON."""
        return Answer(results=await service.predict(await read_request(request, options)))

    image: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/png": {}}, "description": "The picture with the heatmap painted over it."}
    }

    @app.post("/v1/heatmap", response_class=Response, responses=PROBLEMS | image, summary="One heatmap as a picture")
    async def heatmap(picture: Annotated[UploadFile, File()], name: Annotated[str, Form(alias="class")]) -> Response:
        """Paint where a class was seen over the picture."""
        return Response(await service.heatmap(await named_upload(picture), name), media_type="image/png")

    @app.get("/v1/model", response_model=Model, summary="Classes, thresholds and limits")
    async def model() -> Model:
        """Say what is served."""
        engine = service.engine
        return Model(
            classes=list(engine.classes),
            thresholds=[float(value) for value in engine.thresholds],
            picture_size=engine.transform.size,
            heatmaps=engine.has_heatmaps,
            own_names=service.takes_names,
            most_pictures=options.most_pictures,
            largest_request=options.largest_request,
            card=engine.card,
        )


def _add_operations(app: FastAPI, service: Service, metrics: ServerMetrics) -> None:
    @app.get("/healthz", summary="Whether the process lives")
    async def health() -> dict[str, str]:
        """Answer while the process can."""
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether requests are taken", responses={503: {"model": Problem}})
    async def ready() -> dict[str, str]:
        """Answer 200 once the model is warm, 503 before and while shutting down."""
        if not service.ready:
            raise HTTPException(503, "starting or shutting down")
        return {"status": "ready"}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def prometheus() -> Response:
        """Return counters and times in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_page(app: FastAPI) -> None:
    for path, name in (("/", "index.html"), ("/docs", "docs.html")):
        app.add_api_route(path, _file(PAGE / name), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")


def _file(path: Path) -> Any:
    async def page() -> FileResponse:
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    return page


SHUTDOWN_SECONDS = 30


def serve_predictions(
    engine: Engine, listening: socket.socket, options: ServeOptions, *, key: str | None, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or a termination signal; requests at work are answered first, for at most 30 seconds.

    ``ready`` gets the address once connections are accepted.
    """
    config = uvicorn.Config(
        serve_app(engine, options, key=key),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64_000,
    )
    # uvicorn shuts down in good order and then hands the signal on; a termination is no failure
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ready(address(listening))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
