"""What holds for every address of the page, whoever adds the next one."""

import itertools
import re
from collections.abc import Iterator

import pytest
from yarl import URL

from tests.worker.conftest import Site
from tests.worker.page.conftest import Visitor, visiting
from veroallarme_core.worker.page.door import Door
from veroallarme_core.worker.page.guard import OPEN_PATHS
from veroallarme_core.worker.page.server import make_application
from veroallarme_core.worker.service import Worker

SAMPLES = {"camera": "front", "event_id": "20260101_000000_abcdef", "frame": "0", "number": "0"}
HOSTILE = (
    "..",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5cx",
    "%00",
    "front%00",
    "%F0%9F%90%88",
    "'%20or%201=1",
    "%3Cscript%3E",
    "-1",
    "9" * 30,
    "a" * 300,
)


def routes(worker: Worker) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route; placeholders stand in it as they are written."""
    page = worker.config.page
    assert page is not None
    for route in make_application(worker.house, Door("page", page=page)).router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield route.method, route.resource.canonical


def filled(path: str, **values: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: (SAMPLES | values).get(found[1], "x"), path)


async def test_every_route_wants_the_login(site: Site) -> None:
    async with visiting(site, token="a-token-of-our-own") as visitor:
        asked = [
            (method, path)
            for method, path in routes(visitor.worker)
            if not path.startswith(OPEN_PATHS)
        ]
        assert len(asked) > 10
        for method, path in asked:
            url = visitor.base + filled(path)
            async with visitor.http.request(method, url, allow_redirects=False) as response:
                assert response.status == 401, (method, path)
                assert "front" not in await response.text()


async def test_every_change_wants_the_token_of_the_page(visitor: Visitor) -> None:
    changes = [(method, path) for method, path in routes(visitor.worker) if method != "GET"]
    assert len(changes) > 3
    before = visitor.worker.cameras["front"].context.settings
    for method, path in changes:
        url = visitor.base + filled(path)
        for headers in ({}, {"Origin": "https://evil.example"}, {"X-CSRF-Token": "x"}):
            async with visitor.http.request(method, url, headers=headers) as response:
                assert response.status == 403, (method, path)
    assert visitor.worker.cameras["front"].context.settings == before


async def test_no_get_changes_anything(visitor: Visitor) -> None:
    for method, _ in routes(visitor.worker):
        assert method in {"GET", "POST"}, "what else is sent the guard has to know"


async def test_no_part_of_a_path_leads_astray(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    token = await visitor.csrf_token()
    for method, path in routes(visitor.worker):
        names = re.findall(r"\{(\w+)\}", path)
        if path.startswith("/static/"):
            continue  # has a test of its own
        for name, value in itertools.product(names, HOSTILE):
            url = URL(visitor.base + filled(path, **{name: value}), encoded=True)
            headers = {"X-CSRF-Token": token}
            async with visitor.http.request(
                method, url, headers=headers, allow_redirects=False
            ) as response:
                text = await response.text()
                assert response.status in {303, 400, 404, 405, 409, 422}, (method, str(url), text)
                assert "<script>" not in text.replace("<script src", "")
                assert "root:" not in text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "query",
    [
        *HOSTILE,
        "0001-01-01",
        "9999-12-31",
        "2026-02-30",
        "NaN",
        "-inf",
        "1e400",
        "front/x",
        "front",
    ],
)
async def test_no_query_makes_an_error_of_ours(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, query: str
) -> None:
    names = (
        *("after", "applied", "before", "camera", "day", "days", "done", "kind", "language"),
        *("mode", "next", "objects", "on_unknown", "reason", "recall", "shown", "threshold"),
        *("width", "zone", "zones"),
    )
    asked = "&".join(f"{name}={query}" for name in names)
    for method, path in routes(visitor.worker):
        if method == "GET" and not path.startswith(("/static/", "/changes")):
            url = URL(f"{visitor.base}{filled(path)}?{asked}", encoded=True)
            async with visitor.http.get(url, allow_redirects=False) as response:
                assert response.status < 500, (str(url), await response.text())
    assert "Traceback" not in caplog.text


BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"[" * 100_000,
    b'{"zones": [{"name": "x", "points": [[NaN, 1e400], [0, 0], [1, 1]]}]}',
    b'{"zones": ' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"threshold": 1e400, "recall": -1, "id": "../x", "take": 7}',
    b"\xff\xfe\x00",
    b"relevant=maybe&threshold=NaN&recall=7&mode=x&objects=y&language=../../x&back=//evil.example",
    b"relevant=" + b"9" * 1000,
)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=none-such",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=none-such",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
    ],
)
async def test_nothing_that_is_sent_makes_an_error_of_ours(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    headers = {"X-CSRF-Token": await visitor.csrf_token(), "Content-Type": kind}
    for method, path in routes(visitor.worker):
        for body in BODIES if method != "GET" else ():
            async with visitor.http.request(
                method, visitor.base + filled(path), data=body, headers=headers,
                allow_redirects=False,
            ) as response:  # fmt: skip
                text = await response.text()
                assert response.status < 500, (path, body[:60], text)
                assert "evil" not in response.headers.get("Location", "")
    assert "Traceback" not in caplog.text
    assert visitor.worker.cameras["front"].context.settings.zones == ()
