import csv
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import ColumnsConfig
from model.data.csv_vectors import MAX_TOLD, read
from model.errors import DataError

COLUMNS = ColumnsConfig(
    sequence="run",
    order="t",
    features=("x", "y"),
    targets={"event": "sequence", "state": "token", "size": "value"},
)
HEADER = "run,t,x,y,event,state,size"
GOOD = f"{HEADER}\na,0,1,2,up,on,7\n"


@pytest.fixture
def folder(tmp_path):
    """With files that are right."""
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text(GOOD)
    return tmp_path


def problems(folder, text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    (folder / "dev.csv").write_bytes(content)
    with pytest.raises(DataError) as refused:
        read(folder, COLUMNS)
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_rows_of_one_name_are_a_sequence_in_their_order(folder):
    (folder / "train.csv").write_text(
        "\ufeffy, t ,run,x,size,event,state,note\n"
        "0.5,10,b,-1,,,on,ignored\n"
        "2,2,a,1,7.5,up,on,\n"
        "\n"
        '-4,1e0, a ,"3",,,,"two\nlines"\n'
        "0.25,9,b,-2,,,off,\n"
    )
    train, dev, test = read(folder, COLUMNS)
    assert [example.source.tolist() for example in train] == [
        [[-2, 0.25], [-1, 0.5]],
        [[3, -4], [1, 2]],
    ]
    assert [example.targets for example in train] == [
        {"state": ("off", "on")},
        {"event": "up", "state": (None, "on"), "size": 7.5},
    ]
    assert train[0].source.dtype == np.float32
    assert len(dev) == len(test) == 1


def test_dates_are_an_order_whatever_their_zone(folder):
    (folder / "train.csv").write_text(
        f"{HEADER}\n"
        "a,2026-03-01T12:00:05,1,0,,,\n"
        "a,2026-03-01T12:00:00,2,0,,,\n"
        "a,2026-03-01T13:00:02+01:00,3,0,,,\n"
        "a,2026-02-28,4,0,,,\n"
        "b,20260228,1,0,,,\n"
        "b,3000,2,0,,,\n"
    )
    first, second = read(folder, COLUMNS).train
    assert first.source[:, 0].tolist() == [4, 2, 3, 1]
    assert second.source[:, 0].tolist() == [2, 1]


@given(st.data())
def test_what_was_written_is_read_in_whatever_order_it_stands(tmp_path_factory, data):
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    runs = data.draw(st.lists(st.lists(st.tuples(numbers, numbers), min_size=1), min_size=1))
    rows = [
        (f"run {number}", time, *pair)
        for number, pairs in enumerate(runs)
        for time, pair in enumerate(pairs)
    ]
    random.Random(data.draw(st.integers())).shuffle(rows)
    folder = tmp_path_factory.mktemp("csv")
    for name in ("train", "dev", "test"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([HEADER.split(","), *((*row, "e", "s", 1) for row in rows)])
    found = sorted((example.source.tolist() for example in read(folder, COLUMNS).train), key=str)
    assert found == sorted(([list(pair) for pair in pairs] for pairs in runs), key=str)


def test_all_problems_are_told_at_once_with_their_places(folder):
    (folder / "test.csv").unlink()
    found = problems(
        folder,
        f"{HEADER}\n"
        "a,0,one,,up,on,7\n"
        "a,soon,1,nan,up,on,big\n"
        "a,1,1,1e39,up,on,7\n"
        ",2,1,1,up,on,7\n"
        "a,3,1,1\n"
        "b,4,1,1,up,on,7\n"
        "b,4.0,1,1,down,on,8\n",
    )
    assert found == [
        "dev.csv, line 2: x is 'one'; a number is wanted",
        "dev.csv, line 2: y is ''; a number is wanted",
        "dev.csv, line 3: y is 'nan'; a number is wanted",
        "dev.csv, line 3: size is 'big'; a number is wanted",
        "dev.csv, line 3: t is 'soon'; a number or a date is wanted",
        "dev.csv, line 4: y is '1e39'; a number is wanted",
        "dev.csv, line 5: run is empty",
        "dev.csv, line 6: 4 cells; the header has 7",
        "dev.csv, line 8: t is as in line 7, of 'b' too",
        "dev.csv, line 8: event is 'down', but 'up' in line 7; a sequence has one",
        "dev.csv, line 8: size is 8.0, but 7.0 in line 7; a sequence has one",
        "test.csv: [Errno 2] No such file or directory: 'test.csv'",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "dev.csv, line 1: columns ; each of event, run, size, state, t, x, y is wanted once"),
        ("run,t,x,x,y\n", "columns run, t, x, x, y; each of event, size, state, x is wanted once"),
        (HEADER, "dev.csv: there is no row"),
        (b"\xff\xfe", "dev.csv: 'utf-8' codec can't decode byte 0xff"),
        (f'{GOOD}a,"1', "dev.csv: unexpected end of data"),
        (GOOD.replace(",0,", ",inf,"), "dev.csv, line 2: t is 'inf'; a number or a date"),
    ],
)
def test_a_file_that_is_no_such_table_is_told(folder, text, told):
    assert told in problems(folder, text)[0]


def test_no_more_is_told_than_can_be_read(folder):
    found = problems(folder, HEADER + "\na,0,,1,,,," * 99)
    assert len(found) == MAX_TOLD + 1
    assert found[-1] == f"and {99 - MAX_TOLD} more"
