"""Which process a test runs in, and fixtures that tests of every part share."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how fast the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

PARTS_OF_FOLDERS = {
    "": ("core",),
    "worker": ("worker",),
    "worker/history": ("worker", "networks"),
    "inference": ("networks",),
    "description": ("networks",),
    "relevance_mask": ("networks",),
    "training": ("training", "evaluation"),
    "training/evaluation": ("evaluation",),
    "end_to_end": ("end_to_end",),
}
"""The marks by which `scripts/test` gives the tests of a folder, and of those in it, a process.

Torch, OpenVINO, ONNX Runtime and NNCF each bring native thread pools, and a process that has used
all of them and starts others has crashed outside of Python. A file belongs to the first part of its
folder, unless its own `pytestmark` names another one of them.
"""


def parts_of(path: Path) -> tuple[str, ...]:
    """Return the parts that the tests of a file may belong to, its usual one first."""
    folder = path.relative_to(Path(__file__).parent).parent
    return next(
        PARTS_OF_FOLDERS[name]
        for name in (
            "" if above == Path() else above.as_posix() for above in (folder, *folder.parents)
        )
        if name in PARTS_OF_FOLDERS
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file of other parts where one part is chosen: the runtimes load with it."""
    chosen = config.getoption("markexpr")
    is_part = any(chosen in parts for parts in PARTS_OF_FOLDERS.values())
    if not is_part or collection_path.is_dir() or chosen in parts_of(collection_path):
        return None
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the part that it belongs to, before pytest chooses among them."""
    for item in items:
        usual, *others = parts_of(item.path)
        if not any(item.get_closest_marker(part) for part in others):
            item.add_marker(usual)


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
