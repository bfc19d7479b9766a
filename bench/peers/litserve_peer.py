"""LitServe: batches of at most 16, of what comes within 10 ms."""

import litserve

from peers.answers import Answer, Answerer, port


class Classifier(litserve.LitAPI):
    """Runs in LitServe's worker process."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.answer = Answerer.load()

    def decode_request(self, request: dict[str, str]) -> str:
        """The text of one request."""
        return request["text"]

    def predict(self, texts: list[str]) -> list[Answer]:
        """Answer a batch."""
        return self.answer(texts)


if __name__ == "__main__":
    server = litserve.LitServer(
        Classifier(max_batch_size=16, batch_timeout=0.01),
        accelerator="cpu",
        devices=1,
        workers_per_device=1,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=port(),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
