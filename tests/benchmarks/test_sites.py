"""Throughput of several workers: what is counted, and what is printed of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import sites
from benchmarks.sites import SiteFigures, Throughput
from tests.worker.conftest import drawn_jpegs

SITE = SiteFigures(events=10, seconds=5.0, cpu_s=2.0, without_verdict=0, not_judged=0)


def throughput(*figures: SiteFigures) -> Throughput:
    return Throughput(sites=figures, broker_cpu_s=0.02, peers_cpu_s=0.2, others_cpu_s=1.0)


async def test_each_motion_of_two_real_workers_has_its_verdict(tmp_path: Path) -> None:
    frames = [drawn_jpegs("person_in_the_drive")]
    run = await sites.measure(tmp_path, 2, events=5, share=1.0, frames=frames)
    assert [site.events for site in run.sites] == [5, 5]
    assert run.without_verdict == 0
    assert all(site.cpu_s > 0 and site.seconds > 0 for site in run.sites)
    assert run.broker_cpu_s > 0
    assert run.verdicts_per_s == 10 / max(site.seconds for site in run.sites)


def test_prints_the_ratio_to_one_worker(capsys: pytest.CaptureFixture[str]) -> None:
    slow = replace(SITE, seconds=8.0)
    sites.print_throughput([throughput(SITE), throughput(SITE, slow)], 0.4)
    *_, one, two = capsys.readouterr().out.splitlines()
    assert one.startswith(
        "| 1 | 10 | 2.00 | 2.00 | 1.00 | 0.40 | 200 / 2.00 / 20.0 | 0 | 0 | 0.20 |"
    )
    assert two.startswith("| 2 | 20 | 2.50 | 2.00 1.25 | 1.25 | 0.40 0.25 |")


@pytest.mark.parametrize(
    ("fault", "code"), [({}, 0), ({"without_verdict": 1}, 1), ({"not_judged": 1}, 1)]
)
def test_a_run_that_hides_something_is_not_good(
    monkeypatch: pytest.MonkeyPatch, fault: dict[str, int], code: int
) -> None:
    async def measured(*_: object, **__: object) -> Throughput:
        return throughput(SITE, replace(SITE, **fault))

    monkeypatch.setattr(sites, "measure", measured)
    assert sites.main(["--workers", "2"]) == code
