"""The dashboard's own files, as a browser asks for them."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import pytest

from keepline.admin.api import Readiness, create_api
from keepline.admin.page import POLICY, Page, is_of_page, page_routes

SCRIPT = b"let it = 1; " * 50


async def no_metrics() -> bytes:
    return b""


async def asked(built: Path, path: str, encoding: str = "identity") -> httpx.Response:
    api = create_api(
        ready=lambda: Readiness(ready=True), metrics=no_metrics, routers=[page_routes(Page(built))]
    )
    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path, headers={"Accept-Encoding": encoding})


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>a page")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    return tmp_path


async def test_the_page_is_asked_for_each_time_and_may_load_nothing_from_elsewhere(
    built: Path,
) -> None:
    answer = await asked(built, "/")
    assert (answer.status_code, answer.text) == (200, "<!doctype html>a page")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_no_other_host_and_nothing_that_stands_in_the_page() -> None:
    sources = {each.split()[0]: each.split()[1:] for each in POLICY.split("; ")}
    assert {word for words in sources.values() for word in words} == {"'self'", "'none'"}
    assert sources["default-src"] == ["'none'"]
    assert sources["frame-ancestors"] == ["'none'"]


async def test_a_script_is_kept_for_good_for_its_name_changes_with_it(built: Path) -> None:
    answer = await asked(built, "/assets/index-abc.js")
    assert answer.content == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


async def test_who_takes_gzip_is_given_it(built: Path) -> None:
    answer = await asked(built, "/assets/index-abc.js", "gzip, br")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(gzip.compress(SCRIPT, 9))
    assert answer.content == SCRIPT


@pytest.mark.parametrize(
    "path", ["/assets/other.js", "/index.html", "/assets/..%2findex.html", "/assets/"]
)
async def test_what_is_no_file_of_the_page_is_not_found(built: Path, path: str) -> None:
    assert (await asked(built, path)).status_code == 404


async def test_where_no_page_was_built_it_says_what_is_missing(tmp_path: Path) -> None:
    answer = await asked(tmp_path, "/")
    assert answer.status_code == 200
    assert "make dashboard" in answer.text
    assert "keepline monitor" in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert (await asked(tmp_path, "/favicon.svg")).status_code == 404


@pytest.mark.parametrize(
    ("path", "is_its"),
    [
        ("/", True),
        ("/favicon.svg", True),
        ("/assets/index-abc.js", True),
        ("/api/glance", False),
        ("/metrics", False),
        ("/api/assets/x", False),
    ],
)
def test_only_the_page_s_own_paths_are_told_without_a_token(path: str, *, is_its: bool) -> None:
    assert is_of_page(path) is is_its
