"""ESOL in the file of MoleculeNet (Delaney 2004; Wu et al. 2018, arXiv:1703.00564): solubility."""

import csv
from collections import defaultdict
from pathlib import Path

from model.data.examples import Example, Splits
from model.data.molecules import parse, scaffold, to_graph
from model.errors import DataError, InputError

NAME = "delaney-processed.csv"
MEASURED = "measured log solubility in mols per litre"
TRAIN, TRAIN_AND_DEV = 0.8, 0.9


def read(folder: Path) -> Splits:
    """The scaffold split; source a graph (see `to_graph`), target `solubility`, log10 of mol/l.

    Raises:
        DataError: the file lacks a column, or a line of it cannot be read.
    """
    examples, scaffolds = [], []
    with (folder / NAME).open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                molecule = parse((row["smiles"] or "").strip())
                target = float(row[MEASURED])
            except (InputError, KeyError, TypeError, ValueError) as error:
                raise DataError(f"{folder / NAME}, line {number}: {error!r}") from error
            examples.append(Example(to_graph(molecule), {"solubility": target}))
            scaffolds.append(scaffold(molecule))
    train, dev, test = split(scaffolds)
    return Splits(*([examples[i] for i in part] for part in (train, dev, test)))


def split(scaffolds: list[str]) -> tuple[list[int], list[int], list[int]]:
    """Numbers of the molecules in train, dev and test; those of one scaffold stay together.

    The largest groups come first, the later one where two are as large (Wu et al. 2018, s. 3.2).
    """
    groups = defaultdict(list)
    for number, name in enumerate(scaffolds):
        groups[name].append(number)
    train: list[int] = []
    dev: list[int] = []
    test: list[int] = []
    for group in sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True):
        if len(train) + len(group) <= TRAIN * len(scaffolds):
            train += group
        elif len(train) + len(dev) + len(group) <= TRAIN_AND_DEV * len(scaffolds):
            dev += group
        else:
            test += group
    return train, dev, test
