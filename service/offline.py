"""A bundle that answers lines without a service around it."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from pathlib import Path

from service.caller import Caller
from service.errors import ServiceError, UnknownModel
from service.lines import answer_line, answer_lines
from service.loader import load_bundle
from service.predictor import Predictor
from service.problems import write_problem
from service.scheduler import Scheduler
from service.settings import Settings
from service.telemetry import Metrics


class Offline:
    """Answers lines as /v1/predict does; used from one event loop.

    Args:
        folder: of the bundle.
        settings: precision and limits.
        threads: of one run of the model.

    Attributes:
        failed: how many lines could not be answered so far.

    Raises:
        BundleError: the bundle cannot be used.
    """

    def __init__(self, folder: Path, settings: Settings, threads: int):
        self._scheduler = Scheduler()
        self._predictor = load_bundle(folder, settings, threads, Metrics(), self._scheduler)
        self.failed = 0

    def answer(self, lines: AsyncIterator[bytes], first: int = 1) -> AsyncGenerator[bytes, None]:
        """See `answer_lines`; a line that fails gives a problem in its place.

        Args:
            lines: of JSON, without their ends.
            first: the number of the first of them.
        """
        return answer_lines(
            lines,
            lambda line: answer_line(line, self._find_model, Caller()),
            partial(self._tell, first - 1),
        )

    async def close(self) -> None:
        """Once all is answered."""
        await self._predictor.close()
        self._scheduler.close()

    def _find_model(self, name: str | None) -> Predictor:
        if name not in (None, self._predictor.manifest.name):
            message = f"there is only {self._predictor.manifest.name}"
            raise UnknownModel([{"loc": ["model"], "message": message}])
        return self._predictor

    def _tell(self, before: int, error: Exception, number: int) -> bytes:
        if not isinstance(error, ServiceError):
            raise error
        self.failed += 1
        return write_problem(error, "", before + number).body


def line_to_json(line: bytes, json_lines: bool) -> bytes:
    """Without its end; what is no JSON becomes text."""
    line = line.rstrip(b"\r\n")
    return line if json_lines else json.dumps(line.decode(errors="replace")).encode()
