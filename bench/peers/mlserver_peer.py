"""MLServer: a custom runtime in the server's process, adaptive batching."""

import json
from pathlib import Path

from mlserver import MLModel
from mlserver.cli.main import root
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from peers.answers import Answerer, port

MODEL = {
    "name": "assistant",
    "implementation": "peers.mlserver_peer.Classifier",
    "max_batch_size": 32,
    "max_batch_time": 0.005,
}


class Classifier(MLModel):
    """Texts in, answers out, each a string of JSON."""

    async def load(self) -> bool:
        """Load the model."""
        self.answer = Answerer.load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a batch."""
        texts = StringCodec.decode_input(payload.inputs[0])
        answers = [json.dumps(answer) for answer in self.answer(texts)]
        output = StringCodec.encode_output("answer", answers, use_bytes=False)
        return InferenceResponse(model_name=self.name, outputs=[output])


def settings() -> dict[str, object]:
    """Of the server."""
    return {
        "host": "127.0.0.1",
        "http_port": port(),
        "grpc_port": port() + 1,
        "metrics_port": port() + 2,
        "parallel_workers": 0,
        "debug": False,
    }


if __name__ == "__main__":
    Path("settings.json").write_text(json.dumps(settings()), "utf-8")
    Path("model-settings.json").write_text(json.dumps(MODEL), "utf-8")
    root(["start", "."])
