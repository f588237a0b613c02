"""Those who walk: a person and a cat, as jointed limbs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from veroallarme_core.drawing.perspective import Floats
from veroallarme_core.drawing.shapes import Limb, Point
from veroallarme_core.drawing.surface import paint


@dataclass(frozen=True)
class PersonPose:
    """A person in the middle of a step."""

    x: float
    y: float
    heading_deg: float
    """0 = along x, 90 = away from the camera."""
    stride: float
    """Phase of the walk cycle in radians."""
    coat: str = "#3a5a80"
    trousers: str = "#2b2f38"
    height_m: float = 1.76
    hooded: bool = False


@dataclass(frozen=True)
class CatPose:
    """A cat in the middle of a step."""

    x: float
    y: float
    heading_deg: float
    stride: float
    coat: str = "#c98a4a"
    size: float = 1.0
    """A cat is 1; at about 2 it passes for a dog."""


_LEAN = 0.05
"""How far a walker's shoulders are ahead of the hips, in metres."""
_Pair = tuple[Floats, Floats]
"""Colours of a limb and of what it ends in."""


class _Body:
    """Turns (ahead, left, up) metres of one body into world points."""

    def __init__(self, x: float, y: float, heading_deg: float, scale: float) -> None:
        self.x, self.y, self.scale = x, y, scale
        turn = math.radians(heading_deg)
        self.cos, self.sin = math.cos(turn), math.sin(turn)

    def at(self, ahead: float, left: float, up: float) -> Point:
        ahead, left, up = ahead * self.scale, left * self.scale, up * self.scale
        return (
            self.x + ahead * self.cos - left * self.sin,
            self.y + ahead * self.sin + left * self.cos,
            max(up, 0.02),
        )


def person_limbs(pose: PersonPose) -> list[Limb]:
    """Limbs of a walking person."""
    scale = pose.height_m / 1.76
    body = _Body(pose.x, pose.y, pose.heading_deg, scale)
    coat, trousers = paint(pose.coat), paint(pose.trousers)
    skin, shoes = paint("#d3a283"), paint("#1d1b1a")
    bob = 0.025 * math.cos(2 * pose.stride)
    hip, shoulder = 0.90 + bob, 1.43 + bob
    limbs = []
    for side, phase in ((1.0, pose.stride), (-1.0, pose.stride + math.pi)):
        limbs += _leg(body, side, phase, hip, (trousers, shoes), scale)
        limbs += _arm(body, side, phase + math.pi, shoulder, (coat, skin), scale)
    waist = body.at(0, 0, hip - 0.02), body.at(0, 0, hip + 0.16)
    limbs.append(Limb(*waist, 0.155 * scale, 0.15 * scale, trousers * np.float32(0.9)))
    for side in (0.085, -0.085):
        flank = body.at(0, side * 0.8, hip + 0.05), body.at(_LEAN, side, shoulder - 0.06)
        limbs.append(Limb(*flank, 0.14 * scale, 0.125 * scale, coat, "torso"))
    shoulders = body.at(_LEAN, 0.14, shoulder), body.at(_LEAN, -0.14, shoulder)
    limbs.append(Limb(*shoulders, 0.08 * scale, 0.08 * scale, coat, "torso"))
    return limbs + _head(body, shoulder, coat if pose.hooded else None, scale)


def _head(body: _Body, shoulder: float, hood: Floats | None, scale: float) -> list[Limb]:
    skin, hair = paint("#d3a283"), paint("#3a2a20")
    face, top = (skin, hair) if hood is None else (hood, hood * np.float32(0.8))
    neck = body.at(_LEAN, 0, shoulder + 0.05), body.at(_LEAN + 0.02, 0, shoulder + 0.14)
    head = body.at(_LEAN + 0.04, 0, shoulder + 0.19), body.at(_LEAN + 0.02, 0, shoulder + 0.24)
    cap = body.at(_LEAN - 0.005, 0, shoulder + 0.285), body.at(_LEAN - 0.035, 0, shoulder + 0.22)
    return [
        Limb(*neck, 0.055 * scale, 0.055 * scale, skin),
        Limb(*head, 0.088 * scale, 0.10 * scale, face),
        Limb(*cap, 0.098 * scale, 0.09 * scale, top),
    ]


def _leg(
    body: _Body, side: float, phase: float, hip: float, colours: _Pair, scale: float
) -> list[Limb]:
    trousers, shoes = colours
    swing = 0.48 * math.sin(phase)
    bend = 0.10 + 0.75 * max(0.0, math.cos(phase)) ** 1.5
    knee = (0.43 * math.sin(swing), hip - 0.43 * math.cos(swing))
    shin = swing - bend
    ankle = (knee[0] + 0.41 * math.sin(shin), knee[1] - 0.41 * math.cos(shin))
    place = 0.09 * side
    return [
        Limb(
            body.at(0, place, hip),
            body.at(knee[0], place, knee[1]),
            0.095 * scale,
            0.068 * scale,
            trousers,
        ),
        Limb(
            body.at(knee[0], place, knee[1]),
            body.at(ankle[0], place, ankle[1]),
            0.066 * scale,
            0.05 * scale,
            trousers,
        ),
        Limb(
            body.at(ankle[0] - 0.03, place, ankle[1] - 0.03),
            body.at(ankle[0] + 0.17, place, ankle[1] - 0.045),
            0.052 * scale,
            0.04 * scale,
            shoes,
        ),
    ]


def _arm(
    body: _Body,
    side: float,
    phase: float,
    shoulder: float,
    colours: _Pair,
    scale: float,
) -> list[Limb]:
    coat, skin = colours
    swing = 0.42 * math.sin(phase)
    place = 0.22 * side
    elbow = (0.05 + 0.29 * math.sin(swing), shoulder - 0.29 * math.cos(swing))
    fore = swing + 0.38
    hand = (elbow[0] + 0.25 * math.sin(fore), elbow[1] - 0.25 * math.cos(fore))
    return [
        Limb(
            body.at(0.05, place, shoulder),
            body.at(elbow[0], place * 1.1, elbow[1]),
            0.062 * scale,
            0.05 * scale,
            coat,
        ),
        Limb(
            body.at(elbow[0], place * 1.1, elbow[1]),
            body.at(hand[0], place, hand[1]),
            0.048 * scale,
            0.04 * scale,
            coat,
        ),
        Limb(
            body.at(hand[0], place, hand[1]),
            body.at(hand[0] + 0.03, place, hand[1] - 0.07),
            0.04 * scale,
            0.035 * scale,
            skin,
        ),
    ]


def cat_limbs(pose: CatPose) -> list[Limb]:
    """Limbs of a walking cat."""
    body = _Body(pose.x, pose.y, pose.heading_deg, 1.12 * pose.size)
    coat = paint(pose.coat)
    dark, bib = coat * np.float32(0.55), paint("#efe6d8")
    limbs = []
    for ahead, side, phase in (
        (0.15, 0.05, 0.0),
        (0.15, -0.05, 3.1),
        (-0.15, 0.055, 3.4),
        (-0.15, -0.055, 0.3),
    ):
        swing = 0.5 * math.sin(pose.stride + phase)
        lift = 0.035 * max(0.0, math.cos(pose.stride + phase))
        knee = (ahead + 0.05 * math.sin(swing), 0.12)
        paw = (ahead + 0.15 * math.sin(swing), 0.025 + lift)
        limbs.append(
            Limb(body.at(ahead, side, 0.22), body.at(knee[0], side, knee[1]), 0.045, 0.028, coat)
        )
        limbs.append(
            Limb(
                body.at(knee[0], side, knee[1]),
                body.at(paw[0], side, paw[1]),
                0.028,
                0.024,
                bib if ahead > 0 else coat,
            )
        )
    limbs.append(Limb(body.at(-0.17, 0, 0.24), body.at(0.15, 0, 0.25), 0.088, 0.082, coat))
    limbs.append(Limb(body.at(-0.06, 0, 0.285), body.at(0.0, 0, 0.285), 0.055, 0.055, dark))
    limbs.append(Limb(body.at(0.16, 0, 0.27), body.at(0.27, 0, 0.33), 0.06, 0.055, coat))
    limbs.append(Limb(body.at(0.29, 0, 0.34), body.at(0.32, 0, 0.335), 0.066, 0.05, coat))
    for side in (0.035, -0.035):
        limbs.append(
            Limb(body.at(0.27, side, 0.385), body.at(0.265, side * 1.2, 0.43), 0.026, 0.008, dark)
        )
    sweep = 0.05 * math.sin(pose.stride * 0.5)
    limbs.append(Limb(body.at(-0.22, 0, 0.27), body.at(-0.36, sweep, 0.36), 0.03, 0.026, coat))
    limbs.append(
        Limb(body.at(-0.36, sweep, 0.36), body.at(-0.40, 2 * sweep, 0.50), 0.026, 0.02, dark)
    )
    return [
        replace(
            limb,
            start_radius=limb.start_radius * pose.size,
            end_radius=limb.end_radius * pose.size,
        )
        for limb in limbs
    ]
