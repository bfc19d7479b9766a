"""BentoML: a batchable API, so that its dispatcher learns how long to wait."""

import bentoml
from bentoml_cli.cli import cli

from peers.answers import Answer, Answerer, port


@bentoml.service(workers=1, traffic={"max_concurrency": 1000})
class Classifier:
    """Lists of texts in, lists of answers out; the dispatcher joins and splits them."""

    def __init__(self) -> None:
        self.answer = Answerer.load()

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def predict(self, texts: list[str]) -> list[Answer]:
        """Answer a batch."""
        return self.answer(texts)


if __name__ == "__main__":
    address = ["--host", "127.0.0.1", "--port", str(port())]
    cli(["serve", "peers.bentoml_peer:Classifier", *address, "--quiet"])
