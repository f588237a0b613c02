"""Workers of several sites on one broker: killed and added under load, none troubles another."""

from pathlib import Path

import pytest

from benchmarks import delivery_sites
from tests.worker.conftest import drawn_jpegs


@pytest.mark.parametrize("sites", [2, 4])
async def test_every_start_is_covered_once_while_workers_are_killed_and_added(
    tmp_path: Path, sites: int
) -> None:
    """The quick version of ``benchmarks.delivery_sites``.

    It goes on only where the other workers give verdicts while one is dead.
    """
    events = [drawn_jpegs("person_in_the_drive"), drawn_jpegs("tree_in_light_wind")]
    outcomes = await delivery_sites.measure(tmp_path, events=events, sites=sites, kills=2)
    logs = [
        (tmp_path / name / "worker.log").read_text(encoding="utf-8", errors="replace")
        for name in outcomes
    ]
    assert len(outcomes) == sites
    for name, outcome in outcomes.items():
        assert outcome.is_good, f"{name}\n{outcome}"
        assert outcome.covered >= outcome.accepted > 0
        assert outcome.verdicts > 0
    assert sum(outcome.worker_kills for outcome in outcomes.values()) == 2
    assert not [log for log in logs if "Traceback" in log]
