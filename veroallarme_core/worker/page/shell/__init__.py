"""What every page stands in: the worker as pages see it, words, addresses, templates.

A page is a module of `pages` with ``routes(house)``; its handlers answer with `render`, or with
`web.Response` for what is no HTML. Templates lie in ``templates``, words in ``words/<language>``,
styles and scripts in ``static``.
"""

from veroallarme_core.worker.page.shell.house import House
from veroallarme_core.worker.page.shell.rendering import (
    CAN_LOG_OUT,
    CSRF_TOKEN,
    LANGUAGE_COOKIE,
    PREFIX,
    RENDERER,
    make_renderer,
    render,
    url_for,
    words_of,
)
from veroallarme_core.worker.page.shell.words import LANGUAGES, Words

__all__ = [
    "CAN_LOG_OUT",
    "CSRF_TOKEN",
    "LANGUAGES",
    "LANGUAGE_COOKIE",
    "PREFIX",
    "RENDERER",
    "House",
    "Words",
    "make_renderer",
    "render",
    "url_for",
    "words_of",
]
