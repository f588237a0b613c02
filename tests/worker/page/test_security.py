"""Who may not come in, does not: wrong logins, forged requests, foreign names, paths that climb."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from benchmarks.peers import free_port
from tests.worker.conftest import Site
from tests.worker.page.conftest import Visitor, visiting
from veroallarme_core.worker.config import IngressConfig, hash_password
from veroallarme_core.worker.page import attempts as attempts_module
from veroallarme_core.worker.page import server as server_module
from veroallarme_core.worker.page import serving_page
from veroallarme_core.worker.page.door import Door
from veroallarme_core.worker.page.login import COOKIE

PASSWORD, TOKEN = "correct horse", "a-token-of-our-own"
USER = {"username": "anna", "password": PASSWORD}
HTML = {"Accept": "text/html"}
GUARDED = ("/", "/changes", "/events", "/zones", "/numbers", "/set-up", "/nothing/there")


@pytest.fixture
async def locked(site: Site) -> AsyncIterator[Visitor]:
    """Somebody before a page with user and password, not logged in."""
    async with visiting(site, username="anna", password_hash=hash_password(PASSWORD)) as visitor:
        yield visitor


@pytest.fixture
async def tokened(site: Site) -> AsyncIterator[Visitor]:
    """Somebody before a page with a token, not logged in."""
    async with visiting(site, token=TOKEN) as visitor:
        yield visitor


async def log_in(visitor: Visitor, **form: str) -> aiohttp.ClientResponse:
    data = {"csrf_token": await visitor.csrf_token("/login"), **form}
    async with visitor.http.post(
        visitor.base + "/login", data=data, allow_redirects=False
    ) as response:
        return response


# --- login ------------------------------------------------------------------------------------


async def test_without_a_login_nothing_of_the_home_is_shown(locked: Visitor) -> None:
    for path in GUARDED:
        response, text = await locked.get(path, allow_redirects=False)
        assert response.status == 401, path
        assert "front" not in text
        response, _ = await locked.get(path, headers=HTML, allow_redirects=False)
        assert response.status == 303
        assert response.headers["Location"].startswith("/login?next=")
        response, _ = await locked.get(path, headers={"HX-Request": "true"})
        assert (response.status, response.headers["HX-Redirect"]) == (401, "/login")


async def test_user_and_password_open_the_page_they_asked_for(locked: Visitor) -> None:
    response = await log_in(locked, **USER, next="/events?camera=front")
    assert (response.status, response.headers["Location"]) == (303, "/events?camera=front")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # a browser would not send it back over http
    response, text = await locked.get()
    assert response.status == 200
    assert "front" in text


@pytest.mark.parametrize(
    "form",
    [
        {"username": "anna", "password": "wrong horse"},
        {"username": "Anna", "password": PASSWORD},
        {"username": "anna", "password": ""},
        {"username": "anna", "password": "x" * 5000},
        {"username": "anna"},
        {"token": TOKEN},
        {"token": ""},
        {},
    ],
)
async def test_a_wrong_login_opens_nothing(locked: Visitor, form: dict[str, str]) -> None:
    response = await log_in(locked, **form)
    assert response.status == 401
    assert "Set-Cookie" not in response.headers
    response, _ = await locked.get()
    assert response.status == 401


async def test_a_password_in_the_configuration_works_as_its_hash_does(site: Site) -> None:
    async with visiting(site, username="anna", password=PASSWORD) as visitor:
        assert (await log_in(visitor, username="anna", password="wrong horse")).status == 401
        assert (await log_in(visitor, **USER)).status == 303


async def test_the_token_opens_the_page_for_people_and_for_programs(tokened: Visitor) -> None:
    assert (await log_in(tokened, token=TOKEN[:-1])).status == 401
    response, _ = await tokened.get(headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status == 200
    assert "Set-Cookie" not in response.headers
    assert (await log_in(tokened, token=TOKEN)).status == 303
    response, _ = await tokened.get()
    assert response.status == 200


async def test_after_a_logout_the_cookie_opens_nothing(locked: Visitor) -> None:
    await log_in(locked, **USER)
    cookies = {COOKIE: locked.http.cookie_jar.filter_cookies(URL(locked.base))[COOKIE].value}
    _, text = await locked.post("/logout")
    assert 'name="password"' in text
    async with (
        aiohttp.ClientSession() as other,
        other.get(locked.base, cookies=cookies) as response,
    ):
        assert response.status == 401


async def test_a_login_leads_to_no_other_site(locked: Visitor) -> None:
    for path in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "x"):
        response = await log_in(locked, **USER, next=path)
        assert response.headers["Location"] == "/", path


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, "é" * 20])
async def test_an_invented_cookie_opens_nothing(locked: Visitor, cookie: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(locked.base, headers={"Cookie": f"{COOKIE}={cookie}"}) as response,
    ):
        assert response.status in {400, 401}


async def test_logins_are_limited_and_the_log_tells_no_password(
    locked: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for _ in range(attempts_module.MOST_FAILURES):
            response = await log_in(locked, username="anna", password="wrong horse")
            assert response.status == 401
        response = await log_in(locked, **USER)
    assert response.status == 429
    assert 0 < int(response.headers["Retry-After"]) <= attempts_module.WINDOW_S
    assert "a login from 127.0.0.1 has failed" in caplog.text
    assert "horse" not in caplog.text


async def test_many_logins_at_once_are_no_more_tries(locked: Visitor) -> None:
    token = await locked.csrf_token("/login")

    async def attempt(number: int) -> int:
        data = {"csrf_token": token, "username": "anna", "password": f"wrong horse {number}"}
        async with locked.http.post(locked.base + "/login", data=data) as response:
            return response.status

    statuses = await asyncio.gather(*(attempt(number) for number in range(30)))
    assert statuses.count(401) == attempts_module.MOST_FAILURES
    assert statuses.count(429) == 30 - attempts_module.MOST_FAILURES


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/login", "/language", "/static/x/page.css"])
async def test_a_program_cannot_try_tokens_for_ever_by_any_way(
    tokened: Visitor, method: str, path: str
) -> None:
    async def attempt(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with tokened.http.request(method, tokened.base + path, headers=headers) as response:
            return response.status

    for _ in range(attempts_module.MOST_FAILURES):
        assert await attempt("wrong") == 401
    assert await attempt("wrong") == 429
    assert await attempt(TOKEN) == 429


async def test_behind_a_trusted_proxy_each_client_has_tries_of_its_own(site: Site) -> None:
    async with visiting(site, token=TOKEN, trusted_proxies=("127.0.0.0/8",)) as visitor:

        async def attempt(forwarded: str) -> int:
            headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": forwarded}
            return (await visitor.get(headers=headers))[0].status

        for number in range(attempts_module.MOST_FAILURES):
            # What the client itself has written stands at the left, and is not believed.
            assert await attempt(f"10.0.0.{number}, 192.0.2.1") == 401
        assert await attempt("10.0.0.99, 192.0.2.1") == 429
        assert await attempt("192.0.2.2") == 401


async def test_who_is_no_trusted_proxy_cannot_pass_for_others(tokened: Visitor) -> None:
    for number in range(attempts_module.MOST_FAILURES + 1):
        headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": f"192.0.2.{number}"}
        response, _ = await tokened.get(headers=headers)
    assert response.status == 429


async def test_behind_https_the_cookie_is_sent_over_https_alone(site: Site) -> None:
    async with visiting(site, token=TOKEN, address="https://a.example/va") as visitor:
        response = await log_in(visitor, token=TOKEN)
        assert "Secure" in response.headers["Set-Cookie"]


# --- forged requests --------------------------------------------------------------------------

Headers = dict[str, str]


async def forged(visitor: Visitor, headers: Headers, data: Any = None) -> int:
    async with visitor.http.post(
        visitor.base + "/language",
        data=data or {"language": "fr"},
        headers=headers,
        allow_redirects=False,
    ) as response:
        return response.status


async def test_a_change_wants_the_token_of_the_page(visitor: Visitor) -> None:
    token = await visitor.csrf_token()
    assert await forged(visitor, {}) == 403
    assert await forged(visitor, {"X-CSRF-Token": token[:-1] + "x"}) == 403
    assert await forged(visitor, {"X-CSRF-Token": ""}) == 403
    assert await forged(visitor, {}, {"csrf_token": "é"}) == 403
    assert await forged(visitor, {"X-CSRF-Token": token}) == 303
    assert await forged(visitor, {}, {"csrf_token": token}) == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_somebody_else_changes_nothing(visitor: Visitor, headers: Headers) -> None:
    token = await visitor.csrf_token()
    assert await forged(visitor, {"X-CSRF-Token": token, **headers}) == 403


async def test_our_own_page_may(visitor: Visitor) -> None:
    token = await visitor.csrf_token()
    for headers in ({"Origin": visitor.base}, {"Sec-Fetch-Site": "same-origin"}):
        assert await forged(visitor, {"X-CSRF-Token": token, **headers}) == 303


async def test_the_token_of_one_session_is_none_for_another(locked: Visitor) -> None:
    await log_in(locked, **USER)
    first = await locked.csrf_token()
    locked.http.cookie_jar.clear()
    anonymous = await locked.csrf_token("/login")
    await log_in(locked, **USER)
    second = await locked.csrf_token()
    assert len({first, anonymous, second}) == 3
    for token in (first, anonymous):
        assert await forged(locked, {"X-CSRF-Token": token}) == 403


async def test_pages_of_others_cannot_load_ours_but_may_link_to_them(visitor: Visitor) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    response, _ = await visitor.get(headers=elsewhere)
    assert response.status == 403
    response, _ = await visitor.get(headers={**elsewhere, "Sec-Fetch-Mode": "navigate"})
    assert response.status == 200


# --- names and paths --------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::2]", "[", ""])
async def test_without_a_login_a_foreign_name_is_refused(visitor: Visitor, host: str) -> None:
    port = URL(visitor.base).port
    response, text = await visitor.get(headers={"Host": f"{host}:{port}"})
    assert response.status in {400, 421}
    assert "front" not in text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]"])
async def test_this_machine_has_several_names(visitor: Visitor, host: str) -> None:
    response, _ = await visitor.get(headers={"Host": f"{host}:1234"})
    assert response.status == 200


async def test_the_configured_address_is_a_name_too(site: Site) -> None:
    async with visiting(site, address="http://nas.local:8080") as visitor:
        for host, status in (("nas.local", 200), ("evil.example", 421)):
            response, _ = await visitor.get(headers={"Host": host})
            assert response.status == status


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/../../server.py",
        "/static/x/..%2f..%2fserver.py",
        "/static/x/%2e%2e/%2e%2e/server.py",
        "/static/x//etc/passwd",
        "/static/x/vendor",
        "/static/x/page.css%00.js",
        "/static/../server.py",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/%00",
        "/static/x/" + "a/" * 2000,
    ],
)
async def test_no_path_leads_out_of_the_pages(visitor: Visitor, path: str) -> None:
    url = URL(visitor.base + path, encoded=True)
    async with visitor.http.get(url) as response:
        assert response.status in {400, 404}
        assert "import" not in await response.text()


async def test_the_headers_forbid_what_a_page_does_not_need(visitor: Visitor) -> None:
    for path in ("/", "/nothing/there", "/changes"):
        async with visitor.http.get(visitor.base + path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert response.headers["Cache-Control"] == "no-store"
            assert "aiohttp" not in response.headers["Server"]


async def test_no_page_has_inline_script_or_style(locked: Visitor) -> None:
    await locked.get("/login")
    await log_in(locked, **USER)
    for path in ("/", "/set-up", "/nothing"):
        _, text = await locked.get(path, headers=HTML)
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick=" not in text
        assert "<script>" not in text
        assert "http://" not in text.replace(locked.base, "")


async def test_what_is_too_large_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_BODY_BYTES", 1000)
    async with visiting(site) as visitor:
        token = await visitor.csrf_token()
        for size, status in ((800, 303), (1001, 413)):
            data = {"csrf_token": token, "language": "x" * size}
            assert await forged(visitor, {}, data) == status


async def test_connections_are_limited(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    async with visiting(site) as visitor:
        port = URL(visitor.base).port
        idle = [socket.create_connection(("127.0.0.1", port or 0)) for _ in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(aiohttp.ClientError):
            await visitor.get()
        for connection in idle:
            connection.close()
        await asyncio.sleep(0.1)
        response, _ = await visitor.get()
        assert response.status == 200


# --- ingress ----------------------------------------------------------------------------------

INGRESS_PATH = "/api/hassio_ingress/Ab3_-x"


async def at_ingress(visitor: Visitor, supervisor: str, headers: Headers, path: str = "/") -> Any:
    """Ask at an ingress that believes in a supervisor; returns status, headers and text."""
    port = free_port()
    house = visitor.worker.house
    ingress = IngressConfig(host="127.0.0.1", port=port, supervisor=supervisor)
    async with (
        serving_page(house, Door("ingress", ingress=ingress)),
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response,
    ):
        return response.status, response.headers, await response.text()


async def test_the_ingress_is_for_the_supervisor_alone(visitor: Visitor) -> None:
    status, _, text = await at_ingress(visitor, "172.30.32.2", {"X-Forwarded-For": "172.30.32.2"})
    assert status == 403
    assert "127.0.0.1 is not its supervisor" in text


async def test_at_the_ingress_every_address_has_its_prefix(visitor: Visitor) -> None:
    headers = {"X-Ingress-Path": INGRESS_PATH, "Host": "home.example", **HTML}
    status, answered, text = await at_ingress(visitor, "127.0.0.1", headers)
    assert status == 200
    assert "frame-ancestors 'self'" in answered["Content-Security-Policy"]
    links = [part.split('"')[0] for part in text.replace("action=", "href=").split('href="')[1:]]
    sources = [part.split('"')[0] for part in text.split('src="')[1:]]
    found = [link for link in links + sources if not link.startswith("#")]
    assert len(found) > 8
    assert all(link.startswith(f"{INGRESS_PATH}/") for link in found), found
    assert f'content="{INGRESS_PATH}/changes"' in text


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", '/x"><script>', "/a b"])
async def test_a_strange_prefix_is_not_taken(visitor: Visitor, path: str) -> None:
    status, _, text = await at_ingress(visitor, "127.0.0.1", {"X-Ingress-Path": path})
    assert status == 200
    assert "evil" not in text
    assert 'href="/"' in text


async def test_behind_a_reverse_proxy_every_address_has_the_path_of_the_configured_one(
    site: Site,
) -> None:
    async with visiting(site, address="https://a.example/alarm") as visitor:
        _, text = await visitor.get(headers={"Host": "a.example"})
        assert 'href="/alarm/"' in text
        _, text = await visitor.get()
        assert 'href="/"' in text


async def test_a_trusted_proxy_need_not_name_the_host(site: Site) -> None:
    page = {"address": "https://a.example/alarm", "trusted_proxies": ("127.0.0.1",)}
    async with visiting(site, **page) as visitor:
        _, text = await visitor.get(headers={"X-Forwarded-For": "192.0.2.1"})
        assert 'href="/alarm/"' in text
        assert 'content="/alarm"' in text
