"""Triton through nvidia-pytriton: its Python backend, batches of what waits."""

import json
import os
import sysconfig

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from peers.answers import Answerer, port


class Classifier:
    """Texts in, answers out, each a string of JSON."""

    def __init__(self) -> None:
        self.answer = Answerer.load()

    @batch
    def predict(self, text: np.ndarray) -> dict[str, np.ndarray]:
        """Answer a batch, (batch, 1) bytes."""
        answers = self.answer([row.decode() for row in text[:, 0]])
        return {"answer": np.array([[json.dumps(answer).encode()] for answer in answers])}


if __name__ == "__main__":
    # Triton's stub for Python loads a libpython; another patch level than this one's fails.
    os.environ["LD_LIBRARY_PATH"] = sysconfig.get_config_var("LIBDIR")
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=port(),
        grpc_address="127.0.0.1",
        grpc_port=port() + 1,
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="assistant",
            infer_func=Classifier().predict,
            inputs=[Tensor(name="text", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="answer", dtype=bytes, shape=(1,))],
            config=ModelConfig(
                max_batch_size=32,
                batcher=DynamicBatcher(max_queue_delay_microseconds=0),
            ),
        )
        triton.serve()
