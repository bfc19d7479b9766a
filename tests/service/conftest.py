"""Two tiny bundles, and the app that serves them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import torch

from export.bundle import (
    AttentionInfo,
    Graph,
    Manifest,
    describe_file,
    inputs_of,
    outputs_of,
    write_manifest,
)
from export.quantize import to_int8
from export.to_onnx import to_onnx
from model.config import (
    DataConfig,
    EncoderConfig,
    FrontendConfig,
    HeadConfig,
    ModelConfig,
)
from model.data.examples import Example
from model.network import Network
from model.preprocess.text import TextPreprocessor
from model.recipe import train_tokenizer
from service.app import create_app
from service.settings import Settings
from tests.service.modalities import MODALITIES, config

LAYERS, HEADS, MAX_LENGTH = 3, 4, 41
SLOTS = HeadConfig(
    name="slots", kind="token", labels=("O", "B-city", "I-city", "B-day", "I-day", "B-time")
)
TAGS = HeadConfig(name="tags", kind="token", labels=("noun", "verb", "other"))
INTENT = HeadConfig(name="intent", kind="sequence", labels=tuple("abcdefghi"))
SENTENCE = "book a table for two in new york on monday at noon weather will it rain in paris"

TEXTS = [
    "book a table for two in new york",
    "Will it rain?",
    "noon",
    "weather in Paris, on monday at noon. will it rain in new york on monday",
    "a table",
    "at noon book two",
    "it",
]


def torch_outputs(tiny: SimpleNamespace, text: str) -> tuple[Any, Any]:
    """The encoded text, and what the network itself makes of it."""
    encoded = tiny.preprocessor.encode_text(text)
    token_ids = torch.from_numpy(encoded.token_ids)[None]
    with torch.inference_mode():
        return encoded, tiny.network(
            {"token_ids": token_ids, "valid": torch.ones_like(token_ids, dtype=torch.bool)}
        )


def same(ours: Any, theirs: Any) -> bool:
    """Equal; numbers within 1e-4."""
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == pytest.approx(theirs, abs=1e-4) if isinstance(ours, float) else ours == theirs


class Client:
    """Talks to an app in this process; the app's event loop runs while a call is made."""

    def __init__(self, settings: Settings):
        self.app = create_app(settings)
        self.runner = asyncio.Runner()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def get(self, path: str) -> httpx.Response:
        return self.run(self.http.get(path))

    def post(self, path: str, content: object, **headers: str) -> httpx.Response:
        """Post JSON, or bytes as they are."""
        body = {"content": content} if isinstance(content, bytes) else {"json": content}
        return self.run(self.http.post(path, headers=headers, **body))

    def ask(self, path: str, content: object) -> Any:
        """The answer, which must be one."""
        response = self.post(path, content)
        assert response.status_code == 200, response.text
        return response.json()

    def close(self) -> None:
        self.run(self.http.aclose())
        self.run(self.app.state.registry.close())
        self.runner.close()


def write_bundle(folder: Path, config: ModelConfig, tokenizer: str = "") -> Network:
    """Write an untrained network as a bundle named as the folder."""
    torch.manual_seed(3)
    network = Network(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # so that answers differ from input to input
    return save_bundle(folder, network, tokenizer)


def save_bundle(folder: Path, network: Network, tokenizer: str) -> Network:
    """Write a network as a bundle named as the folder, in fp32 and int8."""
    config = network.config
    folder.mkdir()
    graph = to_onnx(network, folder / "model.fp32.onnx")
    (folder / "model.int8.onnx").write_bytes(to_int8(graph).SerializeToString())
    if tokenizer:
        (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    encoder = config.encoder
    attention = AttentionInfo(layers=encoder.layers, heads=encoder.heads, window=encoder.window)
    manifest = Manifest(
        name=folder.name,
        version="7",
        description="For tests",
        license="Apache-2.0",
        preprocess=config.preprocess,
        heads=config.heads,
        attention=attention,
        max_length=config.frontend.max_length,
        inputs=inputs_of(config.preprocess),
        outputs=outputs_of(config.heads, attention, config.preprocess),
        graphs={
            "fp32": Graph(file="model.fp32.onnx", parity=1e-6, dev={"slots_f1": 0.25}),
            "int8": Graph(file="model.int8.onnx", parity=0.1, dev={"slots_f1": 0.125}),
        },
        files={file.name: describe_file(file) for file in sorted(folder.iterdir())},
        data=DataConfig(
            name="None", license="CC0-1.0", reader="snips", url="http://localhost", files={}
        ),
        examples=("at noon",) if tokenizer else (),
        tools={},
    )
    write_manifest(manifest, folder)
    return network


def text_model(heads: tuple[HeadConfig, ...], tokenizer: str) -> ModelConfig:
    rows = TextPreprocessor(tokenizer, MAX_LENGTH).tokenizer.get_vocab_size()
    return ModelConfig(
        frontend=FrontendConfig(vocabulary=rows, max_length=MAX_LENGTH),
        encoder=EncoderConfig(layers=LAYERS, heads=HEADS, d_model=20, d_hidden=37),
        heads=heads,
    )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The bundles `tagger` (one token head, not BIO) and `tiny` (slots and intent).

    Attributes: folder; network, preprocessor of `tiny`.
    """
    folder = tmp_path_factory.mktemp("bundles")
    tokenizer = train_tokenizer([Example(source=tuple(SENTENCE.split()), targets={})], 97)
    write_bundle(folder / "tagger", text_model((TAGS,), tokenizer), tokenizer)
    network = write_bundle(folder / "tiny", text_model((SLOTS, INTENT), tokenizer), tokenizer)
    preprocessor = TextPreprocessor(tokenizer, MAX_LENGTH)
    return SimpleNamespace(folder=folder, network=network, preprocessor=preprocessor)


@pytest.fixture(scope="session")
def modalities(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The bundles of `tests.service.modalities`.

    Attributes: folder; networks, by name.
    """
    folder = tmp_path_factory.mktemp("modalities")
    networks = {name: write_bundle(folder / name, config(name)) for name in MODALITIES}
    return SimpleNamespace(folder=folder, networks=networks)


@pytest.fixture(scope="session")
def sources(modalities: SimpleNamespace) -> Iterator[Client]:
    """A client of the app that serves them."""
    made = Client(Settings(bundles=str(modalities.folder), precision="fp32", threads=1))
    yield made
    made.close()


@pytest.fixture(scope="session")
def make_client(tiny: SimpleNamespace) -> Iterator[Callable[..., Client]]:
    """make_client(**settings) -> a client of a new app, closed at the end."""
    clients: list[Client] = []

    def make(**settings: object) -> Client:
        defaults = {
            "bundles": tiny.folder,
            "default_model": "tiny",
            "precision": "fp32",
            "threads": 1,
            "max_batch_positions": 100,
        }
        clients.append(Client(Settings(**defaults | settings)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def client(make_client: Callable[..., Client]) -> Client:
    """A client of the app with its default limits."""
    return make_client()
