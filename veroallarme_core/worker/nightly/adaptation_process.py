"""The process that adapts one camera: it yields to everything else, and has its limits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veroallarme_core.contract import ALL_KINDS, ObjectKind, Zone, write_object_kinds

ADAPT_LIMIT_S = 3600.0
THREADS = 2
MAX_OUTPUT_BYTES = 16 * 1024
"""How much of the end of what the process writes is kept."""
MAX_REASON_CHARACTERS = 200

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class AdaptationProcessError(RuntimeError):
    """A camera could not be adapted; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the process tells about a camera that it has adapted."""

    learned: bool
    events: int


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """What the user has said about a camera, as ``veroallarme adapt`` reads it."""

    labels: str
    """Thumbs; see `write_labels`."""
    zones: str
    """Where motion counts; see `write_zones`."""
    recall: float
    """That is promised."""
    objects: tuple[ObjectKind, ...] = ALL_KINDS
    """Kinds that count."""
    detector: Path | None = None
    """An object detector of the user's own, the one that judges."""


async def run_adaptation(
    command: Sequence[str], data_dir: Path, state_dir: Path, guidance: Guidance
) -> Report:
    """Run ``veroallarme adapt`` over a camera's events.

    Args:
        command: runs ``veroallarme``.
        data_dir: holds the camera's events.
        state_dir: of the camera.
        guidance: of the user.

    Raises:
        AdaptationProcessError: it failed, was killed, took too long or said nothing that is known.
        OSError: it could not be started.
    """
    files = {
        state_dir / "labels.csv": guidance.labels,
        state_dir / "zones.json": guidance.zones,
    }
    labels_file, zones_file = files
    try:
        for path, text in files.items():
            await asyncio.to_thread(_write_private, path, text)
        process = await asyncio.create_subprocess_exec(
            *command,
            "adapt",
            *("--data-dir", str(data_dir)),
            *("--state-dir", str(state_dir)),
            *("--labels", str(labels_file)),
            *("--zones", str(zones_file)),
            *("--objects", write_object_kinds(guidance.objects)),
            *("--recall", str(guidance.recall)),
            *(("--detector", str(guidance.detector)) if guidance.detector else ()),
            "--keep-memory",
            "--end-with-stdin",
            # Nothing is written to it: it ends where this process ends, even by SIGKILL.
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | dict.fromkeys(_THREAD_VARIABLES, str(THREADS)),
            # Ctrl-C is for the worker to handle, and whatever it starts ends with it.
            start_new_session=True,
        )
        return await _await_report(process)
    finally:
        for path in files:
            path.unlink(missing_ok=True)


def write_labels(feedback: Mapping[str, bool]) -> str:
    """Write thumbs as the labels file that ``veroallarme adapt`` reads."""
    words = {True: "relevant", False: "irrelevant"}
    lines = [f"{event_id},{words[feedback[event_id]]}\n" for event_id in sorted(feedback)]
    return "".join(["event_id,label\n", *lines])


def write_zones(zones: Sequence[Zone]) -> str:
    """Write zones as the file that ``veroallarme adapt`` reads."""
    return json.dumps([zone.to_dict() for zone in zones])


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
            output, errors, code = await asyncio.gather(
                _end_of(process.stdout), _end_of(process.stderr), process.wait()
            )
        is_over = True
    except TimeoutError:
        raise AdaptationProcessError(
            f"it took longer than {ADAPT_LIMIT_S / 60:g} minutes; let the camera keep fewer events "
            "(keep.days, keep.size_mb)"
        ) from None
    finally:
        if not is_over:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code < 0:
        raise AdaptationProcessError(
            f"it was killed by signal {-code}; this is mostly for want of memory, so give the "
            "machine more, or let the camera keep fewer events (keep.size_mb)"
        )
    if code:
        reason = _last_line(errors)[:MAX_REASON_CHARACTERS].removeprefix("veroallarme: ")
        raise AdaptationProcessError(
            reason or f"it ended with code {code} and no word; please report it"
        )
    return _read_report(_last_line(output))


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
    raise AdaptationProcessError(f"its answer {shown} is not understood; please report it")
