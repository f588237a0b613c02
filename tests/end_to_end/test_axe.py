"""Axe finds what it is there for, and only that."""

from __future__ import annotations

import pytest

from benchmarks.page_peer import chromium
from tests.axe import violations

PAGE = """<!doctype html><html lang="en"><head><title>A page</title></head><body><main>
<h1>Events</h1><section id="good"><img src="data:," alt="The drive"></section>
<section id="bad"><button></button></section><outer-card></outer-card></main></body></html>"""
CARDS = """() => {
  for (const [name, content] of [
    ["inner-card", "<p style='color: #ccc; background: #fff'>Hard to read</p>"],
    ["outer-card", "<inner-card></inner-card>"],
  ]) {
    customElements.define(name, class extends HTMLElement {
      connectedCallback() { this.attachShadow({ mode: "open" }).innerHTML = content; }
    });
  }
}"""


@pytest.mark.timeout(60)
async def test_what_keeps_people_out_is_found_where_it_is() -> None:
    async with chromium() as program:
        page = await program.new_page()
        await page.set_content(PAGE)
        (found,) = await violations(page)
        assert found.startswith("button-name: ")
        assert await violations(page, within="#good") == []
        assert len(await violations(page, within="#bad")) == 1
        await page.evaluate(CARDS)
        (found,) = await violations(page, within="inner-card")
        assert found.startswith("color-contrast: ")
