"""The workers of one site: whether one is there, and how far its clock differs from ours."""

from collections.abc import Callable
from datetime import datetime, timedelta

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from .contract import Fault, Health
from .payload import is_valid_id, read_json

HEALTH_SILENCE_S = 200.0
"""A worker reports every minute. One that misses three reports counts as gone, even where the
broker, restarted after a power cut, still remembers it as online."""
CLOCK_TOLERANCE = timedelta(seconds=30)
"""Clocks that differ by less agree: a message may take some seconds."""
MAX_WORKERS = 16


class Worker:
    """One worker of the site."""

    def __init__(self) -> None:
        """Start with a worker that has not been heard."""
        self.status = False
        """Whether the worker says that it is online."""
        self.health: Health | None = None
        self.clock_lead = timedelta()
        """How far its clock is ahead of ours; zero where they agree, or where it does not tell."""
        self.cancel_silence: CALLBACK_TYPE | None = None
        """Cancels the timer that runs out when nothing is heard; None when it has run out."""

    @property
    def online(self) -> bool:
        """Whether the worker says that it is online and has been heard of late."""
        return self.status and self.cancel_silence is not None

    def compare_clocks(self, sent_at: datetime) -> None:
        """Learn its clock from a message that was sent this moment."""
        lead = sent_at - dt_util.utcnow()
        if abs(lead) < CLOCK_TOLERANCE:
            self.clock_lead = timedelta()
        elif abs(lead - self.clock_lead) >= CLOCK_TOLERANCE:
            self.clock_lead = lead


class Workers:
    """The workers of one site, by their ids."""

    def __init__(self, hass: HomeAssistant, on_update: Callable[[], None]) -> None:
        """Start without workers.

        Args:
            on_update: called after a worker was heard, and when one was not heard in time.
        """
        self.by_id: dict[str, Worker] = {}
        self.clock_lead = timedelta()
        """How far the workers' clocks are ahead of ours; of several the one that differs least."""
        self._hass = hass
        self._on_update = on_update

    @property
    def online(self) -> bool:
        """Whether any worker is online."""
        return any(worker.online for worker in self.by_id.values())

    @property
    def faults(self) -> list[Fault]:
        """All that the workers report to be wrong, of each the latest first."""
        online = [worker for worker in self.by_id.values() if worker.online and worker.health]
        return [fault for worker in online if worker.health for fault in worker.health.faults]

    @callback
    def async_on_status(self, message: mqtt.ReceiveMessage) -> None:
        """Follow whether a worker says that it is online."""
        if (worker := self._get(message.topic)) is not None:
            worker.status = message.payload == "online"
            self._heard(worker)

    @callback
    def async_on_health(self, message: mqtt.ReceiveMessage) -> None:
        """Take over how a worker is.

        Raises:
            PayloadError: the payload does not follow the contract; the worker was heard all the
                same.
        """
        if not message.payload or (worker := self._get(message.topic)) is None:
            return
        try:
            worker.health = Health.from_json(read_json(message.payload))
            # What the broker had retained was sent at an unknown time.
            if worker.health.sent_at is not None and not message.retain:
                worker.compare_clocks(worker.health.sent_at)
        finally:
            self._heard(worker)

    @callback
    def async_disconnected(self) -> None:
        """Count on no worker: who is still there says so again after the reconnect."""
        for worker in self.by_id.values():
            worker.status = False

    @callback
    def async_stop(self) -> None:
        """Cancel all timers."""
        for worker in self.by_id.values():
            if worker.cancel_silence:
                worker.cancel_silence()
                worker.cancel_silence = None

    def _get(self, topic: str) -> Worker | None:
        """Return the worker that a topic is about; None where it is none, or one too many."""
        worker_id = topic.split("/")[-2]
        if worker_id in self.by_id:
            return self.by_id[worker_id]
        if not is_valid_id(worker_id) or len(self.by_id) >= MAX_WORKERS:
            return None
        return self.by_id.setdefault(worker_id, Worker())

    @callback
    def _heard(self, worker: Worker) -> None:
        @callback
        def on_silence(_: datetime) -> None:
            worker.cancel_silence = None
            self._update()

        if worker.cancel_silence:
            worker.cancel_silence()
        worker.cancel_silence = async_call_later(self._hass, HEALTH_SILENCE_S, on_silence)
        self._update()

    @callback
    def _update(self) -> None:
        leads = [worker.clock_lead for worker in self.by_id.values() if worker.online]
        # While no worker is online the last difference that was measured stays in force.
        self.clock_lead = min(leads, key=abs, default=self.clock_lead)
        self._on_update()
