"""The models being served, each from a bundle."""

import asyncio
import logging
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from export.bundle import BundleError, read_manifest
from service.answers import Model
from service.bundles import Bundles, Found, look
from service.device import find_devices
from service.errors import Loading, NoModel, Overloaded, UnknownModel
from service.loader import load_bundle
from service.predictor import Predictor
from service.scheduler import Scheduler
from service.session import cpu_quota
from service.settings import Settings
from service.telemetry import Metrics
from service.watch import watch

logger = logging.getLogger(__name__)

LAST = 19  # the priority (nice) of loading while others are answered


class Registry:
    """Loads, swaps and unloads models while others are asked.

    Attributes:
        predictors: by name, in that order; replaced as a whole.
        default: the name of the one that answers where none is asked for.
        refused: why the bundle on disk, by its name, is not served.
        loading: names of the bundles that are being loaded.
        withheld: names that an administrator unloaded: changes on disk do not bring them back.
        tell: called with "load" or "unload" and a name, when an administrator did so here.
        tried: see `service.watch.Follower`.
    """

    def __init__(self, settings: Settings, metrics: Metrics):
        self._settings = settings
        self._metrics = metrics
        self._bundles = Bundles(settings.bundles)
        self._threads = settings.threads or max(1, cpu_quota() // settings.workers)
        self._scheduler = Scheduler()
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.predictors: dict[str, Predictor] = {}
        self.default: str | None = None
        self.refused: dict[str, str] = {}
        self.loading: set[str] = set()
        self.withheld: set[str] = set()
        self.tell: Callable[[str, str], None] = lambda action, name: None
        self.tried: dict[str, Found] | None = None

    def load_all(self, withheld: Collection[str] = ()) -> None:
        """Load every bundle, in the order of their names; to be called once.

        Args:
            withheld: names of those that an administrator unloaded.

        Raises:
            BundleError: a folder of bundles cannot be read, a bundle cannot be used, or the default
                model is not among them.
            DeviceError: the device cannot be used.
        """
        find_devices(self._settings.device)  # what is wrong with it is known before any bundle is
        found, default = self._bundles.scan(), self._settings.default_model
        self.withheld.update(withheld)
        wanted = [name for name in found if name not in withheld]
        predictors = {name: self._build(name, found[name].folder) for name in wanted}
        if default is not None and default not in predictors.keys() | withheld:
            raise BundleError(f"the default model {default} is not among {list(predictors)}")
        self._serve(predictors)
        self.tried = found

    def check_loaded(self) -> None:
        """Check that `load_all` is over.

        Raises:
            Loading: it is not.
        """
        if self.tried is None:
            raise Loading("the models are being loaded")

    def get(self, name: str | None, version: str | None = None) -> Predictor:
        """The model of that name, or the default one.

        Raises:
            Loading: nothing is known yet.
            NoModel: there is none at all.
            UnknownModel: there is none of that name, or it has another version.
        """
        wanted = name if name is not None else self.default
        predictor = self.predictors.get(wanted) if wanted is not None else None
        if predictor is not None:
            has = predictor.manifest.version
            if version in (None, has):
                return predictor
            message = f"{name} has no version {version!r}; it has {has}"
            raise UnknownModel([{"loc": ["version"], "message": message, "allowed": [has]}])
        self.check_loaded()
        if wanted is None:
            raise NoModel("no model is being served")
        names = sorted(self.predictors)
        message = f"there is no model {wanted!r}; there are {', '.join(names) or 'none'}"
        if wanted in self.refused:
            message += f"; its bundle was refused: {self.refused[wanted]}"
        raise UnknownModel([{"loc": ["model"], "message": message, "allowed": [*names]}])

    def overload(self) -> Overloaded | None:
        """What to refuse anything with, where no model has room for another position."""
        full = None
        for predictor in self.predictors.values():
            full = predictor.overload()
            if full is None:
                break
        return full

    async def load(self, name: str) -> Predictor:
        """Load the bundle of that name, in place of what is served under it.

        Requests go to the old one until the new one is ready; those it has got, it answers.

        Raises:
            Loading: the others are not loaded yet.
            UnknownModel: there is none, nor a folder where it would be.
            BundleError: it cannot be used; the old one, if any, is served still.
        """
        self.check_loaded()
        async with self._changing:
            folder = await asyncio.to_thread(self._bundles.find, name)
            if folder is None:
                message = f"there is no folder {name!r} among the bundles"
                raise UnknownModel([{"loc": ["model"], "message": message}])
            return await self._load(name, folder)

    async def unload(self, name: str) -> None:
        """Serve a model no more, until it is loaded by name again.

        Raises:
            Loading: the models are not loaded yet.
            UnknownModel: it is not served.
        """
        self.get(name)
        async with self._changing:
            self.withheld.add(name)
            await self._remove(name)

    async def follow(self, name: str, found: Found | None) -> None:
        """See `service.watch.Follower`."""
        async with self._changing:
            if name in self.withheld:
                self._note(name, found)
            elif found is not None:
                with suppress(BundleError):
                    await self._load(name, found.folder)
            else:
                await self._remove(name)
                self._note(name, None)

    def watch(self) -> None:
        """Follow changes on disk from now on, as the settings say."""
        if self._settings.watch_s:
            watching = watch(self, self._bundles, self._settings.watch_s, self._stop)
            self._watching = asyncio.create_task(watching)

    async def close(self) -> None:
        """Stop all models, once they have answered."""
        self._stop.set()
        if self._watching is not None:
            await self._watching
        async with self._changing:
            for predictor in self.predictors.values():
                await predictor.close()
        self._scheduler.close()

    def describe(self, predictor: Predictor) -> Model:
        """The public part of a model's manifest, and the limits it is served with."""
        manifest, settings = predictor.manifest, self._settings
        described: Model = {
            "name": manifest.name,
            "version": manifest.version,
            "description": manifest.description,
            "license": manifest.license,
            "modality": manifest.preprocess.modality,
            "preprocess": manifest.preprocess.model_dump(exclude={"modality"}),
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
            "examples": list(manifest.examples),
            "device": predictor.device,
            "precision": predictor.precision,
            "dev": {precision: graph.dev for precision, graph in manifest.graphs.items()},
            "test": manifest.test,
            "data": {
                "name": manifest.data.name,
                "license": manifest.data.license,
                "url": manifest.data.url,
            },
        }
        if manifest.name in self.refused:
            described["refused"] = self.refused[manifest.name]
        return described

    def _build(self, name: str, folder: Path, nice: int = 0) -> Predictor:
        found = read_manifest(folder).name
        if found != name:
            raise BundleError(f"{folder}: its manifest is of {found}; name the folder so")
        started_s = perf_counter()
        new = load_bundle(
            folder, self._settings, self._threads, self._metrics, self._scheduler, nice
        )
        again = "reloaded" if name in self.predictors else "loaded"
        seconds = perf_counter() - started_s
        told = (again, name, new.manifest.version, new.precision, new.device, seconds)
        logger.info("%s %s, version %s, %s on %s, in %.2f s", *told)
        return new

    async def _load(self, name: str, folder: Path) -> Predictor:
        self._note(name, look(folder))
        loader = ThreadPoolExecutor(1, "loader")  # of its own, as it gives way for good
        self.loading.add(name)
        try:
            loop = asyncio.get_running_loop()
            new = await loop.run_in_executor(loader, self._build, name, folder, LAST)
        except BundleError as error:
            # Whoever reads of models need not know where they are kept.
            self.refused[name] = str(error).replace(f"{folder.parent}/", "")
            logger.warning("refused %s: %s", name, error)
            raise
        finally:
            loader.shutdown(wait=False)
            self.loading.discard(name)
        self.refused.pop(name, None)
        self.withheld.discard(name)
        old = self.predictors.get(name)
        self._serve(self.predictors | {name: new})
        if old is not None:
            await old.close()
        return new

    async def _remove(self, name: str) -> None:
        self.refused.pop(name, None)
        old = self.predictors.get(name)
        if old is not None:
            logger.info("unloaded %s", name)
            self._serve({key: value for key, value in self.predictors.items() if key != name})
            await old.close()

    def _serve(self, predictors: dict[str, Predictor]) -> None:
        for served, models in ((False, self.predictors), (True, predictors)):
            for model in models.values():
                self._metrics.show_model(model.manifest, model.precision, model.device, served)
        self.predictors = dict(sorted(predictors.items()))
        self.default = self._settings.default_model or min(predictors, default=None)

    def _note(self, name: str, found: Found | None) -> None:
        assert self.tried is not None
        if found is None:
            self.tried.pop(name, None)
        else:
            self.tried[name] = found
