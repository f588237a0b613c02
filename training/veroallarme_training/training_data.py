"""What a run learns from: events of the data folder and drawn scenes, split, with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from veroallarme_training.config import TrainingConfig
from veroallarme_training.drawn_events import draw_event_folders, label_drawn, split_by_seed
from veroallarme_training.errors import TrainingError
from veroallarme_training.events import Event, find_events, split_by_time
from veroallarme_training.motion_cache import MotionCache
from veroallarme_training.moving_events import MovingEvents, find_motion
from veroallarme_training.recurrence import label_by_recurrence
from veroallarme_training.region_labels import RegionLabel, RegionLabels, count_labels, read_labels

Watch: TypeAlias = Callable[[Iterable[Any], str], Iterable[Any]]
"""Wraps what is gone through, for a progress bar; the text says what is being done."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The events and labels of one run."""

    training: MovingEvents
    validation: MovingEvents
    labels: RegionLabels
    """Labels of both parts, where something is known."""
    notes: tuple[str, ...]
    """What was found, one sentence each, for the user."""


def load_training_data(
    config: TrainingConfig, *, with_labels: bool = True, watch: Watch = lambda items, _: items
) -> TrainingData:
    """Find the events of a run, what moved in them, and what is known of it.

    Raises:
        EventsError: the data folder holds no event, or nothing moved in any.
        LabelsError: the labels file is wrong.
    """
    real = find_events(config.data_dir, config.max_sequences) if config.data_dir else ()
    drawn = draw_event_folders(
        config.cache_folder / "drawn",
        config.teacher.drawn_seeds,
        config.teacher.drawn_size,
        lambda seeds: watch(seeds, "drawing scenes"),
    )
    cache = MotionCache(None, config.cache_folder / "motion")
    found = find_motion([*real, *drawn], cache, lambda events: watch(events, "finding motion"))
    if not found.only(real).events and config.data_dir is not None:
        raise TrainingError(
            f"None of the {len(real):,} events of {config.data_dir} can be used: {found}."
        )
    early, late = split_by_time(real, config.train_split)
    seen, unseen = split_by_seed(drawn, config.train_split)
    training, validation = found.only([*early, *seen]), found.only([*late, *unseen])
    notes = [f"Training on {training}.", f"Validating on {len(validation.events):,} events."]
    labels: dict[tuple[str, int], RegionLabel] = {}
    if with_labels:
        labels = _labels(config, found, real)
        _drop_guesses(labels, validation)
        notes.append(f"Labels: {count_labels(labels)}.")
    return TrainingData(training, validation, labels, tuple(notes))


def _labels(
    config: TrainingConfig, found: MovingEvents, real: Sequence[Event]
) -> dict[tuple[str, int], RegionLabel]:
    """Ask every teacher; the surer one wins."""
    own = found.only(real).events
    labels = label_by_recurrence(own, config.teacher) if config.teacher.use_recurrence else {}
    if config.teacher.labels_file is not None:
        labels.update(read_labels(config.teacher.labels_file, own))
    labels.update(label_drawn(found.events))
    return labels


def _drop_guesses(labels: dict[tuple[str, int], RegionLabel], validation: MovingEvents) -> None:
    """Validate on what is known for certain, unless there is nothing but guesses."""
    names = {moving.event.name for moving in validation.events}
    keys = [key for key in labels if key[0] in names]
    guesses = [key for key in keys if labels[key].source == "recurrence"]
    if len(guesses) < len(keys):
        for key in guesses:
            del labels[key]
