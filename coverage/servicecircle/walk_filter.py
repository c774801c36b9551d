"""Which ways people may walk on, and in which direction: rules as data.

The patterns equal the ``walk`` filter of OSMnx 2.1.1 with its default access rule, so that a
network read from a file and one fetched by OSMnx agree. As there, they are searched for anywhere
in the value: ``foot=unknown`` contains ``no`` and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

#: tag key → pattern; a way is refused when the pattern occurs anywhere in the key's value
OSMNX_WALK_REFUSES: dict[str, str] = {
    "area": "yes",
    "access": "private",
    "highway": (
        "abandoned|bus_guideway|construction|cycleway|motor|no|planned|platform|proposed|raceway|"
        "razed|rest_area|services"
    ),
    "foot": "no",
    "service": "private",
    "sidewalk": "separate",
    "sidewalk:both": "separate",
    "sidewalk:left": "separate",
    "sidewalk:right": "separate",
}
_REFUSES = {key: re.compile(pattern) for key, pattern in OSMNX_WALK_REFUSES.items()}


def is_walkable(tags: Mapping[str, str]) -> bool:
    """Whether a way with these tags is part of the walking network."""
    if "highway" not in tags:
        return False
    return not any(key in tags and rule.search(tags[key]) for key, rule in _REFUSES.items())


def walk_directions(tags: Mapping[str, str]) -> tuple[bool, bool]:
    """May it be walked (in the way's direction, against it)? One-way streets do not bind walkers.

    Only ``oneway:foot`` (yes, 1, true; -1, reverse) and ``foot:backward=no`` do.
    """
    oneway = tags.get("oneway:foot", "")
    forward = oneway not in ("-1", "reverse")
    backward = oneway not in ("yes", "1", "true") and tags.get("foot:backward") != "no"
    return forward, backward
