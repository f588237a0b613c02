"""Pages out of templates: words, addresses and what keeps a form from being forged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from veroallarme_core.contract import iso
from veroallarme_core.worker.page.shell.static_files import StaticFiles
from veroallarme_core.worker.page.shell.words import LANGUAGES, Words, preferred, words

FOLDER = Path(__file__).resolve().parents[1] / "templates"
LANGUAGE_COOKIE = "language"
PREFIX = web.RequestKey("prefix", str)
"""What stands before every path of ours as the browser sees it."""
CSRF_TOKEN = web.RequestKey("csrf_token", str)
"""What a page gives to its forms and scripts, and no other site knows."""
CAN_LOG_OUT = web.RequestKey("can_log_out", bool)


@dataclass(frozen=True)
class Renderer:
    """Makes pages; one for the whole application."""

    environment: Environment
    static: StaticFiles


RENDERER = web.AppKey("renderer", Renderer)


def make_renderer() -> Renderer:
    """Read templates and static files."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    return Renderer(environment, StaticFiles.read())


def words_of(request: web.Request) -> Words:
    """Return the words in the language that a browser wants: the cookie's, else its own."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return words(chosen)
    return words(preferred(request.headers.get("Accept-Language", "")))


def url_for(request: web.Request, path: str, **query: Any) -> str:
    """Return the address of a path of ours, as the browser that asks has to write it.

    Args:
        request: Tells under which prefix the browser reaches us.
        path: Begins with a slash.
        query: Parameters; those that are None or empty are left out.
    """
    given = {key: value for key, value in query.items() if value is not None and value != ""}
    asked = f"?{urlencode(given, doseq=True)}" if given else ""
    return f"{request.get(PREFIX, '')}{quote(path)}{asked}"


def render(
    request: web.Request, template: str, *, status: int = 200, **values: Any
) -> web.Response:
    """Answer with a page, or with a part of one.

    Besides ``values`` a template knows ``t`` (words), ``url``, ``static``, ``csrf_token``,
    ``when`` (a moment), ``language``, ``languages``, ``can_log_out`` and ``here`` (the path asked
    for).
    """
    renderer = request.app[RENDERER]
    said = words_of(request)

    def url(path: str, **query: Any) -> str:
        return url_for(request, path, **query)

    def static(name: str) -> str:
        return url(renderer.static.path(name))

    content = renderer.environment.get_template(template).render(
        t=said,
        url=url,
        static=static,
        when=_writer(said),
        language=said.language,
        languages=LANGUAGES,
        csrf_token=request.get(CSRF_TOKEN, ""),
        can_log_out=request.get(CAN_LOG_OUT, False),
        here=request.path,
        is_htmx="HX-Request" in request.headers,
        **values,
    )
    response = web.Response(
        text=content,
        content_type="text/html",
        status=status,
        # Who shares a browser shall not page back to pictures after a logout.
        headers={"Cache-Control": "no-store", "Content-Language": said.language},
    )
    response.enable_compression()
    return response


def _writer(said: Words) -> Callable[..., Markup]:
    def when(moment: datetime, style: str = "date_time") -> Markup:
        """Write a moment: ``date_time``, ``date`` or ``time``."""
        parts = {"date": said.date(moment), "time": said.time(moment)}
        text = said("words.date_time", **parts) if style == "date_time" else parts[style]
        return Markup('<time datetime="{}">{}</time>').format(iso(moment), text)

    return when
