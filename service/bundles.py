"""Where the bundles are: in some folders, each of which holds bundles or is itself one."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from export.bundle import MANIFEST, NAME, BundleError, read_manifest


class Found(NamedTuple):
    """A bundle as it lies on the disk: unequal once a file changes, or another takes its place."""

    folder: Path
    files: tuple[tuple[str, int, int, int], ...]


class Bundles:
    """Looks for bundles in folders: of several with one name, the one in the first folder counts.

    A folder with a manifest is a bundle, of its manifest's name. Any other one holds bundles in
    sub-folders of their names; a name with a dot first is passed over.
    """

    def __init__(self, folders: Sequence[Path]):
        self._folders = folders
        self._held: dict[Path, dict[str, Found]] = {}  # by each folder, when it was last read
        self._names: dict[Path, str] = {}  # of the folders that are bundles

    def scan(self) -> dict[str, Found]:
        """Every bundle, by name. A folder that cannot be read any more holds what it held before.

        Raises:
            BundleError: a folder could never be read.
        """
        for folder in self._folders:
            try:
                self._held[folder] = self._look_into(folder)
            except OSError as error:  # later, rather a fault of the disk than a wish
                if folder not in self._held:
                    message = f"{folder} is no folder that can be read: {error.strerror}"
                    raise BundleError(f"{message}; bundles are looked for in it") from error
        found: dict[str, Found] = {}
        for folder in reversed(self._folders):
            found |= self._held[folder]
        return dict(sorted(found.items()))

    def find(self, name: str) -> Path | None:
        """The folder of that bundle, be there a manifest in it or not; None: there is no folder.

        Raises:
            BundleError: see `scan`.
        """
        if not NAME.fullmatch(name):
            return None
        if (found := self.scan().get(name)) is not None:
            return found.folder
        folders = (folder / name for folder in self._folders)
        return next((folder for folder in folders if folder.is_dir()), None)

    def _look_into(self, folder: Path) -> dict[str, Found]:
        if (itself := look(folder)) is not None:
            return {self._name(folder): itself}
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        looks = {name: look(folder / name) for name in names}
        return {name: found for name, found in looks.items() if found is not None}

    def _name(self, bundle: Path) -> str:
        """By its manifest; the one before while that cannot be read, as when half is copied."""
        with suppress(BundleError):
            self._names[bundle] = read_manifest(bundle).name
        return self._names.get(bundle, bundle.absolute().name)


def look(folder: Path) -> Found | None:
    """The bundle in that folder; None where there is no manifest."""
    try:
        with os.scandir(folder) as entries:
            stats = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    except OSError:
        return None
    if MANIFEST not in stats:
        return None
    files = ((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in sorted(stats.items()))
    return Found(folder, tuple(files))
