"""The files of a data set: from a folder the user has, or downloaded once; checked either way."""

import hashlib
from importlib import import_module
from pathlib import Path

from model.config import DataConfig
from model.data.examples import Splits
from model.errors import DataError


def read_splits(data: DataConfig, folder: Path | None) -> Splits:
    """The examples of a data set; see `locate` for the arguments.

    Raises:
        DataError: no such reader, or a file is not what it should be.
    """
    try:
        reader = import_module(f"model.data.{data.reader}")
    except ModuleNotFoundError as error:
        if error.name != f"model.data.{data.reader}":
            raise
        raise DataError(f"there is no reader {data.reader!r} under model/data") from error
    columns = () if data.columns is None else (data.columns,)
    splits: Splits = reader.read(locate(data, folder), *columns)
    return splits


def locate(data: DataConfig, folder: Path | None) -> Path:
    """The folder that holds every file, each with the right hash.

    The hash of a folder is that of what `sha256sum *` prints in it, sorted by name.

    Args:
        data: the recipe's data section.
        folder: a folder that holds the files; None: download them to the user's cache.

    Raises:
        DataError: names the file, what was found and what was expected.
    """
    if folder is None:
        return _download(data)
    for name, expected in data.files.items():
        path = folder / name
        if not path.exists():
            raise DataError(f"{path} is missing; expected sha256 {expected}")
        found = _sha256(path)
        if found != expected:
            raise DataError(f"{path} has sha256 {found}; expected {expected}")
    return folder


def _sha256(path: Path) -> str:
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(path.iterdir(), key=lambda file: file.name)
    listing = "".join(f"{_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _download(data: DataConfig) -> Path:
    if not data.url:
        raise DataError(f"{data.name} has no address; give the folder of its files: --data")
    for name in data.files:
        if name.endswith("/"):
            raise DataError(f"{name} is a folder; get it from {data.url} and say where it is")
    import pooch  # noqa: PLC0415  not needed where the files are at hand, as beside a service

    cache = pooch.create(
        path=pooch.os_cache("regard") / data.reader,
        base_url=data.url.rstrip("/") + "/",
        registry={name: f"sha256:{expected}" for name, expected in data.files.items()},
    )
    for name in data.files:
        try:
            cache.fetch(name, progressbar=True)
        except (OSError, ValueError) as error:
            raise DataError(f"{cache.get_url(name)} could not be fetched: {error}") from error
    return Path(cache.path)
