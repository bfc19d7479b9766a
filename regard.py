"""The `regard` command: train, export, evaluate, predict, serve, models.

Each command imports what it needs when it runs, so that serving needs no training library.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Else glibc gives large tensors back to the kernel and faults them in again at every step.
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": "8589934592",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder with the data set's files. [default: downloaded once]"),
]


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(metadata.version("regard"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Self-attention as a service: train an encoder, export it, serve it over HTTP."""


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a TOML file.")],
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run. [default: runs/NAME]")
    ] = None,
) -> None:
    """Train a model. Started again on the same folder, goes on after the last finished epoch."""
    if not MALLOC.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], MALLOC | os.environ)
    from model import recipe as recipes
    from model.train import train as run

    made = recipes.read(recipe)
    folder = out or Path("runs") / made.name
    checkpoint = run(made, recipes.prepare(made, data), folder)
    typer.echo(f"{folder}/best.safetensors: {_told(checkpoint.about['dev'])}")


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="best.safetensors of a run.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    data: DataOption = None,
    precision: Annotated[str, typer.Option(help="Which of fp32,fp16,int8.")] = "int8",
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
) -> None:
    """Turn a checkpoint into a bundle, verified against torch and on the dev split."""
    from export.export import CONVERT
    from export.export import export as run
    from model import checkpoint as checkpoints
    from model.data.files import read_splits
    from model.recipe import Recipe

    precisions = precision.split(",")
    if unknown := set(precisions) - set(CONVERT):
        raise ValueError(f"unknown precision {sorted(unknown)}; allowed: {', '.join(CONVERT)}")
    loaded = checkpoints.load(checkpoint)
    made = Recipe.model_validate(loaded.about["recipe"])
    manifest = run(loaded, read_splits(made.data, data).dev, out, precisions, version)
    for graph in manifest.graphs.values():
        size = manifest.files[graph.file].bytes / 1e6
        typer.echo(f"{out}/{graph.file}: {size:.1f} MB, {_told(graph.dev)}")


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    data: DataOption = None,
    split: Annotated[str, typer.Option(help="train, dev or test.")] = "dev",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "int8",
    typed: Annotated[bool, typer.Option(help="On a cased and punctuated copy.")] = False,
    record: Annotated[bool, typer.Option(help="Write them into the manifest, as `test`.")] = False,
) -> None:
    """Print the metrics of a bundle on its data set, as JSON."""
    from export.bundle import TOKENIZER, read_file, read_manifest, write_manifest
    from export.runtime import Runner
    from model.data.augment import typed_copy
    from model.data.files import read_splits
    from model.evaluate import evaluate as run
    from model.preprocess.modalities import make_preprocessor

    manifest = read_manifest(bundle)
    if precision not in manifest.graphs:
        raise ValueError(f"{bundle} has no {precision}; it has {', '.join(manifest.graphs)}")
    if split not in ("train", "dev", "test"):
        raise ValueError(f"unknown split {split!r}; allowed: train, dev, test")
    examples = getattr(read_splits(manifest.data, data), split)
    if typed:
        head = next(head.name for head in manifest.heads if head.kind == "token")
        examples = typed_copy(examples, head)
    graph = read_file(manifest, bundle, manifest.graphs[precision].file)
    runner = Runner(graph, [head.name for head in manifest.heads])
    tokenizer = ""
    if TOKENIZER in manifest.files:
        tokenizer = read_file(manifest, bundle, TOKENIZER).decode()
    preprocessor = make_preprocessor(manifest.preprocess, manifest.max_length, tokenizer)
    metrics = run(runner, preprocessor, manifest.heads, examples)
    prefix = "typed." if typed else ""
    rounded = {f"{prefix}{name}": round(value, 4) for name, value in metrics.items()}
    if record:
        if split != "test":
            raise ValueError(f"only the test split is recorded, not {split}")
        write_manifest(manifest.model_copy(update={"test": manifest.test | rounded}), bundle)
    typer.echo(json.dumps(rounded))


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="Name of a model, or folder of a bundle.")],
    path: Annotated[
        Path | None, typer.Argument(help="File; with ray also a folder. [default: standard input]")
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--jsonl", help='Lines are JSON: "text" or {"words": [...]}.')
    ] = False,
    engine: Annotated[str, typer.Option(help="local, or ray: all CPUs of a cluster.")] = "local",
    out: Annotated[Path | None, typer.Option(help="With ray: folder of the answers.")] = None,
    part: Annotated[int, typer.Option(min=1, help="With ray: lines a file of answers.")] = 4096,
) -> None:
    """Answer each line of a file with a line of JSON, as the service does (docs/api.md).

    A file named *.jsonl is read as JSON lines. A line that cannot be answered gives a problem in
    its place, and exit code 1 at the end. On Ray (docs/offline.md), a run that was broken off goes
    on where it is started again.
    """
    import asyncio

    from service.bundles import Bundles
    from service.settings import Settings

    folders = Settings().bundles
    folder = Path(model) if Path(model).is_dir() else Bundles(folders).find(model)
    if folder is None:
        looked = " or ".join(map(str, folders))
        raise ValueError(f"there is no model {model!r} in {looked}, and no such folder")
    if engine == "local":
        failed = asyncio.run(_predict(folder, path, json_lines or _is_jsonl(path)))
    elif engine == "ray" and path is not None and out is not None:
        failed = _predict_on_ray(folder, path, out, part)
    elif engine == "ray":
        raise ValueError("on ray the answers need a path to read and a folder to go to, --out")
    else:
        raise ValueError(f"unknown engine {engine!r}; allowed: local, ray")
    if failed:
        typer.echo(f"regard: {failed} lines could not be answered", err=True)
        raise typer.Exit(1)


async def _predict(folder: Path, file: Path | None, json_lines: bool) -> int:
    """The number of lines that failed."""
    from service.offline import Offline, line_to_json
    from service.session import cpu_quota
    from service.settings import Settings

    async def read(lines: Iterable[bytes]) -> AsyncIterator[bytes]:
        for line in lines:
            yield line_to_json(line, json_lines)

    offline = Offline(folder, Settings(), cpu_quota())
    with file.open("rb") if file else sys.stdin.buffer as lines, _progress() as progress:
        task = progress.add_task("", total=None)
        async for answers in offline.answer(read(lines)):
            sys.stdout.buffer.write(answers)
            progress.advance(task, answers.count(b"\n"))
    sys.stdout.flush()
    await offline.close()
    return offline.failed


def _predict_on_ray(folder: Path, source: Path, out: Path, part: int) -> int:
    """The number of lines that failed."""
    from service.settings import Settings

    try:
        from service.ray_data import predict
    except ImportError as error:
        raise ValueError(f"the engine ray needs the extra ray: {error}") from error

    with _progress() as progress:
        task = progress.add_task("", total=None)
        return predict(
            *(folder.resolve(), source.resolve(), out.resolve(), Settings(), part),
            lambda done, total: progress.update(task, completed=done, total=total),
        )


def _progress() -> "Progress":
    """On standard error, where nothing else is seen to come."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} lines"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=sys.stdout.isatty() or not sys.stderr.isatty(),  # answers are seen to come
    )


def _is_jsonl(file: Path | None) -> bool:
    return file is not None and file.suffix == ".jsonl"


@app.command()
def models() -> None:
    """List the bundles that would be served, with their measured accuracy."""
    from rich.console import Console
    from rich.table import Table

    from export.bundle import read_manifest
    from service.bundles import Bundles
    from service.settings import Settings

    table = Table("model", "version", "heads", "precision", "MB", "test", "description")
    for found in Bundles(Settings().bundles).scan().values():
        manifest = read_manifest(found.folder)
        for precision, graph in manifest.graphs.items():
            table.add_row(
                manifest.name,
                manifest.version,
                ", ".join(f"{head.name} ({len(head.labels)})" for head in manifest.heads),
                precision,
                f"{manifest.files[graph.file].bytes / 1e6:.1f}",
                _told(manifest.test),
                manifest.description,
            )
    Console().print(table)


@app.command()
def serve(
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the port. [default: REGARD_WORKERS]")
    ] = None,
) -> None:
    """Serve every bundle over HTTP. Settings: REGARD_* in the environment (docs/settings.md)."""
    from service.server import serve as run
    from service.settings import Settings

    run(Settings() if workers is None else Settings(workers=workers))


def _told(metrics: dict[str, float]) -> str:
    """Shares in percent, errors of values in their unit."""
    return ", ".join(
        f"{name} {value:.3f}" if name.endswith("rmse") else f"{name} {100 * value:.2f}"
        for name, value in metrics.items()
    )


def main() -> None:
    """Run the command; what the user can mend is told in one line, with exit code 1."""
    try:
        app()
    except (ValueError, OSError, RuntimeError) as error:
        typer.echo(f"regard: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
