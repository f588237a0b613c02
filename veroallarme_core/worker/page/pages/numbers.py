"""Numbers: alarms before and after, causes, latency, and the promise with its evidence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from aiohttp import web

from veroallarme_core.contract import State
from veroallarme_core.worker.camera import STORAGE_ERRORS
from veroallarme_core.worker.history import (
    MOST_DAYS,
    DayNumbers,
    Numbers,
    judging_ms,
    read_numbers,
)
from veroallarme_core.worker.page.pages.choosing import by_name
from veroallarme_core.worker.page.pages.event_cards import reason_key
from veroallarme_core.worker.page.shell import House, Words, render, words_of

SPANS = (7, 30, MOST_DAYS)
_USUAL_SPAN = 30
_MOST_CAUSES = 12


def routes(house: House) -> list[web.RouteDef]:
    """Return the routes of the page."""

    async def read(request: web.Request) -> tuple[Numbers, int, str]:
        camera, days = request.query.get("camera", ""), request.query.get("days", "")
        if camera and camera not in house.cameras:
            raise web.HTTPNotFound(text=words_of(request)("failed.no_camera", camera=camera[:64]))
        span = int(days) if days.isdecimal() and days.isascii() and len(days) < 4 else _USUAL_SPAN
        span = min(max(1, span), MOST_DAYS)
        cameras = [camera] if camera else sorted(house.cameras)
        try:
            return await read_numbers(house.storage, cameras, span), span, camera
        except STORAGE_ERRORS as error:
            raise web.HTTPServiceUnavailable(
                text=f"The events cannot be read ({error or 'no answer in time'}): try again later."
            ) from error

    async def show(request: web.Request) -> web.Response:
        numbers, span, camera = await read(request)
        # Sorting the times of many events takes longer than an alarm should wait.
        figures = await asyncio.to_thread(_figures, numbers, words_of(request))
        shown = [one for one in by_name(house) if camera in ("", one.id)]
        return render(
            request,
            "numbers.html",
            cameras=by_name(house),
            camera=camera,
            span=span,
            spans=SPANS,
            promises=[(one, one.learning.stats()) for one in shown],
            is_cut=numbers.is_cut,
            **figures,
        )

    async def table(request: web.Request) -> web.Response:
        numbers, _, _ = await read(request)
        return _csv(await asyncio.to_thread(numbers.csv), "veroallarme-days.csv")

    async def causes(request: web.Request) -> web.Response:
        numbers, _, _ = await read(request)
        return _csv(await asyncio.to_thread(numbers.causes_csv), "veroallarme-causes.csv")

    return [
        web.get("/numbers", show),
        web.get("/numbers/days.csv", table),
        web.get("/numbers/causes.csv", causes),
    ]


def _figures(numbers: Numbers, said: Words) -> dict[str, Any]:
    total = numbers.total()
    days = {at: numbers.day(at) for at in numbers.days}
    causes = total.reasons.most_common(_MOST_CAUSES)
    return {
        "total": total,
        "days": [_row(at, day, said) for at, day in reversed(days.items())],
        "causes": [(_reason(said, reason), count) for reason, count in causes],
        "charts": json.dumps(_charts(days)),
        "median_ms": total.quantile_ms("total", 0.5),
        "judging_median_ms": judging_ms(total, 0.5),
    }


def _csv(text: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)


def _row(at: date, day: DayNumbers, said: Words) -> Mapping[str, Any]:
    month = said("words.months").split("|")[at.month - 1]
    return {
        "date": at,
        "day": said("words.date", day=at.day, month=month),
        "numbers": day,
        "median_ms": day.quantile_ms("total", 0.5),
        "p95_ms": day.quantile_ms("total", 0.95),
    }


def _charts(by_day: Mapping[date, DayNumbers]) -> dict[str, list[Any]]:
    days = by_day.values()
    return {
        "days": [at.isoformat() for at in by_day],
        "before": [day.events for day in days],
        "after": [day.alarms for day in days],
        "median_s": [_seconds(day.quantile_ms("total", 0.5)) for day in days],
        "p95_s": [_seconds(day.quantile_ms("total", 0.95)) for day in days],
        "judging_s": [_seconds(judging_ms(day, 0.5)) for day in days],
    }


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms / 1e3, 2)


def _reason(said: Words, reason: str) -> str:
    return said(reason_key(reason, State.IRRELEVANT, (), said))
