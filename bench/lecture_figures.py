"""Draw results/lecture.json, and write its tables into docs/lecture.md.

python bench/lecture_figures.py
"""

import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import machine
from lecture import FIGURES, KINDS, Trial

PAGE = Path(__file__).parents[1] / "docs/lecture.md"
FOLDER = PAGE.with_suffix("")  # of the figures
VARIED = {  # figure -> what its trials differ in
    "positions": "positions",
    "scores": "score",
    "normalisation": "mixer",
    "heads": "heads",
    "layers": "layers",
}
LABELS = {
    "positions": "position vectors",
    "score": "score",
    "mixer": "normalisation",
    "heads": "attention heads",
    "layers": "layers",
    "slots.f1": "slots, F1 in %",
    "intent.accuracy": "intent, accuracy in %",
    "first.accuracy": "intent of the first, accuracy in %",
}
MIXERS = {
    "full": "self-attention",
    "convolution": "convolution",
    "lstm": "bidirectional LSTM",
    "truncated": "truncated self-attention",
    "linear": "linear attention",
}
COLOURS = {
    "full": "#1d4ed8",
    "convolution": "#c2410c",
    "lstm": "#15803d",
    "truncated": "#c2410c",
    "linear": "#15803d",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "regard",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
}
METRICS = ("slots.f1", "intent.accuracy")
Table = list[Sequence[object]]


class Results:
    """What was measured: `latency` has one row a length."""

    def __init__(self, path: Path):
        found = json.loads(path.read_text("utf-8"))
        self.trials: list[dict[str, Any]] = found["trials"]
        self.latency: list[dict[str, Any]] = found["latency"]

    def seeds(self, trial: Trial, metric: str) -> list[float]:
        """The metric in %, of each seed."""
        like = asdict(trial)
        del like["seed"]
        return [100 * row[metric] for row in self.trials if like.items() <= row["trial"].items()]

    def series(self, trials: Sequence[Trial], metric: str) -> list[list[float]]:
        """The same of several trials."""
        return [self.seeds(trial, metric) for trial in trials]


def _value(name: str, trial: Trial) -> Any:
    """What the trial differs in."""
    value = getattr(trial, VARIED[name])
    return {"full": "softmax", "relu": "ReLU"}.get(value, value)


def _of(name: str, mixer: str) -> list[Trial]:
    return [trial for trial in FIGURES[name] if trial.mixer == mixer]


def _cell(seeds: Sequence[float]) -> str:
    """The mean, and from where to where the seeds go; nothing of what is not measured yet."""
    if not seeds:
        return ""
    mean = f"{statistics.mean(seeds):.1f}"
    return f"{mean} ({min(seeds):.1f} to {max(seeds):.1f})" if len(seeds) > 1 else mean


def varied_table(name: str, results: Results) -> Table:
    """A row a trial, a column a metric."""
    head = [LABELS[VARIED[name]], *(LABELS[metric] for metric in METRICS)]
    return [head] + [
        [_value(name, trial), *(_cell(results.seeds(trial, metric)) for metric in METRICS)]
        for trial in FIGURES[name]
    ]


def examples_table(_: str, results: Results) -> Table:
    """A row a size of the training set and a metric, a column an encoder."""
    return [["training sentences", "", *(MIXERS[kind] for kind in KINDS)]] + [
        [
            size,
            LABELS[metric],
            *(
                _cell(results.seeds(trial, metric))
                for trial in FIGURES["examples"]
                if trial.examples == size
            ),
        ]
        for size in dict.fromkeys(trial.examples for trial in FIGURES["examples"])
        for metric in METRICS
    ]


def distance_table(name: str, results: Results) -> Table:
    """Accuracy by sentences in a row, then milliseconds by positions; a column an encoder."""
    kinds = dict.fromkeys(trial.mixer for trial in FIGURES[name])
    accuracies = [
        [
            f"{count} in a row, accuracy in %",
            *(
                _cell(results.seeds(trial, "first.accuracy"))
                for trial in FIGURES[name]
                if trial.joined == count
            ),
        ]
        for count in dict.fromkeys(trial.joined for trial in FIGURES[name])
    ]
    times = [
        [f"{row['positions']} positions, ms", *(f"{row['ms'][kind]:.1f}" for kind in kinds)]
        for row in results.latency
    ]
    return [["", *map(MIXERS.get, kinds)], *accuracies, *times]


def markdown(table: Table) -> str:
    """The first row is the head."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in table]
    return "\n".join([lines[0], "|---" * len(table[0]) + "|", *lines[1:]])


def _plot(axes: Axes, places: Sequence[float], seeds: Sequence[Sequence[float]], **line) -> None:
    """A dot a seed, a line through the means; without what is not measured yet."""
    measured = [(place, each) for place, each in zip(places, seeds, strict=True) if each]
    means = [statistics.mean(each) for _, each in measured]
    drawn = axes.plot([place for place, _ in measured], means, **line)
    for place, each in measured:
        axes.plot([place] * len(each), each, "o", color=drawn[0].get_color(), markersize=4)


def draw_varied(name: str, results: Results, panels: Sequence[Axes]) -> None:
    """A panel a metric."""
    trials = FIGURES[name]
    values = [_value(name, trial) for trial in trials]
    counted = isinstance(values[0], int)
    for axes, metric in zip(panels, METRICS, strict=True):
        places = values if counted else range(len(values))
        line = {"linestyle": "-" if counted else "", "marker": "_", "markersize": 16}
        _plot(axes, places, results.series(trials, metric), color=COLOURS["full"], **line)
        axes.set(title=LABELS[metric], xlabel=LABELS[VARIED[name]])
        axes.set_xticks(places, list(map(str, values)))
        axes.margins(x=0.05 if counted else 0.3)


def draw_examples(_: str, results: Results, panels: Sequence[Axes]) -> None:
    """A panel a metric, a line an encoder."""
    for axes, metric in zip(panels, METRICS, strict=True):
        for kind in KINDS:
            trials = _of("examples", kind)
            sizes = [trial.examples for trial in trials]
            series = results.series(trials, metric)
            _plot(axes, sizes, series, color=COLOURS[kind], label=MIXERS[kind])
        axes.set(title=LABELS[metric], xlabel="training sentences", xscale="log")
        axes.set_xticks(sizes, list(map(str, sizes)))
        axes.minorticks_off()
    panels[0].legend()


def draw_distance(name: str, results: Results, panels: Sequence[Axes]) -> None:
    """Accuracy, then milliseconds; a line an encoder."""
    accuracy, latency = panels
    for kind in dict.fromkeys(trial.mixer for trial in FIGURES[name]):
        trials = _of(name, kind)
        counts = [trial.joined for trial in trials]
        line = {"color": COLOURS[kind], "label": MIXERS[kind]}
        _plot(accuracy, counts, results.series(trials, "first.accuracy"), **line)
        lengths = [row["positions"] for row in results.latency]
        latency.plot(lengths, [row["ms"][kind] for row in results.latency], marker=".", **line)
    accuracy.set(title=LABELS["first.accuracy"], xlabel="sentences in a row", xscale="log")
    accuracy.set_xticks(counts, list(map(str, counts)))
    accuracy.minorticks_off()
    latency.set(title="one pass, ms", xlabel="positions", xscale="log", yscale="log")
    latency.set_xticks(lengths[::2], list(map(str, lengths[::2])))
    latency.minorticks_off()
    latency.legend()


Draw = Callable[[str, Results, Sequence[Axes]], None]
MAKERS: dict[str, tuple[Callable[[str, Results], Table], Draw]] = {
    **dict.fromkeys(VARIED, (varied_table, draw_varied)),
    "examples": (examples_table, draw_examples),
    "distance": (distance_table, draw_distance),
    "long": (distance_table, draw_distance),
}


def draw(name: str, results: Results, path: Path) -> None:
    """Write the figure as SVG; the same results give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        MAKERS[name][1](name, results, figure.subplots(1, 2))
        figure.savefig(path, metadata={"Date": None})


def fill(page: str, results: Results) -> str:
    """The page with its tables as the results have them."""
    return re.sub(
        r"(<!-- table: (\w+) -->\n)(?:\|.*\n)*",
        lambda found: found[1] + markdown(MAKERS[found[2]][0](found[2], results)) + "\n",
        page,
    )


if __name__ == "__main__":
    measured = Results(machine.RESULTS / "lecture.json")
    PAGE.write_text(fill(PAGE.read_text("utf-8"), measured), "utf-8")
    FOLDER.mkdir(exist_ok=True)
    for figure_name in FIGURES:
        draw(figure_name, measured, FOLDER / f"{figure_name}.svg")
