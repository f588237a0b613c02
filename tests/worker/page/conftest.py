"""The page of a worker in this process, and who looks at it."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from benchmarks.peers import free_port
from tests.worker.conftest import Site
from veroallarme_core.worker.config import PageConfig
from veroallarme_core.worker.service import Worker


@dataclass
class Visitor:
    """Somebody with a browser before the page, without scripts."""

    worker: Worker
    http: aiohttp.ClientSession
    base: str

    async def get(self, path: str = "/", **more: Any) -> tuple[aiohttp.ClientResponse, str]:
        """Return the answer to a request, and its text."""
        async with self.http.get(self.base + path, **more) as response:
            return response, await response.text()

    async def csrf_token(self, path: str = "/") -> str:
        """Return what a page gives to its own scripts."""
        _, page = await self.get(path)
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found is not None, page[:500]
        return found[1]

    async def post(
        self, path: str, data: Any = None, **more: Any
    ) -> tuple[aiohttp.ClientResponse, str]:
        """Send a form as a script of the page does."""
        headers = {"X-CSRF-Token": await self.csrf_token(), **more.pop("headers", {})}
        async with self.http.post(self.base + path, data=data, headers=headers, **more) as response:
            return response, await response.text()


@contextlib.asynccontextmanager
async def visiting(site: Site, **page: Any) -> AsyncIterator[Visitor]:
    """Run a worker with a page, connected to its broker, until the block ends."""
    site.page = PageConfig(port=free_port(), **page)
    jar = aiohttp.CookieJar(unsafe=True)  # takes cookies of an address too, as browsers do
    async with site.worker() as worker, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Visitor(worker, http, f"http://127.0.0.1:{site.page.port}")


@pytest.fixture
async def visitor(site: Site) -> AsyncIterator[Visitor]:
    """Somebody before a page on loopback without a login."""
    async with visiting(site) as visitor:
        yield visitor
