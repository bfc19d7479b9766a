"""Which devices models may run on here: as set, and as there are."""

import logging
from functools import cache

from export.runtime import Device, what_cuda_lacks

logger = logging.getLogger(__name__)


class DeviceError(RuntimeError):
    """The device that was asked for cannot be used; one line says what is missing."""


@cache
def find_devices(wanted: str) -> tuple[Device, ...]:
    """The devices a model may run on, the best first; looked for once in a process.

    Args:
        wanted: cpu, cuda or auto.

    Raises:
        DeviceError: cuda is wanted and cannot be used.
    """
    if wanted == "cpu":
        return ("cpu",)
    lacks = what_cuda_lacks()
    if lacks is None:
        return ("cuda",) if wanted == "cuda" else ("cuda", "cpu")
    if wanted == "cuda":
        raise DeviceError(f"REGARD_DEVICE is cuda, but {lacks}")
    logger.info("models run on the CPU: %s", lacks)
    return ("cpu",)
