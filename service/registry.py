"""The models being served."""

from export.bundle import MANIFEST, BundleError
from service.answers import Model
from service.errors import NoModel, UnknownModel
from service.predictor import Predictor
from service.scheduler import Scheduler
from service.session import cpu_quota
from service.settings import Settings
from service.telemetry import Metrics


class Registry:
    """Every bundle in the settings' folder, loaded in the order of their folders' names.

    Raises:
        BundleError: there is no such folder, a bundle cannot be used, two have one name, or the
            default model is not among them.
    """

    def __init__(self, settings: Settings, metrics: Metrics):
        if not settings.bundles.is_dir():
            raise BundleError(f"{settings.bundles} is no folder; bundles are looked for in it")
        self._settings = settings
        threads = settings.threads or cpu_quota()
        self._scheduler = Scheduler()
        self.predictors: dict[str, Predictor] = {}
        for manifest in sorted(settings.bundles.glob(f"*/{MANIFEST}")):
            predictor = Predictor(manifest.parent, settings, threads, metrics, self._scheduler)
            if predictor.manifest.name in self.predictors:
                raise BundleError(f"{manifest}: another bundle is named {predictor.manifest.name}")
            self.predictors[predictor.manifest.name] = predictor
        default = settings.default_model
        if default is not None and default not in self.predictors:
            raise BundleError(f"the default model {default} is not among {list(self.predictors)}")
        self.default = default or min(self.predictors, default=None)

    def get(self, name: str | None) -> Predictor:
        """The model of that name, or the default one.

        Raises:
            NoModel: there is none at all.
            UnknownModel: there is none of that name.
        """
        wanted = name if name is not None else self.default
        if wanted is None:
            raise NoModel("no model is being served")
        predictor = self.predictors.get(wanted)
        if predictor is None:
            names = sorted(self.predictors)
            message = f"there is no model {wanted!r}; there are {', '.join(names) or 'none'}"
            raise UnknownModel([{"loc": ["model"], "message": message, "allowed": [*names]}])
        return predictor

    def describe(self, predictor: Predictor) -> Model:
        """The public part of a model's manifest, and the limits it is served with."""
        manifest, settings = predictor.manifest, self._settings
        return {
            "name": manifest.name,
            "version": manifest.version,
            "description": manifest.description,
            "license": manifest.license,
            "modality": manifest.modality,
            "default": manifest.name == self.default,
            "heads": [
                {"name": head.name, "kind": head.kind, "labels": list(head.labels)}
                for head in manifest.heads
            ],
            "attention": {"layers": manifest.attention.layers, "heads": manifest.attention.heads},
            "limits": {
                "positions_per_input": manifest.max_length,
                "positions_per_request": settings.max_request_positions,
                "characters_per_input": settings.max_text_characters,
                "inputs": settings.max_inputs,
                "body_bytes": settings.max_body_bytes,
                "attention_floats": settings.max_attention_floats,
            },
            "precision": predictor.precision,
            "dev": {precision: graph.dev for precision, graph in manifest.graphs.items()},
            "test": manifest.test,
            "data": {
                "name": manifest.data.name,
                "license": manifest.data.license,
                "url": manifest.data.url,
            },
        }

    async def close(self) -> None:
        """Stop all models."""
        for predictor in self.predictors.values():
            await predictor.close()
        self._scheduler.close()
