"""What an intent model answers to sentences that are no request for it.

    python bench/out_of_scope.py bundles/assistant --data DIR

DIR holds CLINC150's data_full.json.gz, whose out-of-scope test questions are asked.
"""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

import machine
from export.bundle import read_file, read_manifest
from export.runtime import Runner
from model.decode import softmax
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor

SURE = (0.5, 0.9, 0.99)


def main(
    bundle: Path,
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with CLINC150.")],
    head: str = "intent",
) -> None:
    """Print the share of each answer, and how sure it is."""
    folder = data if (data / "data_full.json.gz").is_file() else data / "clinc150"
    with gzip.open(folder / "data_full.json.gz") as file:
        texts = [text for text, _ in json.load(file)["oos_test"]]
    manifest = read_manifest(bundle)
    labels = next(h.labels for h in manifest.heads if h.name == head)
    run = Runner(read_file(manifest, bundle, manifest.graphs["int8"].file), [head])
    tokenizer = read_file(manifest, bundle, "tokenizer.json").decode()
    preprocessor = TextPreprocessor(tokenizer, manifest.max_length)
    counts: Counter[str] = Counter()
    scores = []
    for text in texts:
        probabilities = softmax(run(pad([preprocessor.encode_text(text)]))[head][0])
        counts[labels[probabilities.argmax()]] += 1
        scores.append(float(probabilities.max()))
    results = {
        "sentences": len(texts),
        "answers": {label: count / len(texts) for label, count in counts.most_common()},
        "score_above": {limit: sum(s > limit for s in scores) / len(scores) for limit in SURE},
    }
    print(json.dumps(results, indent=1))
    machine.write(f"out_of_scope.{manifest.name}", results)


if __name__ == "__main__":
    typer.run(main)
