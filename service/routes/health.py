"""Is it alive, is it ready, how is it doing."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from service.answers import Health
from service.errors import NoModel, ShuttingDown
from service.openapi import describe

router = APIRouter()


@router.get("/health/live", **describe(Health))
async def live() -> Response:
    """The process answers."""
    return JSONResponse({"status": "live"})


@router.get("/health/started", **describe(Health))
async def started(request: Request) -> Response:
    """All models that there were at the start are loaded."""
    request.app.state.registry.check_loaded()
    return JSONResponse({"status": "started"})


@router.get("/health/ready", **describe(Health))
async def ready(request: Request) -> Response:
    """It has started, a model is being served, and the process is not about to end."""
    if request.app.state.lifecycle.leaving:
        raise ShuttingDown("the service is being stopped")
    request.app.state.registry.check_loaded()
    if not request.app.state.registry.predictors:
        raise NoModel("no model is being served")
    return JSONResponse({"status": "ready"})


@router.get("/metrics", response_class=Response, **describe(str, media="text/plain"))
async def metrics(request: Request) -> Response:
    """Counters and histograms, in the text format of Prometheus."""
    return Response(request.app.state.metrics.page(), media_type="text/plain; version=0.0.4")
