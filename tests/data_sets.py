"""The data sets that the shipped models are measured on: a folder each under REGARD_DATA.

What is kept there in another form is written as it was published, and read by the model's reader.
"""

import csv
import os
import shutil
import tarfile
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse

from model.data import esol
from model.data.examples import Splits
from tests import planetoid

ROOT = Path(__file__).parent.parent


@cache
def splits(reader: str) -> Splits:
    """Those of the data set with that reader."""
    kept = Path(os.environ["REGARD_DATA"]) / FOLDERS.get(reader, reader)
    read = import_module(f"model.data.{reader}").read
    if reader not in FORMS:
        return read(kept)
    with TemporaryDirectory() as folder:
        FORMS[reader](kept, Path(folder))
        return read(Path(folder))


def _fsdd(kept: Path, folder: Path) -> None:
    with tarfile.open(kept / "recordings.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for path in (ROOT / "recipes" / "digits-speech").glob("*.csv"):
        shutil.copy(path, folder)


def _cmudict(kept: Path, folder: Path) -> None:
    shutil.copy(kept / "train.tsv", folder / "g014b2b.train")
    shutil.copy(kept / "test.tsv", folder / "g014b2b.ref")


def _cora(kept: Path, folder: Path) -> None:
    with np.load(kept / "cora.npz") as arrays:
        indices, ends = arrays["x_indices"], arrays["x_indptr"]
        ones = np.ones(len(indices))
        nodes = scipy.sparse.csr_matrix((ones, indices, ends), arrays["x_shape"]).toarray()
        cites: dict[int, list[int]] = {node: [] for node in range(len(nodes))}
        for one, other in arrays["edges"].tolist():
            cites[one].append(other)
            cites[other].append(one)
        planetoid.write(folder, nodes, arrays["y"], cites, arrays["test_idx"].tolist())


def _esol(kept: Path, folder: Path) -> None:
    with (
        (kept / "esol.csv").open(encoding="utf-8", newline="") as source,
        (folder / esol.NAME).open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(["smiles", esol.MEASURED])
        table.writerows([row["smiles"], row["logS"]] for row in csv.DictReader(source))


FOLDERS = {"cmudict": "g2p_cmudict"}
FORMS = {"cmudict": _cmudict, "cora": _cora, "esol": _esol, "fsdd": _fsdd}
