"""Regard itself, with one bundle, as `regard serve` does it."""

import os
from pathlib import Path

from service.server import serve
from service.settings import Settings

if __name__ == "__main__":
    bundle = Path(os.environ["PEER_BUNDLE"])
    Path(bundle.name).symlink_to(bundle)
    serve(Settings(bundles=Path(), port=int(os.environ["PEER_PORT"])))
