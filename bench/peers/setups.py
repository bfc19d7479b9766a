"""What each peer is installed from, is asked, and answers. Its code is in `<name>_peer.py`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peers.answers import Answer

JSON = Any  # as json.loads gives it


@dataclass(frozen=True)
class Setup:
    """One server.

    Attributes:
        about: what it is called, and how it is set up.
        body: the request for a text.
        read: the answer in its answer's JSON.
        path: of the requests.
        ready: a path that says whether it may be asked; empty: it may always be.
        packages: pip's requirements; none: it runs in the environment that measures.
    """

    about: str
    body: Callable[[str], JSON] = lambda text: {"text": text}
    read: Callable[[JSON], Answer] = lambda answer: answer
    path: str = "/predict"
    ready: str = ""
    packages: tuple[str, ...] = ()


def inference_protocol(text: str) -> JSON:
    """A request of the Open Inference Protocol, version 2."""
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": [text]}
    return {"inputs": [tensor]}


def inference_answer(answer: JSON) -> Answer:
    """The JSON in the string that is the protocol's answer."""
    return json.loads(answer["outputs"][0]["data"][0])


def regard_answer(answer: JSON) -> Answer:
    """The first head of each kind."""
    [result] = answer["results"]
    [words] = result["labels"].values()
    [[intent]] = result["classes"].values()
    return {"words": words, "intent": intent}


REGARD = Setup("Regard", lambda text: {"inputs": text}, regard_answer, "/v1/predict")
PEERS = {
    "fastapi": Setup(
        "FastAPI, def route in the thread pool",
        packages=("fastapi==0.165.0", "uvicorn[standard]==0.54.0"),
    ),
    "litserve": Setup(
        "LitServe, batches of 16, 10 ms",
        packages=("litserve==0.2.19",),
    ),
    "mlserver": Setup(
        "MLServer, custom runtime, adaptive batching",
        body=inference_protocol,
        read=inference_answer,
        path="/v2/models/assistant/infer",
        ready="/v2/models/assistant/ready",
        packages=("mlserver==1.7.1",),
    ),
    "bentoml": Setup(
        "BentoML, batchable API",
        body=lambda text: {"texts": [text]},
        read=lambda answer: answer[0],
        packages=("bentoml==1.4.39",),
    ),
    "ray": Setup(
        "Ray Serve, @serve.batch",
        packages=("ray[serve]==2.60.0",),
    ),
    "pytriton": Setup(
        "Triton, nvidia-pytriton, Python backend",
        body=inference_protocol,
        read=inference_answer,
        path="/v2/models/assistant/infer",
        ready="/v2/models/assistant/ready",
        packages=("nvidia-pytriton==0.7.0", "numpy==1.26.4"),
    ),
}
