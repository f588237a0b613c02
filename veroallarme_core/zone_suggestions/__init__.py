"""Zones that a camera's own history proposes to ignore, each with its evidence.

Where something moves again and again without ever mattering, a street, a tree, a flag, an `ignore`
zone spares its alarms. Nothing is ignored before the user says so.
"""

from veroallarme_core.zone_suggestions.around_event import (
    NothingToIgnoreError,
    zone_around,
    zone_that_covers,
    zones_around,
)
from veroallarme_core.zone_suggestions.effect import ZoneEffect, effect_of
from veroallarme_core.zone_suggestions.inside import moved_inside
from veroallarme_core.zone_suggestions.known import KnownSuggestions, SuggestionFileError
from veroallarme_core.zone_suggestions.past_event import Box, PastEvent
from veroallarme_core.zone_suggestions.picture import clearest_frame, draw_suggestions
from veroallarme_core.zone_suggestions.suggest import FEWEST_EVENTS, History, suggest_zones

__all__ = [
    "FEWEST_EVENTS",
    "Box",
    "History",
    "KnownSuggestions",
    "NothingToIgnoreError",
    "PastEvent",
    "SuggestionFileError",
    "ZoneEffect",
    "clearest_frame",
    "draw_suggestions",
    "effect_of",
    "moved_inside",
    "suggest_zones",
    "zone_around",
    "zone_that_covers",
    "zones_around",
]
