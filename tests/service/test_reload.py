"""A model is replaced under load: no request is lost, and every answer is of one version."""

import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.service.conftest import same
from tests.service.load import Load
from tests.service.process import PATIENCE_S, request, serving
from tests.service.test_admin import set_version
from tests.service.test_drain import ask
from tests.service.test_refused import edit_graph

RELOADS = 6
KEY = {"authorization": "Bearer k"}


def halve(graph: onnx.GraphProto) -> None:
    """Halve the largest weights, so that the network answers otherwise."""
    largest = max(graph.initializer, key=lambda tensor: len(tensor.raw_data))
    halved = numpy_helper.to_array(largest) * np.float32(0.5)
    largest.CopyFrom(numpy_helper.from_array(halved, largest.name))


@pytest.fixture(scope="module")
def versions(tiny: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two folders of bundles, by the version of their `tiny`."""
    old, new = (tmp_path_factory.mktemp(name) / "bundles" for name in ("old", "new"))
    shutil.copytree(tiny.folder, old)
    shutil.copytree(tiny.folder, new)
    edit_graph(new / "tiny", "model.fp32.onnx", halve)
    set_version(new / "tiny", "8")
    return {"7": old, "8": new}


def version(url: str) -> str:
    return request("GET", f"{url}/v1/models/tiny").json()["version"]


@pytest.mark.parametrize("watch_s", ["0", "0.02"])
def test_every_request_is_answered_by_one_version_or_the_other(
    versions: dict[str, Path], tmp_path: Path, watch_s: str
) -> None:
    settings = {"precision": "fp32", "default_model": "tiny"}
    answers = {}
    for name, folder in versions.items():
        with serving(folder, **settings) as (_, url):
            answers[name] = ask(url)
    assert not same(answers["7"], answers["8"])

    bundles = Path(shutil.copytree(versions["7"], tmp_path / "bundles"))
    with serving(bundles, admin_key="k", watch_s=watch_s, **settings) as (process, url):
        with Load(url, keep=3, fresh=1) as load:
            for turn in range(RELOADS):
                name = "87"[turn % 2]
                load.wait(20)
                shutil.copytree(versions[name] / "tiny", bundles / "tiny", dirs_exist_ok=True)
                if watch_s == "0":
                    done = request("PUT", f"{url}/v1/models/tiny", headers=KEY)
                    assert done.json()["version"] == name
                end = time.monotonic() + PATIENCE_S
                while version(url) != name:
                    assert time.monotonic() < end
            load.wait(20)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert set(load.counts()) == {200}
    seen = set()
    for told in load.told:
        seen.add(told.body["version"])
        assert same(told.body, answers[told.body["version"]][told.question])
    assert seen == {"7", "8"}
