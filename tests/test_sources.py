"""What no source of the three packages may do: nothing that came from outside becomes code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for name in ("service", "export", "model") for path in (ROOT / name).rglob("*.py")]
MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("subprocess", "pty", "code", "codeop", "runpy", "imp"),
}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
METHODS = {
    *("os.system", "os.popen", "os.execv", "os.execve", "os.spawnv", "os.fork"),
    *("torch.load", "torch.hub.load", "np.load", "numpy.load", "joblib.load"),
    *("importlib.import_module", "onnxruntime.SessionOptions.register_custom_ops_library"),
}

# Cora is published as pickles: their hashes are checked, and six types are made of them, no other.
ALLOWED = {"model/data/cora.py": ["pickle"]}


def found(tree: ast.AST) -> Iterator[str]:
    """Each use of what is forbidden."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS | METHODS or called.endswith("register_custom_ops_library"):
                yield called
            for keyword in node.keywords:
                if keyword.arg in ("trust_remote_code", "allow_pickle", "shell") and not (
                    isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                ):
                    yield f"{called}({keyword.arg}=)"
        yield from (name for name in names if name.partition(".")[0] in MODULES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_could_run_what_it_reads(path: Path) -> None:
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), [])
    assert list(found(ast.parse(path.read_text("utf-8")))) == allowed


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import marshal as m",
        "eval('1')",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "import subprocess",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_it_would_be_found(source: str) -> None:
    assert list(found(ast.parse(source)))
