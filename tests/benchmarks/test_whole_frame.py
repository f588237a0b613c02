"""The peer that needs torch, where there is none."""

import importlib.util

import pytest

from benchmarks.suite import whole_frame
from benchmarks.suite.plan import Plan


@pytest.mark.parametrize("missing", ["torch", "torchvision"])
def test_says_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find_spec("json")
    )

    part = whole_frame.measure(Plan(quick=True))

    assert part.figures == ()
    (note,) = part.notes
    assert f"{missing} is not installed here, nothing was measured" in note
