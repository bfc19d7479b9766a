"""Who asks: until when an answer is of use, whether somebody still waits, what it took."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from service.errors import ClientLeft, DeadlineExceeded


def stays() -> bool:
    """Nobody leaves."""
    return False


class Caller:
    """Goes with a request through the data plane.

    Attributes:
        deadline_s: the moment (time.perf_counter) after which an answer is of no use.
        left: whether nobody waits for the answer any more.
        stages: filled on the way, seconds by the name of the stage, one after the other.
        begun_s: when the first of them began (time.perf_counter).
        model: the name of the model that was asked.
    """

    __slots__ = ("begun_s", "deadline_s", "left", "model", "stages")

    def __init__(self, deadline_s: float = float("inf"), left: Callable[[], bool] = stays):
        self.deadline_s = deadline_s
        self.left = left
        self.stages: dict[str, float] = {}
        self.begun_s = 0.0
        self.model: str | None = None

    def lost(self, moment_s: float) -> DeadlineExceeded | ClientLeft | None:
        """Why an answer at that moment (time.perf_counter) would be of no use, or None."""
        if moment_s > self.deadline_s:
            return DeadlineExceeded("no answer by the deadline of this request")
        if self.left():
            return ClientLeft("nobody waits for the answer any more")
        return None


class Finished(NamedTuple):
    """A request that is over.

    method, route, status: of HTTP; a route has no parts of the request in it.
    request_id: as it was answered; visible ASCII.
    headers: of the request, by lower-case name.
    started_s: when it began (time.perf_counter).
    caller: who asked, where a model could have been.
    """

    method: str
    route: str
    status: int
    request_id: bytes
    headers: Mapping[bytes, bytes]
    started_s: float
    caller: Caller | None
