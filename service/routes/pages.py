"""The pages for people, all of them from here: / explores attention, /docs is the OpenAPI page."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response

SERVICE = Path(__file__).parent.parent
EXPLORER, DOCS = SERVICE / "explorer", SERVICE / "page"
MEDIA = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # kept, but asked for again: `etag` says whether it changed
}


def _sender(file: Path) -> Callable[[Request], Awaitable[Response]]:
    """What answers a GET with that file, read once."""
    content = file.read_bytes()
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = HEADERS | {"etag": etag}

    async def send(request: Request) -> Response:
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=MEDIA[file.suffix], headers=headers)

    return send


router = APIRouter(include_in_schema=False)
router.add_api_route("/", _sender(EXPLORER / "index.html"))
router.add_api_route("/docs", _sender(DOCS / "docs.html"))
for _prefix, _folder in (("/explorer", EXPLORER), ("/docs", DOCS)):
    for _file in sorted(_folder.iterdir()):
        if _file.suffix in MEDIA and _file.suffix != ".html":
            router.add_api_route(f"{_prefix}/{_file.name}", _sender(_file))
