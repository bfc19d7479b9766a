"""Asks a service as users of kserve do; run where kserve is installed, prints what it got as JSON.

Arguments: the address of the service, of the bundles tagger and tiny.
"""

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

TEXTS = ["book a table for two in new york", "noon"]


def request(
    *inputs: tuple[str, np.ndarray, str],
    binary: bool,
    outputs: list[RequestedOutput] | None = None,
    **parameters: Any,
) -> InferRequest:
    tensors = []
    for name, values, datatype in inputs:
        tensors.append(InferInput(name, list(values.shape), datatype))
        tensors[-1].set_data_from_numpy(values, binary_data=binary)
    return InferRequest("tiny", tensors, "an-id", parameters=parameters, request_outputs=outputs)


def text(*texts: str) -> tuple[str, np.ndarray, str]:
    return "text", np.array(texts, np.object_), "BYTES"


async def ask(client: InferenceRESTClient, url: str) -> dict[str, Any]:
    async def infer(*arguments: Any, **options: Any) -> dict[str, Any]:
        asked = request(*arguments, **options)
        response = await client.infer(url, asked, model_name="tiny")
        assert (response.id, response.model_name) == ("an-id", "tiny")
        return {output.name: plain(output.as_numpy()) for output in response.outputs}

    async def fails(asked: InferRequest, model: str) -> str:
        try:
            await client.infer(url, asked, model_name=model)
        except httpx.HTTPStatusError as error:
            return str(error)
        raise AssertionError("it was answered")

    ids = ("token_ids", np.array([[2, 9, 3], [2, 3, 0]]), "INT64")
    valid = ("valid", np.array([[True, True, True], [True, True, False]]), "BOOL")
    attention = RequestedOutput(
        "attention", {"layers": "all", "heads": "mean", "binary_data": True}
    )
    return {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, "tiny"),
        "huge_ready": await client.is_model_ready(url, "huge"),
        "json": await infer(text(*TEXTS), binary=False),
        "binary": await infer(text(*TEXTS), binary=True, binary_data_output=True),
        "raw": await infer(ids, valid, binary=True, binary_data_output=True),
        "raw_json": await infer(ids, valid, binary=False),
        "attention": await infer(text(*TEXTS), binary=False, outputs=[attention]),
        "no_text": await fails(request(text(" "), binary=True), "tiny"),
        "no_model": await fails(request(text("noon"), binary=True), "huge"),
    }


def plain(values: np.ndarray) -> Any:
    return [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]


async def main(url: str) -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        print(json.dumps(await ask(client, url)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
