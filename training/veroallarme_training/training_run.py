"""A whole run: its folder, its network, its phases one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from veroallarme_core.inference import ModelError
from veroallarme_core.relevance_mask import (
    ModelMeta,
    RelevanceMaskModel,
    load_weights,
    read_checkpoint,
)
from veroallarme_training.config import TrainingConfig, from_dict, save_config
from veroallarme_training.errors import TrainingError
from veroallarme_training.phase_run import STATE_FILE, PhaseRun
from veroallarme_training.phases import PHASES, Phase, make_phase
from veroallarme_training.ranks import Ranks, joined
from veroallarme_training.reporting import Reporter
from veroallarme_training.stop_signal import StopSignal
from veroallarme_training.training_data import TrainingData, load_training_data

CONFIG_FILE = "training_config.yaml"

_FREE_TO_CHANGE = frozenset(
    {"output_dir", "log_dir", "cache_dir", "num_workers", "save_every", "device", "logging"}
)
"""Keys that a resumed run may change: they do not touch what is learned."""


def train(
    config: TrainingConfig,
    phase: str = "all",
    *,
    pretrained: Path | None = None,
    resume: bool = False,
    stop: StopSignal | None = None,
    quiet: bool = False,
) -> Path:
    """Run one or more phases, and return the file of the last one's best weights.

    Args:
        config: the configuration.
        phase: a key of `PHASES`.
        pretrained: a checkpoint of any mode to start from.
        resume: go on from the state in the output folder.
        stop: asked after every step; None never stops.
        quiet: write the files only.

    Raises:
        TrainingError: the run cannot start or go on; the sentence says what to do.
        Interrupted: it was stopped, and its state saved.
    """
    if resume and pretrained is not None:
        raise TrainingError(
            "--resume goes on with the weights of the stopped run; leave out --pretrained, or "
            "--resume to start a new run from it."
        )
    device = choose_device(config.device)
    with joined(device) as ranks:
        if device.type == "cuda":
            device = torch.device("cuda", ranks.local_rank)
            torch.backends.cudnn.deterministic = True
        reporter = Reporter(
            config.output_dir,
            config.log_dir if config.logging.tensorboard else None,
            is_main=ranks.is_main and not quiet,
        )
        try:
            return _Run(config, phase, ranks, device, reporter, stop or StopSignal()).run(
                pretrained, resume
            )
        except ModelError as error:
            raise TrainingError(str(error)) from error


def choose_device(name: str | None) -> torch.device:
    """Return the device to compute on; None takes CUDA where there is one.

    Raises:
        TrainingError: CUDA was asked for and is not there.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise TrainingError(
            "device is cuda, but torch finds no CUDA here; give --device cpu, or install NVIDIA's "
            "driver and a torch built for CUDA."
        )
    return torch.device(name or ("cuda" if has_cuda else "cpu"))


class _Run:
    """What the phases of a run share."""

    def __init__(
        self,
        config: TrainingConfig,
        phase: str,
        ranks: Ranks,
        device: torch.device,
        reporter: Reporter,
        stop: StopSignal,
    ) -> None:
        if phase not in PHASES:
            raise TrainingError(f"There is no phase {phase!r}; choose one of {', '.join(PHASES)}.")
        self.config = config
        self.names = PHASES[phase]
        self.ranks = ranks
        self.device = device
        self.reporter = reporter
        self.stop = stop

    def run(self, pretrained: Path | None, resume: bool) -> Path:
        saved = self._saved() if resume else None
        weights = read_checkpoint(pretrained) if pretrained is not None else None
        self._prepare_folder()
        count = "" if self.ranks.is_alone else f" in {self.ranks.world_size} processes"
        self.reporter.say(f"Computing on {self.device}{count}.")
        data = self._data()
        result = self.config.output_dir / STATE_FILE
        for number, name in enumerate(self.names):
            if saved is not None and name != saved["training"]["phase"]:
                continue
            # The same start in every process, whatever ran before.
            torch.manual_seed(self.config.seed + number)
            phase = make_phase(name, self.config, data, self.ranks, self.device)
            model = self._model(phase, weights if saved is None else saved)
            training = None if saved is None else saved["training"]
            run = PhaseRun(phase, model, self.reporter, self.stop, training)
            result = run.run()
            saved, weights = None, read_checkpoint(result)
            self.reporter.say(f"Phase {name} is done: {result}")
        return result

    def _prepare_folder(self) -> None:
        try:
            self.config.output_dir.mkdir(parents=True, exist_ok=True)
            if self.ranks.is_main:
                save_config(self.config, self.config.output_dir / CONFIG_FILE)
        except OSError as error:
            raise TrainingError(
                f"The output folder {self.config.output_dir} cannot be written: {error.strerror}."
            ) from None

    def _data(self) -> TrainingData:
        """Find the events; the first process looks, the others then find its results on disk."""
        with_labels = any(name != "contrastive" for name in self.names)

        def load() -> TrainingData:
            return load_training_data(
                self.config,
                with_labels=with_labels,
                renew=self.ranks.is_main,
                watch=self.reporter.watch,
            )

        data = load() if self.ranks.is_main else None
        self.ranks.wait()
        data = data or load()
        for note in data.notes:
            self.reporter.say(note)
        return data

    def _model(self, phase: Phase, weights: dict[str, Any] | None) -> RelevanceMaskModel:
        """Build the network of a phase, with what fits of the weights that are there."""
        config = self.config
        if weights is not None:
            meta = ModelMeta.from_dict(weights["meta"], "the checkpoint")
            if meta.input_mode != config.input_mode:
                raise TrainingError(
                    f"The checkpoint was trained with input_mode {meta.input_mode}, this run has "
                    f"{config.input_mode}: set input_mode to {meta.input_mode}."
                )
        model = RelevanceMaskModel(
            mode=phase.mode,
            feature_dim=config.feature_dim,
            num_classes=config.num_classes,
            pretrained_backbone=config.pretrained_backbone if weights is None else False,
            input_mode=config.input_mode.value,
        )
        if weights is not None:
            report = load_weights(model, weights)
            if "training" not in weights:
                self.reporter.say(f"{report}")
        return model.to(self.device)

    def _saved(self) -> dict[str, Any]:
        """Read the state of the stopped run, and check that this one continues it."""
        path = self.config.output_dir / STATE_FILE
        if not path.is_file():
            raise TrainingError(
                f"There is no stopped run to resume: {path} does not exist; give the --output-dir "
                "of that run, or start without --resume."
            )
        saved = read_checkpoint(path)
        training = saved.get("training")
        if not isinstance(training, dict) or training.get("phase") not in self.names:
            phases = ", ".join(self.names)
            found = training.get("phase") if isinstance(training, dict) else None
            raise TrainingError(
                f"{path} was saved in phase {found}, which --phase ({phases}) does not hold; give "
                "the phase that the run was started with."
            )
        before = from_dict(saved["config"], str(path)).to_dict()
        now = self.config.to_dict()
        changed = [k for k in now if now[k] != before[k] and k not in _FREE_TO_CHANGE]
        if changed:
            key = changed[0]
            raise TrainingError(
                f"The stopped run had {key} = {before[key]!r}, this one has {now[key]!r}: resume "
                "with the same value, or start a new run without --resume."
            )
        return saved
