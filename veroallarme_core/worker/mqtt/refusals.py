"""Why a broker refuses something, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

FAILURES_FROM = 0x80
"""Reason codes from here on are refusals, in every answer of the broker."""
_NOT_AUTHORIZED = 0x87
_LET_IN = "let the broker's access control allow {who} to {act}"
REMEDIES = {
    _NOT_AUTHORIZED: _LET_IN,
    0x85: "let the broker take any client id",
    0x88: "wait, or start the broker again",
    0x89: "wait, the broker is busy",
    0x8A: "let the broker unban {who}",
    0x8E: "another client has the same client id: do two workers share a copy of one state_dir?",
    0x8F: "correct the topic",
    0x90: "correct the topic",
    0x95: "raise the broker's limit on the size of messages",
    0x97: "raise the broker's quota for {who}",
    0x98: "the broker's administrator has ended the connection",
    0x9A: "let the broker keep retained messages",
    0x9B: "let the broker take messages with QoS 1",
    0x9C: "give the other server as mqtt.host",
    0x9D: "give the other server as mqtt.host",
    0x9F: "let the broker take connections more often",
    0xA2: "the broker knows no wildcards: name the topic in full",
}
"""What to do about a reason code, as far as the specification of MQTT 5 says what it means."""


@dataclass(frozen=True)
class Refusal:
    """Why the broker does not do what it was asked, and what to do about it."""

    reason: str
    remedy: str


def code_of(error: Exception) -> int | None:
    """Return the reason code that a broker has sent, or paho's own error."""
    code = getattr(error, "rc", None)
    value = getattr(code, "value", code)
    return value if isinstance(value, int) else None


def cause_of(error: Exception) -> str:
    """Say why a connection ended; paho calls a closed socket an unspecified error."""
    if isinstance(error, aiomqtt.MqttCodeError) and str(error.rc) == "Unspecified error":
        return "broken off by the broker or the network"
    return str(error) or "no answer in time"


def remedy_for(code: int | None, who: str, act: str) -> str:
    """Say what to do about a reason code."""
    known = None if code is None else REMEDIES.get(code)
    return (known or "the broker's log says more").format(who=who, act=act)


def read_answers(
    topics: Sequence[str], codes: Sequence[ReasonCode], who: str, *, is_v5: bool
) -> dict[str, Refusal]:
    """Return the topic filters that a broker refuses, by its answers to a subscription.

    Args:
        topics: topic filters in the order in which they were sent.
        codes: one for each; MQTT 3.1.1 knows one refusal only, 0x80, and gives no reason.
        who: the client, as people know it.
        is_v5: whether the codes are those of MQTT 5.
    """
    refused = {}
    for topic, code in zip(topics, codes, strict=False):
        if code.value < FAILURES_FROM:
            continue
        value, act = (code.value if is_v5 else _NOT_AUTHORIZED), "subscribe to it"
        reason = f"reason code 0x{code.value:02x}" + (f", {code}" if is_v5 else "")
        refused[topic] = Refusal(reason, remedy_for(value, who, act))
    for topic in topics[len(codes) :]:
        refused[topic] = Refusal("no answer", remedy_for(None, who, ""))
    return refused
