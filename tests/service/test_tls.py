"""HTTPS, with a certificate of one's own."""

import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from service.settings import Settings
from tests.service.process import serving

SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-out", str(cert), "-keyout", str(key)]
    subprocess.run(["openssl", "req", *kind, *files, *SUBJECT], check=True, capture_output=True)
    return cert, key


def test_the_service_speaks_https(tiny: SimpleNamespace, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    settings = {"ssl_certfile": str(cert), "ssl_keyfile": str(key)}
    with serving(tiny.folder, **settings) as (process, url):
        assert url.startswith("https://")
        trust = ssl.create_default_context(cafile=cert)
        answer = httpx.post(f"{url}/v1/predict", json={"inputs": "noon"}, verify=trust)
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url.replace("https", "http"))
        process.terminate()
        assert process.wait(20) == 0


def test_a_key_without_a_certificate_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ssl_keyfile is set without ssl_certfile"):
        Settings(ssl_keyfile=tmp_path / "key.pem")
