"""Why an event was judged as it was, as one of a few words that every language has."""

from collections.abc import Sequence
from enum import StrEnum

PERSON = "person"
OBJECT_KINDS = (PERSON, "animal", "vehicle")
"""Kinds of objects that may count."""


class EventState(StrEnum):
    """The raw judgement of an event."""

    RELEVANT = "relevant"
    IRRELEVANT = "irrelevant"
    UNKNOWN = "unknown"


OTHER = "other"
"""A reason that this integration does not know; the sentence of the worker tells it."""
_SAME = {
    "too_large": "unreadable_picture",
    "undecodable": "unreadable_picture",
    "not_an_image": "unreadable_picture",
    "empty": "unreadable_picture",
    "no_usable_frames": "too_much_damage",
    "model_failed": "internal_error",
}
"""Codes of the worker that mean the same to a user."""
REASONS = (
    # Something relevant.
    *OBJECT_KINDS,
    "moved",
    "differs_from_reference",
    "like_confirmed",
    "not_looked_at",
    "always_zone",
    # Nuisance.
    "no_motion",
    "light",
    "burnt_in_text",
    "seen_before",
    "usual_view",
    "mostly_explained",
    "busy_place",
    "resembles_nuisance",
    "like_rejected",
    "below_threshold",
    "outside_zones",
    "unwanted_object",
    "infrared_switch",
    "exposure",
    "camera_shake",
    "corrupt_frames",
    # What cannot be judged.
    "no_reference",
    "reference_not_comparable",
    "faint_change",
    "too_noisy",
    "frozen_picture",
    "no_contrast",
    "too_much_damage",
    "no_snapshot",
    "single_frame",
    "unreadable_picture",
    "late_pictures",
    "overloaded",
    "disabled",
    "internal_error",
    OTHER,
)


def reason_word(code: str, state: EventState, objects: Sequence[str]) -> str:
    """Return the word for a reason; of what is relevant, the most certain object that moved.

    What moved and is suppressed all the same is so by a threshold of the user's own.

    Args:
        code: of the worker.
        state: of the event.
        objects: kinds of what was recognised, the most certain first.
    """
    if state is EventState.RELEVANT and code == "moved":
        known = [kind for kind in objects if kind in OBJECT_KINDS]
        code = known[0] if known else code
    elif state is EventState.IRRELEVANT and code == "moved":
        code = "below_threshold"
    code = _SAME.get(code, code)
    return code if code in REASONS else OTHER
