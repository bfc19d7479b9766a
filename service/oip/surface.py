"""The tensors that a model takes and gives, by the way it is asked: as /v1 is, or its graph.

A way is named as its first tensor: `text`, `words`, `audio`, `image`; `token_ids` or `vectors`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from export.bundle import Manifest, Tensor, attention_names
from model.decode import TokenDecoder
from service.oip.schemas import (
    ConfigTensor,
    ModelConfiguration,
    ModelMetadata,
    TensorMetadata,
)

PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"
ANY = -1


class Spec(NamedTuple):
    """A tensor; in its shape -1 is any size."""

    datatype: str
    shape: tuple[int, ...]


STRINGS, COUNTS, SCORES = Spec("BYTES", (ANY,)), Spec("INT32", (ANY,)), Spec("FP32", (ANY,))
WAYS: Mapping[str, list[dict[str, Spec]]] = {  # by modality; all can be asked as their graphs are
    "text": [{"text": STRINGS}, {"words": STRINGS, "word_counts": COUNTS}],
    "spelling": [{"text": STRINGS}],
    "speech": [{"audio": STRINGS}],
    "image": [{"image": STRINGS}],
}
FILES = {"audio", "image"}  # in JSON, base64
DATATYPES = {"int64": "INT64", "bool": "BOOL", "float32": "FP32"}  # of the graph
NOT_OF_WORDS = {"offsets"}
# What is answered unasked, but for what the graph gives; ends of names.
UNASKED = ("word_counts", "position_counts", "offsets", "labels", "scores", "values", "transcripts")


class Surface:
    """The tensors of one model.

    Attributes:
        manifest: of the model.
        ways: by name, the inputs of each way to ask.
        raw_way: the one that takes what the graph takes.
        decoders: of its token heads, by name.
        classes: the labels of its sequence heads, by name.
        transcripts: the labels of its ctc heads, by name.
        decoded: what all ways but the raw one give, by name; a dot follows the name of a head.
        raw: what the raw one gives: the graph's own outputs.
        layers: the number of each of these that is attention, by name.
        default: by way, the names of the outputs of requests that name none.
    """

    def __init__(self, manifest: Manifest):
        self.manifest = manifest
        heads = manifest.heads
        graph = {tensor.name: _spec(tensor) for tensor in manifest.inputs}
        self.raw_way = next(iter(graph))
        ways = [*WAYS.get(manifest.preprocess.modality, ()), graph]
        self.ways: dict[str, dict[str, Spec]] = {next(iter(inputs)): inputs for inputs in ways}
        self.decoders = {h.name: TokenDecoder(h.labels) for h in heads if h.kind == "token"}
        self.classes = {h.name: h.labels for h in heads if h.kind == "sequence"}
        self.transcripts = {h.name: h.labels for h in heads if h.kind == "ctc"}
        self.decoded = self._decoded() if len(ways) > 1 else {}
        self.raw = {tensor.name: _spec(tensor) for tensor in manifest.outputs}
        layers = attention_names(manifest.attention.layers)
        self.layers = {name: layer for layer, name in enumerate(layers)}
        self.default = {
            way: [name for name in self.outputs(way) if name.rpartition(".")[2] in UNASKED]
            for way in self.ways
        } | {self.raw_way: [head.name for head in heads]}

    def outputs(self, way: str) -> list[str]:
        """The names of what it gives when asked so."""
        if way == self.raw_way:
            return [*self.raw]
        return [name for name in self.decoded if way != "words" or name not in NOT_OF_WORDS]

    def metadata(self) -> ModelMetadata:
        """As the protocol has it; a request needs the inputs of one of the ways."""
        return {
            "name": self.manifest.name,
            "versions": [self.manifest.version],
            "platform": PLATFORM,
            "inputs": _describe(*self.ways.values()),
            "outputs": _describe(self.decoded, self.raw),
        }

    def configuration(self) -> ModelConfiguration:
        """As Triton has it; the inputs of the first way are enough."""
        first = next(iter(self.ways.values()))
        inputs = _configure(_describe(*self.ways.values()))
        for tensor in inputs:
            tensor["optional"] = tensor["name"] not in first
        return {
            "name": self.manifest.name,
            "platform": PLATFORM,
            "backend": BACKEND,
            "max_batch_size": 0,  # the axis of inputs is in the shapes
            "input": inputs,
            "output": _configure(_describe(self.decoded, self.raw)),
        }

    def _decoded(self) -> dict[str, Spec]:
        of_text = self.manifest.preprocess.modality == "text"
        found: dict[str, Spec] = {}
        if self.decoders and of_text:
            found |= {"word_counts": COUNTS, "offsets": Spec("INT32", (ANY, 2))}
        elif self.decoders:
            found["position_counts"] = COUNTS
        for head in self.manifest.heads:
            parts: dict[str, Spec] = {}
            if head.kind == "value":
                parts["values"] = SCORES
            elif head.kind == "ctc":
                parts |= {"transcripts": STRINGS, "scores": SCORES}
            else:
                parts |= {"labels": STRINGS, "scores": SCORES}
            if head.kind == "sequence":
                parts["probabilities"] = Spec("FP32", (ANY, len(head.labels)))
            elif head.kind == "token" and of_text and self.decoders[head.name].bio:
                parts["spans"] = STRINGS
            found |= {f"{head.name}.{part}": spec for part, spec in parts.items()}
        return found | {
            "positions": STRINGS,
            "attention": Spec("FP32", (ANY,) * 5),
            "attention_keys": Spec("INT32", (ANY,) * 5),
        }


def _spec(tensor: Tensor) -> Spec:
    shape = tuple(ANY if isinstance(axis, str) else axis for axis in tensor.axes)
    return Spec(DATATYPES[tensor.dtype], shape)


def _describe(*tensors: Mapping[str, Spec]) -> list[TensorMetadata]:
    return [
        {"name": name, "datatype": datatype, "shape": list(shape)}
        for specs in tensors
        for name, (datatype, shape) in specs.items()
    ]


def _configure(tensors: list[TensorMetadata]) -> list[ConfigTensor]:
    return [
        {
            "name": tensor["name"],
            "data_type": f"TYPE_{tensor['datatype'].replace('BYTES', 'STRING')}",
            "dims": tensor["shape"],
        }
        for tensor in tensors
    ]
