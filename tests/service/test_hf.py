"""/hf beside transformers: the same weights, asked through Hugging Face's own client."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import close_session
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    pipeline,
)

from model import pretrained
from model.config import HeadConfig, ModelConfig
from model.data.examples import Example
from model.network import Network
from model.recipe import SPECIAL, train_tokenizer
from service.hf.pipeline import LOOP_POSITIONS
from tests.service.conftest import HEADS, LAYERS, MAX_LENGTH, save_bundle
from tests.service.process import serving

STRATEGIES = ("none", "simple", "first", "average", "max")
ENTITIES = HeadConfig(
    name="entities", kind="token", labels=("O", "B-city", "I-city", "B-day", "I-day", "misc", "X-y")
)
INTENT = HeadConfig(name="intent", kind="sequence", labels=tuple("abcde"))
WRITTEN = (
    "book a table for two in new york's 'soho', at 7:30 p.m. on monday! isn't it raining in paris?"
    " email bob@example.com about state-of-the-art micro-soft (macro hard) & co. #1; über café"
)
TEXTS = [
    "book a table in New York, at 7 p.m.",
    "isn't it state-of-the-art?",
    "Microsoft e-mails bob@example.com",
    "über Café São Tomé",
    "☃ 漢字 \u200b ok",
    "हिन्दी 😀",
    "  two\tspaces\n\nand lines  ",
    "[CLS] typed [SEP] [UNK] [MASK]",
    "ffi ﬃ ß İstanbul e\u0301",
    "?!",
    "",
    " ",
    "\u200b",
]
LONG = WRITTEN + " " + WRITTEN[:60]


def bytes_tokenizer() -> str:
    """As those of GPT and ModernBERT: pieces of bytes, without a prefix of those within words."""
    tokenizer = Tokenizer(BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [WRITTEN], BpeTrainer(vocab_size=100, special_tokens=list(SPECIAL), show_progress=False)
    )
    return str(tokenizer.to_str())


def their_tokenizer(kind: str, tokenizer: str) -> PreTrainedTokenizerBase:
    """It reads what a user types as text, as Regard does."""
    made = Tokenizer.from_str(tokenizer)
    limits = {"model_max_length": MAX_LENGTH, "split_special_tokens": True}
    if kind == "pieces":
        return BertTokenizer(made.get_vocab(), **limits)
    ends = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names, **limits)


class First(torch.nn.Module):
    """In place of a pooler, which Regard's heads do not have."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(batch, length, d_model) -> (batch, d_model)."""
        return hidden[:, 0]


def their_models(rows: int) -> tuple[BertForTokenClassification, BertForSequenceClassification]:
    """On one encoder."""
    sizes = BertConfig(
        vocab_size=rows,
        hidden_size=20,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=37,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.1,
    ).to_dict()
    torch.manual_seed(3)
    tokens, sequence = (
        kind(BertConfig(**sizes | {"id2label": dict(enumerate(head.labels))})).eval()
        for kind, head in (
            (BertForTokenClassification, ENTITIES),
            (BertForSequenceClassification, INTENT),
        )
    )
    for part in (tokens.bert.embeddings.word_embeddings, tokens.classifier, sequence.classifier):
        torch.nn.init.normal_(part.weight)  # so that every label occurs
    for name, parameter in (*tokens.named_parameters(), *sequence.classifier.named_parameters()):
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    sequence.bert.load_state_dict(tokens.bert.state_dict(), strict=False)
    sequence.bert.pooler = First()
    return tokens, sequence


def our_network(tokens: Any, sequence: Any, folder: Path) -> Network:
    """The same weights."""
    tokens.save_pretrained(folder)
    frontend, encoder = pretrained.read_config(folder)
    network = Network(ModelConfig(frontend=frontend, encoder=encoder, heads=(ENTITIES, INTENT)))
    pretrained.load_backbone(network, folder)
    for name, theirs in (("entities", tokens), ("intent", sequence)):
        network.heads[name].linear.load_state_dict(theirs.classifier.state_dict())
    return network.eval()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """folder, of a bundle for each kind of tokenizer; tokens, texts: by kind, their pipelines."""
    folder = tmp_path_factory.mktemp("bundles")
    made = SimpleNamespace(folder=folder, tokens={}, texts={})
    pieces = train_tokenizer([Example(source=tuple(WRITTEN.split()), targets={})], 120)
    for kind, tokenizer in (("pieces", pieces), ("bytes", bytes_tokenizer())):
        tokens, sequence = their_models(Tokenizer.from_str(tokenizer).get_vocab_size())
        network = our_network(tokens, sequence, tmp_path_factory.mktemp(kind))
        save_bundle(folder / kind, network, tokenizer)
        reader = their_tokenizer(kind, tokenizer)
        made.tokens[kind] = pipeline("token-classification", tokens, tokenizer=reader)
        made.texts[kind] = pipeline("text-classification", sequence, tokenizer=reader)
    return made


@pytest.fixture(scope="module")
def url(theirs: SimpleNamespace) -> Iterator[str]:
    """Of the service."""
    with serving(
        theirs.folder, precision="fp32", threads="1", timeout_s="600", max_request_positions="30000"
    ) as (_, address):
        yield address
    close_session()


def plain(answer: Any) -> Any:
    """An answer, theirs or the client's, as lists and dictionaries."""
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    found = {name: value for name, value in answer.items() if value is not None}
    return found | {"score": pytest.approx(float(found["score"]), abs=1e-4)}


def entities(theirs: SimpleNamespace, kind: str, text: Any, **parameters: Any) -> Any:
    with warnings.catch_warnings():  # theirs does not like pieces without a prefix
        warnings.simplefilter("ignore", UserWarning)
        return plain(theirs.tokens[kind](text, **parameters))


def test_every_label_occurs_among_what_is_compared(theirs) -> None:
    for kind in ("pieces", "bytes"):
        found = entities(theirs, kind, TEXTS, ignore_labels=[])
        assert {entity["entity"] for text in found for entity in text} == set(ENTITIES.labels)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("kind", ["pieces", "bytes"])
def test_entities_are_those_of_a_pipeline(url, theirs, kind: str, strategy: str) -> None:
    client = InferenceClient(model=f"{url}/hf/{kind}/entities")
    for ignored in (None, [], ["city", "B-city", "misc"]):
        options = {"aggregation_strategy": strategy, "ignore_labels": ignored}
        expected = [entities(theirs, kind, text, **options) for text in TEXTS]
        assert [plain(client.token_classification(text, **options)) for text in TEXTS] == expected
        assert plain(client.token_classification(TEXTS, **options)) == expected


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
@pytest.mark.parametrize("stride", [0, 1, 7, MAX_LENGTH - 3])
@pytest.mark.parametrize("kind", ["pieces", "bytes"])
def test_long_texts_are_read_in_chunks_as_by_a_pipeline(
    url, theirs, kind: str, stride: int, strategy: str
) -> None:
    client = InferenceClient(model=f"{url}/hf/{kind}/entities")
    options = {"aggregation_strategy": strategy, "stride": stride}
    asked = ["noon", LONG, "", TEXTS[0]]
    expected = [entities(theirs, kind, text, **options) for text in asked]
    assert len(expected[1]) > 20
    assert plain(client.token_classification(asked, **options)) == expected


def test_a_text_that_is_decoded_beside_the_event_loop(url, theirs) -> None:
    text = (WRITTEN + " ") * 25
    assert len(text.split()) > LOOP_POSITIONS
    options = {"aggregation_strategy": "average", "stride": 11}
    client = InferenceClient(model=f"{url}/hf/pieces")
    assert plain(client.token_classification(text, **options)) == entities(
        theirs, "pieces", text, **options
    )


@pytest.mark.parametrize("function", [None, "softmax", "sigmoid", "none"])
@pytest.mark.parametrize("top_k", [None, 1, 3, 99])
@pytest.mark.parametrize("kind", ["pieces", "bytes"])
def test_classes_are_those_of_a_pipeline(
    url, theirs, kind: str, top_k: int | None, function: str | None
) -> None:
    client = InferenceClient(model=f"{url}/hf/{kind}/intent")
    expected = [
        plain(theirs.texts[kind](text, top_k=top_k, function_to_apply=function)) for text in TEXTS
    ]
    options = {"top_k": top_k, "function_to_apply": function}
    assert [plain(client.text_classification(text, **options)) for text in TEXTS] == expected
    assert len(expected[0]) == min(top_k or 5, 5)


WORDS = st.sampled_from(WRITTEN.split())
ANY_TEXT = st.lists(WORDS | st.text(max_size=6), max_size=30).map(" ".join) | st.text(max_size=80)


@pytest.mark.parametrize("kind", ["pieces", "bytes"])
@profile(max_examples=150)
@given(
    texts=st.lists(ANY_TEXT, min_size=1, max_size=3),
    strategy=st.sampled_from(STRATEGIES[1:]),
    stride=st.integers(0, MAX_LENGTH - 3),
)
def test_whatever_the_texts(
    url, theirs, kind: str, texts: list[str], strategy: str, stride: int
) -> None:
    client = InferenceClient(model=f"{url}/hf/{kind}/entities")
    options = {"aggregation_strategy": strategy, "stride": stride, "ignore_labels": []}
    expected = [entities(theirs, kind, text, **options) for text in texts]
    assert plain(client.token_classification(texts, **options)) == expected


@pytest.mark.parametrize("kind", ["pieces", "bytes"])
@profile(max_examples=150)
@given(text=st.text(max_size=9))
def test_whatever_the_text_without_aggregation(url, theirs, kind: str, text: str) -> None:
    options = {"aggregation_strategy": "none", "ignore_labels": []}
    found = InferenceClient(model=f"{url}/hf/{kind}").token_classification(text, **options)
    assert plain(found) == entities(theirs, kind, text, **options)


def test_without_parameters_they_are_those_that_the_inference_api_documents(url, theirs) -> None:
    client = InferenceClient(model=f"{url}/hf/pieces/entities")
    expected = entities(theirs, "pieces", TEXTS[0], aggregation_strategy="simple")
    assert plain(client.token_classification(TEXTS[0])) == expected
    client = InferenceClient(model=f"{url}/hf/pieces/intent")
    expected = plain(theirs.texts["pieces"](TEXTS[0], top_k=None))
    assert plain(client.text_classification(TEXTS[0])) == expected
    assert len(expected) == len(INTENT.labels)


@pytest.mark.parametrize(
    ("path", "task", "arguments", "message"),
    [
        ("huge", "token", {}, "there is no model 'huge'; there are bytes, pieces"),
        ("pieces/tags", "token", {}, "pieces has no head 'tags'; it has entities, intent"),
        ("pieces", "token", {"aggregation_strategy": "mean"}, "'none', 'simple', 'first'"),
        ("pieces", "token", {"text": LONG}, "positions; at most 41 are allowed, or more"),
        ("pieces", "token", {"text": None}, "inputs: Field required"),
        ("pieces", "text", {"top_k": "all"}, "parameters.top_k: Input should be a valid integer"),
        ("pieces/entities", "text", {"top_k": 3}, "entities takes aggregation_strategy"),
    ],
)
def test_the_clients_error_says_what_is_wrong(
    url, path: str, task: str, arguments: dict[str, Any], message: str
) -> None:
    ask = getattr(InferenceClient(model=f"{url}/hf/{path}"), f"{task}_classification")
    with pytest.raises(HfHubHTTPError, match=re.escape(message)):
        ask(**{"text": "noon"} | arguments)


def test_the_clients_token_is_the_key(theirs) -> None:
    with serving(theirs.folder, api_keys="me:hf_secret") as (_, url):
        for token, answered in (("hf_secret", True), ("hf_other", False)):
            client = InferenceClient(model=f"{url}/hf/pieces/intent", token=token)
            if answered:
                assert len(client.text_classification("noon", top_k=2)) == 2
                continue
            with pytest.raises(HfHubHTTPError, match="key"):
                client.text_classification("noon")
