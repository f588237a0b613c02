"""Holds processes to a fixed share of one core each.

As the quota of a container (`cpu.max`) does: a process that has used up its share rests, with all
its threads, until time has earned it more. It is done by SIGSTOP and SIGCONT, which every Linux
allows an ordinary user, where a control group takes root and a mount to write to. What counts is
the processor time that the kernel books to the process, of all its threads; not how long it was let
run, which another load on the machine would shorten. Whoever was stopped too late rests so much
longer: the share holds over seconds, though not within one tick.

A share is fair to any number of processes as long as there are cores for all of them together and
for what they talk to; see `cpu_seconds` for what each of them really got.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TICK_S = 0.005
PERIOD_S = 0.1
"""A process that rested may use at once what it was due in this time: the period of `cpu.max`."""


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far, of all its threads, to the microsecond.

    Raises:
        OSError: there is no such process.
    """
    # The clock of another process, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


@dataclass
class Budget:
    """What a process may still use.

    Args:
        share: of one core.
        used_s: its processor time so far.
        at_s: the time at which it had used that.
    """

    share: float
    used_s: float
    at_s: float
    left_s: float = 0.0
    """Processor time; below 0 where it has used more than it was due."""

    def is_left(self, used_s: float, at_s: float) -> bool:
        """Return whether a process that has used so much by now may go on."""
        earned_s = self.share * (at_s - self.at_s)
        spent_s = used_s - self.used_s
        self.used_s, self.at_s = used_s, at_s
        self.left_s = min(self.left_s + earned_s - spent_s, self.share * PERIOD_S)
        return self.left_s > 0


@contextlib.contextmanager
def held_to(share: float, pids: Sequence[int]) -> Iterator[None]:
    """Hold each of these processes to a share of one core until the block ends.

    Args:
        share: above 0; 1 is all of one core.
        pids: processes of this user; one that ends meanwhile is left alone.
    """
    over = threading.Event()
    holding = threading.Thread(target=_hold, args=(share, tuple(pids), over), daemon=True)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()


def _hold(share: float, pids: Sequence[int], over: threading.Event) -> None:
    now = time.monotonic()
    budgets = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            budgets[pid] = Budget(share, cpu_seconds(pid), now)
    stopped: set[int] = set()
    while not over.wait(TICK_S):
        for pid, budget in list(budgets.items()):
            try:
                may_run = budget.is_left(cpu_seconds(pid), time.monotonic())
                if may_run and pid in stopped:
                    os.kill(pid, signal.SIGCONT)
                    stopped.remove(pid)
                elif not may_run and pid not in stopped:
                    os.kill(pid, signal.SIGSTOP)
                    stopped.add(pid)
            except OSError:  # it has ended
                del budgets[pid]
                stopped.discard(pid)
    for pid in stopped:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGCONT)
