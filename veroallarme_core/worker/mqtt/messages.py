"""What passes between the session with the broker and whoever uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from veroallarme_core.worker.mqtt.refusals import Refusal

QOS = 1
"""Of all messages and subscriptions: at least once."""


@dataclass(frozen=True)
class Incoming:
    """A message from the broker, not acknowledged yet."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    redelivered: bool
    packet_id: int
    acknowledge: Callable[[], None]
    """Tell the broker that the message is safe; harmless after the connection has gone."""


@dataclass(frozen=True)
class Outgoing:
    """A message to the broker, sent with QoS 1."""

    topic: str
    payload: bytes
    retain: bool
    on_published: Callable[[], object] | None = None
    """Called once the broker has taken it."""
    on_refused: Callable[[], object] | None = None
    """Called whenever the broker does not take it, or where it is dropped."""
    is_renewed: bool = False
    """Whether every connection brings it anew, as it does with all that is retained."""
    is_tried_again: bool = True
    """Whether what the broker refuses is sent again, and not out of date by then."""

    @property
    def is_state(self) -> bool:
        """Whether a newer message to its topic takes its place."""
        return self.retain or self.is_renewed


class SessionListener(Protocol):
    """Whom a session tells what happens; every method must return at once."""

    def session_began(self) -> None:
        """Take note that the broker knows nothing of us: what it sends repeats nothing."""

    def session_resumed(self) -> None:
        """Take note that the broker may have kept messages for us, which come first."""

    def connected(self) -> list[Outgoing]:
        """Return the retained state to publish before anything else."""

    def disconnected(self, reason: str) -> None:
        """Take note that the broker is gone."""

    def received(self, message: Incoming) -> None:
        """Take a message."""

    def subscribed(self, refused: Mapping[str, Refusal]) -> None:
        """Take note of the topic filters that the broker refuses; it has granted all others."""

    def complain(self, key: str, sentence: str) -> None:
        """Tell people what is wrong."""

    def resolve(self, key: str) -> None:
        """Take a complaint back by its key."""
