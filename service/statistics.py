"""What one model has done since the process began."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping


class Statistics:
    """Sums over the requests and the runs of a model.

    Attributes:
        succeeded, succeeded_s: requests that were answered, and the seconds from the head of each
            to the end of its answer.
        failed, failed_s: the others, from where the model was known.
        stages_s: what the answered ones spent, by stage.
        inputs: that were run.
        runs, runs_s: by how many inputs they held.
        last_ms: when the last of them ended, since 1970; 0: none did.
    """

    def __init__(self) -> None:
        self.succeeded = self.failed = self.inputs = self.last_ms = 0
        self.succeeded_s = self.failed_s = 0.0
        self.stages_s: defaultdict[str, float] = defaultdict(float)
        self.runs: Counter[int] = Counter()
        self.runs_s: defaultdict[int, float] = defaultdict(float)

    def answered(self, success: bool, seconds: float, stages: Mapping[str, float]) -> None:
        """A request is over."""
        if not success:
            self.failed += 1
            self.failed_s += seconds
            return
        self.succeeded += 1
        self.succeeded_s += seconds
        for stage, taken in stages.items():
            self.stages_s[stage] += taken

    def ran(self, inputs: int, seconds: float) -> None:
        """A run is over."""
        self.inputs += inputs
        self.runs[inputs] += 1
        self.runs_s[inputs] += seconds
        self.last_ms = int(1000 * time.time())
