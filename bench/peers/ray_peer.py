"""Ray Serve: FastAPI in front of one replica that batches what comes within 10 ms."""

import os
import signal

import ray
from fastapi import FastAPI
from ray import serve

from peers.answers import Answer, Answerer, Question, port

app = FastAPI()


@serve.deployment(num_replicas=1, max_ongoing_requests=128, ray_actor_options={"num_cpus": 1})
@serve.ingress(app)
class Classifier:
    """One model."""

    def __init__(self) -> None:
        self.answer = Answerer.load()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.01)
    async def batch(self, texts: list[str]) -> list[Answer]:
        """Answer a batch."""
        return self.answer(texts)

    @app.post("/predict")
    async def predict(self, question: Question) -> Answer:
        """Answer one text."""
        return await self.batch(question.text)


if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=os.getcwd())
    serve.start(http_options={"host": "127.0.0.1", "port": port()})
    serve.run(Classifier.bind())
    signal.sigwait({signal.SIGINT})
    ray.shutdown()
