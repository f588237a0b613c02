"""What the teacher makes of events in which the rules decided and nobody looked for objects."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.watched import Watched, garden_model, history, learned_memory
from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.observed_events import assess_events
from veroallarme_core.adaptation.teacher import TaughtRegions


def observed(event: Watched, detector: str, score: float) -> ObservedEvent:
    regions = tuple(replace(region, object_score=score) for region in event.evidence.regions)
    evidence = replace(event.evidence, regions=regions, detector=detector)
    source = EventFolder(event.event_id, Path(event.event_id), event.at)
    return ObservedEvent(source, evidence, True, np.ones(len(regions), np.bool_))


def test_an_event_in_which_nobody_looked_ranks_by_its_history() -> None:
    memory = learned_memory()
    model = replace(garden_model(memory), detector="nanodet-1")
    looked = [observed(event, "nanodet-1", 0.25) for event in history()[:3]]
    decided = [observed(event, "", np.nan) for event in history()[:3]]
    assess_events(memory, [*looked, *decided])
    ranks = TaughtRegions.of([*looked, *decided], {}).event_ranks(model)
    assert np.isfinite(ranks).all()
    here = [model.rank_here(event.assessed, event.source.event_id).max() for event in decided]
    assert ranks[3:].tolist() == here
    both = [model.rank(event.assessed, event.source.event_id).max() for event in looked]
    assert ranks[:3].tolist() == both
