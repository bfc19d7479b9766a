"""The examples of the OpenAPI document, sent. As a program: writes their answers into the files.

python -m tests.service.examples
"""

import base64
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.openapi import EXAMPLES, Example, examples_of, matches
from service.settings import Settings
from tests.service.conftest import Client, write_bundle
from tests.service.modalities import MODALITIES, config
from tests.service.process import ROOT

SHOWN_LINES = 2
SHIPPED = "assistant"
FILE = re.compile("<base64 of (?P<path>.*)>")


def fail(*_: object) -> None:
    raise RuntimeError("a bug")


def contents(value: Any) -> Any:
    """JSON with the files that are named in it."""
    if isinstance(value, dict):
        return {key: contents(each) for key, each in value.items()}
    if isinstance(value, list):
        return [contents(each) for each in value]
    if isinstance(value, str) and (named := FILE.fullmatch(value)):
        return base64.b64encode((ROOT / named["path"]).read_bytes()).decode()
    return value


class Stage:
    """The service with a shipped bundle, in whatever state an example asks for.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._clients: dict[tuple[str, str], Client] = {}

    def ask(self, operation: str, example: Example) -> dict[str, Any]:
        """Send the request of an example: status, type and answer."""
        method, path = operation.split(" ")
        given = example.get("given", "")
        content = example.get("text")
        if "body" in example:
            content = json.dumps(contents(example["body"]))
        bundle = example.get("bundle", SHIPPED)
        client = self._client(given, bundle)
        path = path.format(**example.get("path", {}))
        headers = example.get("headers")
        request = client.http.build_request(method, path, headers=headers, content=content)
        while given == "101 headers" and len(request.headers) < 101:
            request.headers[f"X-{len(request.headers)}"] = ""
        with self._state(given, client, self._folder / bundle):
            response = client.run(client.http.send(request))
            if "just now" in given:
                response = client.run(client.http.send(request))
        if response.status_code == 200 and (method == "DELETE" or path.endswith("/unload")):
            self.close()  # of what was unloaded nothing more can be asked
        media = response.headers["content-type"].partition(";")[0]
        told = response.text.replace(str(self._folder / bundle), "bundles")
        if media == "text/plain":
            told = "".join(told.splitlines(keepends=True)[:SHOWN_LINES])
        answer = json.loads(told) if media.endswith(("/json", "+json")) else told
        return {"status": response.status_code, "type": media, "answer": answer}

    def close(self) -> None:
        while self._clients:
            self._clients.popitem()[1].close()

    def _client(self, given: str, bundle: str) -> Client:
        """Of a service of that bundle, with the settings that are given."""
        setting = given.partition(",")[0] if given.startswith("REGARD_") else ""
        bundles = self._folder / bundle
        if not bundles.exists():
            bundles.mkdir()
            if bundle in MODALITIES:
                write_bundle(bundles / bundle, config(bundle))
            else:
                shutil.copytree(ROOT / "bundles" / bundle, bundles / bundle)
        if (bundle, setting) not in self._clients:
            chosen: dict[str, Any] = {"bundles": bundles, "admin_key": "ADMIN", "threads": 1}
            if setting:
                name, _, value = setting.removeprefix("REGARD_").partition("=")
                chosen[name.lower()] = value or None
            self._clients[bundle, setting] = Client(Settings(**chosen))
        return self._clients[bundle, setting]

    @contextmanager
    def _state(self, given: str, client: Client, bundles: Path) -> Iterator[None]:
        registry, lifecycle = client.app.state.registry, client.app.state.lifecycle
        broken = bundles / "broken"
        with pytest.MonkeyPatch.context() as patch:
            if given in ("loading", "no model"):
                patch.setattr(registry, "predictors", {})
                patch.setattr(registry, "default", None)
            if given == "loading":
                patch.setattr(registry, "tried", None)
            elif given == "a full queue":
                queue = registry.get(None)._batcher._queue
                patch.setattr(queue, "positions", client.app.state.settings.max_queue_positions)
            elif given == "stopping":
                patch.setattr(lifecycle, "leaving", True)
                lifecycle.draining.set()
            elif given == "a bug":
                for name in ("get", "describe", "load", "unload"):
                    patch.setattr(registry, name, fail)
            elif given == "a broken bundle":
                broken.mkdir()
            try:
                yield
            finally:
                lifecycle.draining.clear()
                if broken.exists():
                    broken.rmdir()


def record() -> None:
    """Write all answers anew."""
    files = {file: json.loads(file.read_text("utf-8")) for file in sorted(EXAMPLES.glob("*.json"))}
    operations = [key for written in files.values() for key in written if "*" not in key]
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        for file, written in files.items():
            for key, examples in written.items():
                operation = next(one for one in operations if matches(one, key))
                filled = {example["summary"]: example for example in examples_of(operation)}
                for example in examples:
                    example |= stage.ask(operation, filled[example["summary"]])
            file.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")
        stage.close()


if __name__ == "__main__":
    record()
