"""The tensors that a model takes and gives, by the way it is asked: text, words or token ids."""

from typing import NamedTuple

from export.bundle import Manifest, attention_names
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


INPUTS = {
    "text": Spec("BYTES", (ANY,)),
    "words": Spec("BYTES", (ANY,)),
    "word_counts": Spec("INT32", (ANY,)),
    "token_ids": Spec("INT64", (ANY, ANY)),
    "valid": Spec("BOOL", (ANY, ANY)),
}
WAYS = {
    "text": {"text"},
    "words": {"words", "word_counts"},
    "token_ids": {"token_ids", "valid"},
}
NOT_OF_WORDS = {"offsets"}
UNASKED = ("word_counts", "offsets", "labels", "scores")  # of text and words; ends of names


class Surface:
    """The tensors of one model.

    Attributes:
        manifest: of the model.
        decoders: of its token heads, by name.
        classes: the labels of its sequence heads, by name.
        decoded: what text and words give, by name; a dot follows the name of a head.
        raw: what token ids give: the graph's own outputs.
        layers: the number of each of these that is attention, by name.
        default: by way, the names of the outputs of requests that name none.
    """

    def __init__(self, manifest: Manifest):
        self.manifest = manifest
        heads = manifest.heads
        self.decoders = {h.name: TokenDecoder(h.labels) for h in heads if h.kind == "token"}
        self.classes = {h.name: h.labels for h in heads if h.kind == "sequence"}
        self.decoded: dict[str, Spec] = {}
        if self.decoders:
            self.decoded["word_counts"] = Spec("INT32", (ANY,))
            self.decoded["offsets"] = Spec("INT32", (ANY, 2))
        for head in heads:
            self.decoded[f"{head.name}.labels"] = Spec("BYTES", (ANY,))
            self.decoded[f"{head.name}.scores"] = Spec("FP32", (ANY,))
            if head.kind == "sequence":
                probabilities = Spec("FP32", (ANY, len(head.labels)))
                self.decoded[f"{head.name}.probabilities"] = probabilities
            elif self.decoders[head.name].bio:
                self.decoded[f"{head.name}.spans"] = Spec("BYTES", (ANY,))
        self.decoded["positions"] = Spec("BYTES", (ANY,))
        self.decoded["attention"] = Spec("FP32", (ANY,) * 5)
        self.decoded["attention_keys"] = Spec("INT32", (ANY,) * 5)
        self.raw = {
            tensor.name: Spec(
                "FP32", tuple(ANY if isinstance(axis, str) else axis for axis in tensor.axes)
            )
            for tensor in manifest.outputs
        }
        layers = attention_names(manifest.attention.layers)
        self.layers = {name: layer for layer, name in enumerate(layers)}
        of_text = [name for name in self.decoded if name.rpartition(".")[2] in UNASKED]
        self.default = {
            "text": of_text,
            "words": [name for name in of_text if name not in NOT_OF_WORDS],
            "token_ids": [head.name for head in heads],
        }

    def outputs(self, way: str) -> list[str]:
        """The names of what it gives when asked so."""
        if way == "token_ids":
            return [*self.raw]
        return [name for name in self.decoded if way == "text" or name not in NOT_OF_WORDS]

    def metadata(self) -> ModelMetadata:
        """As the protocol has it; a request needs the inputs of one of `WAYS`."""
        return {
            "name": self.manifest.name,
            "versions": [self.manifest.version],
            "platform": PLATFORM,
            "inputs": _describe(INPUTS),
            "outputs": _describe(self.decoded, self.raw),
        }

    def configuration(self) -> ModelConfiguration:
        """As Triton has it; of the inputs `text` alone is enough."""
        inputs = _configure(_describe(INPUTS))
        for tensor in inputs:
            tensor["optional"] = tensor["name"] != "text"
        return {
            "name": self.manifest.name,
            "platform": PLATFORM,
            "backend": BACKEND,
            "max_batch_size": 0,  # the axis of inputs is in the shapes
            "input": inputs,
            "output": _configure(_describe(self.decoded, self.raw)),
        }


def _describe(*tensors: dict[str, Spec]) -> list[TensorMetadata]:
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
