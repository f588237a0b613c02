"""Whole runs: what they leave, how they learn, and how they stop and go on."""

import csv
import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_core.relevance_mask import model_from_checkpoint, read_checkpoint  # noqa: E402
from veroallarme_training import phase_run, phases  # noqa: E402
from veroallarme_training.config import load_config  # noqa: E402
from veroallarme_training.errors import Interrupted, TrainingError  # noqa: E402
from veroallarme_training.phase_run import STATE_FILE  # noqa: E402
from veroallarme_training.stop_signal import StopSignal  # noqa: E402
from veroallarme_training.training_run import CONFIG_FILE, choose_device, train  # noqa: E402


class StopAfter(StopSignal):
    """Asks for a stop at the given step."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        super().__init__()

    @property
    def requested(self) -> bool:
        self.steps -= 1
        return self.steps < 0

    @requested.setter
    def requested(self, value: bool) -> None:
        pass


def metrics_of(config) -> list[dict[str, str]]:
    with (config.output_dir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def weights_of(path) -> dict:
    return read_checkpoint(path)["model_state_dict"]


def test_a_run_through_all_phases_leaves_its_files(make_config, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = make_config(logging={"scalars_every": 1, "num_pictures": 2})
    result = train(config, "all")
    assert result == config.output_dir / "best_model.pth"
    model, _ = model_from_checkpoint(result)
    assert (model.mode, sorted(model.trained_heads)) == (
        "both",
        ["classification", "segmentation"],
    )
    assert (
        model_from_checkpoint(config.output_dir / "contrastive_final.pth")[0].mode == "contrastive"
    )
    assert load_config(config.output_dir / CONFIG_FILE) == config
    rows = metrics_of(config)
    assert [row["phase"] for row in rows] == ["contrastive", "segmentation", "relevance"]
    assert all(math.isfinite(float(row["train_loss"])) for row in rows)
    assert all(float(row["crops_per_s"]) > 0 for row in rows)
    assert rows[1]["val_iou"]
    assert rows[2]["val_auc"]
    for phase, tags in {
        "contrastive": {"loss", "learning_rate", "validation/loss", "validation/retrieval"},
        "segmentation": {"loss", "learning_rate", "iou", "validation/loss"},
        "relevance": {"loss", "iou", "validation/auc", "validation/accuracy"},
    }.items():
        board = EventAccumulator(str(config.log_dir / phase)).Reload()
        assert tags <= set(board.Tags()["scalars"])
        assert board.Tags()["images"] == ["examples"]
    told = capsys.readouterr().err
    assert "left out projection; untrained: segmentation_head" in told
    assert "s left" in told


@pytest.mark.parametrize(
    ("phase", "keys"),
    [
        ("relevance", {"advanced": {"gradient_accumulation": 2}, "optimizer": "adamw"}),
        ("contrastive", {"contrastive": {"memory_bank_size": 40}, "scheduler": "plateau"}),
    ],
)
def test_a_resumed_run_is_the_same_bit_for_bit(make_config, tmp_path, phase, keys):
    from tests.training.bursts import write_camera

    write_camera(tmp_path / "events" / "gate", 3)
    write_camera(tmp_path / "events" / "yard", 3)
    keys = {**keys, "data_dir": str(tmp_path / "events")}
    whole = make_config(output_dir=str(tmp_path / "whole"), num_epochs=2, **keys)
    parts = make_config(output_dir=str(tmp_path / "parts"), num_epochs=2, **keys)
    train(whole, phase)
    # Stopped twice: before the first step, and two steps after it went on.
    for stop_after in (0, 2):
        with pytest.raises(Interrupted, match=r"Stopped in epoch [12] of 2 of phase"):
            train(parts, phase, stop=StopAfter(stop_after), resume=stop_after > 0)
        torch.manual_seed(999)  # whatever else happened in between must not matter
    train(parts, phase, resume=True)
    one, other = (read_checkpoint(c.output_dir / STATE_FILE) for c in (whole, parts))
    for name, weight in one["model_state_dict"].items():
        assert torch.equal(weight, other["model_state_dict"][name]), name
    moments = one["training"]["optimizer"]["state"], other["training"]["optimizer"]["state"]
    assert all(
        torch.equal(value, moments[1][number][key])
        for number, state in moments[0].items()
        for key, value in state.items()
    )
    timed = ("seconds", "crops_per_s")
    rows = [
        [{k: v for k, v in r.items() if k not in timed} for r in metrics_of(c)]
        for c in (whole, parts)
    ]
    assert rows[0] == rows[1]
    output = phases._KINDS[phase].output
    best = [weights_of(c.output_dir / output) for c in (whole, parts)]
    assert all(torch.equal(weight, best[1][name]) for name, weight in best[0].items())


def test_processes_that_cut_crops_change_nothing(make_config, tmp_path):
    alone = make_config(output_dir=str(tmp_path / "alone"))
    helped = make_config(output_dir=str(tmp_path / "helped"), num_workers=2)
    one, other = (weights_of(train(config, "relevance")) for config in (alone, helped))
    assert all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_a_run_through_several_phases_goes_on_in_the_one_it_was_stopped_in(make_config):
    config = make_config()
    train(config, "contrastive")
    steps = read_checkpoint(config.output_dir / STATE_FILE)["training"]["progress"]["step"]
    with pytest.raises(Interrupted, match="phase segmentation"):
        train(config, "all", stop=StopAfter(steps + 1))
    train(config, "all", resume=True)
    phases_done = [row["phase"] for row in metrics_of(config)]
    assert phases_done == ["contrastive", "segmentation", "relevance"]


@pytest.mark.timeout(900)  # seconds on a fast machine, minutes on a busy one
def test_training_learns_to_find_movers_it_has_never_seen(make_config):
    config = make_config(
        num_epochs=10,
        teacher={"drawn_seeds": 3, "drawn_size": [144, 176]},
        train_split=0.7,
    )
    train(config, "segmentation")
    rows = metrics_of(config)
    losses = [float(row["train_loss"]) for row in rows]
    assert losses[-1] < 0.7 * losses[0]
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"])
    assert max(float(row["val_iou"]) for row in rows) > 0.1


@pytest.mark.timeout(900)
def test_training_on_real_events_lowers_its_losses(make_config, footage):
    config = make_config(
        data_dir=str(footage / "cameras" / "factory"),
        max_sequences=60,
        train_split=0.8,
        num_epochs=4,
        batch_size=16,
        teacher={"labels_file": "regions.csv", "drawn_seeds": 1},
    )
    train(config, "all")
    rows = metrics_of(config)
    for phase in ("contrastive", "segmentation", "relevance"):
        losses = [float(row["train_loss"]) for row in rows if row["phase"] == phase]
        assert min(losses[1:]) < losses[0]
    assert max(float(row["val_iou"] or 0) for row in rows) > 0.05


def test_a_frozen_encoder_stays_as_it_is(make_config):
    config = make_config(num_epochs=2, segmentation={"freeze_encoder": True})
    train(config, "contrastive")
    before = weights_of(config.output_dir / "contrastive_final.pth")
    after = weights_of(
        train(config, "segmentation", pretrained=config.output_dir / "contrastive_final.pth")
    )
    encoder = [name for name in after if name.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(before[name], after[name]) for name in encoder)


def test_an_encoder_is_frozen_for_some_epochs_only(make_config):
    config = make_config(num_epochs=2, segmentation={"freeze_epochs": 1})
    train(config, "contrastive")
    start = config.output_dir / "contrastive_final.pth"
    before = weights_of(start)

    train(config, "segmentation", pretrained=start)
    after = weights_of(config.output_dir / STATE_FILE)
    assert not torch.equal(before["encoder.conv1.weight"], after["encoder.conv1.weight"])
    half = make_config(
        num_epochs=2, segmentation={"freeze_epochs": 1}, output_dir=str(config.output_dir / "half")
    )
    with pytest.raises(Interrupted):
        train(half, "segmentation", pretrained=start, stop=StopAfter(1))
    halfway = weights_of(half.output_dir / STATE_FILE)
    assert torch.equal(before["encoder.conv1.weight"], halfway["encoder.conv1.weight"])


def test_a_phase_ends_when_nothing_improves(make_config, capsys):
    advanced = {"early_stopping_patience": 2, "min_delta": 100.0}
    config = make_config(num_epochs=9, advanced=advanced)
    train(config, "segmentation")
    assert len(metrics_of(config)) == 3
    assert "ends early: 2 validations without improvement" in capsys.readouterr().err


def test_without_validation_the_training_loss_decides(make_config):
    config = make_config(train_split=1.0, teacher={"drawn_seeds": 1})
    assert train(config, "segmentation").is_file()
    assert metrics_of(config)[0]["val_iou"] == ""


@pytest.mark.parametrize("batch_size", [8, 2])
def test_out_of_memory_ends_with_advice(make_config, monkeypatch, batch_size):
    def lacking(self, model, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(phases.SegmentationPhase, "loss", lacking)
    advice = r"--batch-size 4 .*gradient_accumulation to 2" if batch_size == 8 else "crop_size"
    with pytest.raises(
        TrainingError, match=f"Out of memory .* batches of {batch_size}: .*{advice}"
    ):
        train(make_config(batch_size=batch_size), "segmentation")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, expected):
    assert phase_run.is_out_of_memory(error) is expected


def test_other_errors_are_not_taken_for_it(make_config, monkeypatch):
    def wrong(self, model, batch):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(phases.SegmentationPhase, "loss", wrong)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        train(make_config(), "segmentation")


def test_a_loss_that_is_no_number_ends_the_run(make_config, monkeypatch):
    def nan(self, model, batch):
        return model(batch["image"]).sum() * float("nan"), 1

    monkeypatch.setattr(phases.SegmentationPhase, "loss", nan)
    with pytest.raises(TrainingError, match="loss of phase segmentation is nan in epoch 1: lower"):
        train(make_config(), "segmentation")


def test_a_checkpoint_of_another_camera_is_a_start(make_config, tmp_path, capsys):
    first = make_config(output_dir=str(tmp_path / "camera1"))
    train(first, "contrastive")
    start = first.output_dir / "contrastive_final.pth"
    second = make_config(output_dir=str(tmp_path / "camera2"))
    train(second, "segmentation", pretrained=start)
    assert "Loaded encoder; left out projection" in capsys.readouterr().err
    again = make_config(output_dir=str(tmp_path / "camera3"))
    train(again, "relevance", pretrained=second.output_dir / "best_model.pth")
    assert "Loaded encoder, segmentation_head; untrained: classification_head." in (
        capsys.readouterr().err
    )


def test_a_map_that_was_left_behind_is_not_called_trained(make_config):
    config = make_config(relevance={"segmentation_weight": 0.0})
    model, _ = model_from_checkpoint(train(config, "relevance"))
    assert model.trained_heads == {"classification"}


class TestRefusals:
    def test_nothing_to_resume(self, make_config):
        with pytest.raises(TrainingError, match=r"no stopped run to resume: .*last\.pth does not"):
            train(make_config(), "all", resume=True)

    def test_resume_with_other_values(self, make_config):
        config = make_config()
        with pytest.raises(Interrupted):
            train(config, "segmentation", stop=StopAfter(0))
        with pytest.raises(TrainingError, match="had batch_size = 8, this one has 4: resume with"):
            train(make_config(batch_size=4), "segmentation", resume=True)
        with pytest.raises(TrainingError, match=r"in phase segmentation, which --phase \(con"):
            train(config, "contrastive", resume=True)

    def test_resume_and_pretrained(self, make_config, tmp_path):
        with pytest.raises(TrainingError, match="leave out --pretrained"):
            train(make_config(), "all", resume=True, pretrained=tmp_path / "any.pth")

    def test_a_missing_checkpoint(self, make_config, tmp_path):
        with pytest.raises(TrainingError, match=r"any\.pth does not exist"):
            train(make_config(), "all", pretrained=tmp_path / "any.pth")

    def test_another_input_mode(self, make_config, tmp_path):
        config = make_config()
        with pytest.raises(Interrupted):
            train(config, "segmentation", stop=StopAfter(0))
        state = config.output_dir / STATE_FILE
        other = make_config(input_mode="rgb", output_dir=str(tmp_path / "other"))
        with pytest.raises(TrainingError, match="input_mode temporal, this run has rgb: set input"):
            train(other, "segmentation", pretrained=state)

    def test_an_unknown_phase(self, make_config):
        with pytest.raises(TrainingError, match="no phase 'third'; choose one of contrastive"):
            train(make_config(), "third")

    def test_events_without_labels(self, make_config, tmp_path):
        from tests.training.bursts import write_camera

        config = make_config(
            data_dir=str(write_camera(tmp_path / "gate", 6)), teacher={"drawn_seeds": 0}
        )
        with pytest.raises(TrainingError, match="Phase relevance: there is no labelled region"):
            train(config, "relevance")

    def test_events_without_motion(self, make_config, tmp_path):
        from tests.training.bursts import write_still_event

        write_still_event(tmp_path / "gate" / "e0")
        with pytest.raises(TrainingError, match=r"None of the 1 events of .*gate can be used"):
            train(make_config(data_dir=str(tmp_path / "gate")), "contrastive")

    def test_a_folder_that_cannot_be_made(self, make_config, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(TrainingError, match=r"output folder .* cannot be written"):
            train(make_config(output_dir=str(tmp_path / "file" / "output")), "contrastive")

    def test_cuda_where_there_is_none(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(TrainingError, match="torch finds no CUDA here; give --device cpu"):
            choose_device("cuda")
        assert choose_device(None).type == "cpu"
