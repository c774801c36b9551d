"""What GIS layers and graphs make of OSM tags, as tags again.

A street of OSMnx joins several ways, so a cell may hold several values: a list, an array, or the
text of one (``"['residential', 'tertiary']"``), as files without list columns have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from servicecircle.streets.walk_filter import OSMNX, WalkFilter

_MISSING = frozenset({"", "nan", "none", "null", "<na>", "nat"})
_SWITCH = {"true": "yes", "false": "no"}
_LIST = re.compile(r"[\[{].*[\]}]", re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_MAX_COMBINATIONS = 256  # of the values of one street; real ones have a handful
_LARGEST_ID = 2**63 - 1
_FOR_WALKERS = frozenset({"footway", "path", "pedestrian", "steps"})


class Verdict(NamedTuple):
    """What the filters say of a street: kept, kept by OSMnx's filter, may be walked which way."""

    kept: bool
    osmnx: bool
    forward: bool
    backward: bool


def values_of(cell: Any) -> tuple[str, ...]:
    """The distinct values of a cell as tag values, in its order; none where it is empty."""
    if isinstance(cell, str):
        return _of_text(cell.strip())
    if isinstance(cell, (list, tuple, np.ndarray, set, frozenset)):
        several = sorted(cell, key=str) if isinstance(cell, (set, frozenset)) else list(cell)
        return tuple(dict.fromkeys(value for one in several for value in values_of(one)))
    if isinstance(cell, (float, np.floating)):
        number = float(cell)
        return () if np.isnan(number) else (f"{number:.0f}" if number.is_integer() else str(cell),)
    return _of_text(str(cell))


def _of_text(text: str) -> tuple[str, ...]:
    low = text.lower()
    if low in _MISSING:
        return ()
    if _LIST.fullmatch(text):
        quoted = [a or b for a, b in _QUOTED.findall(text)]
        several = quoted or text[1:-1].split(",")
        return tuple(dict.fromkeys(v.strip() for v in several if v.strip().lower() not in _MISSING))
    return (_SWITCH.get(low, text),)


def tag_of(values: Sequence[str]) -> str | None:
    """Several values as one tag value, the way OSM writes it: ``residential;tertiary``."""
    return ";".join(values) or None


def way_of(cell: Any) -> int | None:
    """The smallest OSM way id in a cell; None where a value is no positive whole number."""
    if isinstance(cell, (int, np.integer)) and not isinstance(cell, bool):
        return int(cell) if 0 < cell <= _LARGEST_ID else None
    values = values_of(cell)
    if not values or not all(re.fullmatch(r"[0-9]{1,19}", value) for value in values):
        return None
    smallest = min(int(value) for value in values)
    return smallest if 0 < smallest <= _LARGEST_ID else None


def judge(walk_filter: WalkFilter, keys: Sequence[str], values: Sequence[Sequence[str]]) -> Verdict:
    """What ``walk_filter`` and OSMnx's say of a street with these values of ``keys``.

    A street of several values is as walkable as its least walkable part.
    """
    parts = islice(product(*[several or (None,) for several in values]), _MAX_COMBINATIONS)
    tags = [dict(zip(keys, part, strict=True)) for part in parts]
    ways = [walk_filter.directions(one) for one in tags]
    return Verdict(
        all(walk_filter.allows(one) for one in tags),
        all(OSMNX.allows(one) for one in tags),
        all(forward for forward, _ in ways),
        all(backward for _, backward in ways),
    )


def drive_note(highways: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """A note where streets of these ``highway`` values look like a network for cars."""
    kinds = {kind for value in highways for kind in value.split(";")}
    if kinds & _FOR_WALKERS:
        return ()
    return (
        (
            "路网里没有一条人行道、步道、步行街或台阶（footway、path、pedestrian、steps），"
            "像是车行路网：实际步行会更近，覆盖会被低估。请换用步行路网（OSMnx：network_type="
            '"walk"）或 OSM 文件。',
            "not one footway, path, pedestrian street or flight of steps: this looks like a "
            "network for cars, on which walks are longer than they are and coverage is too low. "
            'Use a walking network (OSMnx: network_type="walk") or an OSM file.',
        ),
    )
