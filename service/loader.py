"""A bundle -> a predictor, ready to be asked."""

from pathlib import Path

from export.bundle import read_manifest
from service.predictor import Predictor
from service.scheduler import Scheduler, give_way
from service.settings import Settings
from service.telemetry import Metrics
from service.tokenizer import load_preprocessor


def load_bundle(
    folder: Path,
    settings: Settings,
    threads: int,
    metrics: Metrics,
    scheduler: Scheduler,
    nice: int = 0,
) -> Predictor:
    """Read a bundle, check it, warm it up, and measure how fast it is.

    Args:
        folder: the bundle.
        settings: device, precision and limits.
        threads: of one run of the model.
        metrics: told of every batch.
        scheduler: runs it, and other models.
        nice: the priority that the calling thread is lowered to, for good, once what is left to do
            is long and mostly without the interpreter's lock.

    Raises:
        BundleError: it cannot be used.
        DeviceError: the device cannot be used.
    """
    manifest = read_manifest(folder)
    preprocessor = load_preprocessor(folder, manifest)
    if nice:
        give_way(nice)
    return Predictor(folder, manifest, preprocessor, settings, threads, metrics, scheduler)
