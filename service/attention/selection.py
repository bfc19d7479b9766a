"""What a request selects of a model's attention."""

from dataclasses import dataclass
from typing import Literal

from export.bundle import AttentionInfo
from service.errors import Fault, InvalidRequest
from service.schemas import AttentionOptions


@dataclass(frozen=True, slots=True)
class Selection:
    """Options that were checked against the model.

    Attributes:
        layers: from 0, in the order asked for.
        heads: from 0; or their mean, as one.
        options: the rest.
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...] | Literal["mean"]
    options: AttentionOptions

    @property
    def needed(self) -> range | tuple[int, ...]:
        """The layers that the graph is asked for."""
        if self.options.kind == "rollout":
            return range(max(self.layers) + 1)
        return self.layers

    @property
    def maps(self) -> int:
        """How many layers and attention heads are answered, multiplied."""
        return len(self.layers) * (1 if self.heads == "mean" else len(self.heads))


def select(options: AttentionOptions, info: AttentionInfo) -> Selection:
    """Check what was asked for against the model.

    Raises:
        InvalidRequest: there is no such layer or attention head, or it is named twice, or two
            options exclude each other.
    """
    layers = _indices("layers", options.layers, info.layers)
    if options.top_k is not None and options.kind not in ("weights", "rollout"):
        raise refuse("top_k", f"{options.kind} has no rows to shorten; weights and rollout have")
    if options.query == "sequence" and options.special == "drop":
        raise refuse(
            "query", 'the position "sequence" is special, and special "drop" leaves it out'
        )
    if options.kind == "rollout":
        if options.heads not in ("all", "mean"):
            raise refuse("heads", "rollout is that of all attention heads; leave heads out")
        return Selection(layers, "mean", options)
    if options.heads == "mean":
        return Selection(layers, "mean", options)
    return Selection(layers, _indices("heads", options.heads, info.heads), options)


def refuse(field: str, message: str, *place: int) -> InvalidRequest:
    """The exception for a field of the options."""
    return InvalidRequest([{"loc": ["attention", field, *place], "message": message}])


def _indices(field: str, asked: Literal["all"] | list[int], size: int) -> tuple[int, ...]:
    if asked == "all":
        return tuple(range(size))
    found: list[int] = []
    for place, index in enumerate(asked):
        if not -size <= index < size:
            fault: Fault = {
                "loc": ["attention", field, place],
                "message": f"{index} is none of the {size} {field}; -{size} to {size - 1} are",
                "allowed": list(range(-size, size)),
            }
            raise InvalidRequest([fault])
        if index % size in found:
            raise refuse(field, f"{index} is named twice", place)
        found.append(index % size)
    return tuple(found)
