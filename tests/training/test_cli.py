"""The command line as a user runs it: flags, Ctrl-C, several processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_camera
from veroallarme_core.relevance_mask import read_checkpoint
from veroallarme_training import cli
from veroallarme_training.config import save_config

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "training" / "train_relevance_model.py"


@pytest.fixture
def config_file(make_config, tmp_path):
    def write(**keys):
        path = tmp_path / "config.yaml"
        save_config(make_config(**keys), path)
        return path

    return write


def environment() -> dict[str, str]:
    paths = [str(ROOT), str(ROOT / "training"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def test_flags_win(config_file, tmp_path):
    words = ["--config", str(config_file(num_epochs=9)), "--phase", "contrastive", "--epochs", "1"]
    words += ["--output-dir", str(tmp_path / "here"), "--batch-size", "4", "--seed", "5"]
    assert cli.main(words) == 0
    saved = read_checkpoint(tmp_path / "here" / "contrastive_final.pth")["config"]
    assert (saved["num_epochs"], saved["batch_size"], saved["seed"]) == (1, 4, 5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--batch-size", "1"], "batch_size is 1; give a whole number from 2"),
        (["--config", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["--data-dir", "nowhere"], "nowhere is no folder"),
        (["--resume"], "no stopped run to resume"),
    ],
)
def test_a_mistake_is_one_sentence(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told


def test_the_way_back_into_a_stopped_run_leaves_out_what_it_must(tmp_path):
    words = ["--pretrained", "a.pth", "--phase", "all", "--pretrained=b.pth", "--seed", "1"]
    assert cli._without_pretrained(words) == ["--phase", "all", "--seed", "1"]


def test_export_is_handed_on(monkeypatch):
    from veroallarme_training import export

    given = []
    monkeypatch.setattr(export, "add_arguments", lambda parser: parser.add_argument("--checkpoint"))
    monkeypatch.setattr(export, "run", lambda options: given.append(options.checkpoint) or 3)
    assert cli.main(["export", "--checkpoint", "best.pth"]) == 3
    assert given == ["best.pth"]


def test_ctrl_c_saves_and_says_how_to_go_on(config_file, tmp_path):
    path = config_file(num_epochs=50)
    command = [sys.executable, str(SCRIPT), "--config", str(path), "--phase", "contrastive"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "1/50" in line:
            process.send_signal(signal.SIGINT)
            break
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == cli.INTERRUPTED
    assert "Stopped in epoch" in told
    assert f"Go on with: veroallarme-train --config {path} --phase contrastive --resume" in told
    assert "Traceback" not in told
    state = read_checkpoint(tmp_path / "output" / "last.pth")
    assert state["training"]["progress"]["step"] > 0


def test_two_processes_train_one_network(config_file, tmp_path):
    write_camera(tmp_path / "events" / "gate", 3)
    write_camera(tmp_path / "events" / "yard", 3)
    path = config_file(batch_size=4, data_dir=str(tmp_path / "events"))
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            str(SCRIPT),
            "--config",
            str(path),
            "--phase",
            "all",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=110,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    output = tmp_path / "output"
    state = read_checkpoint(output / "last.pth")
    # Both processes took their half of every step.
    regions = int(finished.stderr.partition(" moving regions")[0].split()[-1])
    labelled = sum(
        int(word.replace(",", ""))
        for word in finished.stderr.partition("Labels: drawn: ")[2].partition(".")[0].split()
        if word.isdigit()
    )
    assert regions > 0
    assert labelled > 0
    assert 0 < state["training"]["progress"]["step"] <= labelled // 8
    rows = (output / "metrics.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [
        "contrastive",
        "segmentation",
        "relevance",
    ]
    assert finished.stderr.count("Phase relevance is done") == 1


@pytest.mark.parametrize("command", [["--phase", "all"], ["export", "--checkpoint", "x.pth"]])
def test_missing_extra_is_named(command: list[str]) -> None:
    program = (
        "import sys\n"
        "sys.modules['torch'] = None  # importing it raises\n"
        "from veroallarme_training.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 1
    assert finished.stderr == (
        "veroallarme-train: torch is not installed: pip install 'veroallarme[train]'\n"
    )
