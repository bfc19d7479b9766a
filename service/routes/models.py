"""/v1/models: what the models are, and which are served."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from export.bundle import BundleError
from service.answers import Model, Models, Unloaded
from service.errors import BundleRefused
from service.keys import require_admin
from service.openapi import describe
from service.registry import Registry

router = APIRouter(prefix="/v1/models")
Name = Annotated[str, Path(description="The model's name.")]
ADMIN = [Depends(require_admin)]


@router.get("", **describe(Models))
async def models(request: Request) -> Models:
    """List the models: their labels, limits and measured accuracy."""
    registry: Registry = request.app.state.registry
    return {"models": [registry.describe(model) for model in registry.predictors.values()]}


@router.get("/{name}", **describe(Model))
async def model(request: Request, name: Name) -> Model:
    """Describe one model."""
    registry: Registry = request.app.state.registry
    return registry.describe(registry.get(name))


@router.put("/{name}", dependencies=ADMIN, **describe(Model))
async def load(request: Request, name: Name) -> Model:
    """Load the bundle of that name, or load it anew; needs the admin key.

    Until the new one is ready the old one answers, and for good if the new one is refused.
    """
    registry: Registry = request.app.state.registry
    try:
        predictor = await registry.load(name)
    except BundleError as error:
        raise BundleRefused(str(error)) from error
    registry.tell("load", name)
    return registry.describe(predictor)


@router.delete("/{name}", dependencies=ADMIN, **describe(Unloaded))
async def unload(request: Request, name: Name) -> Unloaded:
    """Serve a model no more, until it is loaded again; needs the admin key."""
    registry: Registry = request.app.state.registry
    await registry.unload(name)
    registry.tell("unload", name)
    return {"unloaded": name}
