"""The bundles that there are, as the model repository extension lists them."""

from service.oip.schemas import IndexEntry
from service.registry import Registry


def index(registry: Registry) -> list[IndexEntry]:
    """Every bundle, by name: is it served, and if not, why.

    Raises:
        Loading: this is not known yet.
    """
    registry.check_loaded()
    known = (registry.predictors, registry.refused, registry.loading, registry.tried or ())
    return [_state(registry, name) for name in sorted(set().union(*known))]


def _state(registry: Registry, name: str) -> IndexEntry:
    refused = registry.refused.get(name, "")
    if (predictor := registry.predictors.get(name)) is not None:
        version = predictor.manifest.version
        return {"name": name, "version": version, "state": "READY", "reason": refused}
    if name in registry.loading:
        return {"name": name, "state": "LOADING", "reason": ""}
    return {"name": name, "state": "UNAVAILABLE", "reason": refused or "it was unloaded"}
