"""docs/lecture.md says and shows what results/lecture.json holds."""

import re

import pytest

import lecture
import lecture_figures
from tests.pages import ROOT

RESULTS = lecture_figures.Results(ROOT / "bench/results/lecture.json")
PAGE = lecture_figures.PAGE.read_text("utf-8")


def test_the_tables_are_what_was_measured() -> None:
    assert re.findall(r"<!-- table: (\w+) -->", PAGE) == list(lecture.FIGURES)
    assert lecture_figures.fill(PAGE, RESULTS) == PAGE


@pytest.mark.parametrize("name", lecture.FIGURES)
def test_a_figure_is_what_was_measured(name, tmp_path) -> None:
    shown = ROOT / "docs/lecture" / f"{name}.svg"
    assert f"](lecture/{name}.svg)" in PAGE
    lecture_figures.draw(name, RESULTS, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_bytes() == shown.read_bytes()
    assert shown.stat().st_size < 60_000
