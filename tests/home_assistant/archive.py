"""A worker that answers questions about past events, as the contract says."""

import asyncio
import itertools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .worker import JPEG, ROOT, publish, validate, verdict

KEPT = (
    "event_id", "motion_at", "decided_at", "state", "relevant", "score", "threshold", "reason",
    "explanation", "mode", "learning", "num_relevant", "num_irrelevant",
)  # fmt: skip
ZONE = {
    "name": "Ignored 1",
    "kind": "ignore",
    "points": [[0.1, 0.1], [0.3, 0.1], [0.3, 0.4], [0.1, 0.4]],
}


def in_utc(moment: str | datetime) -> str:
    """Write a moment as the worker does."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return dt_util.as_utc(at).isoformat(timespec="milliseconds")


def past_event(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a list says of an event, from its verdict."""
    kinds = list(dict.fromkeys(found["kind"] for found in content["objects"]))
    item = {name: content[name] for name in KEPT} | {"objects": kinds}
    return item | {"feedback": None, "pictures": 3} | changes


class Archive:
    """Events of the camera drive, newest first, and what was asked for."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.events = [past_event(verdict())]
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.error: str | None = None
        self.is_silent = False
        self._hass = hass
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "list_events": self._list,
            "get_picture": self._picture,
            "ignore_here": self._ignore,
            "feedback": self._feedback,
        }

    def requests(self, command: str) -> list[dict[str, Any]]:
        """Return what was asked by one command, without the ids of the requests."""
        return [request for name, request in self.asked if name == command]

    async def published(self, topic: str, payload: str, *_: Any, **__: Any) -> None:
        """Stand for the broker: answer what is a request."""
        name = topic.rpartition("/")[2]
        if name not in self._answers or not topic.startswith(f"{ROOT}/camera/drive/"):
            return
        request = json.loads(payload)
        validate(name, request)
        request_id = request.pop("request_id")
        self.asked.append((name, request))
        if self.is_silent:
            return
        answer = {"error": self.error} if self.error else self._answers[name](request)
        await asyncio.sleep(0)
        publish(self._hass, f"camera/drive/answer/{request_id}", answer)

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        def is_asked_for(event: dict[str, Any]) -> bool:
            at = datetime.fromisoformat(event["motion_at"])
            return (
                request.get("event_id") in (None, event["event_id"])
                and event["state"] in request.get("states", event["state"])
                and ("since" not in request or at >= datetime.fromisoformat(request["since"]))
                and ("until" not in request or at < datetime.fromisoformat(request["until"]))
            )

        found = [event for event in self.events if is_asked_for(event)]
        limit = request.get("limit", 20)
        moments = request.get("count_between", [])
        counts = [self._count(since, until) for since, until in itertools.pairwise(moments)]
        answer = {"events": found[:limit], "more": len(found) > limit, "counts": counts}
        validate("event_list", answer)
        return answer

    def _count(self, since: str, until: str) -> dict[str, Any]:
        counted = [
            event
            for event in self.events
            if datetime.fromisoformat(since)
            <= datetime.fromisoformat(event["motion_at"])
            < datetime.fromisoformat(until)
        ]
        states = [event["state"] for event in counted]
        counts: dict[str, Any] = {
            name: states.count(name) for name in ("relevant", "irrelevant", "unknown")
        }
        between = {"since": in_utc(since), "until": in_utc(until)}
        suppressed = sum(not event["relevant"] for event in counted)
        return {**between, **counts, "suppressed": suppressed}

    def _picture(self, request: dict[str, Any]) -> Any:
        if request["event_id"] not in [event["event_id"] for event in self.events]:
            return {"error": f"the event {request['event_id']} is unknown"}
        return JPEG + json.dumps(request).encode()

    def _ignore(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = {"zones": [ZONE], "added": not request["preview"]}
        validate("ignored_zones", answer)
        return answer

    def _feedback(self, request: dict[str, Any]) -> dict[str, Any]:
        known = {event["event_id"]: event for event in self.events}
        if request["event_id"] not in known:
            return {"error": f"feedback for the unknown event {request['event_id']}"}
        known[request["event_id"]]["feedback"] = request["relevant"]
        return request


@pytest.fixture
def archive(hass: HomeAssistant, mqtt_mock: Any) -> Archive:
    """Return a worker that answers; without this fixture it is silent."""
    archive = Archive(hass)
    mqtt_mock.async_publish.side_effect = archive.published
    return archive
