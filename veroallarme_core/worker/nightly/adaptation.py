"""When cameras are adapted, and the process that does it: one at a time, and always yielding."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from veroallarme_core.contract import iso
from veroallarme_core.worker.camera.alarm import now
from veroallarme_core.contract.verdict import iso
from veroallarme_core.worker.camera.learning import (
    Adaptation,
    CameraLearning,
    Complain,
    Outcome,
    Resolve,
)
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config.config import LearningConfig
from veroallarme_core.worker.storage.storage import Storage

_LOGGER = logging.getLogger(__name__)

TICK_S = 30.0
"""How often it is looked whether a camera is due; a clock may be set meanwhile."""
ADAPT_LIMIT_S = 3600.0
THREADS = 2
MAX_OUTPUT_BYTES = 16 * 1024
"""How much of the end of what the process says is kept."""
MAX_REASON_CHARACTERS = 200

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class AdaptationError(RuntimeError):
    """A camera could not be adapted; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the process tells about a camera that it has adapted."""

    learned: bool
    events: int


class Adaptations:
    """Adapts cameras, one after the other: at night, as they fill, and on command.

    Args:
        config: hour and promised recall.
        data_dir: holds the cameras' events.
        storage: knows the thumbs.
        adapted: called with the camera's id when an adaptation has ended.
        complain: see `Surroundings`.
        resolve: see `Surroundings`.
        command: runs ``veroallarme``.
    """

    def __init__(
        self,
        config: LearningConfig,
        data_dir: Path,
        storage: Storage,
        adapted: Callable[[str], None],
        complain: Complain,
        resolve: Resolve,
        command: Sequence[str] = (sys.executable, "-m", "veroallarme_core"),
    ) -> None:
        self.command = tuple(command)
        self._config = config
        self._data_dir = data_dir
        self._storage = storage
        self._adapted = adapted
        self._complain = complain
        self._resolve = resolve
        self._cameras: dict[str, CameraLearning] = {}
        # Keeps the order of coming, and each camera once.
        self._queue: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._night: date | None = None
        self._looked_at: datetime | None = None

    def add(self, learning: CameraLearning) -> None:
        """Adapt this camera from now on."""
        self._cameras[learning.camera] = learning

    def remove(self, camera: str) -> None:
        """Adapt this camera no more; what runs already ends."""
        self._cameras.pop(camera, None)
        self._queue.pop(camera, None)

    def request(self, camera: str) -> None:
        """Adapt a camera as soon as its turn comes, unless there is nothing new to learn from.

        Raises:
            AdaptationError: it learns nothing.
        """
        if camera not in self._cameras:
            raise AdaptationError(
                "this camera learns nothing: set learning.enabled and inference.enabled to true, "
                "and see the log's begin"
            )
        self._queue[camera] = None
        self._wake.set()

    async def run(self) -> None:
        """Adapt cameras as they are due, until cancelled; a running process is then killed."""
        while True:
            self._queue_due(datetime.now())
            while self._queue:
                camera = next(iter(self._queue))
                del self._queue[camera]
                try:
                    await self._adapt(self._cameras[camera])
                except Exception as error:  # whatever is wrong with learning, alarms go on
                    _LOGGER.exception("%s: adaptation failed", camera)
                    self._failed(camera, repr(error))
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()

    def _queue_due(self, at: datetime) -> None:
        """Queue what is due at a moment of local time: at night all cameras, else full ones."""
        is_night = self._is_night(at)
        for camera, learning in self._cameras.items():
            if is_night or learning.is_due:
                self._queue[camera] = None

    def _is_night(self, at: datetime) -> bool:
        """Tell whether the hour of a night is here, or went by since it was last looked.

        An adaptation may run over it, and where summer time begins the clock leaves it out.
        """
        begins = at.replace(hour=self._config.hour, minute=0, second=0, microsecond=0)
        if at < begins:
            begins -= timedelta(days=1)
        looked_at, self._looked_at = self._looked_at, at
        went_by = looked_at is not None and looked_at < begins
        if begins.date() == self._night or not (at.hour == self._config.hour or went_by):
            return False
        self._night = begins.date()
        return True

    async def _adapt(self, learning: CameraLearning) -> None:
        camera = learning.camera
        feedback = await self._storage.database(lambda store: store.feedback(camera))
        labels = write_labels(feedback)
        basis, last = learning.basis(labels, self._config.recall), learning.last
        if last is not None and last.outcome is not Outcome.FAILED and last.basis == basis:
            _LOGGER.info("%s: nothing new to learn from since %s", camera, last.at)
            return
        data_dir = self._data_dir / camera
        if not await asyncio.to_thread(data_dir.is_dir):
            _LOGGER.info("%s: no events to learn from yet", camera)
            return
        _LOGGER.info("%s: learning from its events", camera)
        started = time.monotonic()
        events, outcome = 0, Outcome.FAILED
        try:
            report = await self._run_process(data_dir, learning.folder, labels)
            events = report.events
            outcome = Outcome.LEARNED if report.learned else Outcome.LEARNING
        except (AdaptationError, OSError) as error:
            self._failed(camera, str(error))
        seconds = time.monotonic() - started
        await learning.finish_adaptation(
            Adaptation(at=iso(now()), seconds=seconds, events=events, outcome=outcome, basis=basis)
        )
        if outcome is not Outcome.FAILED:
            for key in ("adaptation", "notice"):
                self._resolve(f"{camera}/{key}")
            _LOGGER.info("%s: %s from %d events, in %.0f s", camera, outcome, events, seconds)
        self._adapted(camera)

    def _failed(self, camera: str, reason: str) -> None:
        self._complain(
            f"{camera}/adaptation",
            f"{camera}: learning from its events failed, and what was learned before stays in "
            f"force: {reason}",
        )

    async def _run_process(self, data_dir: Path, state_dir: Path, labels: str) -> Report:
        """Run ``veroallarme adapt`` over a camera's events.

        Raises:
            AdaptationError: it failed, was killed, took too long or said nothing that is known.
            OSError: it could not be started.
        """
        labels_file = state_dir / "labels.csv"
        await asyncio.to_thread(_write_private, labels_file, labels)
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                "adapt",
                *("--data-dir", str(data_dir)),
                *("--state-dir", str(state_dir)),
                *("--labels", str(labels_file)),
                *("--recall", str(self._config.recall)),
                "--keep-memory",
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                env=os.environ | dict.fromkeys(_THREAD_VARIABLES, str(THREADS)),
                # Ctrl-C is for the worker to handle, and whatever it starts ends with it.
                start_new_session=True,
            )
            return await _await_report(process)
        finally:
            labels_file.unlink(missing_ok=True)


def write_labels(feedback: Mapping[str, bool]) -> str:
    """Write thumbs as the labels file that ``veroallarme adapt`` reads."""
    words = {True: "relevant", False: "irrelevant"}
    lines = [f"{event_id},{words[feedback[event_id]]}\n" for event_id in sorted(feedback)]
    return "".join(["event_id,label\n", *lines])


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


async def _await_report(process: Process) -> Report:
    """Wait until a process ends, which it does whatever happens here."""
    is_over = False
    try:
        _yield_to_others(process.pid)
        async with asyncio.timeout(ADAPT_LIMIT_S):
            said, lamented, code = await asyncio.gather(
                _end_of(process.stdout), _end_of(process.stderr), process.wait()
            )
        is_over = True
    except TimeoutError:
        raise AdaptationError(
            f"it took longer than {ADAPT_LIMIT_S / 60:g} minutes; let the camera keep fewer events "
            "(keep.days, keep.size_mb)"
        ) from None
    finally:
        if not is_over:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code < 0:
        raise AdaptationError(
            f"it was killed by signal {-code}; this is mostly for want of memory, so give the "
            "machine more, or let the camera keep fewer events (keep.size_mb)"
        )
    if code:
        reason = _last_line(lamented)[:MAX_REASON_CHARACTERS].removeprefix("veroallarme: ")
        raise AdaptationError(reason or f"it ended with code {code} and no word; please report it")
    return _read_report(_last_line(said))


def _yield_to_others(pid: int) -> None:
    """Let a process just started have what nobody else wants, and die first where memory ends."""
    # It may have ended already, and not every system has all of this.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, sorted(os.sched_getaffinity(0))[-THREADS:])
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000", encoding="ascii")


async def _end_of(stream: asyncio.StreamReader | None) -> bytes:
    """Read a pipe to its end and keep the last of it."""
    kept = b""
    while stream is not None and (chunk := await stream.read(MAX_OUTPUT_BYTES)):
        kept = (kept + chunk)[-MAX_OUTPUT_BYTES:]
    return kept


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _read_report(line: str) -> Report:
    try:
        content = json.loads(line)
        learned, events = content["learned"], content["events"]
        if isinstance(learned, bool) and isinstance(events, int) and events >= 0:
            return Report(learned=learned, events=events)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    shown = repr(line[:MAX_REASON_CHARACTERS])
    raise AdaptationError(f"its answer {shown} is not understood; please report it")
