"""Work on many items by a few threads, with the results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def map_in_order(work: Callable[[T], U], items: Sequence[T], threads: int) -> Iterator[U]:
    """Yield results in order, with only a few ahead: evidence is large."""
    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(work, item) for item in items[: 2 * threads]]
        try:
            for index in range(len(items)):
                result = ahead.pop(0).result()
                if index + 2 * threads < len(items):
                    ahead.append(pool.submit(work, items[index + 2 * threads]))
                yield result
        finally:
            for future in ahead:
                future.cancel()
