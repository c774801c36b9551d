"""OSM files: ways and nodes in one pass over the file, a `WalkNetwork` out."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from servicecircle.contraction import Pieces
from servicecircle.errors import NetworkError
from servicecircle.network import ISLAND_SHARE, KEPT_TAGS, WalkNetwork, build_network, way_table
from servicecircle.walk_filter import FILTERS, OSMNX, WalkFilter

OSM_SUFFIXES = (".osm.pbf", ".pbf", ".osm", ".osm.gz", ".osm.bz2")
_NO_LOCATION = 2**31 - 1  # libosmium's coordinate of a node that the extract does not hold
_KEPT, _OSMNX, _FORWARD, _BACKWARD = 1, 2, 4, 8  # flags of a run of nodes
_WKB_HEADER = 9  # byte order, type and count come before the coordinates of a line


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
    found = _Found(FILTERS[walk_filter])
    try:
        date = _scan(path, found)
        _require_cut_not_unsorted(path, found.missing)
    except (RuntimeError, OSError) as error:
        if "out of order" in str(error):
            raise unsorted(path) from error
        raise NetworkError(
            f"{path}：OSM 文件读不了（{error}）。文件可能不完整或已损坏：请重新下载，"
            "或用 osmium fileinfo 检查。",
            f"{path}: the OSM file cannot be read ({error}). It may be cut short or damaged: "
            "download it again, or look at it with `osmium fileinfo`.",
        ) from error
    return build_network(
        found.pieces(_KEPT),
        found.way_table(),
        island_share=island_share,
        source=str(path),
        signal_nodes=np.unique(np.array(found.signals, np.int64)),
        missing_nodes=len(found.missing),
        cut_ways=len(found.cut_ways),
        gained_m=float(found.pieces(_KEPT, _OSMNX).metres.sum()),
        lost_m=float(found.pieces(_OSMNX, _KEPT).metres.sum()),
        date=date,
    )


def require_osm_file(path: Path) -> None:
    """Raise `NetworkError` unless the file is there, not empty, and named as OSM files are."""
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


@dataclass
class _Found:
    """What a pass over the file collects: runs of nodes in flat arrays, tags by way."""

    walk_filter: WalkFilter
    tags: dict[int, tuple[str | None, ...]] = field(default_factory=dict)
    signals: list[int] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)  # nodes without a place
    cut_ways: set[int] = field(default_factory=set)
    refs: array = field(default_factory=lambda: array("q"))
    places: bytearray = field(default_factory=bytearray)  # lng, lat as 8-byte floats
    # one entry per run: its way, vertices, first segment, directions, which filters keep it
    way: array = field(default_factory=lambda: array("q"))
    count: array = field(default_factory=lambda: array("q"))
    first: array = field(default_factory=lambda: array("q"))
    flags: array = field(default_factory=lambda: array("b"))

    known: dict[tuple[str | None, ...], int] = field(default_factory=dict)  # values → flags

    @property
    def deciding_keys(self) -> tuple[str, ...]:
        """Tags by which a way is kept, and in which direction."""
        return tuple(dict.fromkeys([*self.walk_filter.keys, *OSMNX.keys]))

    def flags_of(self, values: tuple[str | None, ...]) -> int:
        """What the filters say to the values of the deciding keys; most ways repeat a few."""
        flags = self.known.get(values)
        if flags is None:
            tags = dict(zip(self.deciding_keys, values, strict=True))
            forward, backward = self.walk_filter.directions(tags)
            kept, osmnx = self.walk_filter.allows(tags), OSMNX.allows(tags)
            flags = kept * _KEPT + osmnx * _OSMNX + forward * _FORWARD + backward * _BACKWARD
            self.known[values] = flags
        return flags

    def add(self, way: int, refs: list[int], places: bytes, first: int, flags: int) -> None:
        self.refs.extend(refs)
        self.places += places
        self.way.append(way)
        self.count.append(len(refs))
        self.first.append(first)
        self.flags.append(flags)

    def way_table(self) -> pd.DataFrame:
        """Tags of the kept ways, as `WalkNetwork.ways` has them."""
        deciding = self.deciding_keys
        keys = [*deciding, *(key for key in KEPT_TAGS if key not in deciding)]
        rows = self.tags.values()
        columns = {key: [row[i] for row in rows] for i, key in enumerate(keys) if key in KEPT_TAGS}
        return way_table(list(self.tags), columns)

    def pieces(self, kept_by: int, not_by: int = 0) -> Pieces:
        """The runs with all flags of ``kept_by`` and none of ``not_by``."""
        flags, count = np.frombuffer(self.flags, np.int8), np.frombuffer(self.count, np.int64)
        run = ((flags & kept_by) == kept_by) & ((flags & not_by) == 0)
        vertex = np.repeat(run, count)
        place = np.frombuffer(self.places, "<f8").reshape(-1, 2)[vertex]
        return Pieces.build(
            np.frombuffer(self.refs, np.int64)[vertex],
            place[:, 0],
            place[:, 1],
            count[run],
            np.frombuffer(self.way, np.int64)[run],
            first_segment=np.frombuffer(self.first, np.int64)[run],
            forward=(flags[run] & _FORWARD) > 0,
            backward=(flags[run] & _BACKWARD) > 0,
        )


def _scan(path: Path, found: _Found) -> str | None:
    """Read ways and signals; return the file's date, if its header has one."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    line_of, every = osmium.geom.WKBFactory().create_linestring, osmium.geom.use_nodes.ALL
    deciding = found.deciding_keys
    others = tuple(key for key in KEPT_TAGS if key not in deciding)
    things: Any = (
        osmium.FileProcessor(str(path), osmium.osm.NODE | osmium.osm.WAY)
        .with_locations()
        .with_filter(osmium.filter.KeyFilter("highway"))
    )
    for thing in things:
        get = thing.tags.get
        if thing.is_node():
            if get("highway") == "traffic_signals" or _has_signals(get):
                found.signals.append(thing.id)
            continue
        values = tuple([get(key) for key in deciding])
        flags = found.flags_of(values)
        if not flags & (_KEPT | _OSMNX):
            continue
        if flags & _KEPT:
            found.tags[thing.id] = (*values, *[get(key) for key in others])
        refs = [node.ref for node in thing.nodes]
        try:
            # one call for all coordinates; hexadecimal, as the factory has no other form
            wkb = bytes.fromhex(line_of(thing, every))
            found.add(thing.id, refs, wkb[_WKB_HEADER:], 0, flags)
        except (osmium.InvalidLocationError, RuntimeError):  # a node without a place, or too few
            _add_runs(found, thing, refs, flags)
    return things.header.get("osmosis_replication_timestamp") or None


def _has_signals(get: Callable[[str], str | None]) -> bool:
    crossing = get("highway") == "crossing"
    return crossing and (get("crossing") == "traffic_signals" or get("crossing:signals") == "yes")


def _add_runs(found: _Found, way: Any, refs: list[int], flags: int) -> None:
    """Cut a way (with libosmium's integer coordinates) at the nodes that have no location."""
    kept = flags & _KEPT
    first = 0
    places: list[float] = []
    for number, node in enumerate([*way.nodes, None]):
        if node is not None and node.x != _NO_LOCATION:
            places += (node.x / 1e7, node.y / 1e7)
            continue
        if node is not None and kept:
            found.missing.add(node.ref)
            found.cut_ways.add(way.id)
        found.add(way.id, refs[first:number], np.array(places).tobytes(), first, flags)
        first, places = number + 1, []


def _require_cut_not_unsorted(path: Path, missing: set[int]) -> None:
    """Nodes without a place are missing where an extract was cut; else the file is to blame."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    if not missing:
        return
    if min(missing) < 0:
        raise NetworkError(
            f"{path}：节点编号是负数（如 JOSM 里新画的），读不出位置。请先 osmium renumber。",
            f"{path}: nodes have negative ids (as drawn in JOSM) and cannot be located. "
            "Run `osmium renumber` first.",
        )
    nodes = osmium.FileProcessor(str(path), osmium.osm.NODE).with_filter(
        osmium.filter.IdFilter(sorted(missing))
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
