"""Links: lines that a planner draws become streets, joined to the streets at their ends.

Each end of a link is joined to the nearest walkable street (islands count: a link may save them)
by a straight leg that is part of the link; the street is split at the foot, or the foot is the
street's vertex where one lies within `AT_VERTEX_M` of it. What lies between the ends passes over
or under. Links meet one another only where their vertices are one place (within 1 mm).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from servicecircle.errors import TableError
from servicecircle.fetching.web import clean
from servicecircle.streets.contraction import GEOD, Floats, Ints
from servicecircle.streets.network import way_table
from servicecircle.streets.straights import Straights
from servicecircle.streets.walk_filter import OSMNX

AT_VERTEX_M = 0.5
SAME_PLACE_M = 0.001
LINK_WAYS_FROM = -2  # link ways are -2, -3 …; -1 means "no way" in a network
SHOWN_CHARACTERS = 40  # of a name, in a message
_DEGREE_M = 110_000.0  # a degree of latitude is longer everywhere, so boxes are large enough


class _Part(NamedTuple):
    """One drawn line: the row of its link, its way id, its vertices (indices into all of them)."""

    row: int
    way: int
    vertices: range


class _Street(NamedTuple):
    """The nearest place on a street: which bit, and where on it (0 to 1)."""

    bit: int
    t: float


def add_links(
    streets: Straights,
    links: gpd.GeoDataFrame,
    ways: pd.DataFrame,
    plane: Transformer,
    ids: Iterator[int],
    join_m: float,
) -> tuple[Straights, pd.DataFrame, float]:
    """Streets with the links joined to them, the ways with theirs, and the metres added.

    ``links`` has lines in degrees. Raises `TableError` where an end is farther than ``join_m``
    from every street (and at no other link's vertex), or a line has no length.
    """
    parts, xy = _drawn(links, min(int(ways.index.min()), LINK_WAYS_FROM + 1) - 1)
    places = _Places(streets, xy, plane, ids)
    ends = [vertex for part in parts for vertex in (part.vertices[0], part.vertices[-1])]
    feet = _Feet(streets, ids)
    foot: dict[int, int] = {}
    for end, street in zip(ends, _nearest(streets, xy[ends], plane, join_m), strict=True):
        if street is not None:
            foot[end] = feet.at(street)
    _require_joined(links, parts, places, foot, streets, xy, plane, join_m)
    added = _link_bits(links, parts, places, foot, feet)
    table = way_table([part.way for part in parts], _tags(links, parts))
    table = table.reindex(columns=ways.columns).fillna("")
    ways = pd.concat([ways, table]).sort_index()
    return feet.split().plus(added), ways, float(added.metres.sum())


def _drawn(links: gpd.GeoDataFrame, first_way: int) -> tuple[list[_Part], Floats]:
    """The links' lines, and all their vertices; parts that continue each other are one line."""
    parts: list[_Part] = []
    xy: list[Floats] = []
    begin = 0
    for row, drawn in enumerate(shapely.force_2d(links.geometry.to_numpy())):
        lines = shapely.get_parts(drawn)
        if any(not GEOD.geometry_length(line) >= SAME_PLACE_M for line in lines):
            raise _error(
                links,
                row,
                "没有长度（首尾是同一点）。请重画或删去",
                "has no length (its ends are one place). Draw it again, or delete it",
            )
        if len(lines) > 1:
            merged = shapely.line_merge(drawn, directed=_one_way(links, row) != "")
            lines = shapely.get_parts(merged)
        for line in lines:
            points = shapely.get_coordinates(line)
            parts.append(_Part(row, first_way - len(parts), range(begin, begin + len(points))))
            xy.append(points)
            begin += len(points)
    return parts, np.concatenate(xy)


class _Places:
    """Which vertices of links are one place, those of links that the network has included."""

    def __init__(self, streets: Straights, xy: Floats, plane: Transformer, ids: Iterator[int]):
        old, old_xy = _link_nodes(streets)
        every = np.concatenate([old_xy, xy])
        pairs = cKDTree(np.column_stack(plane.transform(*every.T))).query_pairs(
            SAME_PLACE_M, output_type="ndarray"
        )
        graph = coo_matrix((np.ones(len(pairs)), (*pairs.T,)), shape=(len(every),) * 2)
        count, place = connected_components(graph, directed=False)
        representative = np.zeros(count, np.int64)
        representative[place[::-1]] = np.arange(len(every))[::-1]  # the first: an old one, if any
        self.place = place[len(old) :]  # of each vertex
        self.xy = every[representative]
        self.old = representative < len(old)
        self.node = np.zeros(count, np.int64)
        self.node[self.old] = old[representative[self.old]]
        self.node[~self.old] = [next(ids) for _ in range(int((~self.old).sum()))]


def _link_nodes(streets: Straights) -> tuple[Ints, Floats]:
    """Nodes (ids, places) that only links have."""
    is_link = streets.way <= LINK_WAYS_FROM
    if not is_link.any():
        return np.empty(0, np.int64), np.empty((0, 2))
    links, others = streets.take(is_link), streets.take(~is_link)
    node, first = np.unique(np.concatenate([links.a, links.b]), return_index=True)
    only = ~np.isin(node, others.a) & ~np.isin(node, others.b)
    return node[only], np.concatenate([links.start, links.end])[first][only]


class _Feet:
    """Where link ends meet streets; remembers the splits, so that feet close by are one."""

    def __init__(self, streets: Straights, ids: Iterator[int]):
        self.streets, self.ids = streets, ids
        self.splits: dict[int, list[tuple[float, int]]] = defaultdict(list)
        self.xy: dict[int, Floats] = {}  # of every foot's node

    def at(self, street: _Street) -> int:
        """The node of a foot."""
        s, bit, t = self.streets, street.bit, street.t
        stops = [(0.0, int(s.a[bit])), (1.0, int(s.b[bit])), *self.splits[bit]]
        near, node = min(stops, key=lambda stop: abs(stop[0] - t))
        if abs(near - t) * s.metres[bit] > AT_VERTEX_M:
            near, node = t, next(self.ids)
            self.splits[bit].append((t, node))
        start, end = s.start[bit], s.end[bit]
        self.xy.setdefault(node, end if near == 1 else start + near * (end - start))
        return node

    def split(self) -> Straights:
        """The streets, split at the feet."""
        s = self.streets
        row, t0, t1, a, b = [], [], [], [], []
        for bit, splits in self.splits.items():
            stops = sorted([(0.0, int(s.a[bit])), (1.0, int(s.b[bit])), *splits])
            for (low, one), (high, other) in itertools.pairwise(stops):
                row.append(bit)
                t0.append(low)
                t1.append(high)
                a.append(one)
                b.append(other)
        whole = np.ones(len(s), bool)
        whole[row] = False
        part = s.parts(np.array(row, np.int64), *map(np.array, (t0, t1, a, b)))
        return s.take(whole).plus(part) if row else s


def _nearest(
    streets: Straights, ends: Floats, plane: Transformer, join_m: float
) -> list[_Street | None]:
    """For each end the nearest street within ``join_m``, by the same rule as snapping.

    In the metric plane; ties within 1 mm go to the smallest (way, segment). Links are no streets.
    """
    reach = np.empty_like(ends)
    reach[:, 1] = join_m / _DEGREE_M
    reach[:, 0] = reach[:, 1] / np.maximum(np.cos(np.radians(ends[:, 1])), 1e-3)
    low, high = ends - reach, ends + reach
    rows = streets.near(low, high)
    rows = rows[streets.way[rows] > LINK_WAYS_FROM]
    tree = shapely.STRtree(streets.shapes(rows))
    end, k = tree.query(shapely.box(*low.T, *high.T))
    bit = rows[k]
    t, distance = _foot(streets, bit, ends[end], plane)
    out: list[_Street | None] = []
    for i in range(len(ends)):
        mine = np.flatnonzero((end == i) & (distance <= join_m))
        if not len(mine):
            out.append(None)
            continue
        tied = mine[distance[mine] <= distance[mine].min() + SAME_PLACE_M]
        order = np.lexsort([distance[tied], streets.number[bit[tied]], streets.way[bit[tied]]])
        best = tied[order[0]]
        out.append(_Street(int(bit[best]), float(t[best])))
    return out


def _foot(
    streets: Straights, bit: Ints, points: Floats, plane: Transformer
) -> tuple[Floats, Floats]:
    """Where on its bit each point's foot lies (0 to 1), and its distance in the metric plane."""
    a, b, p = (
        np.column_stack(plane.transform(*xy.T))
        for xy in (streets.start[bit], streets.end[bit], points)
    )
    line = b - a
    square = np.einsum("ij,ij->i", line, line)
    t = np.einsum("ij,ij->i", p - a, line) / np.where(square > 0, square, 1.0)
    t = np.clip(t, 0.0, 1.0)
    return t, np.hypot(*(a + t[:, None] * line - p).T)


def _require_joined(
    links: gpd.GeoDataFrame,
    parts: list[_Part],
    places: _Places,
    foot: dict[int, int],
    streets: Straights,
    xy: Floats,
    plane: Transformer,
    join_m: float,
) -> None:
    """Every end meets a street or another link, and every chain of links a street."""
    users: dict[int, set[int]] = defaultdict(set)
    for i, part in enumerate(parts):
        for vertex in part.vertices:
            users[int(places.place[vertex])].add(i)
    joined = [
        any(v in foot or places.old[places.place[v]] for v in part.vertices) for part in parts
    ]
    waiting = [i for i, yes in enumerate(joined) if yes]
    while waiting:  # what meets a joined link is joined
        for vertex in parts[waiting.pop()].vertices:
            more = [i for i in users[int(places.place[vertex])] if not joined[i]]
            for i in more:
                joined[i] = True
            waiting += more
    for i, part in enumerate(parts):
        for vertex, end in ((part.vertices[0], 0), (part.vertices[-1], 1)):
            place = int(places.place[vertex])
            meets_link = places.old[place] or len(users[place]) > 1
            if vertex in foot or (meets_link and joined[i]):
                continue
            every = np.flatnonzero(streets.way > LINK_WAYS_FROM)
            gap = _foot(streets, every, np.tile(xy[vertex], (len(every), 1)), plane)[1].min()
            raise _error(
                links,
                part.row,
                f"的{('起点', '终点')[end]}离最近的步行道路 {gap:.1f} 米，超过 {join_m:g} 米"
                "（禁行面里的道路不算）。请把端点画到路边，或检查图层的坐标系",
                f"{('begins', 'ends')[end]} {gap:.1f} m from the nearest walkable street, more "
                f"than {join_m:g} m (streets inside barriers do not count). Draw it up to the "
                "street, or check the layer's datum",
            )


def _link_bits(
    links: gpd.GeoDataFrame,
    parts: list[_Part],
    places: _Places,
    foot: dict[int, int],
    feet: _Feet,
) -> Straights:
    """The links bit by bit: leg, drawn line, leg."""
    a, b, way, number, directions = [], [], [], [], []
    xy = {int(n): places.xy[i] for i, n in enumerate(places.node)} | feet.xy
    for part in parts:
        first, last = part.vertices[0], part.vertices[-1]
        nodes = [int(places.node[places.place[vertex]]) for vertex in part.vertices]
        nodes = [*([foot[first]] if first in foot else []), *nodes]
        nodes = [*nodes, *([foot[last]] if last in foot else [])]
        tags = {"oneway:foot": _one_way(links, part.row)}
        pairs = [(u, v) for u, v in itertools.pairwise(nodes) if u != v]
        for k, (u, v) in enumerate(pairs):
            a.append(u)
            b.append(v)
            way.append(part.way)
            number.append(k)
            directions.append(OSMNX.directions(tags))
    start, end = (np.array([xy[node] for node in nodes]).reshape(-1, 2) for nodes in (a, b))
    may = np.array(directions, bool).reshape(-1, 2)
    return Straights(
        a=np.array(a, np.int64),
        b=np.array(b, np.int64),
        start=start,
        end=end,
        way=np.array(way, np.int64),
        number=np.array(number, np.int64),
        forward=may[:, 0],
        backward=may[:, 1],
        island=np.zeros(len(a), bool),
        metres=np.asarray(GEOD.inv(*start.T, *end.T)[2]),
    )


def _tags(links: gpd.GeoDataFrame, parts: list[_Part]) -> dict[str, list[str | None]]:
    tags: dict[str, list[str | None]] = {"highway": ["footway"] * len(parts)}
    tags["name"] = [_name(links, part.row) for part in parts]
    tags["oneway:foot"] = [_one_way(links, part.row) for part in parts]
    for key in ("bridge", "tunnel"):
        given = links[key].to_numpy(bool) if key in links else np.zeros(len(links), bool)
        tags[key] = ["yes" if given[part.row] else None for part in parts]
    return tags


def _name(links: gpd.GeoDataFrame, row: int) -> str:
    name = links["name"].iloc[row] if "name" in links else ""
    return name if isinstance(name, str) else ""


def _one_way(links: gpd.GeoDataFrame, row: int) -> str:
    value = links["oneway:foot"].iloc[row] if "oneway:foot" in links else ""
    return value if isinstance(value, str) else ""


def _error(links: gpd.GeoDataFrame, row: int, zh: str, en: str) -> TableError:
    name = clean(_name(links, row), SHOWN_CHARACTERS)
    return TableError(
        f"连线{f'“{name}”' if name else ''}{zh}。",
        f"The link {f'“{name}” ' if name else ''}{en}.",
        file=str(links.attrs.get("file", "")),
        rows=[row + 1],
    )
