"""The libraries of the page are those that were published, and each stands with its licence."""

import hashlib
import re
from pathlib import Path

import pytest

from veroallarme_core.worker.page.shell import static_files

ROOT = Path(__file__).resolve().parents[3]
FOLDER = static_files.FOLDER / "vendor"
SHA256 = {
    "htmx-LICENSE.txt": "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
    "htmx.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    "uPlot-LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""Of the files as `scripts/vendor-page` takes them."""


def test_there_is_nothing_else() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SHA256)


@pytest.mark.parametrize("name", SHA256)
def test_each_file_is_as_it_was_published(name: str) -> None:
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == SHA256[name]


def test_the_notice_names_the_versions_that_are_there() -> None:
    script = (ROOT / "scripts" / "vendor-page").read_text(encoding="utf-8")
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    code = (FOLDER / "htmx.min.js").read_text(encoding="utf-8")
    for name, key in (("htmx", "htmx"), ("uPlot", "uplot")):
        found = re.search(rf"^{key}=([\d.]+)$", script, re.M)
        assert found is not None
        assert f"{name} {found[1]}" in notice
        assert name != "htmx" or f'version:"{found[1]}"' in code


def test_no_library_asks_another_host() -> None:
    for name in SHA256:
        if not name.endswith(".txt"):
            text = (FOLDER / name).read_text(encoding="utf-8")
            # Comments say where a library comes from.
            assert (
                re.findall(r"https?://(?!github\.com/leeoniya|www\.w3\.org)[^\"' )]*", text) == []
            )
