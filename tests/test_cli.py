"""The command line: exit codes, sentences instead of tracebacks, and what it prints."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from argon2 import PasswordHasher

from benchmarks.peers import free_port
from veroallarme_core import __version__
from veroallarme_core.cli import EXIT_LEFT_ALONE, EXIT_UNHEARD, EXIT_USAGE, main

CONFIG = """
cameras:
  front:
    triggers:
      - topic: cam/front/motion
        start: "ON"
    snapshot:
      url: http://127.0.0.1:9/snapshot.jpg
  yard:
    triggers:
      - topic: cam/yard/motion
        start: "ON"
    snapshot:
      path: yard.jpg
"""

BROKEN = """
mqtt:
  port: many
  pasword: secret_word
cameras:
  front:
    triggers: []
    snapshot:
      url: ftp://camera/picture
    burst:
      size: 0
"""


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """A bright box that moves over a textured ground."""
    ground = np.random.default_rng(7).integers(60, 140, (144, 176, 3), dtype=np.uint8)
    paths = []
    for number in range(3):
        picture = cv2.GaussianBlur(ground, (9, 9), 0)
        picture[60:95, 20 + 45 * number : 50 + 45 * number] = 235
        paths.append(tmp_path / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def only_a_sentence(text: str) -> bool:
    """Whether the output is one line that a user can read."""
    return text.startswith("veroallarme: ") and text.count("\n") == 1 and "Traceback" not in text


# --- check-config, run ------------------------------------------------------------------------


def test_correct_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "veroallarme.yaml", CONFIG)
    assert main(["check-config", "--config", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: correct; cameras: front, yard\n"


@pytest.mark.parametrize("command", ["check-config", "run"])
def test_broken_configuration_tells_all_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = write(tmp_path / "veroallarme.yaml", BROKEN)
    assert main([command, "--config", str(path)]) == EXIT_USAGE
    lines = capsys.readouterr().err.splitlines()
    for place in ("mqtt.port", "mqtt.pasword", "triggers", "url", "burst.size"):
        assert any(place in line for line in lines), place
    assert all(line.startswith(str(path)) for line in lines)
    assert any("password" in line for line in lines), "the key that was meant is named"
    assert not any("secret_word" in line or "Traceback" in line for line in lines)


@pytest.mark.parametrize("command", ["check-config", "run"])
def test_missing_configuration_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--config", str(tmp_path / "none.yaml")]) == EXIT_USAGE
    assert "does not exist" in capsys.readouterr().err


def test_folders_that_cannot_be_used_end_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "state", "a file")
    path = write(tmp_path / "veroallarme.yaml", CONFIG)
    assert main(["run", "--config", str(path)]) == EXIT_USAGE
    assert only_a_sentence(capsys.readouterr().err)


@pytest.mark.parametrize("seconds", ["0", "-1", "3601", "nan", "soon"])
def test_time_to_listen_is_bounded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    path = write(tmp_path / "veroallarme.yaml", CONFIG)
    with pytest.raises(SystemExit) as ended:
        main(["check-config", "--config", str(path), f"--listen={seconds}"])
    assert ended.value.code == EXIT_USAGE
    assert f"{seconds}: give seconds from 1 to 3600" in capsys.readouterr().err


def test_what_was_not_heard_is_said_and_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    path = write(
        tmp_path / "veroallarme.yaml", f"mqtt: {{host: 127.0.0.1, port: {port}}}\n{CONFIG}"
    )
    assert main(["check-config", "--config", str(path), "--listen", "1"]) == EXIT_UNHEARD
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: correct; cameras: front, yard"
    assert lines[1].startswith(f"broker 127.0.0.1:{port}: cannot be reached")
    assert [line.partition(": check")[0] for line in lines[2:]] == [
        "front: cam/front/motion: NEVER HEARD",
        "yard: cam/yard/motion: NEVER HEARD",
    ]


def test_listening_without_cameras_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "veroallarme.yaml", "cameras: {}\n")
    assert main(["check-config", "--config", str(path), "--listen", "1"]) == EXIT_USAGE
    assert only_a_sentence(capsys.readouterr().err)


# --- analyze ----------------------------------------------------------------------------------


def test_analyze_prints_the_verdict_and_writes_the_picture(
    frames: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "out.jpg"
    assert main(["analyze", *map(str, frames), "--picture", str(picture), "--camera", "porch"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["camera"] == "porch"
    assert verdict["frames"]["distinct"] == 3
    assert verdict["frame_dimensions"] == [144, 176]
    assert verdict["regions"]
    assert verdict["stored"] is False
    assert cv2.imread(str(picture)).shape == (144, 176, 3)


def test_threshold_and_reference_are_used(
    frames: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["analyze", str(frames[0]), str(frames[1]), "--reference", str(frames[2])]
    assert main([*arguments, "--threshold", "0.9"]) == 0
    assert json.loads(capsys.readouterr().out)["threshold"] == 0.9


def test_frame_that_is_no_picture_counts_as_damaged(
    frames: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = write(tmp_path / "page.jpg", "<html>Login</html>")
    assert main(["analyze", str(frames[0]), str(page), str(frames[1])]) == 0
    assert json.loads(capsys.readouterr().out)["frames"]["damaged"] == 1
    picture = tmp_path / "out.jpg"
    assert main(["analyze", str(page), str(page), "--picture", str(picture)]) == EXIT_USAGE
    printed = capsys.readouterr()
    assert json.loads(printed.out)["state"] == "unknown"
    assert only_a_sentence(printed.err)
    assert not picture.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["{0}"],
        ["{0}", "nowhere.jpg"],
        ["{0}", "{1}", "--reference", "nowhere.jpg"],
        ["{0}", "{1}", "--threshold", "1.5"],
        ["{0}", "{1}", "--threshold", "nan"],
        ["{0}", "{1}", "--camera", "Front Door"],
        ["{0}", "{1}", "--zones", "nowhere.json"],
        ["{0}", "{1}", "--zones", "{0}"],
        ["{0}", "{1}", "--picture", "{0}/no/folder/out.jpg"],
    ],
)
def test_wrong_input_ends_with_one_sentence(
    frames: list[Path], capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["analyze", *(one.format(*frames) for one in arguments)]) == EXIT_USAGE
    assert only_a_sentence(capsys.readouterr().err)


# --- adapt, score -----------------------------------------------------------------------------


@pytest.fixture
def events(frames: list[Path], tmp_path: Path) -> Path:
    """A camera's folder of three events."""
    for number in range(3):
        event = tmp_path / "yard" / f"2026112{number}_120000_abcdef"
        event.mkdir(parents=True)
        for path in frames:
            (event / path.name).write_bytes(path.read_bytes())
    return tmp_path / "yard"


def test_adapt_prints_one_line_of_json_and_score_uses_what_it_learned(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, output = tmp_path / "state", tmp_path / "scores.csv"
    labels = write(tmp_path / "labels.csv", "event_id,label\n20261120_120000_abcdef,relevant\n")
    folders = ["--data-dir", str(events), "--state-dir", str(state)]
    assert main(["adapt", *folders, "--labels", str(labels), "--seed", "3"]) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert printed.out.count("\n") == 1
    assert "events: 3 of 3\n" in printed.err
    assert (report["learned"], report["events"]) == (False, 3)
    assert report["missing"]
    assert report["seconds"] > 0

    before = {path.name: path.read_bytes() for path in state.iterdir()}
    assert set(before) == {
        "memory.npz",
        "model.npz",
        "report.json",
        "seen_events.npz",
        "seen_intruders.npz",
    }
    assert main(["score", *folders, "--output", str(output)]) == 0
    assert "3 events" in capsys.readouterr().out
    assert output.read_text(encoding="utf-8").startswith("event_id,state,score,reason,regions\n")
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before

    assert main(["adapt", *folders, "--keep-memory"]) == 0
    assert (state / "memory.npz").read_bytes() == before["memory.npz"]
    assert main(["score", "--data-dir", str(events), "--output", str(output)]) == 0


def test_adapt_ends_with_whoever_started_it(events: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-m", "veroallarme_core", "adapt", "--end-with-stdin"]
    folders = ["--data-dir", str(events), "--state-dir", str(state)]
    with subprocess.Popen([*command, *folders], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(120) == EXIT_LEFT_ALONE
    assert not (state / "model.npz").exists()


def test_zones_in_a_file_act_on_all_that_judges(
    events: Path, frames: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = [{"name": "all", "kind": "ignore", "points": [[0, 0], [1, 0], [1, 1], [0, 1]]}]
    zones = ["--zones", str(write(tmp_path / "zones.json", json.dumps(everything)))]
    assert main(["analyze", *map(str, frames), *zones]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "outside_zones"
    output = tmp_path / "scores.csv"
    folders = ["--data-dir", str(events), "--state-dir", str(tmp_path / "state")]
    assert main(["adapt", *folders, *zones]) == 0
    assert not json.loads(capsys.readouterr().out)["learned"]
    assert main(["score", *folders, *zones, "--output", str(output)]) == 0
    assert output.read_text(encoding="utf-8").count(",irrelevant,0.000000,outside_zones,") == 3


@pytest.mark.parametrize(
    "words", [["analyze", "a.jpg", "b.jpg"], ["adapt"], ["score"], ["suggest"]]
)
@pytest.mark.parametrize("kinds", ["people", "", "person,,animal"])
def test_kinds_of_objects_that_are_none_are_refused(
    words: list[str], kinds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--objects", kinds])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"--objects: {kinds!r}: give one or more of person, animal, vehicle" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["adapt", "--data-dir", "{root}/nowhere", "--state-dir", "{root}/state"],
        ["adapt", "--data-dir", "{root}/0.jpg", "--state-dir", "{root}/state"],
        ["adapt", "--data-dir", "{root}/yard", "--state-dir", "{root}/0.jpg"],
        ["adapt", "--data-dir", "{root}/yard", "--state-dir", "{root}/s", "--labels", "{root}/x"],
        ["adapt", "--data-dir", "{root}/yard", "--state-dir", "{root}/s", "--recall", "99"],
        ["adapt", "--data-dir", "{root}/yard", "--state-dir", "{root}/s", "--seed", "-1"],
        [
            "adapt",
            "--data-dir",
            "{root}/yard",
            "--state-dir",
            "{root}/s",
            "--zones",
            "{root}/0.jpg",
        ],
        ["score", "--data-dir", "{root}/yard", "--output", "{root}/s", "--zones", "{root}/no"],
        ["score", "--data-dir", "{root}/nowhere", "--output", "{root}/scores.csv"],
        ["score", "--data-dir", "{root}/yard", "--output", "{root}/no/folder/scores.csv"],
        ["score", "--data-dir", "{root}/yard", "--output", "{root}"],
        ["score", "--data-dir", "{root}/yard", "--output", "{root}/s", "--state-dir", "{root}/no"],
        [
            "score",
            "--data-dir",
            "{root}/yard",
            "--output",
            "{root}/s",
            "--state-dir",
            "{root}/torn",
        ],
    ],
)
def test_learning_that_cannot_be_done_ends_with_one_sentence(
    events: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (tmp_path / "torn").mkdir()
    write(tmp_path / "torn" / "memory.npz", "nothing")
    assert main([one.format(root=events.parent) for one in arguments]) == EXIT_USAGE
    printed = capsys.readouterr()
    assert only_a_sentence(printed.err)
    assert not printed.out
    assert (tmp_path / "torn" / "memory.npz").read_text() == "nothing"


# --- demo, usage ------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # amqtt's own
def test_demo_plays_a_folder_once(
    frames: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = tmp_path / "porch" / "20261123_120000_abcdef"
    event.mkdir(parents=True)
    for path in frames:
        path.rename(event / path.name)
    report = tmp_path / "report.json"
    arguments = ["demo", "--once", "--events", str(event.parent), "--gap", "0.1"]
    assert main([*arguments, "--report", str(report)]) == 0
    assert json.loads(report.read_text())["covered"] == 1
    assert "1 motion starts, 1 covered by 1 verdicts, 0 repeated" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["--limit", "0"], ["--gap", "-1"], ["--events", "/nowhere"], ["--video", "/nowhere.mp4"]],
)
def test_demo_that_cannot_run_ends_with_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["demo", "--once", *arguments]) == EXIT_USAGE
    assert only_a_sentence(capsys.readouterr().err)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["analyze"],
        ["analyze", "a.jpg", "--threshold", "high"],
        ["adapt", "--data-dir", "yard"],
        ["adapt", "--data-dir", "yard", "--state-dir", "state", "--recall", "high"],
        ["score", "--data-dir", "yard"],
        ["demo", "--limit", "many"],
        ["demo", "--events", "a", "--video", "b"],
    ],
)
def test_wrong_usage_ends_with_the_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == EXIT_USAGE
    assert "usage: veroallarme" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"veroallarme {__version__}\n"


def test_module_can_be_run_and_passes_its_exit_code_on(tmp_path: Path) -> None:
    path = write(tmp_path / "veroallarme.yaml", BROKEN)
    command = [sys.executable, "-m", "veroallarme_core.cli", "check-config", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_USAGE
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("4", "4")])
def test_numpy_keeps_to_one_thread_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: str | None, after: str
) -> None:
    # Set and taken away, so that it is as before when the test is over.
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", before or "")
    if before is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert main(["check-config", "--config", str(tmp_path / "missing.yaml")]) == EXIT_USAGE
    assert os.environ["OPENBLAS_NUM_THREADS"] == after


# --- hash-password ----------------------------------------------------------------------------


def test_a_password_becomes_what_proves_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    assert main(["hash-password"]) == 0
    printed = capsys.readouterr().out.strip()
    assert PasswordHasher().verify(printed, "correct horse")
    assert "horse" not in printed


@pytest.mark.parametrize("typed", ["", "\n", "short\n"])
def test_a_short_password_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert main(["hash-password"]) == EXIT_USAGE
    assert only_a_sentence(capsys.readouterr().err)
