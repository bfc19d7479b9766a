"""The end of the process: first not ready any more, then draining."""

from dataclasses import dataclass


@dataclass(slots=True)
class Lifecycle:
    """How far the end is.

    Attributes:
        leaving: /health/ready says so; all else goes on as ever.
        draining: new requests are refused; those that have begun are answered.
    """

    leaving: bool = False
    draining: bool = False
