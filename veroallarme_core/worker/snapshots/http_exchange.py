"""One HTTP request to a camera, read as leniently as cameras need it.

Web servers of cameras promise lengths that are wrong, leave out headers, mix up chunks and keep
connections open, and every other program shows their pictures all the same. What has come of an
answer therefore stays usable whatever happens next, and what was wrong with its envelope is noted.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from veroallarme_core.pictures import LONGEST_START, is_picture_start, picture_end

CONNECT_LIMIT_S = 3.0
"""A camera of the house that has not answered a connection by then is down."""


STALL_S = 0.3
"""Once a picture may be complete, a pause of so many seconds ends it."""


MAX_HEAD_BYTES = 1 << 16
"""Largest head of an answer: status and headers."""


_CHUNK_BYTES = 1 << 16
_HAPPY_EYEBALLS_S = 0.25  # RFC 8305, between tries of the addresses of one name
_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_STATUS = re.compile(rb"(?:HTTP/\d(?:\.\d)?|ICY)[ \t]+(\d{3})(?!\d)")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_MAY_END_A_PICTURE = (b"\xff\xd9", b"IEND")


class NotHttpError(Exception):
    """What answered does not speak HTTP; the text is the beginning of what it said."""


class ConnectTimeoutError(Exception):
    """No connection was accepted in time."""


@dataclass
class Answer:
    """What has come of an answer so far.

    Attributes:
        status: HTTP status; 0 until it has come.
        headers: Values by name in lower case, in order.
        body: The body as it came, without the coding of its transfer.
        fault: What is wrong with the envelope, as a clause; None where nothing is.
    """

    status: int = 0
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    fault: str | None = None
    _start: int | None = None  # of the picture, behind the head of a part
    _boundary: bytes = b""
    _end: int | None = None  # of the picture

    def header(self, name: str) -> str:
        """Return the first value of a header, empty where it is missing."""
        return self.headers.get(name.lower(), [""])[0]

    @property
    def is_multipart(self) -> bool:
        """Whether the answer says that it is a stream of pictures."""
        return self.header("content-type").strip().lower().startswith("multipart/")

    @property
    def is_complete(self) -> bool:
        """Whether a picture has come to the end that it has by its own structure."""
        return self._end is not None

    def feed(self, data: bytes) -> None:
        """Add what has come of the body."""
        seen = len(self.body)
        self.body += data
        if self._start is None:
            self._find_start()
        if self._end is None and self._start is not None:
            self._find_end(self._start, seen)

    def picture(self, max_bytes: int) -> bytes:
        """Return the picture in the body, unpacked and without what surrounds it.

        Args:
            max_bytes: One byte more is returned at most, since little data can unpack to much.
        """
        start = self._start or 0
        data = bytes(self.body[start : self._end if self.is_complete else len(self.body)])
        data = _unpacked(data, max_bytes)
        end = picture_end(data)
        return data if end is None else data[:end]

    def _find_start(self) -> None:
        """Find where the picture begins: at once, or behind the head of the first part."""
        body = self.body.lstrip(b"\r\n")
        skipped = len(self.body) - len(body)
        if not body.startswith(b"--"):
            if len(body) < LONGEST_START:
                return
            self._start = 0 if not is_picture_start(body) else skipped
            return
        # The boundary that stands there counts: the one in Content-Type is often another.
        head_end = _BLANK_LINE.search(body, 0, MAX_HEAD_BYTES)
        if head_end is not None:
            self._boundary = b"\n" + bytes(body[: body.find(b"\n")]).rstrip()
            self._start = skipped + head_end.end()

    def _find_end(self, start: int, seen: int) -> None:
        """Find the end of the picture in what came behind the bytes that were seen before."""
        part_end = -1
        if self._boundary:
            part_end = self.body.find(self._boundary, max(start, seen - len(self._boundary)))
        near = max(start, seen - LONGEST_START)
        is_near = self.body.startswith(b"RIFF", start) or any(
            self.body.find(mark, near) >= 0 for mark in _MAY_END_A_PICTURE
        )
        if part_end >= 0 or is_near:
            length = picture_end(self.body[start : part_end if part_end >= 0 else None])
            if length is not None:
                self._end = start + length
            elif part_end >= 0:
                self._end = part_end


def _unpacked(data: bytes, max_bytes: int) -> bytes:
    """Unpack what a server compressed although it was asked not to; else return it as it is.

    The data decides, not the header: either may come without the other.
    """
    if data.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
    elif data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % 31 == 0:
        unpacker = zlib.decompressobj()
    else:
        return data
    try:
        return unpacker.decompress(data, max_bytes + 1)
    except zlib.error:
        return data


class HttpExchange:
    """One request on a connection of its own, which ends with it.

    Args:
        url: Scheme, host and port; path and query are given with the request.
        tls: For https.
        max_bytes: Of a body that are read at most.
    """

    def __init__(self, url: URL, tls: ssl.SSLContext | None, max_bytes: int) -> None:
        self._url = url
        self._tls = tls
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._is_over = False
        self._reader: asyncio.StreamReader

    async def get(self, target: str, headers: Mapping[str, str], answer: Answer) -> None:
        """Send a GET request and fill the answer, with its body where the status is 2xx.

        Whatever ends this early leaves in the answer what has come.

        Raises:
            ConnectTimeoutError, NotHttpError, OSError: No answer came, or none that is HTTP; once
                a status has come nothing is raised.
        """
        writer = await self._connect()
        try:
            lines = [f"GET {target} HTTP/1.1", f"Host: {self._url.host_port_subcomponent}"]
            # A camera takes few connections at a time, and breaks off those that it keeps.
            lines += [f"{name}: {value}" for name, value in headers.items()] + ["Connection: close"]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            await writer.drain()
            await self._read_head(answer)
            if 200 <= answer.status < 300:
                await self._read_body(answer)
        finally:
            writer.transport.abort()

    async def _connect(self) -> asyncio.StreamWriter:
        host, port = self._url.raw_host, self._url.port
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                self._reader, writer = await _open_first(host, port)
        except TimeoutError:
            raise ConnectTimeoutError from None
        if self._tls is not None:
            try:
                await writer.start_tls(self._tls, server_hostname=host)
            except BaseException:
                writer.transport.abort()
                raise
        return writer

    # --- reading ------------------------------------------------------------------------------

    async def _more(self, stall_s: float | None = None) -> bytes:
        """Return what comes next; empty at the end, or where nothing comes for so long."""
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        if self._is_over:
            return b""
        try:
            async with asyncio.timeout(stall_s):
                data = await self._reader.read(_CHUNK_BYTES)
        except TimeoutError:
            data = b""
        self._is_over = not data
        return data

    async def _fill(self) -> bool:
        """Add what comes next to the buffer; tell whether anything came."""
        kept = bytes(self._buffer)
        self._buffer.clear()
        data = await self._more()
        self._buffer += kept + data
        return bool(data)

    async def _line(self) -> bytes:
        """Return the next line without its end; what has come where it has none."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES or not await self._fill():
                end = len(self._buffer)
                break
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r")

    async def _begins_with_a_body(self) -> bool:
        """Tell whether a picture or a part comes next, where a line was due."""
        while len(self._buffer) < LONGEST_START and b"\n" not in self._buffer:
            if not await self._fill():
                break
        return is_picture_start(self._buffer) or self._buffer.startswith(b"--")

    # --- the head -----------------------------------------------------------------------------

    async def _read_head(self, answer: Answer) -> None:
        while True:
            if await self._begins_with_a_body():
                answer.status, answer.fault = 200, "it sends no HTTP headers"
                return
            if not self._buffer:
                raise ConnectionError("it closed the connection")
            line = await self._line()
            status = _STATUS.match(line)
            if status is None:
                raise NotHttpError(line[:60].decode("latin-1"))
            answer.headers.clear()
            await self._read_headers(answer)
            if not status[1].startswith(b"1"):  # that was a provisional answer
                answer.status = int(status[1])
                return

    async def _read_headers(self, answer: Answer) -> None:
        size, name = 0, ""
        while size <= MAX_HEAD_BYTES:
            if await self._begins_with_a_body():
                answer.fault = "no empty line ends its headers"
                return
            line = await self._line()
            if not line.strip():
                return
            size += len(line)
            text = line.decode("utf-8", "replace")
            if text[0] in " \t" and name:
                answer.headers[name][-1] += " " + text.strip()  # a header over several lines
                continue
            key, colon, value = text.partition(":")
            if colon:
                name = key.strip().lower()
                answer.headers.setdefault(name, []).append(value.strip())
        raise NotHttpError(f"more than {MAX_HEAD_BYTES >> 10} kB of headers")

    # --- the body -----------------------------------------------------------------------------

    async def _read_body(self, answer: Answer) -> None:
        """Read a body as far as it has a picture: nobody waits for what comes behind its end."""
        try:
            if "chunked" not in answer.header("transfer-encoding").lower():
                await self._read_plain(answer, _content_length(answer))
            elif await self._begins_with_a_body():
                answer.fault = "its header Transfer-Encoding says chunked, and its body is not"
                await self._read_plain(answer, None)
            else:
                await self._read_chunks(answer)
        except OSError as error:
            reason = error.strerror or "it closed the connection"
            answer.fault = answer.fault or f"the connection broke off ({reason})"

    def _is_enough(self, answer: Answer) -> bool:
        return answer.is_complete or len(answer.body) > self._max_bytes

    async def _read_plain(self, answer: Answer, length: int | None) -> None:
        while not self._is_enough(answer):
            has_all = length is not None and len(answer.body) >= length
            # The rest of a picture comes all the same where the length is too small for it.
            data = await self._more(STALL_S if has_all else None)
            if not data:
                break
            answer.feed(data)
        came = len(answer.body)
        if length is not None and came != length:
            answer.fault = f"its header Content-Length promises {length} bytes, and {came} came"

    async def _read_chunks(self, answer: Answer) -> None:
        while not self._is_enough(answer):
            # The line that ends the chunk before is left out by some.
            line = await self._line() or await self._line()
            digits = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", digits):
                answer.fault = _CUT_CHUNKS
                return
            left = int(digits, 16)
            if left == 0:
                return
            while left > 0 and not self._is_enough(answer):
                data = await self._more()
                if not data:
                    answer.fault = _CUT_CHUNKS
                    return
                answer.feed(data[:left])
                self._buffer += data[left:]
                left -= len(data[:left])


async def _open_first(host: str | None, port: int | None) -> _Connection:
    """Connect to the first address of a name that answers.

    asyncio does the same, but forgets a socket for good where it is cancelled as that connects,
    and a burst whose time is over cancels a request at any moment.

    Raises:
        OSError: the name is unknown, or no address can be reached: then the first one's reason.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting = [str(address[0]) for *_, address in addresses]
    attempts: list[asyncio.Task[_Connection]] = []
    opened: asyncio.Task[_Connection] | None = None
    try:
        while opened is None:
            if waiting:
                attempts.append(asyncio.create_task(asyncio.open_connection(waiting.pop(0), port)))
            pending = [attempt for attempt in attempts if not attempt.done()]
            if not pending and not waiting:
                break
            delay_s = _HAPPY_EYEBALLS_S if waiting else None
            await asyncio.wait(pending, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
            opened = next((attempt for attempt in attempts if _is_open(attempt)), None)
        return (opened or attempts[0]).result()
    finally:
        await _close_all([attempt for attempt in attempts if attempt is not opened])


def _is_open(attempt: asyncio.Task[_Connection]) -> bool:
    return attempt.done() and not attempt.cancelled() and attempt.exception() is None


async def _close_all(attempts: list[asyncio.Task[_Connection]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    if attempts:
        await asyncio.wait(attempts)
    for attempt in attempts:
        if _is_open(attempt):
            attempt.result()[1].transport.abort()


_CUT_CHUNKS = "its header Transfer-Encoding says chunked, and a chunk is broken or missing"


def _content_length(answer: Answer) -> int | None:
    """Return the length that the headers promise; None where they promise none that can be."""
    headers = answer.headers.get("content-length", [])
    values = {value.strip() for header in headers for value in header.split(",")}
    if len(values) == 1 and re.fullmatch(r"[0-9]{1,15}", value := values.pop()):
        return int(value)
    if headers:
        answer.fault = "its header Content-Length is no number"
    return None
