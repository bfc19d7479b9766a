"""Who asks: until when an answer is of use, whether somebody still waits, what it took."""

from collections.abc import Callable


def stays() -> bool:
    """Nobody leaves."""
    return False


class Caller:
    """Goes with a request through the data plane.

    Attributes:
        deadline_s: the moment (time.perf_counter) after which an answer is of no use.
        left: whether nobody waits for the answer any more.
        stages: filled on the way, seconds by the name of the stage.
    """

    __slots__ = ("deadline_s", "left", "stages")

    def __init__(self, deadline_s: float = float("inf"), left: Callable[[], bool] = stays):
        self.deadline_s = deadline_s
        self.left = left
        self.stages: dict[str, float] = {}
