"""Every test runs: each part that a folder names is one that scripts/test gives a process."""

import re
from pathlib import Path

import pytest

from tests.conftest import PARTS_OF_FOLDERS, parts_of

ROOT = Path(__file__).resolve().parents[1]
PARTS = {part for parts in PARTS_OF_FOLDERS.values() for part in parts}


def test_scripts_test_runs_every_part(pytestconfig: pytest.Config) -> None:
    script = (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    assert set(re.findall(r"\bmarked (\w+)$", script, re.MULTILINE)) == PARTS
    run = set(re.findall(r"^ *part (\w+)", script, re.MULTILINE))
    shown = re.search(r"for name in ([\w ]+); do", script)
    assert shown is not None
    assert (
        set(shown[1].split())
        == run
        == PARTS | {"style", "home_assistant", "benchmarks", "audit", "chaos"}
    )
    assert {line.partition(":")[0] for line in pytestconfig.getini("markers")} >= PARTS


def test_every_folder_of_the_table_is_there() -> None:
    missing = [name for name in PARTS_OF_FOLDERS if not (ROOT / "tests" / name).is_dir()]
    assert missing == []


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("test_cli.py", ("core",)),
        ("pictures/test_frames.py", ("core",)),
        ("worker/test_service.py", ("worker",)),
        ("worker/mqtt/test_listen.py", ("worker",)),
        ("training/test_losses.py", ("training", "evaluation")),
        ("training/evaluation/test_rows.py", ("evaluation",)),
    ],
)
def test_a_file_belongs_to_its_innermost_folder(path: str, parts: tuple[str, ...]) -> None:
    assert parts_of(ROOT / "tests" / path) == parts


def test_each_test_has_one_part(request: pytest.FixtureRequest) -> None:
    strays = [
        item.nodeid
        for item in request.session.items
        if sum(item.get_closest_marker(part) is not None for part in PARTS) != 1
    ]
    assert strays == []
