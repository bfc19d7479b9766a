"""What kserve makes of a service and of files; run where it is installed, prints JSON.

Arguments: the address of the service, a model, a text to ask it about; files.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import kserve
import numpy as np
import yaml
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

KINDS = {"ServingRuntime": "V1alpha1ServingRuntime", "InferenceService": "V1beta1InferenceService"}
PLAIN = {"str": str, "int": int, "bool": bool}


def read(file: str) -> list[str]:
    with open(file, encoding="utf-8") as opened:
        found = yaml.safe_load(opened)
    return [fault.removeprefix(".") for fault in faults(found, KINDS[found["kind"]], "")]


def faults(value: Any, kind: str, place: str) -> Iterator[str]:
    """What is not of that kind, as kserve's classes name it; what is Kubernetes' is passed over."""
    if inner := re.fullmatch(r"list\[(.+)\]", kind):
        for index, item in enumerate(value):
            yield from faults(item, inner[1], f"{place}.{index}")
    elif inner := re.fullmatch(r"dict\(str, (.+)\)", kind):
        for name, item in value.items():
            yield from faults(item, inner[1], f"{place}.{name}")
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]):
            yield f"{place} is no {kind}"
    elif model := getattr(kserve, kind, None):
        kinds = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
        for name, item in value.items():
            if name in kinds:
                yield from faults(item, kinds[name], f"{place}.{name}")
            else:
                yield f"{place}.{name} is unknown"


async def ask(url: str, model: str, text: str) -> dict[str, Any]:
    tensor = InferInput("text", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([text], np.object_), binary_data=True)
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        answer = await client.infer(url, InferRequest(model, [tensor]), model_name=model)
        outputs = {output.name: output for output in answer.outputs}
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model_ready": await client.is_model_ready(url, model),
            "intent": outputs["intent.labels"].as_numpy().tolist(),
        }


if __name__ == "__main__":
    url, model, text, *files = sys.argv[1:]
    faults_of = {file: read(file) for file in files}
    print(json.dumps({"answer": asyncio.run(ask(url, model, text)), "faults": faults_of}))
