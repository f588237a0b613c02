"""Two processes on a CPU, started by torchrun, train one network over the shards of an index."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from tests.training.bursts import write_camera
from veroallarme_core.relevance_mask import model_from_checkpoint
from veroallarme_training.config import save_config
from veroallarme_training.indexed_events import index_folder

SCRIPT = Path(__file__).parent / "recorded_run.py"
LIMIT_S = 240


def run(command: list[str]) -> tuple[int, str]:
    """Run torchrun, and return its status and what it told."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, told = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends its processes, which killing it would leave behind
            _, told = process.communicate(timeout=30)
        return process.returncode, told


def test_two_processes_train_a_phase_and_share_the_events(make_config, tmp_path):
    data = tmp_path / "data"
    for camera in ("gate", "yard", "zoo"):
        write_camera(data / camera, 6)
    config = make_config(
        data_dir=str(data),
        cache_dir=str(tmp_path / "cache"),
        teacher={"drawn_seeds": 0},
        train_split=2 / 3,  # four of six, twelve in all
        batch_size=3,
        num_epochs=2,
        logging={"tensorboard": False, "pictures_every": 0},
    )
    save_config(config, tmp_path / "config.yaml")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(SCRIPT), str(tmp_path / "config.yaml"), "contrastive", str(tmp_path), "5"]
    status, told = run(command)
    assert status == 0, told[-5000:]
    assert "Computing on cpu in 2 processes." in told
    assert len(list(index_folder(data, tmp_path / "cache").glob("*.events"))) == 4

    own = [(tmp_path / f"{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    early = [f"{c}/20260101_0{hour}0000" for c in ("gate", "yard", "zoo") for hour in range(4)]
    assert [len(lines) for lines in own] == [12, 12], "half of the twelve, in each of two epochs"
    assert sorted(own[0] + own[1]) == [f"{epoch} {name}" for epoch in (0, 1) for name in early]
    shares = [{line.split()[1] for line in own[0] if line.startswith(epoch)} for epoch in "01"]
    assert shares[0] != shares[1], "each epoch is shuffled and shared out anew"

    with (config.output_dir / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert all(row["val_loss"] for row in rows)
    model, _ = model_from_checkpoint(config.output_dir / "contrastive_final.pth")
    assert model.mode == "contrastive"
