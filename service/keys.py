"""Who may do what, by the key that is sent."""

import hmac
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.errors import Forbidden, Unauthorized
from service.settings import Settings

HEADER = "send it as the header `Authorization: Bearer KEY`"
bearer = HTTPBearer(auto_error=False, scheme_name="admin_key", description=HEADER)


class AdminKey:
    """The administrator's key, or that there is none.

    Raises:
        ValueError: its file cannot be read or is empty.
    """

    def __init__(self, settings: Settings):
        key = settings.admin_key.get_secret_value() if settings.admin_key else None
        if settings.admin_key_file:
            try:
                key = settings.admin_key_file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"admin_key_file cannot be read: {error}") from error
            if not key:
                raise ValueError(f"admin_key_file {settings.admin_key_file} is empty")
        self._digest = None if key is None else _digest(key.encode())

    def check(self, sent: str | None) -> None:
        """Check what was sent, in a time that tells nothing of the key.

        Raises:
            Forbidden: there is no key.
            Unauthorized: it is not the key.
        """
        if self._digest is None:
            raise Forbidden(
                "models cannot be loaded or unloaded: REGARD_ADMIN_KEY is not set; "
                "nor is REGARD_ADMIN_KEY_FILE"
            )
        if sent is None:
            raise Unauthorized(f"the admin key is missing; {HEADER}")
        if not hmac.compare_digest(_digest(sent.encode("latin-1")), self._digest):
            raise Unauthorized(f"this is not the admin key; {HEADER}")


async def require_admin(
    request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    """Dependency of the routes that only the administrator may call."""
    admin_key: AdminKey = request.app.state.admin_key
    admin_key.check(sent.credentials if sent else None)


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()
