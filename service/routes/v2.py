"""/v2: the Open Inference Protocol over REST, as clients of Triton and KServe speak it."""

import functools
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from service.errors import NoModel, Unsupported
from service.exchange import Endpoint, Exchange
from service.oip import schemas
from service.oip.infer import Infer
from service.oip.repository import index
from service.oip.statistics import tell
from service.openapi import describe
from service.parse import parse, read_body
from service.predictor import Predictor
from service.problems import write_problem
from service.registry import Registry
from service.routes import health, models

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "parameters",
    "statistics",
]
TEXT = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["will it rain in rome"]}
MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"
REPOSITORY = "/v2/repository/models/{model}"
Version = Annotated[str, Path(description="That of the model; there is one at a time.")]
Asked = TypeVar("Asked", bound=BaseModel)

router = APIRouter()


def endpoints(infer: Infer) -> dict[str, Endpoint]:
    """What `service.envelope` calls, by path."""
    return {f"{path}/infer": infer for path in (MODEL, VERSION)}


@router.get("/v2/", include_in_schema=False)
@router.get("/v2", **describe(schemas.ServerMetadata))
async def server(request: Request) -> JSONResponse:
    """Say what this server is."""
    version = request.app.version
    return JSONResponse({"name": "regard", "version": version, "extensions": EXTENSIONS})


@router.get("/v2/health/live", **describe(schemas.ServerLive))
async def live() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"live": True})


@router.get("/v2/health/ready", **describe(schemas.ServerReady))
async def ready(request: Request) -> JSONResponse:
    """As /health/ready."""
    await health.ready(request)
    return JSONResponse({"live": True, "ready": True})


@router.get("/v2/models", **describe(schemas.ModelNames))
async def names(request: Request) -> JSONResponse:
    """List the models that are served."""
    return JSONResponse({"models": [*request.app.state.registry.predictors]})


@router.get("/v2/models/stats", **describe(schemas.Statistics))
async def all_statistics(request: Request) -> JSONResponse:
    """Count requests and runs of every model, in this process."""
    predictors = request.app.state.registry.predictors.values()
    return JSONResponse({"model_stats": [_count(request, predictor) for predictor in predictors]})


async def metadata(request: Request) -> JSONResponse:
    """Describe the tensors a model takes and gives."""
    return JSONResponse(request.app.state.infer.surface(_find(request)).metadata())


async def configuration(request: Request) -> JSONResponse:
    """Describe them as Triton's model configuration does."""
    return JSONResponse(request.app.state.infer.surface(_find(request)).configuration())


async def model_ready(request: Request) -> JSONResponse:
    """A model can be asked; one that there is but that is not served gets 503."""
    name = request.path_params["model"]
    for entry in index(request.app.state.registry):
        if entry["name"] == name and entry["state"] != "READY":
            raise NoModel(f"{name} is not served: {entry['reason'] or entry['state'].lower()}")
    _find(request)
    return JSONResponse({"name": name, "ready": True})


async def statistics(request: Request) -> JSONResponse:
    """Count requests and runs of a model, in this process."""
    return JSONResponse({"model_stats": [_count(request, _find(request))]})


@router.post("/v2/repository/index", **describe(schemas.Index, schemas.IndexRequest))
async def repository_index(request: Request) -> JSONResponse:
    """List the bundles that there are, and which of them are served."""
    asked = await _read(request, schemas.IndexRequest)
    entries = index(request.app.state.registry)
    return JSONResponse([e for e in entries if e["state"] == "READY" or not asked.ready])


@router.post(
    f"{REPOSITORY}/load",
    dependencies=models.ADMIN,
    **describe(schemas.Loaded, schemas.RepositoryRequest),
)
async def load(request: Request, model: models.Name) -> JSONResponse:
    """Load or reload a bundle, as PUT /v1/models does; needs the admin key."""
    asked = await _read(request, schemas.RepositoryRequest)
    if asked.parameters:
        told = ", ".join(asked.parameters)
        raise Unsupported(f"{told:.100}: a bundle is loaded as it is in its folder, without more")
    await models.load(request, model)
    return JSONResponse({"name": model, "load": True})


@router.post(
    f"{REPOSITORY}/unload",
    dependencies=models.ADMIN,
    **describe(schemas.NotServed, schemas.RepositoryRequest),
)
async def unload(request: Request, model: models.Name) -> JSONResponse:
    """Serve a model no more, as DELETE /v1/models does; needs the admin key."""
    await _read(request, schemas.RepositoryRequest)
    await models.unload(request, model)
    return JSONResponse({"name": model, "unload": True})


async def _read(request: Request, kind: type[Asked]) -> Asked:
    """The body, which may be empty."""
    headers = dict(request.headers.raw)
    state = request.app.state
    tell = functools.partial(write_problem, path=request.url.path)
    exchange = Exchange(
        headers, {}, request.receive, state.settings, state.lifecycle.draining, tell
    )
    return parse(kind, await read_body(exchange) or b"{}")


def _find(request: Request) -> Predictor:
    """The model that the path names."""
    registry: Registry = request.app.state.registry
    return registry.get(request.path_params["model"], request.path_params.get("version"))


def _count(request: Request, predictor: Predictor) -> schemas.ModelStatistics:
    manifest = predictor.manifest
    return tell(manifest, request.app.state.metrics.statistics[manifest.name])


async def _of_model(model: models.Name) -> None:
    """What stands in the path, for OpenAPI."""


async def _of_version(model: models.Name, version: Version) -> None:
    """What stands in the path, for OpenAPI."""


for _path, _names in ((MODEL, _of_model), (VERSION, _of_version)):
    for _end, _handler, _answer in (
        ("", metadata, schemas.ModelMetadata),
        ("/config", configuration, schemas.ModelConfiguration),
        ("/ready", model_ready, schemas.ModelReady),
        ("/stats", statistics, schemas.Statistics),
    ):
        router.add_api_route(
            _path + _end, _handler, dependencies=[Depends(_names)], **describe(_answer)
        )
    router.add_api_route(  # for OpenAPI, and other methods' 405
        f"{_path}/infer",
        lambda: None,
        methods=["POST"],
        name="infer",
        description="Ask a model with tensors.",
        dependencies=[Depends(_names)],
        **describe(schemas.InferResponse, schemas.InferRequest, binary="application/octet-stream"),
    )
