"""Worker and installation as the suite measures them."""

from importlib import metadata
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.suite import service
from benchmarks.suite.plan import Plan
from benchmarks.worker import Memory, WorkerFigures


def test_says_that_there_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda *arguments, **named: None)

    part = service.measure_worker(Plan(quick=True))

    assert part.figures == ()
    (note,) = part.notes
    assert note.startswith("worker: ")
    assert "mosquitto" in note


def test_tells_of_the_worker_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measured(folder: Path, cameras: int, *_: object, **__: object) -> WorkerFigures:
        return WorkerFigures(
            cameras,
            online_s=[1.0, 2.0, 3.0],
            online_cpu_s=[0.5],
            verdict_ms=[100.0] * 7,
            verdict_cpu_ms=[90.0] * 7,
            at_once_ms=[900.0] * 7,
            idle=Memory(resident=200, anonymous=100, peak=201),
            judged=Memory(resident=300, anonymous=200, peak=350),
            rested=Memory(resident=250, anonymous=150, peak=350),
        )

    monkeypatch.setattr(service, "measure_worker_process", measured)
    part = service.measure_worker(Plan())

    found = {figure.name: (figure.median, figure.unit) for figure in part.figures}
    assert found["worker, start to online, by the clock"] == (2, "s")
    assert found["worker of 20 cameras, at rest after them"] == (250, "MB")
    assert found["worker of 20 cameras, at most"] == (350, "MB")
    assert found["motion to verdict beyond the snapshots, by the clock"] == (100, "ms")


def test_adds_up_the_files_of_all_that_the_worker_needs() -> None:
    (figure,) = service.measure_installation(Plan()).figures

    def megabytes(name: str) -> float:
        files = metadata.files(name)
        assert files is not None
        return (
            sum(Path(str(file.locate())).stat().st_size for file in files if _is_there(file)) / 1e6
        )

    direct = sum(map(megabytes, ("numpy", "opencv-python-headless", "aiohttp", "voluptuous")))
    # Of what aiohttp needs itself at least multidict is in it, torch and pytest are not.
    assert figure.median > direct + megabytes("multidict")
    assert figure.median < direct + 400


def _is_there(file: metadata.PackagePath) -> bool:
    return Path(str(file.locate())).is_file()
