"""A request of the Open Inference Protocol, checked against the tensors of a model."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError

from service.errors import Fault, InvalidRequest
from service.inputs import Source
from service.oip.arrays import check_sizes, split_arrays
from service.oip.schemas import InferRequest, InputTensor, Parameters
from service.oip.surface import ANY, FILES, Spec, Surface
from service.oip.tensors import read, read_files, refuse
from service.schemas import AttentionOptions
from service.settings import Settings

ATTENTION = "attention."  # begins the request's parameters that are of this output
OF_THE_PROTOCOL = {"binary_data", "classification"}  # parameters of any output
LISTS = {"layers", "heads"}  # a number is a list of one
MAX_CLASSES = 1_000
MAX_TIMEOUT_US = 3_600_000_000


class Wanted(NamedTuple):
    """An output that was asked for.

    binary: written as bytes
    classes: so many of the largest values, each with its label, in place of all; 0: all
    """

    name: str
    binary: bool
    classes: int


class Asked(NamedTuple):
    """What is to be computed, and what answered.

    way: see `service.oip.surface`
    sources: texts, words, files or, in the raw way, what the graph takes
    sizes: in the raw way, of the graph's axes but batch, by name, padding included; else none
    """

    way: str
    sources: Sequence[Source]
    sizes: Mapping[str, int]
    wanted: list[Wanted]
    attention: AttentionOptions | None

    @property
    def raw(self) -> bool:
        """It is asked with what the graph takes, and for what the graph gives."""
        return bool(self.sizes)


def check(
    asked: InferRequest, contents: Sequence[bytes | None], surface: Surface, settings: Settings
) -> Asked:
    """Read the tensors of a request, and what it wants.

    Raises:
        InvalidRequest: the model has no such tensors, or they are not as they say.
        TooLarge: they are larger than allowed.
    """
    way = _find_way([tensor.name for tensor in asked.inputs], surface)
    values: dict[str, Any] = {}
    for tensor, content in zip(asked.inputs, contents, strict=True):
        _check_spec(tensor, surface.ways[way][tensor.name])
        values[tensor.name] = (read_files if way in FILES else read)(tensor, content)
    wanted = _find_wanted(asked, surface, way)
    attention = _find_attention(asked, surface, wanted)
    if way == surface.raw_way:
        layers = sum(output.name in surface.layers for output in wanted)
        sizes = check_sizes(values, layers, surface, settings)
        return Asked(way, split_arrays(values, way), sizes, wanted, attention)
    if way == "words":
        values[way] = _split_words(values["words"], values["word_counts"])
    return Asked(way, values[way], {}, wanted, attention)


def read_timeout(parameters: Parameters) -> float | None:
    """Seconds until an answer is of no use, where the request says so.

    Raises:
        InvalidRequest: it is no number of microseconds.
    """
    timeout_us = parameters.get("timeout", 0)
    if type(timeout_us) is not int or not 0 <= timeout_us <= MAX_TIMEOUT_US:
        found = f"{timeout_us!r:.20} is no number of microseconds up to {MAX_TIMEOUT_US}"
        raise refuse(["parameters", "timeout"], found)
    return timeout_us / 1e6 if timeout_us else None  # Triton takes 0 for none


def _find_way(names: list[str], surface: Surface) -> str:
    for way, inputs in surface.ways.items():
        if sorted(inputs) == sorted(names):
            return way
    allowed = "; or ".join(" and ".join(sorted(inputs)) for inputs in surface.ways.values())
    raise refuse(["inputs"], f"{', '.join(names):.100}; the inputs are {allowed}, each once")


def _check_spec(tensor: InputTensor, spec: Spec) -> None:
    datatype, shape = spec
    allowed = (datatype, "INT64") if datatype == "INT32" else (datatype,)
    if tensor.datatype not in allowed:
        found = f"{tensor.datatype:.20}; {' or '.join(allowed)} is allowed"
        raise refuse(["inputs", tensor.name, "datatype"], found)
    if len(tensor.shape) != len(shape):
        found = f"{len(tensor.shape)} axes; shape {list(shape)} is wanted, -1 being any size"
        raise refuse(["inputs", tensor.name, "shape"], found)
    if any(axis not in (ANY, size) for axis, size in zip(shape, tensor.shape, strict=True)):
        found = f"{tensor.shape}; shape {list(shape)} is wanted, -1 being any size"
        raise refuse(["inputs", tensor.name, "shape"], found)
    if not tensor.shape[0]:
        raise refuse(["inputs", tensor.name, "shape"], "there is nothing in it")


def _split_words(words: list[str], counts: NDArray[Any]) -> list[list[str]]:
    if (counts < 0).any() or (counts > len(words)).any() or counts.sum() != len(words):
        raise refuse(["inputs", "word_counts"], f"is not how {len(words)} words are shared out")
    stops = np.cumsum(counts).tolist()
    return [words[stop - count : stop] for stop, count in zip(stops, counts.tolist(), strict=True)]


def _find_wanted(asked: InferRequest, surface: Surface, way: str) -> list[Wanted]:
    binary = _flag(asked.parameters, "binary_data_output", False, ["parameters"])
    if not asked.outputs:
        return [Wanted(name, binary, 0) for name in surface.default[way]]
    there = surface.outputs(way)
    wanted: list[Wanted] = []
    for output in asked.outputs:
        loc: list[str | int] = ["outputs", output.name]
        if output.name not in there or output.name in [other.name for other in wanted]:
            found = "is none, or asked for twice; of " + way.replace("_", " ") + " there are "
            fault: Fault = {"loc": loc, "message": found + ", ".join(there), "allowed": [*there]}
            raise InvalidRequest([fault])
        classes = output.parameters.get("classification", 0)
        if type(classes) is not int or not 0 <= classes <= MAX_CLASSES:
            found = f"{classes!r:.20} is no number up to {MAX_CLASSES}"
            raise refuse([*loc, "classification"], found)
        if classes and output.name.removesuffix(".probabilities") not in surface.classes:
            raise refuse([*loc, "classification"], "is for what a sequence head gives for classes")
        wanted.append(
            Wanted(output.name, _flag(output.parameters, "binary_data", binary, loc), classes)
        )
    return wanted


def _flag(parameters: Parameters, name: str, default: bool, loc: list[str | int]) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise refuse([*loc, name], "is not true or false")
    return value


def _find_attention(
    asked: InferRequest, surface: Surface, wanted: Sequence[Wanted]
) -> AttentionOptions | None:
    if not asked.outputs:
        return None
    names = {output.name for output in wanted}
    if layers := [number for name, number in surface.layers.items() if name in names]:
        return AttentionOptions(layers=layers)
    if names.isdisjoint(("attention", "attention_keys")):
        return None
    given: dict[str, Any] = {
        name.removeprefix(ATTENTION): value
        for name, value in asked.parameters.items()
        if name.startswith(ATTENTION)
    }
    for output in asked.outputs:
        if output.name == "attention":
            given |= {k: v for k, v in output.parameters.items() if k not in OF_THE_PROTOCOL}
    options = _read_options(given)
    if "attention_keys" in names and options.top_k is None:
        raise refuse(["outputs", "attention_keys"], "there are keys where attention has a top_k")
    return options


def _read_options(given: Mapping[str, Any]) -> AttentionOptions:
    """Attention options; lists and objects are written as JSON in strings."""
    options = {name: _unfold(name, value) for name, value in given.items()}
    try:
        return AttentionOptions.model_validate(options)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
    message = detail["msg"]
    if detail["type"] == "extra_forbidden":
        message = f"unknown; there are {', '.join(AttentionOptions.model_fields)}"
    raise refuse(["outputs", "attention", *detail["loc"][:1]], message)


def _unfold(name: str, value: Any) -> Any:
    if isinstance(value, str):
        for text in (value, f"[{value}]"):
            try:
                value = orjson.loads(text)
                break
            except orjson.JSONDecodeError:
                continue
    return [value] if name in LISTS and type(value) is int else value
