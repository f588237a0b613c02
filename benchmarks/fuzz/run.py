"""Gives broken inputs to each target, in a process of its own, and watches what becomes of it."""

from __future__ import annotations

import contextlib
import logging
import mmap
import multiprocessing
import random
import re
import resource
import signal
import struct
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import FrameType

from benchmarks.fuzz.mutation import MAX_BYTES, mutated
from benchmarks.fuzz.targets import Refused, Target

HANG_S = 2.0
"""Seconds of the processor after which an input counts as one that hangs: other work on the machine
makes none hang. One that waits for ever is ended with its process."""
MAX_GROWTH_MB = 256.0
"""Memory that a target may take beyond what its process has at the beginning."""
MAX_CORPUS = 400
"""Inputs that led somewhere new, and are broken further."""
MAX_FAULTS = 5
"""After so many a target is given up: one fault is often found again and again."""


@dataclass(frozen=True)
class Fault:
    """What an input has done that it should not have.

    Attributes:
        what: A crash, a hang, memory, a log, or an error that is none for people.
        data: The input.
        detail: Where, as a traceback.
    """

    what: str
    data: bytes
    detail: str


@dataclass(frozen=True)
class Outcome:
    """What became of a target.

    Attributes:
        name: Of the target.
        inputs: How many were given.
        kinds: How many kinds of outcome were seen.
        slowest_ms: The longest that one took.
        growth_mb: The memory that it took beyond that at the beginning.
        faults: What was found.
    """

    name: str
    inputs: int
    kinds: int
    slowest_ms: float
    growth_mb: float
    faults: tuple[Fault, ...]


class HangError(BaseException):
    """An input takes too long; nothing that a target catches may hide it."""


def fuzz(target: Target, seconds: float, seed: int) -> Outcome:
    """Break a target's good inputs for so many seconds.

    A crash ends the process of the target and not ours; the input that did it is kept.
    """
    last = mmap.mmap(-1, MAX_BYTES + 8)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=(target, seconds, seed, last, theirs), daemon=True
    )
    process.start()
    theirs.close()
    outcome: Outcome | None = None
    with contextlib.suppress(EOFError):
        # Native code that hangs hears no alarm.
        if ours.poll(seconds + 10 * HANG_S):
            outcome = ours.recv()
    if outcome is None:
        process.kill()
    process.join()
    if outcome is not None:
        return outcome
    length, count = struct.unpack_from("<II", last)
    what = "hang" if process.exitcode == -signal.SIGKILL else f"crash ({process.exitcode})"
    fault = Fault(what, last[8 : 8 + length], "in native code")
    return Outcome(target.name, count, 0, 0.0, 0.0, (fault,))


def _child(target: Target, seconds: float, seed: int, last: mmap.mmap, answers: Connection) -> None:
    with _watched_log() as records, _alarm():
        answers.send(_give(target, seconds, seed, last, records))


def _give(
    target: Target, seconds: float, seed: int, last: mmap.mmap, records: list[str]
) -> Outcome:
    source = random.Random(f"{seed}/{target.name}")
    corpus, kinds, faults = list(target.seeds), set[str](), list[Fault]()
    count, slowest_s = 0, 0.0
    # Inputs that grow for ever would only become slower.
    longest = 2 * max(len(good) for good in target.seeds)
    for good in target.seeds:
        _try(target, good)
    at_first_mb = _peak_mb()
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(faults) < MAX_FAULTS:
        data = mutated(source, corpus)
        last[8 : 8 + len(data)] = data
        struct.pack_into("<II", last, 0, len(data), count)
        begun = time.process_time()
        kind, fault = _try(target, data)
        slowest_s = max(slowest_s, time.process_time() - begun)
        count += 1
        if fault is None and records:
            fault = Fault("log", data, records[0])
        records.clear()
        if fault is None and (growth := _peak_mb() - at_first_mb) > MAX_GROWTH_MB:
            fault = Fault("memory", data, f"{growth:.0f} MB")
            at_first_mb = _peak_mb()
        if fault is not None:
            faults.append(fault)
        elif kind not in kinds and len(data) <= longest:
            kinds.add(kind)
            if len(corpus) < MAX_CORPUS:
                corpus.append(data)
            else:
                corpus[source.randrange(len(target.seeds), MAX_CORPUS)] = data
    growth = _peak_mb() - at_first_mb
    return Outcome(target.name, count, len(kinds), slowest_s * 1e3, growth, tuple(faults))


def _try(target: Target, data: bytes) -> tuple[str, Fault | None]:
    """Give an input; return what kind of outcome it had, and what was wrong."""
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        return _kind_of(repr(target.read(data))), None
    except Refused as error:
        sentence = str(error)
        if not sentence or "\n" in sentence:
            return "", Fault("no sentence", data, repr(sentence)[:300])
        return _kind_of(sentence[:60]), None
    except HangError:
        return "", Fault("hang", data, traceback.format_exc(limit=-6))
    except Exception:  # that is what we are looking for
        return "", Fault("error", data, traceback.format_exc(limit=-6))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _kind_of(text: str) -> str:
    """Return what is alike in outcomes that differ by numbers alone."""
    return re.sub(r"[0-9]+", "", text[:80])


@contextlib.contextmanager
def _watched_log() -> Iterator[list[str]]:
    """Collect what is logged with a traceback, or as an error."""
    records: list[str] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info or record.levelno >= logging.ERROR:
                records.append(self.format(record))

    handler, root = Watch(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield records
    finally:
        root.removeHandler(handler)


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGPROF, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
