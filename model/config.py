"""What a network is made of and what its data are; frozen, to and from JSON."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

Score = Literal["dot", "additive"]
Positions = Literal["sinusoidal", "learned", "none"]
HeadKind = Literal["token", "sequence", "value", "ctc"]
Pool = Literal["first", "mean"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnsConfig(Config):
    """What the columns of CSV files of readings are; a row is a position of a sequence."""

    sequence: str = Field(description="rows that have the same here are one sequence")
    order: str = Field(description="number, or date and time, to sort these rows by")
    features: tuple[str, ...] = Field(min_length=1, description="numbers")
    targets: dict[str, Literal["token", "sequence", "value"]] = Field(
        min_length=1, description="column, which is a head's name -> the head's kind"
    )


class DataConfig(Config):
    """Where a data set comes from and what its files must be."""

    name: str
    license: str
    reader: str = Field(description="name of the module under model/data that reads it")
    url: str = Field(
        default="",
        description="address the files' paths are joined to, if any; of a folder, its home",
    )
    files: dict[str, str] = Field(description="path -> sha256; a folder's ends in /")
    columns: ColumnsConfig | None = Field(default=None, description="for the reader csv_vectors")

    @model_validator(mode="after")
    def _columns_are_of_csv(self) -> Self:
        if (self.reader == "csv_vectors") != (self.columns is not None):
            raise ValueError("[data.columns] goes with the reader csv_vectors, and only with it")
        return self


class Input(NamedTuple):
    """An array that a network takes; an axis is a name (any size) or a number."""

    name: str
    dtype: Literal["int64", "float32", "bool"]
    axes: tuple[str | int, ...]


TOKEN_IDS = Input("token_ids", "int64", ("batch", "length"))
EDGES = Input("edges", "int64", ("batch", "edges", 2))
VALID = Input("valid", "bool", ("batch", "length"))


class TextConfig(Config):
    """Text or words, cut into the pieces of a tokenizer."""

    modality: Literal["text"] = "text"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the network takes of it, and which positions are real."""
        return TOKEN_IDS, VALID


class SpellingConfig(Config):
    """A word's letters, each several times in a row, so that a head may say more of it."""

    modality: Literal["spelling"]
    letters: str = Field(min_length=1, max_length=10_000, description="in lower case, once each")
    repeat: int = Field(gt=0, le=8, description="positions of a letter")

    @field_validator("letters")
    @classmethod
    def _letters_differ(cls, letters: str) -> str:
        if len(set(letters)) < len(letters) or letters != letters.lower():
            raise ValueError("give each letter once, in lower case")
        return letters

    @property
    def tokens(self) -> int:
        """How many token ids there are; 0 is no letter's."""
        return 1 + 2 * self.repeat * len(self.letters)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the network takes of it, and which positions are real."""
        return TOKEN_IDS, VALID


class _Vectors(Config):
    """What becomes a vector for each position."""

    standardise: bool = Field(
        default=False, description="features to mean 0 and deviation 1 over the training split"
    )

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the network takes of it, and which positions are real."""
        return Input("vectors", "float32", ("batch", "length", self.width)), VALID

    @property
    def width(self) -> int:
        """Features of a vector."""
        raise NotImplementedError


class VectorsConfig(_Vectors):
    """Vectors as they are."""

    modality: Literal["vectors"]
    features: int = Field(gt=0, le=65_536)

    @property
    def width(self) -> int:
        """Features of a vector."""
        return self.features


class SpeechConfig(_Vectors):
    """Sound: log-mel frames, some of them to a position."""

    modality: Literal["speech"]
    rate: int = Field(default=8_000, ge=1_000, le=48_000, description="samples a second")
    mels: int = Field(gt=0, le=256, description="filters")
    stack: int = Field(gt=0, le=16, description="frames that a position shows")

    @property
    def width(self) -> int:
        """Features of a vector."""
        return self.stack * self.mels


class ImageConfig(_Vectors):
    """A grey image, in square patches, row by row."""

    modality: Literal["image"]
    rows: int = Field(gt=0, le=1_024)
    columns: int = Field(gt=0, le=1_024)
    patch: int = Field(gt=0, le=256, description="side of a patch")
    stride: int = Field(gt=0, description="pixels from one patch to the next")

    @model_validator(mode="after")
    def _patches_cover_it(self) -> Self:
        for side in (self.rows, self.columns):
            if side < self.patch or (side - self.patch) % self.stride:
                raise ValueError(
                    f"patches of {self.patch}, every {self.stride}, do not end with {side} pixels"
                )
        return self

    @property
    def width(self) -> int:
        """Features of a vector."""
        return self.patch**2


class GraphConfig(VectorsConfig):
    """Nodes, each a vector, that look along edges."""

    modality: Literal["graph"]
    shares: bool = Field(default=False, description="a node's numbers are divided by their sum")
    hub: bool = Field(default=False, description="a node of zeros in front, tied to all others")
    max_edges: int = Field(gt=0, description="of one input, both ways, self loops included")

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the network takes of it, and which positions are real."""
        vectors, valid = super().inputs
        return vectors, EDGES, valid


PreprocessConfig = Annotated[
    TextConfig | SpellingConfig | SpeechConfig | ImageConfig | GraphConfig | VectorsConfig,
    Field(discriminator="modality"),
]


class FrontendConfig(Config):
    """Arrays -> hidden: token ids are embedded, vectors projected."""

    vocabulary: int | None = Field(
        default=None, gt=0, description="rows of the token embedding; None: vectors are projected"
    )
    max_length: int = Field(gt=0, description="positions, special tokens included")
    positions: Positions = "sinusoidal"
    hide: Fraction = Field(default=0.0, description="P(a vector is 0), in training")


class EncoderConfig(Config):
    """A stack of self-attention layers."""

    layers: int = Field(gt=0)
    heads: int = Field(gt=0, description="attention heads")
    d_model: int = Field(gt=0)
    d_hidden: int = Field(gt=0, description="width of the feed-forward layers")
    norm: Literal["post", "pre"] = "post"
    score: Score = "dot"
    window: int | None = Field(
        default=None, gt=0, description="positions to either side that one may look at; None: all"
    )
    dropout: Fraction = 0.1
    norm_eps: float = Field(default=1e-12, gt=0)

    @model_validator(mode="after")
    def _heads_divide_d_model(self) -> Self:
        if self.d_model % self.heads:
            raise ValueError(f"d_model={self.d_model} is not a multiple of heads={self.heads}")
        return self


class HeadConfig(Config):
    """One output.

    token: a label for every position (N -> N); sequence: one for the whole input (N -> 1); value: a
    number for it (N -> 1); ctc: labels whose number the network decides (N -> N'), the first label
    standing for none.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: HeadKind
    labels: tuple[str, ...] = Field(default=(), validate_default=True)
    pool: Pool = Field(default="first", description="what heads of the whole input read")
    feedback: tuple[int, ...] = Field(
        default=(), description="layers that a ctc head reads too, to tell the next what it read"
    )

    @field_validator("labels")
    @classmethod
    def _labels_fit(cls, labels: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if twice := _twice(labels):
            raise ValueError(f"labels given twice: {twice}")
        if info.data.get("kind") == "value":
            if labels:
                raise ValueError("a value has no labels")
        elif len(labels) < 2:
            raise ValueError(f"{len(labels)} labels; at least 2 are needed")
        return labels

    @model_validator(mode="after")
    def _feedback_is_of_ctc(self) -> Self:
        if self.feedback and self.kind != "ctc":
            raise ValueError(f"a {self.kind} head gives no feedback")
        return self


class ModelConfig(Config):
    """Everything needed to build a `Network`."""

    preprocess: PreprocessConfig = TextConfig()
    frontend: FrontendConfig
    encoder: EncoderConfig
    heads: tuple[HeadConfig, ...] = Field(min_length=1)

    @field_validator("heads")
    @classmethod
    def _names_differ(cls, heads: tuple[HeadConfig, ...]) -> tuple[HeadConfig, ...]:
        if twice := _twice(head.name for head in heads):
            raise ValueError(f"names given twice: {twice}")
        return heads

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        embedded = TOKEN_IDS in self.preprocess.inputs
        if embedded != (self.frontend.vocabulary is not None):
            wanted = "a" if embedded else "no"
            raise ValueError(f"{self.preprocess.modality} needs {wanted} frontend.vocabulary")
        if isinstance(self.preprocess, SpellingConfig):
            needed = self.preprocess.tokens
            if self.frontend.vocabulary != needed:
                raise ValueError(f"these letters need frontend.vocabulary = {needed}")
        if self.encoder.window and EDGES in self.preprocess.inputs:
            raise ValueError("a graph has no window; leave encoder.window out")
        for head in self.heads:
            if not all(0 < layer < self.encoder.layers for layer in head.feedback):
                raise ValueError(f"feedback of {head.name} is from 1 to {self.encoder.layers - 1}")
        return self


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
