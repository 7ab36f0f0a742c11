"""The page /ui: static files that ask this server's own /score, /info and /readyz.

The files are read once, when the server starts. Browsers ask every time whether theirs are still
good: a page older than its server would send requests of yesterday.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/ui"
_INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Whatever a label or a file name holds: nothing but these files runs, and nothing leaves.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Cache-Control": "no-cache",  # may be kept, must be asked for
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page as it is sent; `etag` changes with its content."""

    content: bytes
    media_type: str
    etag: str


def read_files(folder: Path) -> dict[str, PageFile]:
    """Read the page's files by name; those of other types are none of it."""
    paths = (path for path in sorted(folder.iterdir()) if path.suffix in _TYPES)
    return {path.name: _read(path) for path in paths}


def page_routes(files: Mapping[str, PageFile]) -> list[Route]:
    """Routes of /ui and /ui/NAME."""

    async def index(request: Request) -> Response:
        return _answer(request, files[_INDEX])

    async def asset(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404, f"{request.url.path}: there is no such path")
        return _answer(request, file)

    return [Route(PATH, index), Route(f"{PATH}/{{name}}", asset)]


def is_page(path: str) -> bool:
    """Whether `path` belongs to the page."""
    return path == PATH or path.startswith(f"{PATH}/")


def _read(path: Path) -> PageFile:
    content = path.read_bytes()
    return PageFile(content, _TYPES[path.suffix], f'"{sha256(content).hexdigest()[:32]}"')


def _answer(request: Request, file: PageFile) -> Response:
    headers = {**_HEADERS, "ETag": file.etag}
    # A proxy that compresses makes the tag a weak one, W/"…".
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


ROUTES = page_routes(read_files(Path(__file__).parent))
