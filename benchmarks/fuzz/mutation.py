"""Broken inputs, made of good ones: the same seed gives the same ones."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

MAX_BYTES = 1 << 16
"""Longest input; what is larger is refused by its size, which tests show."""
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_TOKENS = (
    b"", b"\0", b"\xff", b"\r\n", b"\n", b" ", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",",
    b":", b"-", b"null", b"true", b"false", b"NaN", b"Infinity", b"1e400", b"-0", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"%s", b"../", b"/", b"+", b"#", b"$", b"!secret a",
    b"!env A", b"&a", b"*a", b"<<: ", b"? ", b"|\n", b"\t", b"\xff\xd8\xff", b"\xff\xd9",
    b"\xff\xda", b"\xff\xc0", b"\xff\xe1", b"IHDR", b"IDAT", b"IEND", b"RIFF", b"WEBP", b"VP8L",
    b"chunked", b"Content-Length: ", b"--", b"PK\x03\x04", b"\x93NUMPY", b"2026-11-23T06:14:02Z",
)  # fmt: skip
_NUMBERS = (
    b"0", b"-1", b"1", b"255", b"65535", b"65536", b"2147483648", b"4294967296", b"1e308",
    b"9" * 20, b"9" * 400, b"0.1", b"-0.0", b"1e-400", b"00", b"0x10",
)  # fmt: skip

Mutation = Callable[[random.Random, bytearray], None]


def mutated(source: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Return an input like those of a corpus, but broken.

    Args:
        source: of all chance.
        corpus: inputs, at least one.
    """
    data = bytearray(source.choice(corpus))
    if source.random() < 0.05:
        other = source.choice(corpus)
        data = data[: _place(source, data)] + other[_place(source, other) :]
    for _ in range(source.choice((1, 1, 1, 2, 3, 5, 12))):
        source.choice(_MUTATIONS)(source, data)
    return bytes(data[:MAX_BYTES])


def _place(source: random.Random, data: bytes | bytearray) -> int:
    return source.randrange(len(data) + 1)


def _flip(source: random.Random, data: bytearray) -> None:
    if data:
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def _set(source: random.Random, data: bytearray) -> None:
    if data:
        data[source.randrange(len(data))] = source.choice((0, 1, 0x7F, 0x80, 0xFF, 0x20, 0x22))


def _insert(source: random.Random, data: bytearray) -> None:
    at = _place(source, data)
    data[at:at] = source.choice(_TOKENS) * source.choice((1, 1, 1, 2, 50))


def _overwrite(source: random.Random, data: bytearray) -> None:
    at, token = _place(source, data), source.choice(_TOKENS)
    data[at : at + len(token)] = token


def _remove(source: random.Random, data: bytearray) -> None:
    at = _place(source, data)
    del data[at : at + source.choice((1, 2, 4, 16, 200))]


def _cut(source: random.Random, data: bytearray) -> None:
    del data[_place(source, data) :]


def _repeat(source: random.Random, data: bytearray) -> None:
    begin, end = sorted((_place(source, data), _place(source, data)))
    part = data[begin : min(end, begin + 256)]
    data[end:end] = part * source.choice((1, 2, 20))


def _number(source: random.Random, data: bytearray) -> None:
    found = list(_NUMBER.finditer(data))
    if found:
        match = source.choice(found)
        data[match.start() : match.end()] = source.choice(_NUMBERS)


def _noise(source: random.Random, data: bytearray) -> None:
    at = _place(source, data)
    data[at : at + 8] = source.randbytes(source.randrange(16))


def _nest(source: random.Random, data: bytearray) -> None:
    opening, closing = source.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b"")))
    depth = source.choice((2, 30, 2000))
    data[:] = opening * depth + data + closing * depth


_MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _flip, _set, _insert, _insert, _overwrite, _remove, _cut, _repeat, _number, _noise),
    _nest,
)
