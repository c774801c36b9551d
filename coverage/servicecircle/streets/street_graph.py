"""Street graphs of OSMnx: a networkx graph or a ``.graphml`` file in, a `WalkNetwork` out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

import numpy as np
import shapely

from servicecircle.errors import NetworkError, Note
from servicecircle.streets.contraction import Pieces
from servicecircle.streets.network import (
    ISLAND_SHARE,
    KEPT_TAGS,
    WalkNetwork,
    build_network,
    way_table,
)
from servicecircle.streets.tag_values import drive_note, tag_of, values_of, way_of

Point = tuple[float, float]
Notes = tuple[Note, ...]

_WGS84_NAMES = ("4326", "CRS84")  # how the name of a graph in degrees ends


def read_graphml(path: str | Path, *, island_share: float = ISLAND_SHARE) -> WalkNetwork:
    """Walking network of a ``.graphml`` file, as OSMnx and networkx save street graphs.

    See `network_from_graph`. Raises `NetworkError` when the file is missing, damaged, or holds no
    such graph.
    """
    import networkx  # noqa: PLC0415 (only readers of graphs need it)

    path = Path(path)
    _require_graphml(path)
    try:
        with path.open("rb") as file:
            # keys and ids as text: what they mean is for `network_from_graph` to say
            graph = networkx.read_graphml(
                file, node_type=str, edge_key_type=str, force_multigraph=True
            )
    except (ParseError, networkx.NetworkXError, ValueError, LookupError, TypeError, AttributeError,
            RecursionError, OSError) as error:  # fmt: skip
        raise _unreadable(path, error) from error
    return network_from_graph(graph, island_share=island_share, source=str(path))


def _require_graphml(path: Path) -> None:
    if not path.is_file():
        raise NetworkError(
            f"{path}：找不到这个 GraphML 文件，请检查路径。",
            f"{path}: no such GraphML file; check the path.",
        )
    try:
        _refuse_entities(path)
    except expat.ExpatError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> NetworkError:
    first = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return NetworkError(
        f"{path}：GraphML 文件读不了（{first}）。请用 osmnx.save_graphml 重新保存。",
        f"{path}: the GraphML file cannot be read ({first}). Save it again with "
        "osmnx.save_graphml.",
    )


class _RootReached(Exception):  # noqa: N818 (it ends a look at a file's head, and is no error)
    pass


def _refuse_entities(path: Path) -> None:
    """GraphML needs no document type; one may define entities that expand without end."""

    def refuse(*_: Any) -> None:
        raise NetworkError(
            f"{path}：文件含 DOCTYPE 声明，不予打开。请用 osmnx.save_graphml 重新保存。",
            f"{path}: the file has a DOCTYPE and is not opened. Save it again with "
            "osmnx.save_graphml.",
        )

    def stop(*_: Any) -> None:
        raise _RootReached

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, stop
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except _RootReached:
        pass


def network_from_graph(
    graph: Any, *, island_share: float = ISLAND_SHARE, source: str = "graph"
) -> WalkNetwork:
    """Walking network of an OSMnx street graph (unprojected, simplified or not).

    Any networkx graph will do whose nodes have ``x`` (lng) and ``y`` (lat); edges may have
    ``geometry`` (a line, or its WKT), ``osmid`` and tags, and are straight and nameless without.
    Which edges are in it was decided when it was made: no walk filter is applied. The graph's own
    lengths are not used: they are great-circle lengths, up to 0.3 % off. Every edge can be walked
    both ways. What OSMnx drops is said in ``notes``. ``graph`` is not changed.

    Raises `NetworkError` when it is projected, has no coordinates, or has no edge.
    """
    crs = str(graph.graph.get("crs", "EPSG:4326"))
    if not crs.upper().endswith(_WGS84_NAMES):
        raise NetworkError(
            f"街道图是投影坐标（{crs}）：请传入未投影的图（EPSG:4326）。",
            f"the street graph is projected ({crs}): hand in the unprojected one (EPSG:4326).",
        )
    nodes = _Nodes.of(graph)
    edges = _edges_once(graph, nodes)
    ways = way_table(
        list(edges.tags),
        {key: [of.get(key) for of in edges.tags.values()] for key in KEPT_TAGS},
    )
    return build_network(
        edges.pieces(),
        ways,
        island_share=island_share,
        source=source,
        signal_nodes=nodes.signals,
        notes=_lost_notes(graph) + edges.notes() + drive_note(ways["highway"]),
    )


def _lost_notes(graph: Any) -> Notes:
    """What a graph cannot know of the streets it was made from."""
    notes = [
        (
            "OSMnx 的街道图不带步行方向（oneway:foot、foot:backward）：每条边都按双向可走计算；"
            "也看不出当时按哪种 network_type 下载。需要这些就用 OSM 文件。",
            "street graphs of OSMnx have no walking directions (oneway:foot, foot:backward), so "
            "every edge is walked both ways; nor do they say for which network_type they were "
            "made. Use an OSM file where this matters.",
        )
    ]
    if values_of(graph.graph.get("simplified")) == ("yes",):
        notes.append(
            (
                "街道图经过 OSMnx 简化：两路口间并行的几条路可能只剩一条，没有路口的环路会消失，"
                "路段中间的信号灯也没有了。",
                "the graph was simplified by OSMnx: of streets side by side between two junctions "
                "one may be left, rings without a junction and signals between junctions are gone.",
            )
        )
    if not graph.is_multigraph():
        notes.append(
            (
                "这个图（Graph 或 DiGraph）两点间只能有一条边：并行的路只剩一条。",
                "this graph (Graph or DiGraph) has one edge between two nodes at most: of streets "
                "side by side one is left.",
            )
        )
    return tuple(notes)


@dataclass(frozen=True)
class _Nodes:
    """Numbers of a graph's nodes (their own ids where these are whole numbers), and places."""

    number: Mapping[Any, int]
    place: Mapping[Any, Point]
    signals: np.ndarray

    @classmethod
    def of(cls, graph: Any) -> _Nodes:
        nodes = list(graph.nodes)
        place = {}
        for node, data in graph.nodes(data=True):
            try:
                lng, lat = float(data["x"]), float(data["y"])
            except (KeyError, TypeError, ValueError) as error:
                raise NetworkError(
                    f"街道图的节点 {node!r:.80} 缺少坐标（{error}）："
                    "每个节点要有 x（经度）和 y（纬度）。",
                    f"node {node!r:.80} of the street graph has no coordinates ({error}): "
                    "every node needs x (lng) and y (lat).",
                ) from error
            if not (abs(lng) <= 180 and abs(lat) <= 90):  # refuses NaN as well
                raise NetworkError(
                    f"街道图的节点 {node!r:.80} 不在经纬度范围内（x={lng:g}，y={lat:g}）："
                    "请传入未投影的图（EPSG:4326）。",
                    f"node {node!r:.80} of the street graph is not in degrees (x={lng:g}, "
                    f"y={lat:g}): hand in the unprojected graph (EPSG:4326).",
                )
            place[node] = lng, lat
        ids = [_whole(node) for node in nodes]
        own = None not in ids and len(set(ids)) == len(ids)
        number = dict(zip(nodes, ids if own else range(1, len(nodes) + 1), strict=True))
        lit = [
            number[node]
            for node, kind in graph.nodes(data="highway")
            if "traffic_signals" in values_of(kind)
        ]
        return cls(number, place, np.unique(np.array(lit, np.int64)))


def _whole(node: Any) -> int | None:
    """A node's id as a number that leaves room for those of inner vertices."""
    if isinstance(node, str):
        return int(node) if re.fullmatch(r"-?[0-9]{1,18}", node) else None
    if isinstance(node, (int, np.integer)) and not isinstance(node, bool):
        return int(node) if abs(int(node)) < 10**18 else None
    return None


@dataclass
class _Edges:
    """Each undirected edge once; inner vertices get ids below those of all nodes."""

    next_inner: int
    ref: list[int] = field(default_factory=list)
    place: list[Point] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    way: list[int | None] = field(default_factory=list)
    tags: dict[int, dict[str, str | None]] = field(default_factory=dict)
    points: int = 0  # edges of no length: loops without a geometry

    def add(self, u: int, v: int, points: list[Point], way: int | None) -> None:
        inner = range(self.next_inner, self.next_inner - (len(points) - 2), -1)
        self.next_inner -= len(inner)
        self.ref += [u, *inner, v]
        self.place += points
        self.count.append(len(points))
        self.way.append(way)

    def pieces(self) -> Pieces:
        lng, lat = np.array(self.place).reshape(-1, 2).T
        if not np.all((np.abs(lng) <= 180) & (np.abs(lat) <= 90)):
            raise NetworkError(
                "街道图有的边，其 geometry 不在经纬度范围内：请传入未投影的图（EPSG:4326）。",
                "edges of the street graph have a geometry that is not in degrees: hand in the "
                "unprojected graph (EPSG:4326).",
            )
        return Pieces.build(self.ref, lng, lat, self.count, np.array(self.way, np.int64))

    def notes(self) -> Notes:
        if not self.points:
            return ()
        return (
            (
                f"{self.points} 条边从一个节点回到它自己而没有形状，长度为零，已略去。",
                f"{self.points} edges lead from a node to itself without a shape: they have no "
                "length and are left out.",
            ),
        )


def _edges_once(graph: Any, nodes: _Nodes) -> _Edges:
    seen: set[tuple[Any, ...]] = set()
    edges = _Edges(min([0, *nodes.number.values()]) - 1)
    nameless: list[tuple[int, dict[str, str | None]]] = []
    for u, v, data in graph.edges(data=True):
        points = _edge_points(nodes.place[u], nodes.place[v], data)
        a, b = nodes.number[u], nodes.number[v]
        way = way_of(data.get("osmid"))
        line = (a, *points, b)
        key = (way, min(line, line[::-1]))
        if key in seen:
            continue
        seen.add(key)
        if len(points) == 2 and a == b:
            edges.points += 1
            continue
        tags = {key: tag_of(values_of(data[key])) for key in KEPT_TAGS if key in data}
        if way is None:
            nameless.append((len(edges.way), tags))
        else:
            edges.tags.setdefault(way, tags)
        edges.add(a, b, points, way)
    # edges without a way id get the numbers after the largest one
    for number, (i, tags) in enumerate(nameless, max(edges.tags, default=0) + 1):
        edges.way[i] = number
        edges.tags[number] = tags
    return edges


def _edge_points(u: Point, v: Point, data: Mapping[str, Any]) -> list[Point]:
    """The vertices of an edge from u to v; an undirected graph may store its line from v to u."""
    line = data.get("geometry")
    if isinstance(line, str):
        line = shapely.from_wkt(line, on_invalid="ignore")
        line = "?" if line is None else line
    if line is None:
        return [u, v]
    if not isinstance(line, shapely.LineString):
        raise NetworkError(
            f"街道图有一条边（{u} 到 {v}）的 geometry 不是线（LineString）。",
            f"an edge of the street graph (from {u} to {v}) has a geometry that is no LineString.",
        )
    points = [(float(x), float(y)) for x, y in shapely.get_coordinates(line)]
    if len(points) < 2:
        return [u, v]
    as_is = _apart(points[0], u) + _apart(points[-1], v)
    if _apart(points[0], v) + _apart(points[-1], u) < as_is:
        points.reverse()
    return [u, *points[1:-1], v]


def _apart(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])
