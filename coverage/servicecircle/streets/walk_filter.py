"""Which ways people may walk (or ride) on, and in which direction: rules as data.

A filter is a list of rules; a way is refused when one of them fits its tags. Patterns are searched
for anywhere in a value, as OSMnx does it: in its rules ``foot=unknown`` contains ``no`` and is
refused. `FILTERS` names them all; a scenario chooses one with ``network.walk_filter``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

Tags = Mapping[str, str | None]
Patterns = Mapping[str, str]


class Rule(NamedTuple):
    """Refuses a way whose ``key`` fits ``pattern``, unless another tag fits one of ``unless``."""

    key: str
    pattern: str
    unless: Patterns = MappingProxyType({})


@dataclass(frozen=True)
class WalkFilter:
    """Rules by which ways with a ``highway`` tag are kept, and directions that bind on them.

    ``one_way`` and ``against_only`` are tags by which a way may be walked only in its direction,
    or only against it; ``both_ways`` are tags that lift this.
    """

    name: str
    refuses: tuple[Rule, ...]
    one_way: Patterns = field(default_factory=dict)
    against_only: Patterns = field(default_factory=dict)
    both_ways: Patterns = field(default_factory=dict)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The tags that decide."""
        found = ["highway"]
        for rule in self.refuses:
            found += [rule.key, *rule.unless]
        return tuple(dict.fromkeys([*found, *self.one_way, *self.against_only, *self.both_ways]))

    @cached_property
    def _rules(self) -> list[tuple[str, re.Pattern[str], dict[str, re.Pattern[str]]]]:
        return [(r.key, re.compile(r.pattern), _compiled(r.unless)) for r in self.refuses]

    def allows(self, tags: Tags) -> bool:
        """Whether a way with these tags is part of the network."""
        if tags.get("highway") is None:
            return False
        return not any(
            (value := tags.get(key)) is not None
            and pattern.search(value)
            and not _fits(unless, tags)
            for key, pattern, unless in self._rules
        )

    @cached_property
    def _bound(self) -> list[dict[str, re.Pattern[str]]]:
        return [_compiled(p) for p in (self.one_way, self.against_only, self.both_ways)]

    def directions(self, tags: Tags) -> tuple[bool, bool]:
        """May a way be walked (in its direction, against it)?"""
        one_way, against_only, both_ways = self._bound
        if _fits(both_ways, tags):
            return True, True
        return not _fits(against_only, tags), not _fits(one_way, tags)


def _compiled(patterns: Patterns) -> dict[str, re.Pattern[str]]:
    return {key: re.compile(pattern) for key, pattern in patterns.items()}


def _fits(patterns: Mapping[str, re.Pattern[str]], tags: Tags) -> bool:
    return any(
        (value := tags.get(key)) is not None and pattern.search(value)
        for key, pattern in patterns.items()
    )


# --- the rules ------------------------------------------------------------------------------------

#: one-way streets do not bind walkers; these tags do
_FOOT_ONE_WAY = {"oneway:foot": "^(yes|1|true)$", "foot:backward": "^no$"}
_FOOT_AGAINST = {"oneway:foot": "^(-1|reverse)$"}

_NO_STREET = (
    "abandoned|bus_guideway|construction|no|planned|platform|proposed|raceway|razed|rest_area|"
    "services"
)
_ALLOWED = "^(yes|designated|permissive|official)$"
_SEPARATE = tuple(
    Rule(key, "separate")
    for key in ("sidewalk", "sidewalk:both", "sidewalk:left", "sidewalk:right")
)

#: the ``walk`` filter of OSMnx 2.1.1 with its default access rule, so that a network read from a
#: file and one fetched by OSMnx agree
OSMNX = WalkFilter(
    "osmnx",
    (
        Rule("area", "yes"),
        Rule("access", "private"),
        Rule(
            "highway",
            "abandoned|bus_guideway|construction|cycleway|motor|no|planned|platform|proposed|"
            "raceway|razed|rest_area|services",
        ),
        Rule("foot", "no"),
        Rule("service", "private"),
        *_SEPARATE,
    ),
    one_way=_FOOT_ONE_WAY,
    against_only=_FOOT_AGAINST,
)

#: for Chinese cities: cycleways and greenways (绿道) where walking is allowed come in; ways closed
#: to all without a word for walkers, and expressways (快速路) without a pavement, go out
CHINA = WalkFilter(
    "china",
    (
        Rule("area", "yes"),
        Rule("access", "private"),
        Rule("access", "^no$", {"foot": _ALLOWED}),
        Rule("highway", f"{_NO_STREET}|motor"),
        Rule("highway", "^cycleway$", {"foot": _ALLOWED, "name": "绿道|[Gg]reenway"}),
        Rule(
            "highway",
            "^trunk(_link)?$",
            {
                "foot": _ALLOWED,
                "sidewalk": "^(yes|both|left|right)$",
                "sidewalk:both": "^yes$",
                "sidewalk:left": "^yes$",
                "sidewalk:right": "^yes$",
            },
        ),
        Rule("foot", "no"),
        Rule("service", "private"),
        *_SEPARATE,
    ),
    one_way=_FOOT_ONE_WAY,
    against_only=_FOOT_AGAINST,
)

#: for riders on electric bicycles: roads and cycleways, no steps; footways only where cycling is
#: allowed; one-way streets bind unless a tag frees bicycles from them
EBIKE = WalkFilter(
    "ebike",
    (
        Rule("area", "yes"),
        Rule("access", "private|^no$", {"bicycle": _ALLOWED}),
        Rule("highway", f"{_NO_STREET}|corridor|elevator|motorway|steps"),
        Rule("highway", "^(footway|pedestrian|bridleway)$", {"bicycle": _ALLOWED}),
        Rule("highway", "^trunk(_link)?$", {"bicycle": _ALLOWED, "cycleway": "lane|track|yes"}),
        Rule("motorroad", "^yes$"),
        Rule("bicycle", "^(no|dismount|use_sidepath)$"),
        Rule("vehicle", "^no$", {"bicycle": _ALLOWED}),
        Rule("service", "private"),
    ),
    one_way={"oneway": "^(yes|1|true)$", "junction": "^(roundabout|circular)$"},
    against_only={"oneway": "^(-1|reverse)$"},
    both_ways={
        "oneway:bicycle": "^no$",
        "cycleway": "^opposite",
        "cycleway:left": "^opposite",
        "cycleway:both": "^opposite",
    },
)

FILTERS: dict[str, WalkFilter] = {f.name: f for f in (OSMNX, CHINA, EBIKE)}
