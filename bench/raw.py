"""The ceiling: the same graph and the same utterances, already encoded, without HTTP.

Run as a program (pinned with taskset by its caller), it reads commands from standard input and
answers each with a line of JSON; see `serving.py`.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from export.bundle import read_file, read_manifest
from export.runtime import Runner
from model.preprocess.batch import pad
from model.preprocess.text import EncodedText, TextPreprocessor

Items = Sequence[EncodedText]
BATCHES = (1, 4, 8, 16, 32)


class Raw:
    """One session, one thread, one bundle."""

    def __init__(self, bundle: Path, precision: str, texts: Sequence[str]):
        manifest = read_manifest(bundle)
        graph = read_file(manifest, bundle, manifest.graphs[precision].file)
        tokenizer = read_file(manifest, bundle, "tokenizer.json").decode()
        preprocessor = TextPreprocessor(tokenizer, manifest.max_length)
        self.run = Runner(graph, [head.name for head in manifest.heads], threads=1)
        self.items = [preprocessor.encode_text(text) for text in texts]
        self.one_by_one(50)

    def one_by_one(self, count: int = 700) -> dict[str, float]:
        """Utterances/s and the milliseconds of one, each in a run of its own."""
        times = []
        for item in self.items[:count]:
            started = time.perf_counter()
            self.run(pad([item]))
            times.append(time.perf_counter() - started)
        p50, p99 = np.percentile(times, [50, 99]) * 1000
        return {"per_s": len(times) / sum(times), "p50_ms": p50, "p99_ms": p99}

    def waiting(self, width: int) -> dict[str, float]:
        """Utterances/s where `width` at a time are known: sorted by length, best batch size."""
        groups = [self.items[i : i + width] for i in range(0, len(self.items), width)]
        return self._best(lambda size: [b for group in groups for b in _sorted(group, size)])

    def batched(self) -> dict[str, float]:
        """Utterances/s where all are known beforehand: sorted by length, best batch size."""
        return self._best(lambda size: _sorted(self.items, size))

    def _best(self, split: Callable[[int], list[Items]]) -> dict[str, float]:
        rates = {}
        for size in BATCHES:
            batches = [pad(batch) for batch in split(size)]
            started = time.perf_counter()
            for batch in batches:
                self.run(batch)
            rates[size] = len(self.items) / (time.perf_counter() - started)
        best = max(rates, key=rates.__getitem__)
        positions = sum(item.length for item in self.items) / len(self.items)
        return {
            "per_s": rates[best],
            "positions_per_s": positions * rates[best],
            "batch": best,
        }


def _sorted(items: Items, size: int) -> list[Items]:
    ordered = sorted(items, key=lambda item: item.length)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


if __name__ == "__main__":
    bundle, precision, texts = sys.argv[1:]
    raw = Raw(Path(bundle), precision, Path(texts).read_text("utf-8").splitlines())
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(raw, name)(*arguments)), flush=True)
