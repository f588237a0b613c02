"""Fixtures that tests of every part share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real footage that VEROALLARME_FOOTAGE names, with `cameras/` in it."""
    value = os.environ.get("VEROALLARME_FOOTAGE", "")
    if not value:
        pytest.skip("VEROALLARME_FOOTAGE is not set: no real footage to test with")
    folder = Path(value)
    if not (folder / "cameras").is_dir():
        # A skip here would hide that the footage tests stopped running.
        pytest.fail(
            f"VEROALLARME_FOOTAGE={value!r} is no folder of footage: there is no folder `cameras` "
            "in it; correct the path, or unset the variable to skip the footage tests",
            pytrace=False,
        )
    return folder
