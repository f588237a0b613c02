"""The line that tells how far a long step is."""

import pytest

from veroallarme_core.adaptation.progress import ProgressLine


def test_progress_is_told_at_the_end_of_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine()
    for done in range(1, 201):
        line("events", done, 200)
    printed = capsys.readouterr()
    assert printed.err == "events: 200 of 200\n"
    assert not printed.out
