"""What the process holds beyond what it uses: one heap for all threads, and spare pages back.

Both are calls of glibc; where there is another C library they do nothing.
"""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8
"""Of `mallopt`: how many heaps there may be."""


def keep_one_heap() -> None:
    """Let all threads share one heap; call it before there are any.

    Left to itself glibc gives each of the dozen threads of a worker its own, whose free pages the
    others cannot use: 40 to 70 MB more at the peak, and no event is judged sooner for it.
    """
    _call("mallopt", M_ARENA_MAX, 1)


def give_back() -> None:
    """Return to the system what is free in the heap; it takes some 10 ms, without the GIL."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return
    function(*arguments)
