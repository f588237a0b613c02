"""What grass, asphalt, paving, brick and render reflect, as functions of metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veroallarme_core.drawing.perspective import Floats, floats
from veroallarme_core.drawing.surface import Grain, Material, paint


def _fade(footprint: Floats, detail_m: float) -> Floats:
    """Let a detail vanish where a pixel grows larger than it: no moire in the distance."""
    return np.asarray(np.clip(1.4 - footprint / detail_m, 0, 1), np.float32)


def _mix(first: Floats, second: Floats, share: Floats) -> Floats:
    return np.asarray(first + (second - first) * np.clip(share, 0, 1)[..., None], np.float32)


@dataclass(frozen=True)
class Materials:
    """Every material of a place, over one noise."""

    grain: Grain
    blades: Grain
    """Noise whose finest octaves are the strongest."""

    def grass(self, dark: str = "#47602f", light: str = "#86a052") -> Material:
        """Lawn: patches, tufts, and blades where they are near enough to be seen."""
        low, high = paint(dark), paint(light)

        def reflect(u: Floats, v: Floats, footprint: Floats) -> Floats:
            share = 0.45 + 0.10 * self.grain.at(u, v, 14.0)
            share += 0.10 * self.grain.at(u, v, 2.3) * _fade(footprint, 0.3)
            across, along = floats(u * 0.8 + v * 0.33), floats(v * 0.55 - u * 0.25)
            share += 0.13 * self.blades.at(across, along, 2.9) * _fade(footprint, 0.05)
            share += (
                0.10
                * self.blades.at(floats(along * 1.9), floats(across * 1.3), 4.1)
                * _fade(footprint, 0.08)
            )
            share += 0.05 * np.sign(np.sin(u * 4.2)) * _fade(footprint, 0.6)
            return _mix(low, high, share)

        return reflect

    def asphalt(self, base: str = "#6d6e70") -> Material:
        """Road surface with stains and grit."""
        tone = paint(base)

        def reflect(u: Floats, v: Floats, footprint: Floats) -> Floats:
            share = 1.0 + 0.06 * self.grain.at(u * 0.4, v, 9.0)
            share += 0.07 * self.grain.at(u, v, 0.9) * _fade(footprint, 0.1)
            return np.asarray(tone * np.maximum(share, 0.3)[..., None], np.float32)

        return reflect

    def slabs(self, base: str, across_m: float, along_m: float, *, bond: bool = False) -> Material:
        """Paving slabs with joints; each slab has its own tint."""
        tone = paint(base)

        def reflect(u: Floats, v: Floats, footprint: Floats) -> Floats:
            row = np.floor(v / along_m)
            shifted = u / across_m + (0.5 * (row % 2) if bond else 0.0)
            column = np.floor(shifted)
            own = np.modf(np.abs(np.sin(column * 12.9898 + row * 78.233) * 43758.547))[0] - 0.5
            share = 1 + 0.17 * own * _fade(footprint, across_m)
            share += 0.06 * self.grain.at(u, v, 5.0)
            share += 0.06 * self.grain.at(u, v, 0.8) * _fade(footprint, 0.1)
            edge_u = np.abs(shifted - column - 0.5) * across_m
            edge_v = np.abs(v / along_m - row - 0.5) * along_m
            inset = np.minimum(across_m / 2 - edge_u, along_m / 2 - edge_v)
            joint = np.clip(1.2 - inset / np.maximum(0.014, footprint * 0.6), 0, 1)
            share *= 1 - 0.42 * joint * _fade(footprint, min(across_m, along_m) * 0.45)
            return np.asarray(tone * share[..., None], np.float32)

        return reflect

    def render(self, base: str) -> Material:
        """Plastered wall: faint clouds, dirt towards the ground (v grows upwards)."""
        tone = paint(base)

        def reflect(u: Floats, v: Floats, footprint: Floats) -> Floats:
            share = 1 + 0.035 * self.grain.at(u, v, 6.0)
            share += 0.05 * self.grain.at(u, v, 0.7) * _fade(footprint, 0.1)
            share *= 1 - 0.28 * np.exp(-np.maximum(v, 0) / 0.25)
            return np.asarray(tone * share[..., None], np.float32)

        return reflect

    def tiles(self, base: str) -> Material:
        """Roof tiles in rows."""
        return self.slabs(base, 0.35, 0.4, bond=True)

    def boards(self, base: str, width_m: float = 0.14) -> Material:
        """Upright boards with dark gaps and grain along them."""
        tone = paint(base)

        def reflect(u: Floats, v: Floats, footprint: Floats) -> Floats:
            column = np.floor(u / width_m)
            own = np.modf(np.abs(np.sin(column * 12.9898) * 43758.547))[0] - 0.5
            share = 1 + 0.22 * own * _fade(footprint, width_m)
            share += 0.10 * self.grain.at(u * 4, v * 0.3, 2.0) * _fade(footprint, 0.1)
            inset = width_m / 2 - np.abs(u / width_m - column - 0.5) * width_m
            share *= 1 - 0.6 * np.clip(1.1 - inset / 0.012, 0, 1) * _fade(footprint, width_m * 0.6)
            return np.asarray(tone * share[..., None], np.float32)

        return reflect
