import hashlib
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from model.config import DataConfig
from model.data import files
from model.errors import DataError

CONTENT = b"play some music\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path):
    """A folder with the one file of the data set."""
    path = tmp_path / "mine" / "train" / "seq.in"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path / "mine"


@pytest.fixture
def address(folder, tmp_path, monkeypatch):
    """`folder` over HTTP; what is fetched is kept under `tmp_path`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=partial(server.serve_forever, 0.01))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def config(url: str = "http://localhost", sha256: str = SHA256) -> DataConfig:
    return DataConfig(
        name="SNIPS", license="CC0-1.0", reader="snips", url=url, files={"train/seq.in": sha256}
    )


def test_folder_with_the_right_files_is_used_as_it_is(folder):
    assert files.locate(config(), folder) == folder


def test_missing_file_is_named_with_the_hash_it_should_have(tmp_path):
    with pytest.raises(DataError, match=rf"train/seq\.in is missing; .*sha256 {SHA256}"):
        files.locate(config(), tmp_path)


def test_changed_file_is_named_with_both_hashes(folder):
    with pytest.raises(DataError, match=rf"seq\.in has sha256 {SHA256}; expected {'0' * 64}"):
        files.locate(config(sha256="0" * 64), folder)


def test_a_folder_has_the_hash_that_the_shell_gives_it(folder):
    names = ["B.wav", "a.wav", "a-1.wav", "10.wav", "9.wav"]
    for name in names:
        (folder / "train" / name).write_text(name)
    shell = "cd train && LC_ALL=C sha256sum * | sha256sum"
    printed = subprocess.run(shell, shell=True, cwd=folder, capture_output=True, check=True)
    data = config().model_copy(update={"files": {"train/": printed.stdout.decode().split()[0]}})
    assert files.locate(data, folder) == folder
    (folder / "train" / "9.wav").rename(folder / "train" / "8.wav")
    with pytest.raises(DataError, match="train has sha256"):
        files.locate(data, folder)


def test_a_folder_is_not_downloaded(address):
    data = config(address).model_copy(update={"files": {"train/": SHA256}})
    with pytest.raises(DataError, match=rf"train/ is a folder; get it from {address} and say"):
        files.locate(data, None)


def test_file_is_downloaded_once(address, folder):
    cache = files.locate(config(address), None)
    assert (cache / "train" / "seq.in").read_bytes() == CONTENT
    (folder / "train" / "seq.in").unlink()
    assert files.locate(config(address), None) == cache


def test_changed_download_is_refused_with_both_hashes(address):
    with pytest.raises(DataError, match=rf"(?s)train/seq\.in could not .*{'0' * 64}.*{SHA256}"):
        files.locate(config(address, "0" * 64), None)


def test_download_that_is_not_there_is_named(address, folder):
    (folder / "train" / "seq.in").unlink()
    with pytest.raises(DataError, match=r"http.*/train/seq\.in could not be fetched: 404"):
        files.locate(config(address), None)


def test_unknown_reader_is_named(folder):
    unknown = config().model_copy(update={"reader": "no_such_reader"})
    with pytest.raises(DataError, match="no reader 'no_such_reader'"):
        files.read_splits(unknown, folder)


def test_a_data_set_without_an_address_needs_its_folder(folder):
    assert files.locate(config(""), folder) == folder
    with pytest.raises(DataError, match="SNIPS has no address; give the folder of its files"):
        files.locate(config(""), None)
