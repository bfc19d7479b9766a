"""The end of the process: first not ready any more, then draining."""

from asyncio import Event
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lifecycle:
    """How far the end is.

    Attributes:
        leaving: /health/ready says so; all else goes on as ever.
        draining: once it is set, new requests are refused; those that have begun are answered.
    """

    leaving: bool = False
    draining: Event = field(default_factory=Event)
