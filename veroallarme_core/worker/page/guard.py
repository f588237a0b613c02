"""What stands before every page: who may come in, and what browsers may do with it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import NoReturn

from aiohttp import web

from veroallarme_core.worker.page import origin
from veroallarme_core.worker.page.door import Door
from veroallarme_core.worker.page.login import Login
from veroallarme_core.worker.page.shell import CAN_LOG_OUT, CSRF_TOKEN, PREFIX, url_for

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'"
)
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf_token"
OPEN_PATHS = ("/login", "/language", "/static/")
"""What anybody may have who may reach the port: nothing there tells of the home."""
_HARMLESS = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """Stands at a door.

    Args:
        door: where it stands.
        login: asks who somebody is; None where nobody is asked.
    """

    def __init__(self, door: Door, login: Login | None) -> None:
        self._door = door
        self._login = login
        self._secret = secrets.token_bytes(32)
        self._frames = "'none'" if door.ingress is None else "'self'"

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell the browser what it may do with a page: nothing that the page does not need."""
        headers = response.headers
        policy = f"{CONTENT_SECURITY_POLICY}; frame-ancestors {self._frames}"
        headers["Content-Security-Policy"] = policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        headers.setdefault("Cache-Control", "no-store")
        headers["Server"] = "veroallarme"

    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass to its handler.

        Raises:
            web.HTTPException: It may not.
        """
        self._check_door(request)
        if origin.is_embedded_elsewhere(request):
            raise web.HTTPForbidden(text="A page of another address may not load this.")
        if self._login is not None:
            self._login.check_bearer(request)
        session = None if self._login is None else self._login.session(request)
        request[CSRF_TOKEN] = self._csrf_token(session)
        request[CAN_LOG_OUT] = bool(session)
        is_open = request.path.startswith(OPEN_PATHS)
        if self._login is not None and session is None and not is_open:
            _ask_to_log_in(request)
        if request.method not in _HARMLESS:
            await self._check_forgery(request)
        return await handler(request)

    def _check_door(self, request: web.Request) -> None:
        if (ingress := self._door.ingress) is not None:
            if (peer := origin.peer_address(request)) != ingress.supervisor:
                raise web.HTTPForbidden(
                    text=f"This port is for Home Assistant's ingress, and {peer} is not its "
                    "supervisor: open VeroAllarme in Home Assistant's sidebar."
                )
            request[PREFIX] = origin.ingress_prefix(request)
            return
        config = self._door.page
        assert config is not None
        request[PREFIX] = origin.prefix(request, config)
        if not origin.is_our_name(request, config):
            raise web.HTTPMisdirectedRequest(
                text="Without a login this page answers to 127.0.0.1 and localhost alone: open it "
                "by one of these, or set page.address."
            )

    def _csrf_token(self, session: str | None) -> str:
        return hmac.new(self._secret, (session or "").encode(), hashlib.sha256).hexdigest()

    async def _check_forgery(self, request: web.Request) -> None:
        """Refuse what a page of somebody else has a browser send."""
        if self._login is not None and self._login.has_bearer(request):
            return  # no browser sends that header by itself
        if origin.comes_from_elsewhere(request, self._door.page):
            raise web.HTTPForbidden(
                text="This was sent by a page of another address: open the page itself. Behind a "
                "reverse proxy set page.address."
            )
        given = request.headers.get(CSRF_HEADER)
        is_form = request.content_type in {
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        }
        if is_form:
            try:
                field = (await request.post()).get(CSRF_FIELD)
            except (UnicodeDecodeError, LookupError, ValueError):
                raise web.HTTPBadRequest(text="This form cannot be read.") from None
            if given is None and isinstance(field, str):
                given = field
        expected = request[CSRF_TOKEN]
        if given is None or not hmac.compare_digest(given.encode(), expected.encode()):
            raise web.HTTPForbidden(text="This page is out of date: load it again.")


def _ask_to_log_in(request: web.Request) -> NoReturn:
    """Send a browser to the login, and refuse whoever is none.

    Raises:
        web.HTTPException: always.
    """
    path = url_for(request, "/login", next=request.path_qs if request.method == "GET" else "/")
    if "HX-Request" in request.headers:
        headers = {"HX-Redirect": url_for(request, "/login")}
        raise web.HTTPUnauthorized(text="Log in first.", headers=headers)
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        raise web.HTTPSeeOther(path)
    raise web.HTTPUnauthorized(text="Log in first.")
