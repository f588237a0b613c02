"""Commands that come over MQTT: each is carried out or refused, and then acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from veroallarme_core.contract import (
    BRIDGED,
    MOMENTARY,
    QUERIES,
    AnalysisRequest,
    CommandError,
    EventQuery,
    FailedAnalysis,
    FailedRequest,
    Feedback,
    FeedbackAnswer,
    IgnoreQuery,
    PictureQuery,
    SuggestionAnswer,
    Topics,
    dump,
    read_command,
)
from veroallarme_core.worker.bridge import Bridge, read_large
from veroallarme_core.worker.camera import AnalysisError, CameraWorker
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.complaints import Complaints
from veroallarme_core.worker.history import PastEvents
from veroallarme_core.worker.mqtt import Incoming, Listening, Outgoing
from veroallarme_core.worker.nightly import Adaptations
from veroallarme_core.worker.rate_limits import RateLimits
from veroallarme_core.worker.site import Site

_LOGGER = logging.getLogger(__name__)

MAX_HELD_BYTES = 128 << 20
"""Commands that wait to be carried out, at most; each counts a kilobyte more than it has."""


@dataclass(frozen=True)
class Command:
    """A command, and when it came."""

    camera: str
    name: str
    message: Incoming
    received_at: datetime
    not_before: datetime | None
    """Since when it may have waited at the broker; None where it came at once."""

    @property
    def key(self) -> str:
        """The key under which it is told what is wrong with it."""
        return _key(self.camera, self.name)

    @property
    def held_bytes(self) -> int:
        """What it counts as long as it waits."""
        return len(self.message.payload) + 1024


class Commands:
    """Carries out what users and Home Assistant ask of cameras.

    Args:
        topics: of the site.
        site: its cameras.
        bridge: carries out what Home Assistant says of its own cameras.
        adaptations: adapt cameras on command.
        listening: counts the bursts.
        past_events: answers questions about them.
        complaints: tell what is wrong with a command.
        publish: answers.
    """

    def __init__(
        self,
        topics: Topics,
        site: Site,
        bridge: Bridge,
        adaptations: Adaptations,
        listening: Listening,
        past_events: PastEvents,
        complaints: Complaints,
        publish: Callable[[Outgoing], None],
    ) -> None:
        self._topics = topics
        self._site = site
        self._bridge = bridge
        self._adaptations = adaptations
        self._listening = listening
        self._past_events = past_events
        self._complaints = complaints
        self._publish = publish
        self._bridged: asyncio.Queue[Command] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rate_limits = RateLimits()
        self.held_bytes = 0
        """What waits to be carried out."""

    def take(self, camera: str, name: str, message: Incoming, not_before: datetime | None) -> None:
        """Queue a command, unless it tells the past or there is no room for it."""
        if message.retain and name in MOMENTARY:
            refusal = "a message that the broker has retained tells the past: do not retain it"
            self._complaints.tell_each(_key(camera, name), f"{message.topic}: {refusal}")
            message.acknowledge()
            return
        if (flood := self._flood(camera, name, message)) is not None:
            key, sentence = flood
            is_motion = self._is_motion(camera, name)
            loss = "motion counts without its pictures" if is_motion else "the rest is not taken"
            # Once for a flood: it is taken back when that is over.
            self._complaints.tell_each(key, f"{message.topic}: {sentence}; {loss}")
            if is_motion:
                self._listening.burst(camera)
                motion = self._site.cameras[camera].motion
                motion.add_unseen(not_before or now(), message.acknowledge)
            else:
                message.acknowledge()
            return
        if name == "analyze" or name in QUERIES:
            # The answer may take half a minute; the broker shall not hold back motion for it.
            message.acknowledge()
            message = replace(message, acknowledge=lambda: None)
        command = Command(camera, name, message, now(), not_before)
        self.held_bytes += command.held_bytes
        if name in BRIDGED:
            self._bridged.put_nowait(command)
        else:
            task = asyncio.create_task(self._handle(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _flood(self, camera: str, name: str, message: Incoming) -> tuple[str, str] | None:
        """Say what is too much about a command, and under which key; None where it may come."""
        if self.held_bytes + len(message.payload) > MAX_HELD_BYTES:
            return _key(camera, name), f"{MAX_HELD_BYTES >> 20} MB of commands wait already"
        is_known = camera in self._site.cameras
        bucket = self._rate_limits.bucket(camera if is_known else None, name)
        if bucket is None:
            return None
        # One key for all cameras that are not there: invented ids crowd nothing else out.
        key = f"flood/{camera if is_known else ''}/{name}"
        if bucket.take():
            if bucket.is_rested:
                self._complaints.resolve(key)
            return None
        rate = bucket.rate
        return key, (
            f"more than {rate.at_once} of these at once, and {rate.per_s:g} a second after that, "
            "are too many: find out who sends them"
        )

    def _is_motion(self, camera: str, name: str) -> bool:
        """Whether a command tells of motion, which counts even where there is no room for it."""
        known = self._site.cameras.get(camera)
        return name == "burst" and known is not None and self._bridge.serves(known)

    async def run(self) -> None:
        """Carry out what Home Assistant says of its cameras, in the order in which it came."""
        while True:
            await self._handle(await self._bridged.get())

    async def _handle(self, command: Command) -> None:
        """Carry out a command; it is acknowledged once it is stored or refused."""
        message = command.message
        try:
            await self._carry_out(command)
        except CommandError as error:
            self._complaints.tell_each(command.key, f"{message.topic}: {error}")
            message.acknowledge()
        except Exception as error:  # one command must not end the worker
            _LOGGER.exception("a command on %s could not be carried out", message.topic)
            sentence = f"{message.topic}: an internal error came up: {error!r}"
            self._complaints.tell(command.key, sentence)
            message.acknowledge()
        else:
            self._complaints.resolve(command.key)
        finally:
            self.held_bytes -= command.held_bytes

    async def _carry_out(self, command: Command) -> None:
        """Carry out a command, and acknowledge it.

        Raises:
            CommandError: it cannot be carried out; it is not acknowledged.
        """
        camera, name, message = command.camera, command.name, command.message
        # Bursts and ends of motion are acknowledged by whoever stores them.
        match name:
            case "burst":
                if await self._bridge.take_burst(
                    self._camera(camera), message, command.received_at, command.not_before
                ):
                    self._listening.burst(camera)
                return
            case "motion_end":
                self._bridge.end_motion(self._camera(camera), message)
                return
            case "reference":
                await self._bridge.take_reference(
                    self._camera(camera), message, command.received_at
                )
            case "config":
                await self._bridge.define(camera, message.payload)
            case "analyze":
                await self._analyze(camera, message.payload)
            case "set":
                await self._camera(camera).change_settings(read_command(name, message.payload))
            case "feedback":
                await self._take_feedback(camera, Feedback.from_json(message.payload))
            case "learn":
                self._camera(camera)
                read_command(name, message.payload)
                self._adaptations.request(camera)
                self._camera(camera).renew_suggestions()
            case "suggestion":
                answer = SuggestionAnswer.from_json(message.payload)
                await self._camera(camera).answer_suggestion(answer)
            case "list_events" | "get_picture" | "ignore_here":
                await self._query(camera, name, read_command(name, message.payload))
        message.acknowledge()

    def _camera(self, camera: str) -> CameraWorker:
        cameras = self._site.cameras
        if camera not in cameras:
            known = ", ".join(cameras)[:128] or "none"
            raise CommandError(f"there is no camera {camera[:64]!r}: known are {known}")
        return cameras[camera]

    async def _analyze(self, camera: str, payload: bytes) -> None:
        """Answer with the verdict of a burst that no motion asked for, or say why there is none."""
        request = await read_large(AnalysisRequest.from_json, payload)
        try:
            known = self._camera(camera)
            burst = await self._bridge.burst_to_analyze(known, request)
            answer = (await known.analyses.analyze(burst)).to_dict()
        except (CommandError, AnalysisError) as error:
            answer = FailedAnalysis(error=str(error)).to_dict()
        except Exception as error:  # who waits for the answer shall have one
            _LOGGER.exception("%s: an analysis failed", camera)
            answer = FailedAnalysis(error=f"an internal error came up: {error!r}").to_dict()
        topic = self._topics.camera(camera, f"analyze/{request.request_id}")
        self._publish(Outgoing(topic, dump(answer), retain=False))

    async def _take_feedback(self, camera: str, feedback: Feedback) -> None:
        """Take a thumb, and say so to who wants to know.

        Raises:
            CommandError: there is no such event.
        """
        try:
            await self._camera(camera).give_feedback(feedback.event_id, feedback.relevant)
        except CommandError as error:
            self._answer(
                camera, feedback.request_id, dump(FailedRequest(error=str(error)).to_dict())
            )
            raise
        answer = FeedbackAnswer(event_id=feedback.event_id, relevant=feedback.relevant)
        self._answer(camera, feedback.request_id, dump(answer.to_dict()))

    async def _query(self, camera: str, name: str, request: dict[str, Any]) -> None:
        """Answer a question about past events, or say why there is no answer."""
        past_events = self._past_events
        try:
            known = self._camera(camera)
            match name:
                case "list_events":
                    listed = await past_events.list(known, EventQuery(**request))
                    answer = dump(listed.to_dict())
                case "get_picture":
                    answer = await past_events.picture(known, PictureQuery(**request))
                case _:
                    ignored = await past_events.ignore(known, IgnoreQuery(**request))
                    answer = dump(ignored.to_dict())
        except CommandError as error:
            answer = dump(FailedRequest(error=str(error)).to_dict())
        except Exception as error:  # who waits for the answer shall have one
            _LOGGER.exception("%s: %s failed", camera, name)
            sentence = f"an internal error came up: {error!r}"
            answer = dump(FailedRequest(error=sentence).to_dict())
        self._answer(camera, request["request_id"], answer)

    def _answer(self, camera: str, request_id: str | None, payload: bytes) -> None:
        if request_id is not None:
            topic = self._topics.camera(camera, f"answer/{request_id}")
            self._publish(Outgoing(topic, payload, retain=False))


def _key(camera: str, name: str) -> str:
    return f"command/{camera[:64]}/{name}"
