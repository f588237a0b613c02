"""What a browser gets where there is no answer: a sentence, and never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web

from veroallarme_core.contract import CommandError
from veroallarme_core.worker.camera import STORAGE_ERRORS
from veroallarme_core.worker.page.guard import Guard, Handler
from veroallarme_core.worker.page.shell import CSRF_TOKEN, render, words_of

_LOGGER = logging.getLogger(__name__)


async def answer(request: web.Request, handler: Handler, guard: Guard) -> web.StreamResponse:
    """Answer a request, or say why not."""
    try:
        return await guard.admit(request, handler)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        usual = f"{error.status}: {error.reason}"
        response = _failed(request, error.status, "" if error.text == usual else error.text or "")
        for name in ("Allow", "HX-Redirect", "Retry-After"):
            if name in error.headers:
                response.headers[name] = error.headers[name]
        return response
    except CommandError as error:
        return _failed(request, HTTPStatus.CONFLICT, str(error))
    except STORAGE_ERRORS as error:
        _LOGGER.warning("page: %s failed: %r", request.path, error)
        reason = str(error) or "no answer in time"
        return _failed(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The events cannot be read ({reason}): try again later.",
        )
    except Exception as error:  # one page must not end the worker
        _LOGGER.exception("page: %s failed", request.path)
        return _failed(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, f"An internal error came up: {error!r}"
        )


def _failed(request: web.Request, status: int, sentence: str) -> web.Response:
    t = words_of(request)
    key = f"failed.{int(status)}"
    title = t(key) if key in t else t("failed.other")
    if "HX-Request" in request.headers or "text/html" not in request.headers.get("Accept", ""):
        response = web.Response(text=sentence or title, status=status)
    else:
        # Before the guard has passed somebody there is nothing to go to.
        response = render(
            request,
            "failed.html",
            status=status,
            title=title,
            sentence=sentence,
            can_navigate=CSRF_TOKEN in request,
        )
    response.headers["X-Sentence"] = quote(sentence or title)
    return response
