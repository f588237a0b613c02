"""What tests of a running worker say and hear on its broker."""

import base64
import contextlib
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiomqtt

from benchmarks.peers import Listener
from veroallarme_core.contract import State
from veroallarme_core.description.burst_evidence import BurstEvidence
from veroallarme_core.pipeline import PipelineResult
from veroallarme_core.worker.service import Worker

ROOT = "veroallarme/home"
C = f"{ROOT}/camera/front"
STATUS = f"{ROOT}/worker/main/status"
HEALTH = f"{ROOT}/worker/main/health"


def burst(
    frames: tuple[bytes, ...], motion_at: datetime | None = None, **more: Any
) -> dict[str, Any]:
    """Write a burst as Home Assistant does, its frames 0.6 s apart."""
    motion_at = motion_at or datetime.now(UTC)
    return {
        "event_id": f"{motion_at:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}",
        "motion_at": motion_at.isoformat(),
        "frames": [
            {
                "captured_at": (motion_at + timedelta(seconds=0.6 * number)).isoformat(),
                "jpeg": base64.b64encode(frame).decode(),
            }
            for number, frame in enumerate(frames)
        ],
        **more,
    }


class Judging:
    """Stands for the pipeline where a test needs a certain judgement, or a slow one."""

    def __init__(self, state: State = State.RELEVANT, takes_s: float = 0.0) -> None:
        self.state, self.takes_s = state, takes_s
        self.bursts: list[int] = []

    def judge(self, frames: list[bytes], *_: object, **__: object) -> PipelineResult:
        self.bursts.append(len(frames))
        time.sleep(self.takes_s)
        score = {State.RELEVANT: 0.9, State.IRRELEVANT: 0.1, State.UNKNOWN: None}[self.state]
        return PipelineResult(
            state=self.state,
            score=score,
            threshold=0.5,
            reason="test",
            explanation="A test's.",
            # A fake state does not look into it; where nothing is learned nobody does.
            evidence=cast(BurstEvidence, object()),
        )

    def release_memory(self) -> None:
        """Give nothing back: it holds nothing."""

    def install(self, worker: Worker) -> None:
        worker._judging.pipeline = self  # type: ignore[assignment]


class Broker:
    """Sends as cameras and Home Assistant do."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def send(self, topic: str, payload: object, **more: Any) -> None:
        body = payload if isinstance(payload, bytes | str) else json.dumps(payload)
        await self._client.publish(topic, body, **{"qos": 1, **more})

    async def motion(self, payload: str = "ON", camera: str = "front") -> None:
        await self.send(f"cam/{camera}/motion", payload)


@contextlib.asynccontextmanager
async def sender(port: int) -> Any:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        yield Broker(client)


def events(listener: Listener) -> list[dict[str, Any]]:
    return [heard.json() for heard in listener.on("/event")]


async def retained(port: int) -> dict[str, bytes]:
    """What a new subscriber finds on the broker."""
    listener = Listener(port, ["veroallarme/#", "cam/#"])
    async with listener.listen(), sender(port) as broker:
        await broker.send("veroallarme/done", "done")
        await listener.until(lambda: listener.on("/done"))
    return {heard.topic: heard.payload for heard in listener.heard if heard.retain}
