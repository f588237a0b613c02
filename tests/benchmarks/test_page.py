"""The page as its benchmark measures it: a real worker, real browsers' requests, a table."""

import pytest

from benchmarks.page import main


def test_tells_of_views_and_of_listeners(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cameras", "2", "--listeners", "3", "--seconds", "2"]) == 0
    printed = capsys.readouterr().out
    rows = dict(
        line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")
    )
    assert rows["first view, bytes on the wire"].endswith(" kB")
    for who in ("2 cameras, 0 browsers", "2 cameras, 3 browsers"):
        assert int(rows[f"{who}: verdicts"]) > 0
    assert rows["2 cameras, 3 browsers: verdicts that a browser missed"] == "0"
