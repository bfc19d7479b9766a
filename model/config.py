"""What a network is made of and how it is trained; frozen, to and from JSON."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Score = Literal["dot", "additive"]
Positions = Literal["sinusoidal", "learned", "none"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(Config):
    """Where a data set comes from and what its files must be."""

    name: str
    license: str
    reader: str = Field(description="name of the module under model/data that reads it")
    url: str = Field(description="address the files' paths are joined to")
    files: dict[str, str] = Field(description="path -> sha256")


class FrontendConfig(Config):
    """Text frontend: token ids -> hidden."""

    vocabulary: int = Field(gt=0, description="rows of the token embedding")
    max_length: int = Field(gt=0, description="positions, special tokens included")
    positions: Positions = "sinusoidal"


class EncoderConfig(Config):
    """A stack of self-attention layers."""

    layers: int = Field(gt=0)
    heads: int = Field(gt=0, description="attention heads")
    d_model: int = Field(gt=0)
    d_hidden: int = Field(gt=0, description="width of the feed-forward layers")
    norm: Literal["post", "pre"] = "post"
    score: Score = "dot"
    dropout: Fraction = 0.1
    norm_eps: float = Field(default=1e-12, gt=0)

    @model_validator(mode="after")
    def _heads_divide_d_model(self) -> Self:
        if self.d_model % self.heads:
            raise ValueError(f"d_model={self.d_model} is not a multiple of heads={self.heads}")
        return self


class HeadConfig(Config):
    """One output: `token` labels every position (N -> N), `sequence` the whole input (N -> 1)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["token", "sequence"]
    labels: tuple[str, ...] = Field(min_length=2)

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if twice := _twice(labels):
            raise ValueError(f"labels given twice: {twice}")
        return labels


class ModelConfig(Config):
    """Everything needed to build a `Network`."""

    frontend: FrontendConfig
    encoder: EncoderConfig
    heads: tuple[HeadConfig, ...] = Field(min_length=1)

    @field_validator("heads")
    @classmethod
    def _names_differ(cls, heads: tuple[HeadConfig, ...]) -> tuple[HeadConfig, ...]:
        if twice := _twice(head.name for head in heads):
            raise ValueError(f"names given twice: {twice}")
        return heads


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


class TrainConfig(Config):
    """How a network is trained; with the same data and threads, the same config gives the same."""

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0, description="peak, of the last layer")
    head_rate: float = Field(default=1.0, gt=0, description="the heads' rate over learning_rate")
    layer_decay: float = Field(default=1.0, gt=0, le=1, description="rate of a layer over the next")
    warmup: Fraction = 0.1
    weight_decay: float = Field(default=0.01, ge=0)
    average: Fraction = Field(default=0.0, description="decay of the weights' moving average")
    label_smoothing: Fraction = 0.0
    train_embeddings: bool = True
    seed: int = 0


class AugmentConfig(Config):
    """Changes made to training sentences."""

    exchange: Fraction = Field(default=0.0, description="P(a slot's value is replaced by another)")
    surface: Fraction = Field(default=0.0, description="P(a sentence is punctuated as typed text)")
    copies: int = Field(default=0, ge=0, description="after so many epochs, again; 0: always new")


class DistillConfig(Config):
    """Learn from the mean probabilities of trained networks too (Hinton et al. 2015)."""

    teachers: tuple[str, ...] = Field(min_length=1, description="checkpoints")
    weight: float = Field(default=0.5, ge=0, le=1, description="of the teachers' term in the loss")
    temperature: float = Field(default=1.0, gt=0)
