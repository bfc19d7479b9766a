"""/docs: the OpenAPI document as a page, all of it from here."""

from pathlib import Path

from fastapi import APIRouter, Response

PAGE = Path(__file__).parent.parent / "page"
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
HEADERS = {"content-security-policy": POLICY, "referrer-policy": "no-referrer"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> Response:
    """The page."""
    return _file("docs.html", "text/html")


@router.get("/docs/docs.js")
async def script() -> Response:
    """What fills it."""
    return _file("docs.js", "text/javascript")


@router.get("/docs/docs.css")
async def style() -> Response:
    """How it looks."""
    return _file("docs.css", "text/css")


def _file(name: str, media: str) -> Response:
    return Response((PAGE / name).read_bytes(), media_type=media, headers=HEADERS)
