"""Styles and scripts, under addresses that change with their content, so that they stay cached."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).resolve().parents[1] / "static"
_CACHED = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class StaticFiles:
    """All files that browsers may have without a login, read once.

    Attributes:
        files: Content by name; a name is a path below the folder.
        version: Changes with the content of any of them: scripts import each other by name.
    """

    files: dict[str, bytes] = field(repr=False)
    version: str

    @classmethod
    def read(cls, folder: Path = FOLDER) -> StaticFiles:
        """Read the files of a folder."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        digest = hashlib.sha256()
        for name, content in files.items():
            digest.update(name.encode() + b"\0" + content)
        return cls(files, digest.hexdigest()[:12])

    def path(self, name: str) -> str:
        """Return the path of a file.

        Raises:
            KeyError: There is no such file.
        """
        if name not in self.files:
            raise KeyError(f"no static file {name}")
        return f"/static/{self.version}/{name}"

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with a file: one of those that were read, so that no path leads elsewhere."""
        name = request.match_info["name"]
        content = self.files.get(name)
        if content is None:
            raise web.HTTPNotFound
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
        # An older page may still ask for the version before this one: it gets this one, uncached.
        is_current = request.match_info["version"] == self.version
        response = web.Response(
            body=content,
            content_type=kind or "application/octet-stream",
            charset="utf-8" if kind is not None and kind.startswith("text/") else None,
            headers={"Cache-Control": _CACHED if is_current else "no-cache"},
        )
        response.enable_compression()
        return response
