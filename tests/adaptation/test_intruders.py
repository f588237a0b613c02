"""Who appears tonight: who stays, who is new, and over which bursts."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.watched import history, person_over_the_tree
from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.intruders import (
    RENEWED_SHARE,
    Cast,
    Intruder,
    Sight,
    bare,
    choose_intruders,
)
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.contract import State
from veroallarme_core.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.pipeline import JudgedBurst

OPTIONS = AdaptationOptions(intruders=60)
GROUND = Perspective(slope=0.5, horizon=0.1, spread=0.2)


def sources(*numbers: int) -> list[ObservedEvent]:
    """Return undamaged events of these numbers."""
    evidence = history()[0].evidence
    return [
        ObservedEvent(
            EventFolder(f"event{number}", Path(f"event{number}"), float(number)),
            evidence,
            is_whole=True,
            counts=np.zeros(0, np.bool_),
        )
        for number in numbers
    ]


def nights(*events: Sequence[ObservedEvent], cast: Cast | None = None) -> list[list[Intruder]]:
    """Return who appears in some nights with these sources."""
    found: list[list[Intruder]] = []
    for there in events:
        before = found[-1] if found else []
        found.append(choose_intruders(before, there, cast or Cast(), OPTIONS))
    return found


def over(intruders: Sequence[Intruder]) -> Counter[str]:
    return Counter(intruder.source.event_id for intruder in intruders)


def numbers(intruders: Sequence[Intruder]) -> set[int]:
    return {intruder.number for intruder in intruders}


def test_at_first_all_sources_have_as_many_and_theirs_come_together() -> None:
    (found,) = nights(sources(*range(13)))
    assert [intruder.number for intruder in found] == list(range(60))
    assert set(over(found).values()) == {4, 5}
    of = [intruder.source.event_id for intruder in found]
    assert 1 + sum(one != other for one, other in itertools.pairwise(of)) == 13


def test_without_a_source_nobody_appears() -> None:
    assert choose_intruders([], [], Cast(), OPTIONS) == []


def test_most_stay_and_the_oldest_leave() -> None:
    same = sources(*range(12))
    found = nights(*[same] * 8)
    assert [len(intruders) for intruders in found] == [60] * 8
    for before, after in itertools.pairwise(found):
        stayed, new = numbers(before) & numbers(after), numbers(after) - numbers(before)
        assert len(new) == RENEWED_SHARE * 60
        assert stayed == set(sorted(numbers(before))[15:]), "the oldest leave"
        assert min(new) > max(numbers(before)), "a number is the same intruder for ever"
        assert set(over(after).values()) == {5}
    assert not numbers(found[0]) & numbers(found[4])


def test_new_bursts_get_their_share_and_lost_ones_lose_theirs() -> None:
    _, grown, shrunk, other = nights(
        sources(*range(12)), sources(*range(15)), sources(*range(4, 15)), sources(*range(20, 30))
    )
    assert set(over(grown)) == {f"event{number}" for number in range(15)}
    assert set(over(grown).values()) == {4}
    assert set(over(shrunk)) == {f"event{number}" for number in range(4, 15)}
    assert set(over(shrunk).values()) == {5, 6}
    assert not numbers(shrunk) & numbers(other)
    assert set(over(other).values()) == {6}


def test_a_source_is_where_it_lies_now() -> None:
    moved = sources(*range(12))
    for event in moved:
        event.source = replace(event.source, folder=Path("elsewhere"))
    _, after = nights(sources(*range(12)), moved)
    assert {intruder.source.folder for intruder in after} == {Path("elsewhere")}


def test_who_is_new_is_of_the_cast_of_tonight() -> None:
    first, second = Cast(), Cast()
    before = choose_intruders([], sources(*range(12)), first, OPTIONS)
    after = choose_intruders(before, sources(*range(12)), second, OPTIONS)
    assert {intruder.cast for intruder in after if intruder.number < 60} == {first}
    assert {intruder.cast for intruder in after if intruder.number >= 60} == {second}


def test_once_it_is_known_how_tall_people_are_all_are_new() -> None:
    there = sources(*range(12))
    before = choose_intruders([], there, Cast(), OPTIONS)
    known = choose_intruders(before, there, Cast(perspective=GROUND), OPTIONS)
    assert not numbers(before) & numbers(known)
    other = replace(GROUND, slope=0.6)
    after = choose_intruders(known, there, Cast(perspective=other), OPTIONS)
    assert len(numbers(known) & numbers(after)) == 45


def test_the_same_history_has_the_same_intruders() -> None:
    def drawn(seed: int) -> list[tuple[int, str]]:
        there, options = sources(*range(13)), replace(OPTIONS, seed=seed)
        before = choose_intruders([], there, Cast(), options)
        after = choose_intruders(before[::-1], there, Cast(), options)
        return [(intruder.number, intruder.source.event_id) for intruder in after]

    assert drawn(1) == drawn(1) != drawn(2)


def test_fewer_are_wanted() -> None:
    before = choose_intruders([], sources(*range(12)), Cast(), OPTIONS)
    few = choose_intruders(before, sources(*range(12)), Cast(), replace(OPTIONS, intruders=8))
    assert len(few) == 8
    assert len(numbers(before) & numbers(few)) == 6


# --- what is kept of a look ---------------------------------------------------------------------


def look(**more: Any) -> JudgedBurst:
    """Return a look at a person, in which all is undecided."""
    evidence = replace(person_over_the_tree().evidence, detector="nanodet")
    regions = tuple(RegionJudgement(seen.region, 0.7) for seen in evidence.regions)
    judgement = BurstJudgement(State.UNKNOWN, None, "faint", regions=regions, is_open=True)
    return JudgedBurst(replace(judgement, **more), evidence)


def test_of_a_look_the_regions_are_kept_and_no_frame() -> None:
    kept = bare(look(), "nanodet")
    assert kept is not None
    assert kept.evidence is not None
    assert len(kept.evidence.features) == len(kept.evidence.intact) == 0
    assert kept.evidence.regions == look().evidence.regions  # type: ignore[union-attr]
    assert [region.region for region in kept.judgement.undecided] == [
        region.region for region in look().judgement.undecided
    ]
    sight = Sight((kept, kept))
    assert sight.nbytes == Sight((kept,)).nbytes > 1000


@pytest.mark.parametrize("state", [State.RELEVANT, State.IRRELEVANT])
def test_of_what_is_decided_only_that_is_kept(state: State) -> None:
    kept = bare(look(is_open=False, state=state, score=0.25), "nanodet")
    assert kept is not None
    assert (kept.judgement.state, kept.judgement.score, kept.evidence) == (state, 0.25, None)


def test_what_nobody_looked_at_raises_the_alarm_ever_after() -> None:
    more = RegionJudgement(replace(history()[0].evidence.regions[0].region, x=1))
    judgement = look().judgement
    kept = bare(look(regions=(*judgement.regions, more)), "nanodet")
    assert kept is not None
    assert (kept.judgement.state, kept.judgement.is_open) == (State.RELEVANT, False)


def test_where_a_network_failed_nothing_is_kept() -> None:
    assert bare(look(), "another") is None
    assert bare(replace(look(), evidence=None), "nanodet") is None
