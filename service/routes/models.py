"""/v1/models: what the models are."""

from fastapi import APIRouter, Request

from service.answers import Model, Models
from service.openapi import describe
from service.registry import Registry

router = APIRouter(prefix="/v1/models")


@router.get("", **describe(Models))
async def models(request: Request) -> Models:
    """List the models: their labels, limits and measured accuracy."""
    registry: Registry = request.app.state.registry
    return {"models": [registry.describe(model) for model in registry.predictors.values()]}


@router.get("/{name}", **describe(Model))
async def model(request: Request, name: str) -> Model:
    """Describe one model."""
    registry: Registry = request.app.state.registry
    return registry.describe(registry.get(name))
