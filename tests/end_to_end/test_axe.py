"""Axe finds what it is there for, and only that."""

from __future__ import annotations

import shutil

import pytest
from playwright.async_api import async_playwright

from tests.axe import violations

PAGE = """<!doctype html><html lang="en"><head><title>A page</title></head><body><main>
<h1>Events</h1><section id="good"><img src="data:," alt="The drive"></section>
<section id="bad"><button></button></section></main></body></html>"""


@pytest.mark.timeout(60)
async def test_a_button_without_a_name_is_found_where_it_is() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("there is no chromium: run scripts/test, or apt-get install chromium")
    async with async_playwright() as playwright:
        program = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await program.new_page()
        await page.set_content(PAGE)
        (found,) = await violations(page)
        assert found.startswith("button-name: ")
        assert await violations(page, within="#good") == []
        assert len(await violations(page, within="#bad")) == 1
        await program.close()
