"""What a run learns from: events of the data folder and drawn scenes, split, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veroallarme_training.config import TrainingConfig
from veroallarme_training.drawn_events import draw_event_folders, label_drawn, split_by_seed
from veroallarme_training.errors import TrainingError
from veroallarme_training.indexed_events import IndexedData, Watch, find_indexed_events
from veroallarme_training.motion_cache import MotionCache
from veroallarme_training.moving_events import (
    JoinedEvents,
    MovingEvent,
    MovingEvents,
    find_motion,
)
from veroallarme_training.recurrence import label_by_recurrence
from veroallarme_training.region_labels import RegionLabel, RegionLabels, count_labels, read_labels


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The events and labels of one run."""

    training: MovingEvents
    validation: MovingEvents
    labels: RegionLabels
    """Labels of both parts, where something is known."""
    notes: tuple[str, ...]
    """What was found, one sentence each, for the user."""


_IN_MEMORY = 4096
"""Events whose motion a process keeps in memory: some 20 MB, however many events there are."""


def load_training_data(
    config: TrainingConfig,
    *,
    with_labels: bool = True,
    renew: bool = True,
    watch: Watch = lambda items, _: items,
) -> TrainingData:
    """Find the events of a run, what moved in them, and what is known of it.

    Args:
        config: the configuration.
        with_labels: whether to ask the teachers.
        renew: whether to look at the data folder. False takes its index as another process of
            this run left it.
        watch: wraps what is gone through, for a progress bar.

    Raises:
        EventsError: the data folder holds no event, or nothing moved in any.
        LabelsError: the labels file is wrong.
    """
    cache = MotionCache(None, config.cache_folder / "motion", max_in_memory=_IN_MEMORY)
    real = _real_events(config, cache, renew, watch)
    drawn_events = draw_event_folders(
        config.cache_folder / "drawn",
        config.teacher.drawn_seeds,
        config.teacher.drawn_size,
        lambda seeds: watch(seeds, "drawing scenes"),
    )
    drawn = find_motion(drawn_events, cache, lambda events: watch(events, "finding motion"))
    seen, unseen = split_by_seed(drawn_events, config.train_split)
    training = real.early.joined(drawn.only(seen))
    validation = real.late.joined(drawn.only(unseen))
    notes = [
        *real.notes,
        f"Training on {training}.",
        f"Validating on {len(validation.events):,} events.",
    ]
    labels: dict[tuple[str, int], RegionLabel] = {}
    if with_labels:
        own = JoinedEvents(real.early.events, real.late.events)
        labels = _labels(config, own, drawn.events)
        _drop_guesses(labels, validation)
        notes.append(f"Labels: {count_labels(labels)}.")
    return TrainingData(training, validation, labels, tuple(notes))


def _real_events(
    config: TrainingConfig, cache: MotionCache, renew: bool, watch: Watch
) -> IndexedData:
    """Find the moving events of the data folder, if there is one."""
    if config.data_dir is None:
        return IndexedData(MovingEvents(()), MovingEvents(()), 0)
    real = find_indexed_events(
        config.data_dir,
        config.cache_folder,
        cache,
        train_split=config.train_split,
        max_sequences=config.max_sequences,
        renew=renew,
        watch=watch,
    )
    if not len(real.early.events) + len(real.late.events):
        raise TrainingError(
            f"None of the {real.event_count:,} events of {config.data_dir} can be used: "
            f"{real.early}."
        )
    return real


def _labels(
    config: TrainingConfig, own: Sequence[MovingEvent], drawn: Sequence[MovingEvent]
) -> dict[tuple[str, int], RegionLabel]:
    """Ask every teacher; the surer one wins."""
    labels = label_by_recurrence(own, config.teacher) if config.teacher.use_recurrence else {}
    if config.teacher.labels_file is not None:
        labels.update(read_labels(config.teacher.labels_file, own))
    labels.update(label_drawn(JoinedEvents(own, drawn)))
    return labels


def _drop_guesses(labels: dict[tuple[str, int], RegionLabel], validation: MovingEvents) -> None:
    """Validate on what is known for certain, unless there is nothing but guesses."""
    keys = [
        key
        for moving in validation.events
        for region in range(moving.region_count)
        if (key := (moving.event.name, region)) in labels
    ]
    guesses = [key for key in keys if labels[key].source == "recurrence"]
    if len(guesses) < len(keys):
        for key in guesses:
            del labels[key]
