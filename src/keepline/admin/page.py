"""The dashboard's files, as they were built into the package, or a page that says what is missing.

They hold nothing of a fleet, so they are told without a token; what they show is asked of the API.
"""

from __future__ import annotations

import asyncio
import gzip
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILT: Final = Path(__file__).parent / "static"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the browser: nothing from another host, nothing that stands in the page itself."""

_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
}
_LASTING: Final = "public, max-age=31536000, immutable"  # its name has a hash of what is in it
_GZIPPED: Final = frozenset({".html", ".js", ".css", ".svg"})
_MISSING: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Keepline: no dashboard</title>
<h1>The dashboard is not in this installation</h1>
<p>The gateway runs, and everything that the dashboard shows is in its API and in
<code>keepline monitor</code>, <code>sessions</code>, <code>device</code>, <code>alerts</code>,
<code>drain</code> and <code>capacity</code>.</p>
<p>The page is built with Node, which this installation did not have. In a clone,
<code>make dashboard</code> builds it; a released wheel carries it.</p>
<p lang="zh">本次安装不含仪表盘。网关照常运行。
在代码仓库中执行 <code>make dashboard</code> 即可构建。</p>
</html>
"""


def is_of_page(path: str) -> bool:
    """Return whether that is a path of the dashboard itself, and not of the API."""
    return path in ("/", "/favicon.svg") or path.startswith("/assets/")


class _File(NamedTuple):
    """A file in memory, and the same compressed where that is worth it."""

    plain: bytes
    gzipped: bytes | None
    media_type: str


class Page:
    """The files by their path; they are read when somebody asks for the first time.

    Without `index.html` in `built` there is only the page that says so.
    """

    def __init__(self, built: Path = BUILT) -> None:
        self._built = built
        self._files: Mapping[str, _File] | None = None

    async def file(self, path: str) -> _File | None:
        """Return what is at `path`, None where nothing is."""
        if self._files is None:
            self._files = await asyncio.to_thread(_read, self._built)
        return self._files.get(path)


def _read(built: Path) -> Mapping[str, _File]:
    if not (built / "index.html").is_file():
        return {"/": _File(_MISSING.encode(), None, "text/html")}
    found = {}
    for file in sorted(built.rglob("*")):
        if file.is_file():
            plain = file.read_bytes()
            gzipped = gzip.compress(plain, 9) if file.suffix in _GZIPPED else None
            kind = guess_type(file.name)[0] or "application/octet-stream"
            found["/" + file.relative_to(built).as_posix()] = _File(plain, gzipped, kind)
    found["/"] = found.pop("/index.html")
    return found


def page_routes(page: Page | None = None) -> APIRouter:
    """Return the routes of the dashboard's own files."""
    page = page or Page()
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    @routes.get("/favicon.svg")
    @routes.get("/assets/{name}")
    async def file(request: Request) -> Response:
        """Return a file, for a year where its name changes with what is in it."""
        path = request.url.path
        found = await page.file(path)
        if found is None:
            raise HTTPException(404, "there is no such file in the dashboard")
        headers = {**_HEADERS, "Cache-Control": _LASTING if "/assets/" in path else "no-cache"}
        if found.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.gzipped, media_type=found.media_type, headers=headers)
        return Response(found.plain, media_type=found.media_type, headers=headers)

    return routes
