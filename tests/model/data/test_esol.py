import pytest

from model.data import esol
from model.data.esol import MEASURED, NAME, scaffold, split
from model.data.smiles import parse
from model.errors import DataError

SAME = [  # molecules of one scaffold
    ("c1ccccc1", "Cc1ccc(O)cc1C(=O)O", "Clc1ccccc1", "CCN(CC)c1ccccc1"),
    ("CCO", "CC(C)=C", "C", "OCC(Br)C#N"),
    ("O=C1CCCN1", "CC1CCN(C)C1=O"),
    ("c1ccccc1Cc2ccccc2", "c1cc(Cl)ccc1C(C)c2ccccc2"),
    ("O=c1[nH]cnc2[nH]cnc12", "O=c1[nH]cnc2n(C)cnc12"),
    ("c1cc[nH]c1", "Cn1cccc1"),
    ("C1CCCCC1", "CC1CCCCC1"),
]


@pytest.mark.parametrize("molecules", SAME)
def test_side_chains_do_not_change_the_scaffold(molecules):
    assert len({scaffold(parse(smiles)) for smiles in molecules}) == 1


def test_rings_and_what_joins_them_and_double_bonds_do():
    firsts = [molecules[0] for molecules in SAME]
    others = ["c1ccncc1", "C1CCCC1", "c1ccccc1CCc2ccccc2", "C1CCCN1", "C=C1CCCN1"]
    others += ["O=c1[nH]cnc2nc[nH]c12", "c1ccc2ccccc2c1", "C1=CCCCC1"]
    assert len({scaffold(parse(smiles)) for smiles in firsts + others}) == 15


def test_the_largest_groups_are_learned_from():
    names = [*"ababacadaeafbghij"] + ["k"] * 3
    train, dev, test = split(names)
    assert [names[i] for i in train] == [*"aaaaaakkkbbbjihg"]
    assert [names[i] for i in dev] == [*"fe"]
    assert [names[i] for i in test] == [*"dc"]
    assert sorted(train + dev + test) == [*range(20)]


def write(folder, rows: list[str]) -> None:
    lines = [f"Compound ID,{MEASURED},smiles", *rows]
    (folder / NAME).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def test_a_line_is_a_molecule_and_its_solubility(tmp_path):
    write(tmp_path, ['"a, b",-1.5,CCO ', *(f"c,0.{i},CC" for i in range(9))])
    splits = esol.read(tmp_path)
    assert [len(part) for part in splits] == [0, 0, 10]
    example = splits.test[0]
    assert example.targets == {"solubility": -1.5}
    assert len(example.source.nodes) == 3
    assert example.source.edges.tolist() == [[0, 1], [1, 2]]


@pytest.mark.parametrize("row", ["a,x,CC", "a,1.0,C[", "a,1.0", "a"])
def test_a_line_that_cannot_be_read_is_named(tmp_path, row):
    write(tmp_path, ["a,1.0,C", row])
    with pytest.raises(DataError, match="line 3"):
        esol.read(tmp_path)
