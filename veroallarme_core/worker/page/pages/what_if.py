"""What if: other settings, and what they would have done to the last events."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import voluptuous as vol
from aiohttp import web
from multidict import MultiMapping

from veroallarme_core.contract import (
    SETTINGS_SCHEMA,
    CameraSettings,
    CommandError,
    Mode,
    ObjectKind,
)
from veroallarme_core.worker.camera import STORAGE_ERRORS, CameraWorker
from veroallarme_core.worker.history import (
    Answer,
    Choice,
    RememberedEvent,
    answer,
    recalls_known,
)
from veroallarme_core.worker.page.pages.choosing import by_name, choose
from veroallarme_core.worker.page.shell import House, render, url_for

_PAGE = "/cameras/{camera:[a-z0-9_]{1,64}}/what-if"


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""
    page = WhatIfPage(house)

    async def choose_camera(request: web.Request) -> web.Response:
        return choose(request, house, "what-if", "whatif.title")

    return [
        web.get("/what-if", choose_camera),
        web.get(_PAGE, page.show),
        web.get(f"{_PAGE}/answer", page.answer),
        web.post(_PAGE, page.apply),
    ]


class WhatIfPage:
    """Shows what other settings would have done, and sets them.

    Args:
        house: Has the cameras.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._recent = house.past_events.recent

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        camera = self._house.camera(request)
        settings = camera.context.settings
        events = await self._events(camera)
        return render(
            request,
            "what_if.html",
            camera=camera,
            cameras=by_name(self._house),
            settings=settings,
            modes=tuple(Mode),
            kinds=tuple(ObjectKind),
            recalls=recalls_known(events or ()),
            recall=settings.recall or self._house.config.learning.recall,
            learns=camera.learning.state is not None,
            is_learned=camera.learning.learned,
            applied=request.query.get("applied", ""),
            **_told(camera, events, Choice.of(settings)),
        )

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with what the settings of the form would have done."""
        camera = self._house.camera(request)
        settings = camera.context.settings
        events = await self._events(camera)
        try:
            choice = _choice(request.query, settings)
        except vol.Invalid:
            choice = Choice.of(settings)  # while the form holds what no setting is
        return render(
            request,
            "what_if_answer.html",
            camera=camera,
            **_told(camera, events, choice),
        )

    async def apply(self, request: web.Request) -> web.Response:
        """Let the settings of the form act from now on."""
        camera = self._house.camera(request)
        try:
            choice = _choice(await request.post(), camera.context.settings)
        except vol.Invalid as error:
            raise web.HTTPBadRequest(text=f"These are no settings: {error}.") from None
        change: dict[str, Any] = {
            "mode": choice.mode,
            "threshold": choice.threshold,
            "objects": choice.objects,
        }
        if choice.recall is not None:
            change["recall"] = choice.recall
        await camera.change_settings(change)
        applied = "settings"
        if choice.recall is not None:
            with contextlib.suppress(CommandError):  # it learns nothing: it acts once it does
                self._house.adaptations.request(camera.id)
                applied = "recall"
        raise web.HTTPSeeOther(url_for(request, f"/cameras/{camera.id}/what-if", applied=applied))

    async def _events(self, camera: CameraWorker) -> Sequence[RememberedEvent] | None:
        try:
            return await self._recent.of(camera.id)
        except STORAGE_ERRORS:
            return None


def _told(
    camera: CameraWorker, events: Sequence[RememberedEvent] | None, choice: Choice
) -> dict[str, Any]:
    settings = camera.context.settings
    now: Answer | None = None if events is None else answer(events, Choice.of(settings))
    then: Answer | None = None if events is None else answer(events, choice)
    return {
        "choice": choice,
        "now": now,
        "then": then,
        # Else somebody moves the threshold, and wonders why nothing changes.
        "alerts_always": choice.mode is Mode.SHADOW
        or (choice.mode is Mode.AUTO and not camera.learning.learned),
    }


def _choice(form: MultiMapping[Any], settings: CameraSettings) -> Choice:
    """Read the form.

    Raises:
        vol.Invalid: it holds a value that no setting has.
    """
    is_own = form.get("own_threshold") == "yes"
    change = SETTINGS_SCHEMA(
        {
            "mode": form.get("mode", settings.mode.value),
            "threshold": _number(form.get("threshold")) if is_own else None,
            "objects": list(form.getall("objects", [])),
            "recall": _number(recall) if (recall := form.get("recall")) else None,
        }
    )
    return Choice(
        mode=change["mode"],
        threshold=change["threshold"],
        objects=change["objects"],
        recall=change["recall"],
        on_unknown=settings.on_unknown,
    )


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise vol.Invalid("give a number") from None
