"""Programs under bench/ import each other by name."""

import sys

from tests.pages import ROOT

sys.path.append(str(ROOT / "bench"))
