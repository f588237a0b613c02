"""Writes down whenever the event loop of the worker was held for long; Python runs it at a start.

Between two questions for what is ready the loop runs callbacks and nothing else can happen. What is
measured is the time by the clock, so that waiting for the interpreter's lock or for a core counts
as well. Each line is the moment at which it ended, on the clock that all processes share, and how
long it was, in seconds.
"""

import os
import selectors
import threading
import time

LEAST_S = 0.01

_log = os.open(os.environ["LOOP_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_select = selectors.DefaultSelector.select
_began: dict[int, float] = {}


def _watched(self: selectors.BaseSelector, timeout: float | None = None) -> object:
    is_loop = threading.current_thread() is threading.main_thread()
    if is_loop and id(self) in _began:
        now = time.monotonic()
        if (held_s := now - _began[id(self)]) >= LEAST_S:
            os.write(_log, f"{now:.6f} {held_s:.6f}\n".encode())
    found = _select(self, timeout)
    if is_loop:
        _began.clear()
        _began[id(self)] = time.monotonic()
    return found


selectors.DefaultSelector.select = _watched  # type: ignore[method-assign]
