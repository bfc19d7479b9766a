import pytest

from model.data import esol
from model.data.esol import MEASURED, NAME, split
from model.errors import DataError


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
