"""The web application of ``taglens serve``: predictions over HTTP, and a demo page."""

import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

from taglens.errors import TagLensError
from taglens.inference.model import PictureModel
from taglens.serve.admission import ServerMetrics, guard
from taglens.serve.answers import Model, PredictAnswer, Refusal
from taglens.serve.options import ServeOptions
from taglens.serve.requests import named_upload, read_request
from taglens.serve.service import Service
from taglens.version import VERSION
from taglens.web.server import NO_TELEMETRY, serve_until_stopped

STATIC = Path(__file__).parent / "static"
SHUTDOWN_SECONDS = 30

DESCRIPTION = """Recognises every tag in a picture and shows where it looked.

`curl -F pictures=@photo.jpg -F heatmaps=png http://127.0.0.1:8000/v1/predict`"""

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The request cannot be read."},
    401: {"model": Refusal, "description": "The API key is missing or wrong."},
    413: {"model": Refusal, "description": "The request is too large."},
    422: {"model": Refusal, "description": "A picture or a field cannot be used; the answer says which and why."},
    429: {"model": Refusal, "description": "Too many requests at once; Retry-After says when to try again."},
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


def serve_app(model: PictureModel, options: ServeOptions | None = None, *, key: str | None = None) -> FastAPI:
    """Return the application; ``key`` must then come with every request for predictions."""
    options = options or ServeOptions()
    metrics = ServerMetrics()
    service = Service(model, options, metrics)

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
    _add_predictions(app, service, options)
    _add_operations(app, service, metrics)
    _add_page(app)
    guard(app, options, metrics, key)
    return app


def serve_predictions(
    model: PictureModel, listening: socket.socket, options: ServeOptions, *, key: str | None, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or a termination signal; requests at work are answered first, for at most 30 seconds.

    ``ready`` gets the address once connections are accepted.
    """
    # uvicorn shuts down in good order and then hands the signal on; a termination is no failure
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = serve_app(model, options, key=key)
    serve_until_stopped(app, listening, ready, finish=SHUTDOWN_SECONDS, timeout_keep_alive=30, h11_max_incomplete_event_size=64_000)


def _refused(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


def _add_predictions(app: FastAPI, service: Service, options: ServeOptions) -> None:
    @app.post("/v1/predict", responses=REFUSALS, openapi_extra=BODY, summary="Probabilities, tags and heatmaps")
    async def predict(request: Request) -> PredictAnswer:
        """Predict one picture or many, sent as files or as base64 in JSON."""
        return PredictAnswer(results=await service.predict(await read_request(request, options)))

    image: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/png": {}}, "description": "The picture with the heatmap painted over it."}
    }

    @app.post("/v1/heatmap", response_class=Response, responses=REFUSALS | image, summary="One heatmap as a picture")
    async def heatmap(picture: Annotated[UploadFile, File()], name: Annotated[str, Form(alias="class")]) -> Response:
        """Paint where a class was seen over the picture."""
        return Response(await service.heatmap(await named_upload(picture), name), media_type="image/png")

    @app.get("/v1/model", summary="Classes, thresholds and limits")
    async def model() -> Model:
        """Say what is served."""
        served = service.model
        return Model(
            classes=list(served.classes),
            thresholds=[float(value) for value in served.thresholds],
            picture_size=served.transform.size,
            heatmaps=served.has_heatmaps,
            own_names=service.takes_names,
            most_pictures=options.most_pictures,
            largest_request=options.largest_request,
            card=served.card,
        )


def _add_operations(app: FastAPI, service: Service, metrics: ServerMetrics) -> None:
    @app.get("/healthz", summary="Whether the process lives")
    async def health() -> dict[str, str]:
        """Answer while the process can."""
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether requests are taken", responses={503: {"model": Refusal}})
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
        app.add_api_route(path, _file(STATIC / name), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _file(path: Path) -> Any:
    async def page() -> FileResponse:
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    return page
