"""The table of metrics, and what the user is told."""

import io

import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.reporting import COLUMNS, MetricsTable, Reporter


def test_rows_are_added_and_replaced_when_a_phase_runs_again(tmp_path):
    table = MetricsTable(tmp_path / "metrics.csv")
    for epoch in range(3):
        table.add("contrastive", epoch, {"train_loss": epoch / 3})
    table.add("segmentation", 0, {"train_loss": 1.0, "val_iou": 0.25, "unheard_of": 1.0})
    table.begin("contrastive", 1)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    kept = [line.split(",")[:2] for line in lines[1:]]
    assert kept == [["contrastive", "0"], ["segmentation", "0"]]
    assert ",0.25," in lines[2]


def test_a_damaged_table_loses_only_its_damaged_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("phase,epoch,train_loss\ncontrastive,0,1\ncontrastive,x,1\n,,\nhalf")
    MetricsTable(path).add("contrastive", 1, {})
    assert [line[:13] for line in path.read_text().splitlines()[1:]] == [
        "contrastive,0",
        "contrastive,1",
    ]


@pytest.mark.parametrize(
    ("steps", "told"),
    [(14, "40 s left"), (300, "48 min left"), (36010, "100.0 h left")],
)
def test_tells_the_time_left(tmp_path, monkeypatch, steps, told):
    clock = [100.0]
    monkeypatch.setattr("veroallarme_training.reporting.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    reporter = Reporter(tmp_path, None, is_main=True, stream=stream)
    # Six steps were done by the run before: they took none of this one's time.
    reporter.begin_phase("contrastive", 0, steps, 6)
    for _ in range(4):
        reporter.step(0.5, 0.1, write=True)
    clock[0] += 40.0
    reporter.epoch("contrastive", 0, 3, {"train_loss": 0.5, "val_loss": 0.25})
    reporter.end_phase()
    assert f"contrastive 1/3: loss 0.5000, val_loss 0.2500; {told}" in stream.getvalue()


def test_other_processes_say_and_write_nothing(tmp_path):
    stream = io.StringIO()
    reporter = Reporter(tmp_path, tmp_path / "logs", is_main=False, stream=stream)
    reporter.begin_phase("contrastive", 0, 4, 0)
    reporter.step(0.5, 0.1, write=True)
    reporter.epoch("contrastive", 0, 3, {"train_loss": 0.5})
    reporter.pictures(None)
    reporter.say("nothing")
    assert list(reporter.watch([1, 2], "counting")) == [1, 2]
    reporter.end_phase()
    assert stream.getvalue() == ""
    assert list(tmp_path.iterdir()) == []
