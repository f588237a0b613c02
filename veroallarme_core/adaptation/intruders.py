"""Who appears in a camera's bursts: most of who appeared last night, and some who are new.

An intruder is drawn from its number, its source's pictures and its cast alone, so that it can be
drawn again. What is seen of it depends on no memory and no model: it is looked at once, and judged
each night by what the camera knows by then.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.contract import State
from veroallarme_core.description import BurstEvidence
from veroallarme_core.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.pipeline import JudgedBurst

RENEWED_SHARE = 0.25
"""Share of the intruders that are new each night, at least: they go where motion recurs by now, and
show the movers that the camera has shown since. After four nights nobody is left."""


@dataclass(frozen=True, eq=False)
class Cast:
    """Who may appear, and where: what one night knew of its camera."""

    sprites: tuple[Sprite, ...] = ()
    """The camera's own movers."""
    perspective: Perspective | None = None
    """How tall people are where; None where the camera has not shown it."""
    places: NDArray[np.float32] | None = None
    """(rows, columns): in which share of the events motion recurs; None where nobody knows."""

    @classmethod
    def of(cls, known: Sequence[ObservedEvent], places: NDArray[np.float32]) -> Cast:
        """Take it from a history, and from where its motion recurs."""
        sprites = tuple(sprite for event in known for sprite in event.sprites)
        sightings = [person for event in known for person in event.sightings]
        return cls(sprites, Perspective.of(sightings), places)


@dataclass(frozen=True, eq=False)
class Sight:
    """What was seen of an intruder, whatever the camera knows."""

    looks: tuple[JudgedBurst, ...] = ()
    """One or two, as `JudgedBurst.looks`; none where it had no place at which it could be seen."""
    is_quick: bool = False
    """Whether the detector was left out."""
    is_seen: bool = False
    """Whether Stage 1 found a region on it."""
    height_px: int = 0
    """Of its tallest box."""

    @property
    def nbytes(self) -> int:
        """Bytes of what is described in it."""
        described = {
            region.region: region
            for look in self.looks
            if look.evidence is not None
            for region in look.evidence.regions
        }
        return sum(
            region.features.nbytes + region.intact.nbytes + region.sketch.nbytes
            for region in described.values()
        )


@dataclass(frozen=True, eq=False)
class Intruder:
    """Somebody who appears in a burst; the same number is the same intruder."""

    number: int
    source: EventFolder
    cast: Cast
    sight: Sight | None = None
    """None where it is yet to be looked at."""

    @property
    def is_hidden(self) -> bool:
        """Whether it is known that it had no place at which it could be seen."""
        return self.sight is not None and not self.sight.looks


def choose_intruders(
    known: Sequence[Intruder],
    sources: Sequence[ObservedEvent],
    cast: Cast,
    options: AdaptationOptions,
) -> list[Intruder]:
    """Choose who appears tonight.

    All sources have as many intruders, give or take one. That is as good as to draw a source for
    each: of counts with the same mean the binomial one varies most (Hoeffding 1956,
    https://doi.org/10.1214/aoms/1177728178), and the promise assumes it. Who stays is chosen by
    age alone, never by rank.

    Args:
        known: who appeared before, in any order.
        sources: the bursts in which somebody may appear now.
        cast: of those who are new.
        options: how to learn.
    """
    if not sources:
        return []
    folders = {event.source.event_id: event.source for event in sources}
    most_over_one = -(-options.intruders // len(sources))
    most_staying = int((1.0 - RENEWED_SHARE) * options.intruders)
    over = Counter[str]()
    chosen: list[Intruder] = []
    for intruder in sorted(known, key=lambda intruder: -intruder.number):
        event_id = intruder.source.event_id
        # Who was drawn before it was known how tall people are is another kind of intruder.
        is_like_now = (intruder.cast.perspective is None) == (cast.perspective is None)
        is_place_left = over[event_id] < most_over_one and len(chosen) < most_staying
        if event_id in folders and is_like_now and is_place_left:
            over[event_id] += 1
            chosen.append(replace(intruder, source=folders[event_id]))
    first = 1 + max((intruder.number for intruder in known), default=-1)
    order = np.random.default_rng([options.seed, first]).permutation(len(sources)).tolist()
    fewest = [(over[sources[index].source.event_id], place) for place, index in enumerate(order)]
    heapq.heapify(fewest)
    new = []
    for _ in range(options.intruders - len(chosen)):
        count, place = fewest[0]
        heapq.heapreplace(fewest, (count + 1, place))
        new.append(place)
    # Those over one burst have numbers in a row: they are looked at together, and leave together.
    chosen += [
        Intruder(number, sources[order[place]].source, cast)
        for number, place in enumerate(sorted(new), first)
    ]
    return chosen


def bare(look: JudgedBurst, detector: str) -> JudgedBurst | None:
    """Return of a look all by which a memory judges it, and nothing else.

    Args:
        look: at a burst, without a memory.
        detector: name of the one that ought to have looked.

    Returns:
        None where a network failed: what is not known is not to be kept.
    """
    judgement, evidence = look.judgement, look.evidence
    if not judgement.is_open:  # no memory has a say
        return JudgedBurst(BurstJudgement(judgement.state, judgement.score), None)
    if evidence is None or evidence.detector != detector:
        return None
    if len(evidence.regions) < len(judgement.undecided):
        # What there was no time to look at raises the alarm, whatever else is known.
        return JudgedBurst(BurstJudgement(State.RELEVANT, 1.0), None)
    nowhere = np.zeros(evidence.grid, np.bool_)
    return open_look(replace(evidence.without_frames(), moved=nowhere))


def open_look(evidence: BurstEvidence) -> JudgedBurst:
    """Return the look at a burst in which a memory is to judge all regions that are described."""
    regions = tuple(RegionJudgement(seen.region) for seen in evidence.regions)
    return JudgedBurst(BurstJudgement(State.RELEVANT, 1.0, regions=regions, is_open=True), evidence)
