"""What a graph takes, given as tensors: how large it is, and each input without its padding."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.preprocess.batch import PADDING
from service.errors import TooLarge
from service.oip.surface import Surface
from service.oip.tensors import refuse
from service.raw import Raw
from service.settings import Settings


def check_sizes(
    arrays: Mapping[str, NDArray[Any]],
    layers: int,
    surface: Surface,
    settings: Settings,
) -> dict[str, int]:
    """The sizes of the graph's axes but batch, by name. Padding counts: it is in the answer.

    Args:
        arrays: what the graph takes, by name.
        layers: of so many attention is wanted.
        surface: of the model.
        settings: the limits.

    Raises:
        InvalidRequest: an input is longer than the model allows.
        TooLarge: they are larger than allowed.
    """
    manifest, way = surface.manifest, surface.raw_way
    batch, length = arrays[way].shape[:2]
    loc: list[str | int] = ["inputs", way, "shape"]
    if length > manifest.max_length:
        found = f"{length} positions; at most {manifest.max_length} are allowed"
        raise refuse(loc, found)
    for number, what, limit in (
        (batch, "inputs", settings.max_inputs),
        (batch * length, "positions, padding included", settings.max_request_positions),
    ):
        if number > limit:
            message = f"{number} {what}; at most {limit} are allowed"
            raise TooLarge([{"loc": loc, "message": message}])
    sizes: dict[str, int] = {"length": length}
    if "edges" in arrays:
        sizes["edges"] = arrays["edges"].shape[1]
    _, *axes = manifest.outputs[-1].axes
    check_floats(batch * layers * math.prod(resolve(axes, sizes)), settings)
    return sizes


def resolve(axes: Iterable[str | int], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape that axes of the manifest have."""
    return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in axes)


def check_floats(floats: int, settings: Settings) -> None:
    """Whether so much attention may be answered, padding included.

    Raises:
        TooLarge: no.
    """
    limit = settings.max_attention_floats
    if floats > limit:
        found = f"{floats} attention weights, padding included; at most {limit} are allowed"
        raise TooLarge([{"loc": ["outputs", "attention"], "message": found}])


def split_arrays(values: Mapping[str, NDArray[Any]], way: str) -> list[Raw]:
    """Each input without its padding.

    Args:
        values: what the graph takes, by name.
        way: the one that has the positions.

    Raises:
        InvalidRequest: they do not belong together, or padding is not at the ends.
    """
    rows, valid = values[way], values["valid"]
    if valid.shape != rows.shape[:2]:
        told = way if rows.ndim == 2 else f"{way}, but for its last axis,"
        raise refuse(["inputs", "valid", "shape"], f"{list(valid.shape)}; that of {told} is wanted")
    counts = {way: _count("valid", valid)}
    if (edges := values.get("edges")) is not None:
        if len(edges) != len(rows):
            found = f"edges of {len(edges)} inputs; there are {len(rows)}"
            raise refuse(["inputs", "edges", "shape"], found)
        counts["edges"] = _count("edges", (edges != PADDING["edges"]).any(axis=2))
    return [
        Raw({name: values[name][item, : count[item]] for name, count in counts.items()})
        for item in range(len(rows))
    ]


def _count(name: str, real: NDArray[np.bool_]) -> list[int]:
    """How many of each row (batch, any) are real."""
    counts = real.sum(axis=1)
    if (real != (np.arange(real.shape[1]) < counts[:, None])).any():
        told = "in each row all that is valid comes first, and padding after it"
        raise refuse(["inputs", name], told)
    found: list[int] = counts.tolist()
    return found
