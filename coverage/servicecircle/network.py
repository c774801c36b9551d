"""The walking network: an OSM file or an OSMnx graph in, a contracted `WalkNetwork` out.

Two entries (`read_osm`, `network_from_graph`) convert what they are given into *pieces*: runs of
consecutive nodes of walkable ways. One core (`_build`) turns pieces into a network; how nodes of
degree two are contracted: `contraction.py`. Which ways are walkable is data: `walk_filter.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from servicecircle.contraction import Floats, Ints, Pieces, contract, indptr_of
from servicecircle.errors import NetworkError
from servicecircle.walk_filter import is_walkable, walk_directions

ISLAND_SHARE = 0.01  # a component shorter than this share of the longest one is an island
OSM_SUFFIXES = (".osm.pbf", ".pbf", ".osm", ".osm.gz", ".osm.bz2")
KEPT_TAGS = (
    "highway", "name", "foot", "access", "service", "sidewalk", "surface", "bridge", "tunnel",
    "layer", "incline", "oneway:foot", "foot:backward",
)  # fmt: skip
_NO_LOCATION = 2**31 - 1  # libosmium's coordinate of a node that the extract does not hold


@dataclass(frozen=True)
class WalkNetwork:
    """Streets people may walk on, as a graph of junctions with exact edge lengths.

    Nodes of degree two are contracted: an edge is a whole polyline between two junctions. All
    coordinates are WGS-84 degrees, lng before lat; all lengths are geodesics on the WGS-84
    ellipsoid in metres.

    Junctions (n): ``junction_id`` OSM node ids, ``junction_lng``, ``junction_lat``.
    Edges (m): ``edge_u``, ``edge_v`` junction indices of the ends; ``edge_length``;
    ``edge_forward``, ``edge_backward``: may it be walked u → v, v → u; ``edge_island``: does it
    belong to an island (a component too short to plan on).
    Polylines: edge e has the vertices ``vertex_start[e]:vertex_start[e + 1]``, with ``vertex_id``
    (OSM node), ``vertex_lng``, ``vertex_lat``, ``vertex_offset`` (metres from u), ``vertex_way``
    and ``vertex_segment`` (way id, and number of the segment within that way, of the segment that
    begins at this vertex; -1 at an edge's last vertex).
    ``missing_nodes``, ``cut_ways``: street nodes that the extract lacks, ways that break there.
    Ways: ``ways`` is a table by way id with the tags in `KEPT_TAGS` (missing ones are empty).
    """

    junction_id: Ints
    junction_lng: Floats
    junction_lat: Floats
    edge_u: Ints
    edge_v: Ints
    edge_length: Floats
    edge_forward: NDArray[np.bool_]
    edge_backward: NDArray[np.bool_]
    edge_island: NDArray[np.bool_]
    vertex_start: Ints
    vertex_id: Ints
    vertex_lng: Floats
    vertex_lat: Floats
    vertex_offset: Floats
    vertex_way: Ints
    vertex_segment: Ints
    ways: pd.DataFrame
    islands: int
    island_metres: float
    missing_nodes: int = 0
    cut_ways: int = 0
    source: str = ""
    date: str | None = None
    crs: str = field(default="EPSG:4326")

    @property
    def n_junctions(self) -> int:
        """Number of junctions and dead ends."""
        return len(self.junction_id)

    @property
    def n_edges(self) -> int:
        """Number of edges (contracted polylines)."""
        return len(self.edge_u)

    @property
    def length(self) -> float:
        """Total street length in metres, islands included."""
        return float(self.edge_length.sum())

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees."""
        lng, lat = self.vertex_lng, self.vertex_lat
        return float(lng.min()), float(lat.min()), float(lng.max()), float(lat.max())

    @cached_property
    def plane(self) -> Transformer:
        """Degrees → a local metric plane (transverse Mercator, scale 1 at the city's centre).

        Conformal, so that *nearest* is decided rightly; lengths are never taken from it.
        """
        stays = np.repeat(~self.edge_island, np.diff(self.vertex_start))  # no stray way far away
        lng, lat = np.median(self.vertex_lng[stays]), np.median(self.vertex_lat[stays])
        return Transformer.from_crs(
            "EPSG:4326",
            f"+proj=tmerc +lat_0={lat} +lon_0={lng} +k=1 +ellps=WGS84 +units=m",
            always_xy=True,
        )

    @cached_property
    def arcs_towards(self) -> tuple[Ints, Ints, Floats]:
        """CSR (indptr, tail, metres): for a junction, from where one walks to it along one edge.

        A search from a station follows these arcs and so finds the walks *to* the station.
        """
        f, b = self.edge_forward, self.edge_backward
        into = np.concatenate([self.edge_v[f], self.edge_u[b]])
        tail = np.concatenate([self.edge_u[f], self.edge_v[b]])
        metres = np.concatenate([self.edge_length[f], self.edge_length[b]])
        order = np.argsort(into, kind="stable")
        return indptr_of(into, self.n_junctions), tail[order], metres[order]

    @cached_property
    def incidence(self) -> tuple[Ints, Ints]:
        """CSR (indptr, edge): the edges that end at a junction; a loop is listed twice."""
        ends = np.concatenate([self.edge_u, self.edge_v])
        edges = np.tile(np.arange(self.n_edges), 2)
        order = np.argsort(ends, kind="stable")
        return indptr_of(ends, self.n_junctions), edges[order]


def read_osm(path: str | Path, *, island_share: float = ISLAND_SHARE) -> WalkNetwork:
    """Walking network of an OSM file (``.osm.pbf``, ``.osm``, ``.osm.gz``, ``.osm.bz2``).

    A way that an extract cuts breaks at the missing node. Components shorter than ``island_share``
    of the longest one are marked as islands.

    Raises `NetworkError` when the file is missing, damaged, of another format, or has no walkable
    way.
    """
    path = Path(path)
    require_osm_file(path)
    pieces = Pieces()
    try:
        date = _scan_ways(path, pieces)
        _require_cut_not_unsorted(path, pieces)
    except (RuntimeError, OSError) as error:
        if "out of order" in str(error):
            raise unsorted(path) from error
        raise NetworkError(
            f"{path}：OSM 文件读不了（{error}）。文件可能不完整或已损坏：请重新下载，"
            "或用 osmium fileinfo 检查。",
            f"{path}: the OSM file cannot be read ({error}). It may be cut short or damaged: "
            "download it again, or look at it with `osmium fileinfo`.",
        ) from error
    return _build(pieces, island_share=island_share, source=str(path), date=date)


def network_from_graph(graph: Any, *, island_share: float = ISLAND_SHARE) -> WalkNetwork:
    """Walking network of an OSMnx street graph (unprojected, simplified or not).

    The graph's own lengths are not used: they are great-circle lengths, up to 0.3 % off. OSMnx
    drops the foot-direction tags, so every edge can be walked both ways. ``graph`` is not changed.

    Raises `NetworkError` when it is projected, has no coordinates, or has no edge.
    """
    crs = str(graph.graph.get("crs", "EPSG:4326")).upper()
    if not crs.endswith("4326"):
        raise NetworkError(
            f"街道图是投影坐标（{crs}）：请传入未投影的图（EPSG:4326）。",
            f"the street graph is projected ({crs}): hand in the unprojected one (EPSG:4326).",
        )
    pieces = Pieces()
    try:
        _collect_graph_edges(graph, pieces)
    except KeyError as error:
        raise NetworkError(
            f"街道图的节点缺少坐标 {error}：每个节点要有 x（经度）和 y（纬度）。",
            f"a node of the street graph has no {error}: every node needs x (lng) and y (lat).",
        ) from error
    return _build(pieces, island_share=island_share, source="graph", date=None)


# --- what is read: pieces -------------------------------------------------------------------------


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


def _scan_ways(path: Path, pieces: Pieces) -> str | None:
    """Read the walkable ways into ``pieces``; return the file's date, if its header has one."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    entities = osmium.osm.NODE | osmium.osm.WAY
    ways = (
        osmium.FileProcessor(str(path), entities)
        .with_locations()
        .with_filter(osmium.filter.EntityFilter(osmium.osm.WAY))
        .with_filter(osmium.filter.KeyFilter("highway"))
    )
    for way in ways:
        tags = dict(way.tags)
        if is_walkable(tags):
            nodes = [(node.ref, node.x, node.y) for node in way.nodes]  # type: ignore[union-attr]
            _add_way(pieces, way.id, nodes, walk_directions(tags))
            pieces.tags[way.id] = {key: tags[key] for key in KEPT_TAGS if key in tags}
    return ways.header.get("osmosis_replication_timestamp") or None


def _require_cut_not_unsorted(path: Path, pieces: Pieces) -> None:
    """Nodes without a place are missing where an extract was cut; else the file is to blame."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    if not pieces.missing:
        return
    if min(pieces.missing) < 0:
        raise NetworkError(
            f"{path}：节点编号是负数（如 JOSM 里新画的），读不出位置。请先 osmium renumber。",
            f"{path}: nodes have negative ids (as drawn in JOSM) and cannot be located. "
            "Run `osmium renumber` first.",
        )
    nodes = osmium.FileProcessor(str(path), osmium.osm.NODE).with_filter(
        osmium.filter.IdFilter(sorted(pieces.missing))
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


def _add_way(
    pieces: Pieces, way: int, nodes: list[tuple[int, int, int]], directions: tuple[bool, bool]
) -> None:
    """Cut a way's nodes (with libosmium's integer coordinates) at those that have no location."""
    run: list[tuple[int, float, float]] = []
    first = 0
    for number, (ref, x, y) in enumerate(nodes):
        if x == _NO_LOCATION:
            pieces.missing.add(ref)
            pieces.cut_ways.add(way)
            pieces.add(way, run, first_segment=first, directions=directions)
            run, first = [], number + 1
        else:
            run.append((ref, x / 1e7, y / 1e7))
    pieces.add(way, run, first_segment=first, directions=directions)


def _collect_graph_edges(graph: Any, pieces: Pieces) -> None:
    """Each undirected edge once; the inner vertices of simplified edges get ids below zero."""
    seen: set[tuple[Any, ...]] = set()
    next_inner = -1
    for u, v, data in graph.edges(data=True):
        points = _edge_points(graph, u, v, data)
        way = data.get("osmid", 0)
        way = int(min(way)) if isinstance(way, (list, tuple, set)) else int(way)
        key = (way, min(points, points[::-1]))
        if key in seen:
            continue
        seen.add(key)
        inner = list(range(next_inner, next_inner - (len(points) - 2), -1))
        next_inner -= len(inner)
        ids = [u, *inner, v]
        pieces.add(way, [(i, x, y) for i, (x, y) in zip(ids, points, strict=True)])
        tags = {k: str(data[k]) for k in KEPT_TAGS if k in data}
        pieces.tags.setdefault(way, tags)


def _edge_points(
    graph: Any, u: Any, v: Any, data: Mapping[str, Any]
) -> tuple[tuple[float, float], ...]:
    ends = tuple((float(graph.nodes[n]["x"]), float(graph.nodes[n]["y"])) for n in (u, v))
    if "geometry" not in data:
        return ends
    inner = tuple((float(x), float(y)) for x, y in list(data["geometry"].coords)[1:-1])
    return (ends[0], *inner, ends[1])


# --- the core: pieces to a network ----------------------------------------------------------------


def _build(pieces: Pieces, *, island_share: float, source: str, date: str | None) -> WalkNetwork:
    if not pieces.way:
        raise NetworkError(
            f"{source}：没有任何可步行的道路。请检查文件是否含 highway 道路及其节点"
            "（节点须排在道路之前：osmium sort）。",
            f"{source}: no walkable way. Check that the file holds highway ways with their nodes "
            "(nodes must come before ways: `osmium sort`).",
        )
    arrays = contract(pieces)
    u, v, metres = arrays["edge_u"], arrays["edge_v"], arrays["edge_length"]
    island, count, island_metres = _islands(u, v, metres, len(arrays["junction_id"]), island_share)
    return WalkNetwork(
        **arrays,  # type: ignore[arg-type]
        edge_island=island,
        ways=_way_table(pieces),
        islands=count,
        missing_nodes=len(pieces.missing),
        cut_ways=len(pieces.cut_ways),
        island_metres=island_metres,
        source=source,
        date=date,
    )


def _islands(
    u: Ints, v: Ints, length: Floats, n: int, share: float
) -> tuple[NDArray[np.bool_], int, float]:
    """Which edges lie in components shorter than ``share`` of the longest; their count, metres."""
    links = coo_matrix((np.ones(len(u), np.int8), (u, v)), shape=(n, n))
    count, component = connected_components(links, directed=False)
    metres = np.bincount(component[u], weights=length, minlength=count)
    small = metres < share * metres.max()
    return small[component[u]], int(small.sum()), float(metres[small].sum())


def _way_table(pieces: Pieces) -> pd.DataFrame:
    ids = sorted(pieces.tags)
    columns = {key: [pieces.tags[way].get(key, "") for way in ids] for key in KEPT_TAGS}
    return pd.DataFrame(columns, index=pd.Index(ids, name="way", dtype="int64"))
