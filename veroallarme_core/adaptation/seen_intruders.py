"""What was seen of a camera's intruders, kept on disk from one adaptation to the next.

To draw an intruder and to look at it takes a tenth of a second and more, to judge it by what was
seen of it a hundredth of that. The file may be deleted at any time: all are then drawn anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.intruders import Cast, Intruder, Sight, open_look
from veroallarme_core.adaptation.kept_file import read_kept
from veroallarme_core.adaptation.observed_event import MOST_SPRITE_PX
from veroallarme_core.adaptation.packed_evidence import (
    pack_regions,
    pack_sprites,
    read,
    sprite_facts,
    unpack_regions,
    unpack_sprites,
    written,
)
from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory import Arrays, write_state
from veroallarme_core.contract import State
from veroallarme_core.description import CELL_CHANNELS, BurstEvidence, Light, RegionEvidence
from veroallarme_core.judgement import BurstJudgement
from veroallarme_core.pipeline import JudgedBurst

_LOGGER = logging.getLogger(__name__)

INTRUDERS_FILE = "seen_intruders.npz"
KIND, FORMAT_VERSION = "seen intruders", 1
MOST_BYTES = 60_000_000
"""Of what is described in all intruders; half as much on disk, where what they share is kept once.
A yard takes 46 MB; before a windy field 6 % of them are left out and looked at each night."""

_COMPARED_AT_ONCE = 50_000  # cells: those of a hundred intruders, over twenty bursts
_PLACES = "places_{}"
_NO_FEATURES = np.zeros((0, 0, 0, CELL_CHANNELS), np.float32)


def read_intruders(
    path: Path, conditions: Mapping[str, Any], encoder: str, events: Sequence[EventFolder]
) -> list[Intruder]:
    """Read who appeared before, over those events that are still there.

    Args:
        path: of the file.
        conditions: under which intruders are drawn and looked at now, JSON-serialisable.
        encoder: name of the encoder.
        events: that are there now.

    Returns:
        The intruders; none where there is no such file, it is damaged, or it was written under
        other conditions.
    """

    there = {event.event_id: event for event in events}
    intruders = read_kept(
        path,
        KIND,
        FORMAT_VERSION,
        encoder,
        conditions,
        lambda facts, arrays: _unpack(facts, arrays, there),
        "all intruders are drawn anew",
    )
    return intruders or []


def write_intruders(
    path: Path, conditions: Mapping[str, Any], encoder: str, intruders: Sequence[Intruder]
) -> None:
    """Write in one step what was seen of intruders; arguments as for `read_intruders`.

    A disk that is full costs the next adaptation time, and nothing else.
    """
    facts, arrays = _pack(_within_bounds(_of_latest_casts(intruders)))
    facts |= {"encoder": encoder, "conditions": dict(conditions)}
    try:
        write_state(path, KIND, FORMAT_VERSION, facts, arrays)
    except OSError as error:
        _LOGGER.warning("%s cannot be written: %s", path, error.strerror)


def _of_latest_casts(intruders: Sequence[Intruder]) -> list[Intruder]:
    """Leave out the oldest where the movers of all casts together take too much."""
    kept: dict[Cast, bool] = {}
    movers: dict[tuple[object, ...], int] = {}
    for intruder in sorted(intruders, key=lambda intruder: -intruder.number):
        cast = intruder.cast
        if cast not in kept:
            movers |= {_identity(sprite): sprite.alpha.size for sprite in cast.sprites}
            kept[cast] = sum(movers.values()) <= 2 * MOST_SPRITE_PX
    return [intruder for intruder in intruders if kept[intruder.cast]]


def _within_bounds(intruders: Sequence[Intruder]) -> list[Intruder]:
    """Leave out what takes most where all together takes too much: it is looked at again."""
    sizes = [0 if of.sight is None else of.sight.nbytes for of in intruders]
    order = np.argsort(sizes, kind="stable")
    fits = np.empty(len(sizes), np.bool_)
    fits[order] = np.cumsum(np.array(sizes)[order]) <= MOST_BYTES
    return [
        intruder if is_kept else replace(intruder, sight=None)
        for intruder, is_kept in zip(intruders, fits, strict=True)
    ]


def _identity(sprite: Sprite) -> tuple[object, ...]:
    """Recognise a mover that was read from two files."""
    return sprite.kind, sprite.is_grey, sprite.foot, sprite.alpha.shape, sprite.light.tobytes()


# --- the file -----------------------------------------------------------------------------------


def _pack(intruders: Sequence[Intruder]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    casts = list(dict.fromkeys(intruder.cast for intruder in intruders))
    numbers = {cast: number for number, cast in enumerate(casts)}
    sprites = {_identity(sprite): sprite for cast in casts for sprite in cast.sprites}
    positions = {identity: position for position, identity in enumerate(sprites)}
    described = [_described(intruder.sight) for intruder in intruders]
    facts = {
        "casts": [
            {
                "sprites": [positions[_identity(sprite)] for sprite in cast.sprites],
                "perspective": None if cast.perspective is None else vars(cast.perspective),
                "places": cast.places is not None,
            }
            for cast in casts
        ],
        "sprites": [sprite_facts(sprite) for sprite in sprites.values()],
        "lights": [region.light.name for regions in described for region in regions],
        "intruders": [
            {
                "number": intruder.number,
                "event": intruder.source.event_id,
                "cast": numbers[intruder.cast],
                "regions": len(regions),
                "sight": None if intruder.sight is None else _sight_facts(intruder.sight, regions),
            }
            for intruder, regions in zip(intruders, described, strict=True)
        ],
    }
    arrays = pack_regions([region for regions in described for region in regions])
    arrays["features"], arrays["feature_of"] = _once(arrays["features"])
    arrays |= pack_sprites(list(sprites.values()))
    arrays |= {
        _PLACES.format(number): cast.places
        for number, cast in enumerate(casts)
        if cast.places is not None
    }
    return facts, arrays


def _once(features: NDArray[np.float16]) -> tuple[NDArray[np.float16], NDArray[np.int32]]:
    """Keep what intruders over one burst have in common once: the cells that show none of them.

    Returns:
        What cells look like, one after the other, and which of them each is.
    """
    cells = features.view(np.dtype((np.void, 2 * CELL_CHANNELS)))
    different, which, count = [cells[:0]], [np.zeros(0, np.int32)], 0
    # What is compared at once is copied and sorted: in parts, that takes no memory to speak of.
    for start in range(0, len(cells), _COMPARED_AT_ONCE):
        found, of = np.unique(cells[start : start + _COMPARED_AT_ONCE], return_inverse=True)
        different.append(found)
        which.append((count + of).astype(np.int32))
        count += len(found)
    return np.concatenate(different).view(np.float16), np.concatenate(which)


def _described(sight: Sight | None) -> list[RegionEvidence]:
    """Return each region once: looks differ in what the detector said of it alone."""
    looks = () if sight is None else sight.looks
    regions = [
        region for look in looks if look.evidence is not None for region in look.evidence.regions
    ]
    return list({region.region: region for region in regions}.values())


def _sight_facts(sight: Sight, regions: Sequence[RegionEvidence]) -> dict[str, Any]:
    positions = {seen.region: position for position, seen in enumerate(regions)}
    return {
        "is_quick": sight.is_quick,
        "is_seen": sight.is_seen,
        "height_px": sight.height_px,
        "looks": [
            {"state": look.judgement.state.value, "score": look.judgement.score}
            if look.evidence is None
            else {
                "light": look.evidence.light.name,
                "grid": look.evidence.grid,
                "detector": look.evidence.detector,
                "regions": [positions[seen.region] for seen in look.evidence.regions],
                "scores": [
                    (written(seen.object_score), written(seen.person_score))
                    for seen in look.evidence.regions
                ],
            }
            for look in sight.looks
        ],
    }


def _unpack(
    facts: Mapping[str, Any], arrays: Arrays, there: Mapping[str, EventFolder]
) -> list[Intruder]:
    sprites = unpack_sprites(facts["sprites"], arrays)
    casts = [
        Cast(
            tuple(sprites[position] for position in cast["sprites"]),
            None if cast["perspective"] is None else Perspective(**cast["perspective"]),
            arrays[_PLACES.format(number)] if cast["places"] else None,
        )
        for number, cast in enumerate(facts["casts"])
    ]
    cells = arrays["features"].reshape(-1, CELL_CHANNELS)[arrays["feature_of"]]
    arrays = {**arrays, "features": cells.ravel()}
    regions = iter(unpack_regions(arrays, [Light[name] for name in facts["lights"]]))
    found = []
    for intruder in facts["intruders"]:
        own = list(islice(regions, intruder["regions"]))
        source, sight = there.get(intruder["event"]), intruder["sight"]
        if source is not None:
            seen = None if sight is None else _sight(sight, own)
            found.append(Intruder(int(intruder["number"]), source, casts[intruder["cast"]], seen))
    return found


def _sight(facts: Mapping[str, Any], regions: Sequence[RegionEvidence]) -> Sight:
    return Sight(
        tuple(_look(look, regions) for look in facts["looks"]),
        bool(facts["is_quick"]),
        bool(facts["is_seen"]),
        int(facts["height_px"]),
    )


def _look(facts: Mapping[str, Any], regions: Sequence[RegionEvidence]) -> JudgedBurst:
    if "state" in facts:
        score = None if facts["score"] is None else float(facts["score"])
        return JudgedBurst(BurstJudgement(State(facts["state"]), score), None)
    rows, columns = facts["grid"]
    seen = tuple(
        replace(
            regions[position], object_score=read(float(of_any)), person_score=read(float(of_person))
        )
        for position, (of_any, of_person) in zip(facts["regions"], facts["scores"], strict=True)
    )
    return open_look(
        BurstEvidence(
            light=Light[facts["light"]],
            features=_NO_FEATURES,
            intact=np.zeros((0, rows, columns), np.bool_),
            moved=np.zeros((rows, columns), np.bool_),
            regions=seen,
            detector=str(facts["detector"]),
        )
    )
