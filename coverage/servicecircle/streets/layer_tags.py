"""Columns of a line layer as OSM tags: which lines are walkable, which way, on which level."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from servicecircle.streets.contraction import Ints
from servicecircle.streets.network import KEPT_TAGS, way_table
from servicecircle.streets.tag_values import Verdict, judge, tag_of, values_of, way_of
from servicecircle.streets.walk_filter import OSMNX, WalkFilter

WAY_COLUMNS = ("osmid", "osm_id", "way")
#: other names of tags: ``fclass`` is Geofabrik's
_ALIASES = {"highway": ("highway", "fclass")}
#: Geofabrik's letters, by tag
_LETTERS = {
    "oneway": {"F": "yes", "T": "-1", "B": "no"},
    "bridge": {"T": "yes", "F": "no"},
    "tunnel": {"T": "yes", "F": "no"},
}
_NAME_LENGTH = 10  # Shapefiles cut longer names
_HSTORE = "other_tags"  # where GDAL puts the tags of an OSM file that have no column
_HSTORE_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')
_LIKE_A_STREET = "residential"  # what lines without any kind are judged as

Values = tuple[str, ...]
Column = list[Values]


@dataclass(frozen=True)
class LayerTags:
    """What a layer says of its lines; n lines, arrays (n,).

    ``way`` ids; ``kept`` and ``osmnx``: do the walk filter and OSMnx's keep it; ``forward``,
    ``backward``: may it be walked so; ``level``: lines of different levels do not meet; ``text``:
    (n, len(KEPT_TAGS)) tag values, None where missing; ``has_highway``: was there such a column.
    """

    way: Ints
    kept: NDArray[np.bool_]
    osmnx: NDArray[np.bool_]
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]
    level: Ints
    text: NDArray[np.object_]
    has_highway: bool

    def take(self, lines: NDArray) -> LayerTags:
        """The tags of some lines (indices, or boolean)."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return LayerTags(**{k: v if k == "has_highway" else v[lines] for k, v in own.items()})

    def table(self) -> pd.DataFrame:
        """The table `WalkNetwork.ways`; of several lines of one way the first one speaks."""
        ids, first = np.unique(self.way, return_index=True)
        columns = {key: self.text[first, i] for i, key in enumerate(KEPT_TAGS)}
        return way_table(ids.tolist(), {key: list(values) for key, values in columns.items()})


def read_tags(frame: pd.DataFrame, walk_filter: WalkFilter) -> LayerTags:
    """Tags of a layer's rows; without a ``highway`` column, all are judged as streets."""
    deciding = tuple(dict.fromkeys([*walk_filter.keys, *OSMNX.keys]))
    columns = _columns(frame, (*deciding, *KEPT_TAGS))
    has_highway = "highway" in columns
    rows: Column = [()] * len(frame)
    decide = {key: columns.get(key, rows) for key in deciding}
    if not has_highway:
        decide["highway"] = [(_LIKE_A_STREET,)] * len(frame)
    kept, osmnx, forward, backward = _verdicts(walk_filter, decide, len(frame)).T
    text = np.full((len(frame), len(KEPT_TAGS)), None, object)
    for i, key in enumerate(KEPT_TAGS):
        if key in columns:
            text[:, i] = [tag_of(values) for values in columns[key]]
    return LayerTags(
        _way_ids(frame),
        kept,
        osmnx,
        forward,
        backward,
        _levels(columns, len(frame)),
        text,
        has_highway,
    )


def _columns(frame: pd.DataFrame, keys: Iterable[str]) -> dict[str, Column]:
    """The values of the tags among the columns, whatever the format did to their names."""
    at = {_plain(str(name)): i for i, name in reversed(list(enumerate(frame.columns)))}
    other = at.get(_HSTORE)
    hstore = [] if other is None else [_pairs(cell) for cell in frame.iloc[:, other]]
    found = {}
    for key in dict.fromkeys(keys):
        names = [_plain(name) for name in _ALIASES.get(key, (key,))]
        i = next((at[n] for n in [*names, *(n[:_NAME_LENGTH] for n in names)] if n in at), None)
        if i is not None:
            found[key] = _cells(frame.iloc[:, i], _LETTERS.get(key, {}) if "fclass" in at else {})
        elif hstore and any(key in tags for tags in hstore):
            found[key] = [(tags[key],) if key in tags else () for tags in hstore]
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace(":", "_")


def _pairs(cell: Any) -> dict[str, str]:
    text = cell if isinstance(cell, str) else ""
    return {k: re.sub(r"\\(.)", r"\1", v) for k, v in _HSTORE_PAIR.findall(text)}


def _cells(series: pd.Series, letters: Mapping[str, str]) -> Column:
    known: dict[str, Values] = {}
    out = []
    for cell in series.tolist():
        if not isinstance(cell, str):
            out.append(values_of(cell))
            continue
        if cell not in known:
            known[cell] = values_of(letters.get(cell, cell))
        out.append(known[cell])
    return out


def _verdicts(walk_filter: WalkFilter, decide: Mapping[str, Column], n: int) -> NDArray[np.bool_]:
    """(n, 4): the filters' verdicts; most lines repeat a few combinations of values."""
    keys = tuple(decide)
    known: dict[tuple[Values, ...], Verdict] = {}
    out = np.empty((n, 4), bool)
    for i, values in enumerate(zip(*decide.values(), strict=True)):
        verdict = known.get(values)
        if verdict is None:
            verdict = known[values] = judge(walk_filter, keys, values)
        out[i] = verdict
    return out


def _levels(columns: Mapping[str, Column], n: int) -> Ints:
    """A number per line, the same for lines that meet where they cross."""

    def is_set(values: Sequence[str]) -> bool:
        return bool(values) and set(values) != {"no"} and set(values) != {"0"}

    nothing: Column = [()] * n
    rows = zip(
        map(is_set, columns.get("bridge", nothing)),
        map(is_set, columns.get("tunnel", nothing)),
        (values or ("0",) for values in columns.get("layer", nothing)),
        strict=True,
    )
    numbers: dict[tuple[bool, bool, Values], int] = {}
    return np.array([numbers.setdefault(row, len(numbers)) for row in rows], np.int64)


def _way_ids(frame: pd.DataFrame) -> Ints:
    """The way ids of the first column that has one in every row, else the rows from 1."""
    names = [_plain(str(name)) for name in frame.columns]
    for name in WAY_COLUMNS:
        if name in names:
            ids = [way_of(cell) for cell in frame.iloc[:, names.index(name)].tolist()]
            if None not in ids:
                return np.array(ids, np.int64)
    return np.arange(1, len(frame) + 1, dtype=np.int64)
