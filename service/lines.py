"""Lines in, lines of JSON out: any number, in order, in bounded memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

import orjson
from pydantic import TypeAdapter, ValidationError

from model.errors import explain
from service.caller import Caller
from service.errors import ServiceError
from service.predictor import Predictor
from service.schemas import Input, Options

IN_FLIGHT = 64  # lines that are read but not yet answered

_input: TypeAdapter[Input] = TypeAdapter(Input)


async def predict_lines(
    predictor: Predictor, lines: Iterable[str], json_lines: bool
) -> AsyncIterator[tuple[bytes, bool]]:
    """Answer every line with all heads.

    Args:
        predictor: the model.
        lines: texts, or inputs as JSON: a string, or `{"words": [...]}`.
        json_lines: which of the two.

    Yields:
        One line of JSON for each, without its end: a result as /v1/predict gives it, or
        `{"error": ...}`; and whether it is a result.
    """
    tasks: deque[asyncio.Task[tuple[bytes, bool]]] = deque()
    for line in lines:
        if len(tasks) == IN_FLIGHT:
            yield await tasks.popleft()
        tasks.append(asyncio.create_task(_answer(predictor, line.rstrip("\r\n"), json_lines)))
    while tasks:
        yield await tasks.popleft()


async def _answer(predictor: Predictor, line: str, json_lines: bool) -> tuple[bytes, bool]:
    try:
        source = _input.validate_json(line) if json_lines else line
        answer = await predictor.predict(source, ("token", "sequence"), Options(), None, Caller())
    except ValidationError as error:
        return orjson.dumps({"error": explain(error)}), False
    except ServiceError as error:
        return orjson.dumps({"error": str(error)}), False
    return orjson.dumps(answer["results"][0]), True
