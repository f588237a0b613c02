"""Deque's axe on a page in a real browser: what keeps somebody from using it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parent / "end_to_end" / "vendor" / "axe.min.js"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async (element, standards) => {
  const options = { runOnly: { type: "tag", values: standards }, resultTypes: ["violations"] };
  return (await axe.run(element, options)).violations;
}"""


async def violations(page: Page, *, within: str | None = None) -> list[str]:
    """Return what axe objects to in the page, a line for each element.

    Args:
        page: A page that has been drawn.
        within: The CSS selector of the element to look at, in whatever shadow root it is and its
            own included; all of the page by default. It has to find one.

    """
    source = AXE.read_bytes()
    if hashlib.sha256(source).hexdigest() != SHA256:
        raise ValueError(f"{AXE} is not the file whose checksum stands in {__file__}")
    # Evaluated by the debugger, which the policy of a page on scripts does not bind.
    await page.evaluate(source.decode())
    element = page.locator(within or "html")
    found: list[dict[str, Any]] = await element.evaluate(RUN, STANDARDS)
    return [
        f"{rule['id']}: {rule['help']}: {node['target']}: {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]
