"""Who may do what, by the key that is sent."""

import hmac
import math
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from service.errors import Forbidden, RateLimited, Unauthorized
from service.rate import admit
from service.settings import Settings

HEADER = "send it as the header `Authorization: Bearer KEY`"
# name:key:requests_per_second; a key is what can be seen of ASCII, but for "," and ":"
ENTRY = re.compile(r"([\w.-]+):([!-+\--9;-~]+)(?::(\d+(?:\.\d+)?))?")
PUBLIC = ("/health/", "/v2/health/", "/metrics", "/docs", "/explorer/", "/openapi.json")
bearer = HTTPBearer(auto_error=False, scheme_name="admin_key", description=HEADER)


class AdminKey:
    """The administrator's key, or that there is none.

    Raises:
        ValueError: its file cannot be read or is empty.

    Attributes:
        digest: of the key, if there is one.
    """

    def __init__(self, settings: Settings):
        key = _read("admin_key", settings.admin_key, settings.admin_key_file)
        self.digest = None if key is None else _digest(key.encode())

    def check(self, sent: str | None) -> None:
        """Check what was sent, in a time that tells nothing of the key.

        Raises:
            Forbidden: there is no key.
            Unauthorized: it is not the key.
        """
        if self.digest is None:
            raise Forbidden(
                "models cannot be loaded or unloaded: REGARD_ADMIN_KEY is not set; "
                "nor is REGARD_ADMIN_KEY_FILE"
            )
        if sent is None:
            raise Unauthorized(f"the admin key is missing; {HEADER}")
        if not hmac.compare_digest(_digest(sent.encode("latin-1")), self.digest):
            raise Unauthorized(f"this is not the admin key; {HEADER}")


async def require_admin(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    """Dependency of the routes that only the administrator may call."""
    admin_key: AdminKey = request.app.state.admin_key
    admin_key.check(sent.credentials if sent else None)


class _Holder:
    """Who has a key."""

    def __init__(self, name: str, digest: bytes, per_s: float = math.inf):
        self.name = name
        self.digest = digest
        self.per_s = per_s
        self.used_until_s = -math.inf  # see `service.rate.admit`


class ApiKeys:
    """The keys of those who may ask, or that none is needed. The admin key is one of them.

    Raises:
        ValueError: they cannot be read, or are not as they should be.
    """

    def __init__(self, settings: Settings, admin_key: AdminKey):
        text = _read("api_keys", settings.api_keys, settings.api_keys_file)
        self._holders = [] if text is None else _parse(text)
        if text is not None and not self._holders:
            raise ValueError("api_keys holds no key; where everybody may ask, it is not set")
        if self._holders and admin_key.digest is not None:
            self._holders.append(_Holder("admin", admin_key.digest))
        for told in ("name", "digest"):
            if len({getattr(holder, told) for holder in self._holders}) < len(self._holders):
                raise ValueError(f"api_keys: two have the same {told.replace('digest', 'key')}")

    def __bool__(self) -> bool:
        return bool(self._holders)

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Check what was sent, in a time that tells nothing of the keys.

        Raises:
            Unauthorized: there is no key, or it is none of them.
            RateLimited: its holder has asked too often.
        """
        if path == "/" or path.startswith(PUBLIC):
            return
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthorized(f"a key is missing; {HEADER}")
        sent, found = _digest(key.strip()), None
        for holder in self._holders:
            if hmac.compare_digest(holder.digest, sent):
                found = holder
        if found is None:
            raise Unauthorized(f"this key is not known; {HEADER}")
        _admit(found, perf_counter())


def _admit(holder: _Holder, now_s: float) -> None:
    holder.used_until_s, wait_s = admit(holder.used_until_s, now_s, holder.per_s)
    if wait_s:
        told = f"the key {holder.name} may ask {holder.per_s:g} times a second"
        raise RateLimited(told, math.ceil(wait_s))


def _parse(text: str) -> list[_Holder]:
    holders = []
    for number, entry in enumerate(re.split(r"[,\n]", text), 1):
        if not entry.strip():
            continue
        found = ENTRY.fullmatch(entry.strip())
        per_s = float(found[3] or "inf") if found else 0.0
        if not found or not per_s:  # what it is may be a secret
            raise ValueError(
                f"api_keys: number {number} is no name:key or name:key:requests_per_second"
            )
        holders.append(_Holder(found[1], _digest(found[2].encode()), per_s))
    return holders


def _read(setting: str, value: SecretStr | None, file: Path | None) -> str | None:
    """The setting's value, or what is in the file that is named in its place."""
    if file is None:
        return value.get_secret_value() if value else None
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{setting}_file cannot be read: {error}") from error
    if not text:
        raise ValueError(f"{setting}_file {file} is empty")
    return text


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()
