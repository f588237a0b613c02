"""Fixtures that tests of every part share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class LearnedCamera:
    """A camera that has learned from a drawn history."""

    data: Path
    state: Path
    is_relevant: dict[str, bool]
    """By event id."""
    report: dict[str, Any]
    """What the adaptation said."""


@pytest.fixture(scope="session")
def learned_camera(tmp_path_factory: pytest.TempPathFactory) -> LearnedCamera:
    """A camera that was adapted without labels; its folders are for reading only."""
    from tests.watched import write_history
    from veroallarme_core.adaptation.folder_run import adapt_folder
    from veroallarme_core.adaptation.options import AdaptationOptions

    folder = tmp_path_factory.mktemp("learned")
    is_relevant = write_history(folder / "data")
    # What a recall of 99 % needs would take a minute.
    options = AdaptationOptions(recall=0.9, confidence=0.9, intruders=50)
    report = adapt_folder(folder / "data", folder / "state", None, options)
    return LearnedCamera(folder / "data", folder / "state", is_relevant, report)
