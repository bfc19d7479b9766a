"""Clients that never stop asking, and keep everything they are told."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.service.process import PATIENCE_S

QUESTIONS = [
    {"inputs": "book a table for two in new york"},
    {"inputs": ["noon", "will it rain in paris"], "attention": {"layers": "all", "heads": "mean"}},
    {"inputs": "weather in paris on monday at noon " * 4},
]


@dataclass
class Told:
    """What one request came to: an answer, or why there is none."""

    question: int
    status: int = 0
    body: object = None
    error: Exception | None = None
    sent_s: float = field(default_factory=time.monotonic)


class Load:
    """Threads that send questions one after the other until `stop`.

    Args:
        url: of the service.
        keep: this many keep their connection, and
        fresh: this many open one for each request.
    """

    def __init__(self, url: str, keep: int, fresh: int):
        self._url = url
        self._stop = threading.Event()
        self.told: list[Told] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(number, number < keep))
            for number in range(keep + fresh)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait(self, count: int) -> None:
        """Until so many more requests have come to an end."""
        end = len(self.told) + count
        while len(self.told) < end and any(thread.is_alive() for thread in self._threads):
            time.sleep(0.005)
        assert len(self.told) >= end

    def counts(self) -> Counter[int | str]:
        """How often each status or error was told."""
        return Counter(
            told.status or f"{type(told.error).__name__}: {told.error}" for told in self.told
        )

    def _ask(self, number: int, keep: bool) -> None:
        """Ends when the port is closed."""
        while not self._stop.is_set():
            with httpx.Client(base_url=self._url, timeout=PATIENCE_S) as http:
                while not self._stop.is_set():
                    told = Told(number % len(QUESTIONS))
                    number += 1
                    try:
                        response = http.post("/v1/predict", json=QUESTIONS[told.question])
                        told.status, told.body = response.status_code, response.json()
                    except Exception as error:
                        told.error = error
                    self.told.append(told)
                    if isinstance(told.error, httpx.ConnectError):
                        return
                    if not keep or told.error is not None:
                        break
