"""Lines of JSON in, lines of JSON out: any number, in order, in bounded memory."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from itertools import takewhile
from time import perf_counter
from typing import get_args

import orjson

from model.config import HeadKind
from service.caller import Caller
from service.errors import ClientLeft, DeadlineExceeded, Overloaded
from service.parse import parse
from service.predictor import Predictor
from service.schemas import LineRequest

IN_FLIGHT = 64  # lines that are taken and not yet handed on, and
BYTES_IN_FLIGHT = 16_384  # what they weigh together, unless there is only one
ALL_KINDS: tuple[HeadKind, ...] = get_args(HeadKind)
RETRY_S = 0.05  # until a line that the queue had no room for is tried again

Answer = Callable[[bytes], Awaitable[bytes]]
Tell = Callable[[Exception, int], bytes]


async def answer_line(
    line: bytes, find_model: Callable[[str | None], Predictor], caller: Caller
) -> bytes:
    """What /v1/predict answers to a line; waits while the queue is full.

    Args:
        line: a request, or its input alone.
        find_model: by the name in the request.
        caller: who asks.

    Raises:
        ServiceError: there is no answer.
    """
    asked = parse(LineRequest, line)
    while True:
        model = find_model(asked.model)
        try:
            answer = await model.predict(
                asked.inputs, ALL_KINDS, asked.options, asked.attention, caller
            )
            return orjson.dumps(answer)
        except Overloaded as error:
            if perf_counter() + RETRY_S > caller.deadline_s:
                raise DeadlineExceeded(str(error)) from error
            if caller.left():
                raise ClientLeft("nobody waits for the answer any more") from error
        await asyncio.sleep(RETRY_S)


async def answer_lines(
    lines: AsyncIterator[bytes], answer: Answer, tell: Tell
) -> AsyncGenerator[bytes, None]:
    """Answer lines as they come; none is taken while too much is under way.

    Args:
        lines: without their ends.
        answer: to a line.
        tell: what to say instead where that fails, to the line of that number, from 1.

    Yields:
        Answers with their ends, in the order of the lines; together those that are ready. Where
        `lines` fails, what was taken before is answered first.

    Raises:
        ClientLeft: nobody waits for the answers any more.
    """
    window = _Window(answer, tell)
    reader = asyncio.create_task(window.fill(lines))
    try:
        while ready := await window.ready():
            yield b"".join(ready)
            window.give_back(len(ready))
        if window.failure is not None:
            yield tell(window.failure, window.taken + 1) + b"\n"
    finally:
        reader.cancel()
        window.abandon()


class _Window:
    """The lines that are under way: taken, and not yet handed on.

    Attributes:
        taken: how many there were so far.
        failure: why there are no more of them, if not because all were taken.
    """

    def __init__(self, answer: Answer, tell: Tell):
        self._answer = answer
        self._tell = tell
        self._tasks: deque[tuple[asyncio.Task[bytes | None], int]] = deque()
        self._weight = 0
        self._ended = False
        self._room, self._work = asyncio.Event(), asyncio.Event()
        self.taken = 0
        self.failure: Exception | None = None

    async def fill(self, lines: AsyncIterator[bytes]) -> None:
        """Take lines, while there is room."""
        try:
            async for line in lines:
                await self._take(line)
                await asyncio.sleep(0)  # others want their turn
        except Exception as error:
            self.failure = error
        self._ended = True
        self._work.set()

    async def ready(self) -> list[bytes]:
        """The answers that are to be handed on next; none if all were."""
        while not self._tasks and not self._ended:
            self._work.clear()
            await self._work.wait()
        if self._tasks:
            await self._tasks[0][0]
        done = takewhile(lambda one: one[0].done(), self._tasks)
        answers = [task.result() for task, _ in done]
        ready = [answer for answer in answers if answer is not None]
        if len(ready) < len(answers) or isinstance(self.failure, ClientLeft):
            raise ClientLeft("nobody waits for the answers any more")
        return ready

    def give_back(self, count: int) -> None:
        """The room of those that were handed on."""
        for _ in range(count):
            self._weight -= self._tasks.popleft()[1]
        self._room.set()

    def abandon(self) -> None:
        """Nobody waits."""
        for task, _ in self._tasks:
            task.cancel()

    async def _take(self, line: bytes) -> None:
        weight = _weigh(line)
        while self._tasks and (
            len(self._tasks) == IN_FLIGHT or self._weight + weight > BYTES_IN_FLIGHT
        ):
            self._room.clear()
            await self._room.wait()
        self.taken += 1
        self._weight += weight
        self._tasks.append((asyncio.create_task(self._one(line, self.taken)), weight))
        self._work.set()

    async def _one(self, line: bytes, number: int) -> bytes | None:
        """None: nobody waits."""
        try:
            return await self._answer(line) + b"\n"
        except ClientLeft:
            return None
        except Exception as error:
            return self._tell(error, number) + b"\n"


def _weigh(line: bytes) -> int:
    """By the bytes, or their square if there are weights for each two positions.

    There are few positions to a byte, but for what is compressed: nobody knows how many, and so its
    weights are answered alone.
    """
    if b'"attention"' not in line:
        return len(line)
    compressed = b'"audio"' in line or b'"image"' in line
    return BYTES_IN_FLIGHT + 1 if compressed else len(line) ** 2
