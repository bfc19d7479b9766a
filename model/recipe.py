"""A recipe (TOML) says how one model is made: data, encoder, heads, training."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field, ValidationError, model_validator
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

from model import checkpoint as checkpoints
from model import pretrained
from model.checkpoint import Checkpoint
from model.config import (
    Config,
    DataConfig,
    EncoderConfig,
    FrontendConfig,
    HeadConfig,
    HeadKind,
    ModelConfig,
    Pool,
    PreprocessConfig,
    TextConfig,
)
from model.data.examples import Example, Splits
from model.data.files import read_splits
from model.errors import DataError, explain
from model.heads import ValueHead
from model.network import Network
from model.pretrained import PretrainedConfig
from model.training_config import AugmentConfig, DistillConfig, TrainConfig

BLANK_LABEL = "_"  # of ctc heads
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class RecipeHead(Config):
    """A head; its labels are those of the training data."""

    name: str
    kind: HeadKind
    pool: Pool = "first"
    feedback: tuple[int, ...] = ()


class Recipe(Config):
    """Either `pretrained`, or `frontend` and `encoder` for a network trained from nothing."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str
    license: str = Field(description="of the trained model")
    data: DataConfig
    examples: tuple[str | dict[str, Any], ...] = Field(
        default=(), max_length=20, description="inputs to try it with, as requests have them"
    )
    heads: tuple[RecipeHead, ...] = Field(min_length=1)
    preprocess: PreprocessConfig = TextConfig()
    pretrained: PretrainedConfig | None = None
    frontend: FrontendConfig | None = None
    encoder: EncoderConfig | None = None
    dropout: float | None = Field(default=None, description="in place of the backbone's own")
    start: str | None = Field(default=None, description="checkpoint whose weights to begin with")
    augment: AugmentConfig = AugmentConfig()
    distill: DistillConfig | None = None
    training: TrainConfig

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        own = self.frontend is not None and self.encoder is not None
        if own == (self.pretrained is not None):
            raise ValueError("give either [pretrained], or both [frontend] and [encoder]")
        return self

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        if (columns := self.data.columns) is None:
            return self
        wanted = len(columns.features)
        if getattr(self.preprocess, "features", None) != wanted:
            raise ValueError(
                f"data.columns.features are {wanted}; preprocess.features must be, too"
            )
        for head in self.heads:
            if columns.targets.get(head.name) != head.kind:
                raise ValueError(f'data.columns.targets needs {head.name} = "{head.kind}"')
        return self


@dataclass
class Prepared:
    """What a recipe and its data give: an untrained network, and the examples."""

    checkpoint: Checkpoint
    splits: Splits


def read(path: Path) -> Recipe:
    """Parse a recipe.

    Raises:
        DataError: the file is missing, not TOML, or not a recipe; says where.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise DataError(f"{path}: {explain(error)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: {error}") from error


def prepare(recipe: Recipe, folder: Path | None) -> Prepared:
    """Read the data (see `model.data.files`) and build the network training starts from."""
    splits = read_splits(recipe.data, folder)
    torch.manual_seed(recipe.training.seed)
    if recipe.pretrained:
        source = pretrained.locate(recipe.pretrained)
        tokenizer = (source / "tokenizer.json").read_text("utf-8")
        frontend, encoder = pretrained.read_config(source)
        if recipe.dropout is not None:
            encoder = encoder.model_copy(update={"dropout": recipe.dropout})
    else:
        tokenizer = ""
        if isinstance(recipe.preprocess, TextConfig):
            tokenizer = train_tokenizer(splits.train, recipe.frontend.vocabulary)
        frontend, encoder = recipe.frontend, recipe.encoder
    heads = tuple(
        HeadConfig(labels=_labels(splits.train, head), **head.model_dump()) for head in recipe.heads
    )
    network = Network(
        ModelConfig(preprocess=recipe.preprocess, frontend=frontend, encoder=encoder, heads=heads)
    )
    checkpoint = Checkpoint(network, tokenizer, {})
    if recipe.data.columns:
        _check_lengths(splits, frontend.max_length)
    if getattr(recipe.preprocess, "standardise", False):
        encode = checkpoint.preprocessor().encode
        vectors = [encode(example.source).arrays["vectors"] for example in splits.train]
        network.frontend.scale_to(np.concatenate(vectors))
    for name, head in network.heads.items():
        if isinstance(head, ValueHead):
            head.scale_to([e.targets[name] for e in splits.train if name in e.targets])
    if recipe.start:
        checkpoint.network = _start(Path(recipe.start), network, tokenizer)
    elif recipe.pretrained:
        pretrained.load_backbone(network, source)
    return Prepared(checkpoint, splits)


def _check_lengths(splits: Splits, allowed: int) -> None:
    longest = max(len(example.source) for split in splits for example in split)
    if longest > allowed:
        raise DataError(f"a sequence has {longest} positions; frontend.max_length is {allowed}")


def _start(path: Path, network: Network, tokenizer: str) -> Network:
    """The network of a checkpoint, which must be like the given one but for its weights."""
    started = checkpoints.load(path)
    if (started.network.config, started.tokenizer) != (network.config, tokenizer):
        raise DataError(f"{path} has another network or tokenizer than the recipe asks for")
    return started.network


def train_tokenizer(examples: list[Example], vocabulary: int) -> str:
    """A lower-casing WordPiece tokenizer learned from the training words, as JSON.

    The trainer numbers the pieces of one inner character in an order of chance and breaks ties
    by number; here they are named beforehand, so the same words give the same tokenizer.

    Raises:
        DataError: the words have more different characters than `vocabulary` has room for.
    """
    words = [word for example in examples for word in example.source]
    tokenizer = _word_piece({})
    parts = {
        part
        for word in set(words)
        for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(
            tokenizer.normalizer.normalize_str(word)
        )
    }
    inner = sorted({f"##{character}" for part in parts for character in part[1:]})
    trainer = WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=[*SPECIAL, *inner], show_progress=False
    )
    tokenizer.train_from_iterator(words, trainer)
    pieces = tokenizer.get_vocab()
    if len(pieces) > vocabulary:
        raise DataError(f"vocabulary is {vocabulary}; the characters alone need {len(pieces)}")
    tokenizer = _word_piece(pieces)
    tokenizer.add_special_tokens(list(SPECIAL))
    return str(tokenizer.to_str())


def _word_piece(pieces: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def _labels(examples: list[Example], head: RecipeHead) -> tuple[str, ...]:
    """The labels seen; of BIO tags both B- and I- of every type, after O; of ctc a blank first."""
    if head.kind == "value":
        return ()
    targets = [e.targets[head.name] for e in examples if head.name in e.targets]
    if head.kind == "sequence":
        return tuple(sorted(set(targets)))
    seen = {tag for tags in targets for tag in tags if tag is not None}
    if head.kind == "ctc":
        return (BLANK_LABEL, *sorted(seen))
    types = sorted({tag[2:] for tag in seen if tag[:2] in ("B-", "I-")})
    if seen - {"O"} <= {f"{prefix}-{name}" for name in types for prefix in "BI"}:
        return ("O", *(f"{prefix}-{name}" for name in types for prefix in "BI"))
    return tuple(sorted(seen))
