"""OSM files: ways and nodes in one pass over the file, a `WalkNetwork` out."""

from __future__ import annotations

import mmap
import re
import sys
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from servicecircle.errors import NetworkError
from servicecircle.streets.contraction import Ints, Pieces
from servicecircle.streets.network import (
    ISLAND_SHARE,
    KEPT_TAGS,
    WalkNetwork,
    build_network,
    way_table,
)
from servicecircle.streets.walk_filter import FILTERS, OSMNX, WalkFilter
from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.osm_files import require_sane_osm

OSM_SUFFIXES = (".osm.pbf", ".pbf", ".osm", ".osm.gz", ".osm.bz2")
_NO_LOCATION = 2**31 - 1  # stands for the place of a node that the extract does not hold
_KEPT, _OSMNX, _FORWARD, _BACKWARD = 1, 2, 4, 8  # flags of a run of nodes


def read_osm(
    path: str | Path, *, walk_filter: str = "osmnx", island_share: float = ISLAND_SHARE
) -> WalkNetwork:
    """Walking network of an OSM file (``.osm.pbf``, ``.osm``, ``.osm.gz``, ``.osm.bz2``).

    ``walk_filter`` is a name in `FILTERS`. A way that an extract cuts breaks at the missing node.
    Components shorter than ``island_share`` of the longest one are marked as islands.

    Raises `NetworkError` when the file is missing, damaged, of another format, or has no walkable
    way.
    """
    path = Path(path)
    require_osm_file(path)
    with readable(path):
        with _opl(path) as (lines, date):
            found = _Found.read(lines, FILTERS[walk_filter])
        missing = np.unique(found.ref[found.unplaced])
        _require_cut_not_unsorted(path, missing)
    return build_network(
        found.pieces(_KEPT),
        found.way_table(),
        island_share=island_share,
        source=str(path),
        signal_nodes=np.unique(np.array(found.signals, np.int64)),
        missing_nodes=len(missing),
        cut_ways=len(np.unique(found.of[found.unplaced])),
        gained_m=float(found.pieces(_KEPT, _OSMNX).metres.sum()),
        lost_m=float(found.pieces(_OSMNX, _KEPT).metres.sum()),
        date=date,
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn libosmium's errors into `NetworkError`."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if "out of order" in str(error):
            raise unsorted(path) from error
        raise NetworkError(
            f"{path}：OSM 文件读不了（{error}）。文件可能不完整或已损坏：请重新下载，"
            "或用 osmium fileinfo 检查。",
            f"{path}: the OSM file cannot be read ({error}). It may be cut short or damaged: "
            "download it again, or look at it with `osmium fileinfo`.",
        ) from error


def require_osm_file(path: Path) -> None:
    """Raise `NetworkError` unless the file is there, not empty, and named as OSM files are.

    Neither may it burst: see `servicecircle.unpacking.osm_files`.
    """
    if not path.is_file():
        raise NetworkError(
            f"{path}：找不到这个 OSM 文件，请检查路径。",
            f"{path}: no such OSM file; check the path.",
        )
    if not path.name.lower().endswith(OSM_SUFFIXES):
        raise NetworkError(
            f"{path}：不是 OSM 文件，需要 {'、'.join(OSM_SUFFIXES)} 之一。",
            f"{path}: not an OSM file; one of {', '.join(OSM_SUFFIXES)} is needed.",
        )
    if path.stat().st_size == 0:
        raise NetworkError(
            f"{path}：文件是空的（0 字节），请重新下载。",
            f"{path}: the file is empty (0 bytes); download it again.",
        )
    try:
        with readable(path):
            require_sane_osm(path)
    except ExcessError as excess:
        raise NetworkError(f"{path}：{excess.zh}", f"{path}: {excess.en}") from excess


# --- streets as lines of text ---------------------------------------------------------------------
#
# libosmium does the heavy work without a step of Python per object: it reads any format, keeps what
# has a highway tag, puts coordinates to the ways' nodes, and writes OPL, one object a line:
#
#     w5 Thighway=steps,name=a%20%b Nn1x-0.1y1.5,n2xy,n3x10y-20.25
#
# (n2 has no place: the extract does not hold it). Numbers are then read by a compiled loop.


@contextmanager
def _opl(path: Path) -> Iterator[tuple[bytes, str | None]]:
    """Ways and nodes with a highway tag as OPL text; the file's date, if its header has one."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    with tempfile.TemporaryDirectory(prefix="servicecircle-") as folder:
        text = Path(folder) / "streets.opl"
        places: Any = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
        places.ignore_errors()
        target = osmium.io.File(str(text), "opl,locations_on_ways=true,add_metadata=false")
        with (
            osmium.SimpleWriter(target) as writer,
            osmium.io.Reader(str(path), osmium.osm.NODE | osmium.osm.WAY) as reader,
        ):
            osmium.apply(reader, places, osmium.filter.KeyFilter("highway"), writer)
            date = reader.header().get("osmosis_replication_timestamp") or None
        size = text.stat().st_size
        with text.open("rb") as file, _mapped(file, size) as lines:
            yield lines, date


@contextmanager
def _mapped(file: BinaryIO, size: int) -> Iterator[bytes]:
    """A file's bytes without a copy of them in memory."""
    if not size:
        yield b""
        return
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as lines:
        yield lines  # type: ignore[misc]


@dataclass
class _Found:
    """Ways and nodes of the text: ids, spans of their tags in it, and the ways' nodes in a row.

    ``number`` has one row per line: way or not, id, begin and end of the tags, count of nodes.
    ``ref``: node ids, way after way; ``place``: their lng, lat in 1e-7 degrees, or _NO_LOCATION.
    """

    number: Ints
    ref: Ints
    place: NDArray[np.int32]
    signals: list[int] = field(default_factory=list)
    flags: array = field(default_factory=lambda: array("b"))  # one per way
    kept: array = field(default_factory=lambda: array("q"))  # ids of the ways that are kept
    # tags of these: key → position in ``kept`` → value
    tags: dict[str, dict[int, str]] = field(default_factory=lambda: {key: {} for key in KEPT_TAGS})

    @classmethod
    def read(cls, lines: bytes, walk_filter: WalkFilter) -> _Found:
        """Read the numbers of all lines, and the tags of the streets."""
        text = np.frombuffer(lines, np.uint8)
        count, nodes = _count(text)
        number = np.zeros((count, 5), np.int64)
        ref, place = np.empty(nodes, np.int64), np.empty((nodes, 2), np.int32)
        nodes = _numbers(text, number, ref, place)
        found = cls(number, ref[:nodes].copy(), place[:nodes].copy())
        known: dict[tuple[str | None, ...], int] = {}  # most ways repeat a few
        keys = tuple(dict.fromkeys([*walk_filter.keys, *OSMNX.keys]))
        for is_way, thing, begin, end in zip(*found.number[:, :4].T.tolist(), strict=True):
            tags = _tags(lines[begin:end])
            if not is_way:
                if _has_signals(tags):
                    found.signals.append(thing)
                continue
            values = tuple([tags.get(key) for key in keys])
            flags = known.get(values)
            if flags is None:
                flags = known[values] = _flags_of(tags, walk_filter)
            found.flags.append(flags)
            if flags & _KEPT:
                for key in found.tags.keys() & tags.keys():
                    found.tags[key][len(found.kept)] = sys.intern(tags[key])
                found.kept.append(thing)
        return found

    @cached_property
    def way(self) -> Ints:
        """Ids of the ways."""
        return self.number[self.number[:, 0] == 1, 1]

    @cached_property
    def of(self) -> Ints:
        """For each entry of ``ref``, the way (position) that it belongs to."""
        return np.repeat(np.arange(len(self.way)), self.number[self.number[:, 0] == 1, 4])

    @cached_property
    def unplaced(self) -> NDArray[np.bool_]:
        """Nodes without a place, of the kept ways."""
        kept = np.frombuffer(self.flags, np.int8) & _KEPT > 0
        return (self.place[:, 0] == _NO_LOCATION) & kept[self.of]

    def way_table(self) -> pd.DataFrame:
        """Tags of the kept ways, as `WalkNetwork.ways` has them."""
        columns = {}
        for key, given in self.tags.items():
            columns[key] = np.full(len(self.kept), "", object)
            columns[key][list(given)] = list(given.values())
        return way_table(self.kept, columns)

    def pieces(self, kept_by: int, not_by: int = 0) -> Pieces:
        """The ways with all flags of ``kept_by`` and none of ``not_by``, cut at missing nodes."""
        flags, of = np.frombuffer(self.flags, np.int8), self.of
        wanted = ((flags & kept_by) == kept_by) & ((flags & not_by) == 0)
        vertex = np.flatnonzero(wanted[of] & (self.place[:, 0] != _NO_LOCATION))
        first_of_way = np.searchsorted(of, np.arange(len(self.way)))
        # a run begins with its way, and behind every node that is missing
        begins = np.diff(vertex, prepend=-2) > 1
        begins |= np.diff(of[vertex], prepend=-1) > 0
        run = np.flatnonzero(begins)
        way = of[vertex[run]]
        return Pieces.build(
            self.ref[vertex],
            self.place[vertex, 0] / 1e7,
            self.place[vertex, 1] / 1e7,
            np.diff(np.append(run, len(vertex))),
            self.way[way],
            first_segment=vertex[run] - first_of_way[way],
            forward=(flags[way] & _FORWARD) > 0,
            backward=(flags[way] & _BACKWARD) > 0,
        )


def _flags_of(tags: dict[str, str], walk_filter: WalkFilter) -> int:
    """What the filters say of a way, and in which directions it may be walked."""
    forward, backward = walk_filter.directions(tags)
    kept, osmnx = walk_filter.allows(tags), OSMNX.allows(tags)
    return kept * _KEPT + osmnx * _OSMNX + forward * _FORWARD + backward * _BACKWARD


def _has_signals(tags: dict[str, str]) -> bool:
    if tags.get("highway") == "traffic_signals":
        return True
    crossing = tags.get("highway") == "crossing"
    signals = tags.get("crossing") == "traffic_signals" or tags.get("crossing:signals") == "yes"
    return crossing and signals


_ESCAPED = re.compile("%([0-9a-f]+)%")


def _tags(text: bytes) -> dict[str, str]:
    """The tags of a line: ``key=value,key=value``, with ``%hex%`` for what would break it."""
    plain = text.decode()
    pairs = (pair.split("=") for pair in plain.split(",")) if plain else ()
    if "%" not in plain:
        return dict(pairs)
    return {_unescaped(key): _unescaped(value) for key, value in pairs}


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


# digits behind the point; typed, for numba would compile `_decimal` for every literal once more
_WHOLE, _SEVENTH = np.int64(0), np.int64(7)


@numba.njit(cache=True)
def _count(text):  # type: ignore[no-untyped-def]
    """Lines, and nodes of ways at most."""
    lines, commas = 0, 0
    for c in text:
        lines += c == 10
        commas += c == 44
    return lines, lines + commas


@numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _decimal(text, at, digits):  # type: ignore[no-untyped-def]
    """The number that begins at ``at``, times 10 ** digits: (number, whether it is one, end)."""
    sign, value, after, seen = 1, 0, -1, False
    while at < len(text):
        c = text[at]
        if c == 45:
            sign = -1
        elif c == 46:
            after = 0
        elif 48 <= c <= 57:
            value, seen = 10 * value + (c - 48), True
            after += after >= 0
        else:
            break
        at += 1
    for _ in range(digits - max(after, 0)):
        value *= 10
    return sign * value, seen, at


@numba.njit(inline="always")
def _field_end(text, at):  # type: ignore[no-untyped-def]
    """Where the next space or end of line is."""
    while text[at] != 32 and text[at] != 10:
        at += 1
    return at


@numba.njit(cache=True)
def _numbers(text, number, ref, place):  # type: ignore[no-untyped-def]
    """Write the numbers of all lines, see `_Found`; return how many nodes of ways there are."""
    at, n = 0, 0
    for line in range(len(number)):
        number[line, 0] = text[at] == 119  # w
        number[line, 1], _, at = _decimal(text, at + 1, _WHOLE)
        first = n
        while text[at] != 10:
            field = text[at + 1]
            at += 2  # behind the space and the field's letter
            if field == 84:  # T
                number[line, 2] = at
                at = _field_end(text, at)
                number[line, 3] = at
            elif field == 78:  # N
                while text[at] != 32 and text[at] != 10:
                    ref[n], _, at = _decimal(text, at + 1, _WHOLE)  # behind the n, the x, the y
                    place[n, 0], seen, at = _decimal(text, at + 1, _SEVENTH)
                    place[n, 1], _, at = _decimal(text, at + 1, _SEVENTH)
                    if not seen:
                        place[n, 0] = _NO_LOCATION
                    n += 1
                    at += text[at] == 44
            else:
                at = _field_end(text, at)
        at += 1
        number[line, 4] = n - first
    return n


def _require_cut_not_unsorted(path: Path, missing: Ints) -> None:
    """Nodes without a place are missing where an extract was cut; else the file is to blame."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    if not len(missing):
        return
    if missing[0] < 0:
        raise NetworkError(
            f"{path}：节点编号是负数（如 JOSM 里新画的），读不出位置。请先 osmium renumber。",
            f"{path}: nodes have negative ids (as drawn in JOSM) and cannot be located. "
            "Run `osmium renumber` first.",
        )
    nodes = osmium.FileProcessor(str(path), osmium.osm.NODE).with_filter(
        osmium.filter.IdFilter(missing.tolist())
    )
    if next(iter(nodes), None) is not None:
        raise unsorted(path)


def unsorted(path: Path) -> NetworkError:
    """What to say of a file whose objects stand in the wrong order, or in several versions."""
    return NetworkError(
        f"{path}：文件没有按“节点、道路”和编号排好序，或一个编号有多个版本。请先 osmium sort；"
        "历史文件先 osmium time-filter。",
        f"{path}: the file is not sorted (nodes before ways, by id), or holds several versions "
        "of an object. Run `osmium sort`, or `osmium time-filter` on a history file.",
    )
