"""What a run of a model costs, measured on this machine at start."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# (texts, length) of the runs that are timed; some 30 of them, in all a tenth of a second. The last
# two are for GPUs: only where a batch may be so large.
SHAPES = (
    *((1, 8), (1, 16), (1, 48), (2, 12), (4, 8), (4, 16), (8, 12), (12, 16)),
    *((64, 16), (32, 64)),
)
TURNS = 4
LEAST_S = 1e-9


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a run: a fixed part, a part a text, a part a position, padding included."""

    run: float
    text: float
    position: float

    def __call__(self, texts: int, length: int) -> float:
        """Of a run of so many texts, padded to length."""
        return self.run + texts * (self.text + length * self.position)

    @property
    def run_positions(self) -> float:
        """What the fixed part costs, in positions: the padding that one run less may cost."""
        return self.run / self.position


def calibrate(
    run: Callable[[int, int], object],
    max_length: int,
    max_positions: int,
    clock: Callable[[], float],
) -> Cost:
    """Fit the cost to timed runs, by least squares of the relative error.

    Args:
        run: (texts, length) -> runs that batch.
        max_length: of a text.
        max_positions: of a batch, padding included.
        clock: seconds; that of this thread where it does all the work, whatever else runs.
    """
    shapes = [
        (texts, length)
        for texts, length in SHAPES
        if length <= max_length and texts * length <= max_positions
    ] or [(1, 1)]
    times: dict[tuple[int, int], list[float]] = {shape: [] for shape in shapes}
    for _ in range(TURNS):
        for shape, taken in times.items():
            started_s = clock()
            run(*shape)
            taken.append(clock() - started_s)
    seconds = np.maximum([min(taken) for taken in times.values()], LEAST_S)
    rows = np.array([(1, texts, texts * length) for texts, length in shapes]) / seconds[:, None]
    fitted, *_ = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)
    return Cost(*np.maximum(fitted, LEAST_S).tolist())
