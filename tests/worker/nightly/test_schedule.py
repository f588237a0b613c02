"""When cameras are adapted, and what a process may do without disturbing anybody."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import until
from tests.worker.fake_state import FakeState, install
from tests.worker.storage.test_event_store import verdict
from veroallarme_core.contract import (
    CameraSettings,
    CommandError,
    ObjectKind,
    Zone,
    ZoneKind,
    read_zones,
)
from veroallarme_core.worker.camera.learning import CameraLearning, Outcome
from veroallarme_core.worker.config import LearningConfig
from veroallarme_core.worker.nightly import adaptation_process
from veroallarme_core.worker.nightly import schedule as schedule_module
from veroallarme_core.worker.nightly.adaptation_process import write_labels, write_zones
from veroallarme_core.worker.nightly.schedule import Adaptations
from veroallarme_core.worker.storage.event_store import EventStore
from veroallarme_core.worker.storage.storage import Storage

EVENT = "20261123_120000_abcdef"
STREET = Zone(name="street", kind=ZoneKind.IGNORE, points=((0, 0), (1, 0), (1, 0.3)))
ANSWER = """print('{"learned": true, "events": 812, "seconds": 3.5}')"""


@dataclass
class Bench:
    """Adaptations whose process runs a few lines of Python in place of `veroallarme adapt`."""

    folder: Path
    storage: Storage
    thread: ThreadPoolExecutor
    config: LearningConfig = field(default_factory=LearningConfig)
    complaints: dict[str, str] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    settings: CameraSettings = field(default_factory=CameraSettings)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def state(self) -> Path:
        return self.folder / "state" / "front"

    def __post_init__(self) -> None:
        self.adaptations = Adaptations(
            self.config,
            self.data,
            self.storage,
            self.ended.append,
            self.complaints.__setitem__,
            lambda key: self.complaints.pop(key, None) and None,
        )

    async def camera(self, name: str = "front") -> CameraLearning:
        """Add a camera that has an event."""
        (self.data / name / EVENT).mkdir(parents=True)
        learning = CameraLearning(
            name,
            self.folder / "state" / name,
            self.thread,
            self.complaints.__setitem__,
            lambda key: None,
        )
        assert await learning.open()
        self.adaptations.add(learning, lambda: self.settings)
        return learning

    def program(self, lines: str) -> None:
        """Let the process run these lines; its arguments begin with ``adapt``."""
        script = self.folder / "adapt.py"
        script.write_text(f"import os, pathlib, sys, time\nfolder = {str(self.folder)!r}\n{lines}")
        self.adaptations.command = (sys.executable, "-S", str(script))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.adaptations.run())
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def adapt(self) -> str:
        """Adapt `front` once; return what is complained about."""
        async with self.running():
            self.adaptations.request("front")
            await until(lambda: self.ended)
        return self.complaints.get("front/adaptation", "")


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> FakeState:
    fake = FakeState(events_seen=5)
    install(monkeypatch, fake)
    return fake


@pytest.fixture
def bench(tmp_path: Path, state: FakeState) -> Iterator[Bench]:
    storage = Storage(EventStore(tmp_path / "data"))
    with ThreadPoolExecutor(1) as thread:
        yield Bench(tmp_path, storage, thread)
    storage.close()


# --- a good end -------------------------------------------------------------------------------


async def test_process_is_given_the_camera_its_thumbs_and_the_recall(bench: Bench) -> None:
    await bench.camera()
    bench.program(
        "import json, time\n"
        "began = time.monotonic()\n"
        # The worker lowers its priority once it runs.
        "while os.nice(0) < 19 and time.monotonic() - began < 20:\n"
        "    time.sleep(0.05)\n"
        "labels = pathlib.Path(sys.argv[sys.argv.index('--labels') + 1])\n"
        "seen = {'argv': sys.argv[1:], 'labels': labels.read_text(),\n"
        "    'mode': labels.stat().st_mode & 0o777, 'nice': os.nice(0),\n"
        "    'threads': os.environ['OMP_NUM_THREADS']}\n"
        "pathlib.Path(folder, 'seen.json').write_text(json.dumps(seen))\n"
        f"{ANSWER}"
    )

    def thumbs(store: EventStore) -> None:
        for event_id, relevant in ((EVENT, False), ("20261122_120000_abcdef", True)):
            store.add_verdict(verdict(event_id))
            store.set_feedback("front", event_id, relevant, datetime.now(UTC))

    await bench.storage.database(thumbs)
    assert await bench.adapt() == ""
    seen = json.loads((bench.folder / "seen.json").read_text())
    labels = bench.state / "labels.csv"
    assert seen == {
        "argv": [
            "adapt",
            *("--data-dir", str(bench.data / "front")),
            *("--state-dir", str(bench.state)),
            *("--labels", str(labels)),
            *("--zones", str(bench.state / "zones.json")),
            *("--objects", "person,animal,vehicle"),
            *("--recall", "0.99"),
            "--keep-memory",
            "--end-with-stdin",
        ],
        "labels": f"event_id,label\n20261122_120000_abcdef,relevant\n{EVENT},irrelevant\n",
        "mode": 0o600,
        "nice": 19,
        "threads": "2",
    }
    assert not labels.exists()


async def test_what_was_learned_is_taken_over(bench: Bench, state: FakeState) -> None:
    learning = await bench.camera()
    bench.program(f"print('a word before')\n{ANSWER}")
    bench.complaints["front/notice"] = "The camera was re-aimed."
    bench.adaptations.request("front")
    async with bench.running():
        await until(lambda: bench.ended)
    assert ("reload_model",) in state.calls
    assert learning.learned
    assert learning.last is not None
    assert (learning.last.outcome, learning.last.events) == (Outcome.LEARNED, 812)
    assert bench.ended == ["front"]
    assert bench.complaints == {}


async def test_a_promise_that_cannot_be_kept_yet_is_no_failure(bench: Bench) -> None:
    learning = await bench.camera()
    bench.program(ANSWER.replace("true", "false"))
    assert await bench.adapt() == ""
    assert learning.last is not None
    assert learning.last.outcome is Outcome.LEARNING


def test_zones_are_what_adapt_reads(tmp_path: Path) -> None:
    file = tmp_path / "zones.json"
    for zones in ((), (STREET, replace(STREET, name="Tor „ä“", kind=ZoneKind.ALWAYS))):
        file.write_text(write_zones(zones), encoding="utf-8")
        assert read_zones(file) == zones


async def test_a_zone_changed_since_is_something_new_to_learn_from(bench: Bench) -> None:
    await bench.camera()
    bench.program(
        "zones = pathlib.Path(sys.argv[sys.argv.index('--zones') + 1])\n"
        "with pathlib.Path(folder, 'zones.txt').open('a') as file:\n"
        "    print(zones.read_text(), file=file)\n" + ANSWER
    )
    await bench.adapt()
    bench.settings = CameraSettings(zones=(STREET,))
    bench.ended.clear()
    await bench.adapt()
    seen = (bench.folder / "zones.txt").read_text().splitlines()
    assert [json.loads(line) for line in seen] == [[], [STREET.to_dict()]]
    assert not (bench.state / "zones.json").exists()


async def test_kinds_changed_since_are_something_new_to_learn_from(bench: Bench) -> None:
    await bench.camera()
    bench.program(
        "kinds = sys.argv[sys.argv.index('--objects') + 1]\n"
        "with pathlib.Path(folder, 'kinds.txt').open('a') as file:\n"
        "    print(kinds, file=file)\n" + ANSWER
    )
    await bench.adapt()
    bench.settings = CameraSettings(objects=(ObjectKind.PERSON, ObjectKind.ANIMAL))
    bench.ended.clear()
    await bench.adapt()
    seen = (bench.folder / "kinds.txt").read_text().splitlines()
    assert seen == ["person,animal,vehicle", "person,animal"]


def test_labels_are_what_adapt_reads() -> None:
    assert write_labels({}) == "event_id,label\n"
    assert write_labels({"b": True, "a": False}) == "event_id,label\na,irrelevant\nb,relevant\n"


# --- bad ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("sys.exit('veroallarme: /x is no folder: give one')", "in force: /x is no folder"),
        ("print('x'); sys.exit(3)", "code 3"),
        ("print('splendid')", "'splendid' is not understood"),
        ("print('')", "not understood"),
        ("print('[1]')", "not understood"),
        ("""print('{"learned": "yes", "events": 3}')""", "not understood"),
        ("""print('{"learned": true, "events": -3}')""", "not understood"),
        ("print('[' * 100_000)", "not understood"),
        ("sys.stdout.buffer.write(bytes(range(256)) * 40_000)", "not understood"),
        ("sys.stderr.write('x' * 10_000_000); sys.exit(1)", "in force: xxx"),
    ],
    ids=lambda value: value[:30],
)
async def test_a_failure_is_told_and_changes_nothing(
    bench: Bench, state: FakeState, lines: str, hint: str
) -> None:
    learning = await bench.camera()
    bench.program(lines)
    told = await bench.adapt()
    assert hint in told
    assert "\n" not in told
    assert len(told) < 500
    assert ("reload_model",) not in state.calls
    assert learning.last is not None
    assert learning.last.outcome is Outcome.FAILED
    assert not (bench.state / "labels.csv").exists()


async def test_a_process_that_cannot_be_started_is_told(bench: Bench) -> None:
    await bench.camera()
    bench.adaptations.command = (str(bench.folder / "nothing"),)
    assert "No such file" in await bench.adapt()


async def test_a_full_disk_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(adaptation_process, "_write_private", full)
    await bench.camera()
    assert "No space left" in await bench.adapt()


async def test_a_database_that_fails_ends_nothing(bench: Bench) -> None:
    await bench.camera()
    bench.program(ANSWER)

    def broken(camera: str) -> dict[str, bool]:
        raise ZeroDivisionError("a surprise")

    feedback = bench.storage.store.feedback
    async with bench.running():
        bench.storage.store.feedback = broken  # type: ignore[method-assign]
        bench.adaptations.request("front")
        await until(lambda: "a surprise" in bench.complaints.get("front/adaptation", ""))
        bench.storage.store.feedback = feedback  # type: ignore[method-assign]
        bench.adaptations.request("front")
        await until(lambda: bench.ended)
    assert bench.complaints == {}


SLEEPER = (
    "child = os.fork()\n"
    "name = 'pid' if child else 'child'\n"
    "pathlib.Path(folder, name + '.new').write_text(str(os.getpid()))\n"
    "os.rename(os.path.join(folder, name + '.new'), os.path.join(folder, name))\n"
    "time.sleep(600)"
)


def pids(folder: Path) -> list[int] | None:
    """Return the ids of a sleeper and its child, once both are there."""
    paths = [folder / "pid", folder / "child"]
    return [int(path.read_text()) for path in paths] if all(p.exists() for p in paths) else None


def is_over(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has taken note of it yet."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


async def test_a_process_that_takes_too_long_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptation_process, "ADAPT_LIMIT_S", 0.7)
    await bench.camera()
    bench.program(SLEEPER)
    assert "took longer than" in await bench.adapt()
    found = pids(bench.folder)
    assert found
    await until(lambda: all(is_over(pid) for pid in found))


async def test_a_stop_kills_the_process_and_records_nothing(bench: Bench) -> None:
    learning = await bench.camera()
    bench.program(SLEEPER)
    async with bench.running():
        bench.adaptations.request("front")
        found = await until(lambda: pids(bench.folder))
    await until(lambda: all(is_over(pid) for pid in found))
    assert learning.last is None
    assert bench.complaints == {}
    assert not (bench.state / "labels.csv").exists()


# --- when -------------------------------------------------------------------------------------

LOG_A_RUN = (
    "name = pathlib.Path(sys.argv[sys.argv.index('--data-dir') + 1]).name\n"
    "runs = open(os.path.join(folder, 'runs'), 'a')\n"
    "print('begin', name, file=runs, flush=True)\n"
    "time.sleep(0.1)\n"
    "print('end', name, file=runs, flush=True)\n"
    f"{ANSWER}"
)


def runs(bench: Bench) -> list[str]:
    path = bench.folder / "runs"
    return path.read_text().splitlines() if path.exists() else []


async def test_one_camera_at_a_time_and_a_flood_of_commands_makes_one_run(bench: Bench) -> None:
    for name in ("front", "yard"):
        await bench.camera(name)
    bench.program(LOG_A_RUN)
    async with bench.running():
        for _ in range(1000):
            for name in ("front", "yard"):
                bench.adaptations.request(name)
        await until(lambda: len(bench.ended) == 2)
        bench.adaptations.request("front")
        await until(lambda: not bench.adaptations._queue)
    assert runs(bench) == ["begin front", "end front", "begin yard", "end yard"]


async def test_a_camera_that_learns_nothing_is_refused(bench: Bench) -> None:
    with pytest.raises(CommandError, match=r"set learning\.enabled and"):
        bench.adaptations.request("front")


async def test_a_camera_without_events_waits(bench: Bench) -> None:
    learning = await bench.camera()
    (bench.data / "front" / EVENT).rmdir()
    (bench.data / "front").rmdir()
    bench.program(LOG_A_RUN)
    bench.adaptations.request("front")
    async with bench.running():
        await until(lambda: not bench.adaptations._queue)
    assert runs(bench) == []
    assert learning.last is None
    assert bench.complaints == {}


class Clock:
    """Stands for `datetime` where the hour of the day matters."""

    def __init__(self, *moments: datetime) -> None:
        self._moments = list(moments)

    def now(self) -> datetime:
        return self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]


def night(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute)


@pytest.mark.parametrize(
    ("moments", "adapted"),
    [
        ([night(23, 2, 59)], 0),
        ([night(23, 4)], 0),
        ([night(23, 3)], 1),
        ([night(23, 2, 59), night(23, 3), night(23, 3, 1), night(23, 3, 59), night(23, 4)], 1),
        # The same hour twice, as when summer time ends.
        ([night(23, 3, 59), night(23, 3)], 1),
        # An adaptation that began before the hour and ended after it.
        ([night(23, 2, 50), night(23, 4, 5), night(23, 4, 6)], 1),
        ([night(22, 23), night(23, 11)], 1),
        ([night(23, 3), night(23, 4, 30), night(24, 2), night(24, 5)], 2),
        # The hour is left out, as when summer time begins.
        ([night(23, 2, 59), night(23, 4)], 1),
        ([night(23, 4), night(23, 1), night(23, 5)], 1),
    ],
    ids=[
        "before",
        "after",
        "in the hour",
        "all through",
        "twice",
        "over the hour",
        "long over it",
        "two nights",
        "no such hour",
        "set back",
    ],
)
async def test_cameras_are_adapted_once_a_night(
    bench: Bench, moments: list[datetime], adapted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.camera()
    asked: list[Path] = []
    monkeypatch.setattr(bench.adaptations, "_adapt", note_of(asked))
    clock = Clock(*moments)
    monkeypatch.setattr(schedule_module, "datetime", clock)
    monkeypatch.setattr(schedule_module, "TICK_S", 0.001)
    async with bench.running():
        await until(lambda: len(clock._moments) == 1)
        await asyncio.sleep(0.05)
    assert len(asked) == adapted


def note_of(asked: list[Any]) -> Callable[[CameraLearning], Any]:
    async def adapt(learning: CameraLearning, settings: object) -> None:
        asked.append(learning.folder)

    return adapt


async def test_a_night_without_news_is_slept_through_but_a_failure_is_tried_again(
    bench: Bench, state: FakeState
) -> None:
    learning = await bench.camera()
    bench.program(LOG_A_RUN)

    async def next_night() -> int:
        await bench.adaptations._adapt(learning, CameraSettings)
        return len(runs(bench)) // 2

    assert [await next_night() for _ in range(3)] == [1, 1, 1]
    await bench.storage.database(lambda store: store.add_verdict(verdict(EVENT)))
    at = datetime.now(UTC)
    await bench.storage.database(lambda store: store.set_feedback("front", EVENT, True, at))
    assert await next_night() == 2
    assert learning.last is not None
    learning.last = replace(learning.last, outcome=Outcome.FAILED)
    assert await next_night() == 3


async def test_a_camera_that_fills_is_adapted_by_day(
    bench: Bench, state: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule_module, "TICK_S", 0.05)
    monkeypatch.setattr(schedule_module, "datetime", Clock(night(23, 15)))
    state.events_seen = 50
    learning = await bench.camera()
    bench.program(ANSWER.replace("true", "false"))
    async with bench.running():
        await until(lambda: bench.ended)
        await asyncio.sleep(0.3)
    assert bench.ended == ["front"]
    assert learning.last is not None
    assert learning.last.basis.events_seen == 50
