"""Good pictures, small and of every kind that cameras send, and bursts of them."""

from __future__ import annotations

import base64
import io
import json
from datetime import datetime, timedelta
from functools import cache

import numpy as np
from PIL import Image


@cache
def picture_seeds() -> tuple[bytes, ...]:
    """Return JPEG (baseline, progressive, turned, grey), PNG and WebP (lossy, lossless)."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    picture = Image.fromarray(noise)
    turned = Image.Exif()
    turned[0x0112] = 6
    return tuple(
        _encoded(one, kind, **options)
        for one, kind, options in (
            (picture, "JPEG", {"quality": 60}),
            (picture, "JPEG", {"quality": 60, "progressive": True}),
            (picture, "JPEG", {"quality": 60, "exif": turned.tobytes()}),
            (picture.convert("L"), "JPEG", {"restart_marker_rows": 1}),
            (picture, "PNG", {}),
            (picture.convert("RGBA"), "PNG", {}),
            (picture.convert("P"), "PNG", {}),
            (picture, "WEBP", {"quality": 50}),
            (picture, "WEBP", {"lossless": True}),
        )
    )


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def burst_seeds(sent_at: datetime) -> tuple[bytes, ...]:
    """Return bursts as Home Assistant sends them, with one picture or with three.

    Args:
        sent_at: when; they moved three seconds before.
    """
    motion_at = sent_at - timedelta(seconds=3)
    pictures = picture_seeds()

    def burst(*frames: bytes) -> bytes:
        content = {
            "event_id": f"{motion_at:%Y%m%d_%H%M%S}_9f31c4",
            "motion_at": motion_at.isoformat(),
            "frames": [
                {"captured_at": motion_at.isoformat(), "jpeg": base64.b64encode(frame).decode()}
                for frame in frames
            ],
        }
        return json.dumps(content).encode()

    return (burst(), burst(pictures[0]), burst(*pictures[:3]), burst(pictures[4], pictures[7]))
