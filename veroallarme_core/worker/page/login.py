"""The login: asks who somebody is, remembers it in a cookie, and limits how often one may try."""

from __future__ import annotations

import logging
import math
from urllib.parse import unquote, urlsplit

from aiohttp import web

from veroallarme_core.worker.config import PageConfig
from veroallarme_core.worker.page.attempts import Attempts
from veroallarme_core.worker.page.credentials import Credentials
from veroallarme_core.worker.page.origin import client_address, is_secure
from veroallarme_core.worker.page.sessions import LIFE_LIMIT_S, Sessions
from veroallarme_core.worker.page.shell import render, url_for

_LOGGER = logging.getLogger(__name__)

COOKIE = "veroallarme_session"
_MAX_COOKIE = 128
_BEARER = "Bearer "


class Login:
    """Knows who is logged in, and lets in who knows the password or the token.

    Args:
        config: of the page.
    """

    def __init__(self, config: PageConfig) -> None:
        self._config = config
        self._credentials = Credentials(config)
        self._sessions = Sessions()
        self._attempts = Attempts()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the login."""
        return [
            web.get("/login", self._show),
            web.post("/login", self._log_in),
            web.post("/logout", self._log_out),
        ]

    def session(self, request: web.Request) -> str | None:
        """Return what names the session of a request; None where nobody is logged in."""
        secret = request.cookies.get(COOKIE, "")
        if 0 < len(secret) <= _MAX_COOKIE and self._sessions.knows(secret):
            return secret
        # Programs log in with each request, and have no session.
        return "" if self.has_bearer(request) else None

    def has_bearer(self, request: web.Request) -> bool:
        """Whether a program gives a token in the header that no browser sends by itself."""
        return request.headers.get("Authorization", "").startswith(_BEARER)

    def check_bearer(self, request: web.Request) -> None:
        """Check the token that a program gives, if it gives one.

        Raises:
            web.HTTPUnauthorized: It is wrong.
            web.HTTPTooManyRequests: There were too many wrong ones.
        """
        if not self.has_bearer(request):
            return
        address = self._address(request)
        if wait_s := self._attempts.wait_s(address):
            raise web.HTTPTooManyRequests(
                text=f"Too many failed logins: wait {math.ceil(wait_s)} seconds.",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        given = request.headers["Authorization"].removeprefix(_BEARER).strip()
        if not self._credentials.is_token(given):
            self._attempts.begin(address)
            self._tell_failure(address)
            raise web.HTTPUnauthorized(text="The token is wrong: give page.token.")

    async def _show(self, request: web.Request) -> web.Response:
        if self.session(request):
            raise web.HTTPSeeOther(self._next(request, request.query.get("next")))
        return self._page(request, request.query.get("next"))

    async def _log_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = {key: value for key, value in form.items() if isinstance(value, str)}
        address = self._address(request)
        if wait_s := self._attempts.wait_s(address):
            return self._page(request, given.get("next"), wait_s=wait_s)
        self._attempts.begin(address)
        if not await self._is_right(given):
            self._tell_failure(address)
            return self._page(request, given.get("next"), is_wrong=True)
        self._attempts.succeed(address)
        response = web.Response(
            status=303, headers={"Location": self._next(request, given.get("next"))}
        )
        response.set_cookie(
            COOKIE,
            self._sessions.begin(),
            max_age=int(LIFE_LIMIT_S),
            path=url_for(request, "/"),
            httponly=True,
            secure=is_secure(request, self._config),
            # A link in a notification shall open the event, and not the login.
            samesite="Lax",
        )
        return response

    async def _is_right(self, given: dict[str, str]) -> bool:
        if "token" in given:
            return self._credentials.is_token(given["token"].strip())
        return await self._credentials.is_user(given.get("username", ""), given.get("password", ""))

    async def _log_out(self, request: web.Request) -> web.Response:
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = web.Response(status=303, headers={"Location": url_for(request, "/login")})
        response.del_cookie(COOKIE, path=url_for(request, "/"))
        # What the browser still holds of the pages goes too, as far as it has learned that.
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    def _page(
        self,
        request: web.Request,
        next_path: str | None,
        *,
        is_wrong: bool = False,
        wait_s: float = 0.0,
    ) -> web.Response:
        response = render(
            request,
            "login.html",
            status=429 if wait_s else 401 if is_wrong else 200,
            next_path=next_path or "/",
            takes_password=self._credentials.takes_password,
            takes_token=self._credentials.takes_token,
            is_wrong=is_wrong,
            wait_minutes=math.ceil(wait_s / 60),
        )
        if wait_s:
            response.headers["Retry-After"] = str(math.ceil(wait_s))
        return response

    def _tell_failure(self, address: str) -> None:
        # The address alone: what was typed may be the right password with a finger beside.
        _LOGGER.warning("page: a login from %s has failed", address.replace("\n", " ")[:64])

    def _address(self, request: web.Request) -> str:
        return client_address(request, self._config)

    def _next(self, request: web.Request, path: str | None) -> str:
        """Return where to go after the login: to a path of ours, whatever a link asks for."""
        return local_address(request, path)


def local_address(request: web.Request, path: str | None) -> str:
    """Return the address of a path of ours that a form or link names; of the start otherwise."""
    asked = urlsplit(path or "/") if (path or "").isprintable() else urlsplit("/")
    is_ours = asked.path.startswith("/") and not asked.path.startswith(("//", "/\\"))
    if asked.scheme or asked.netloc or not is_ours:
        return url_for(request, "/")
    query = f"?{asked.query}" if asked.query.isascii() and asked.query else ""
    return f"{url_for(request, unquote(asked.path))}{query}"
