"""An independent judge of walking times: networkx on the uncontracted graph with split edges.

Shares no code with the package. Slow and obvious: every OSM node is a graph node, every point is
put into the segment nearest to it (found by trying all segments), and Dijkstra does the rest.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import osmium
from osmnx._overpass import _get_network_filter
from pyproj import Geod, Transformer

GEOD = Geod(ellps="WGS84")


def osmnx_walk_rules() -> list[tuple[str, re.Pattern | None]]:
    """OSMnx's own filter text, parsed: (key, refused pattern or None for "must be present")."""
    rules = []
    for key, pattern in re.findall(r'\["([^"]+)"(?:!~"([^"]+)")?\]', _get_network_filter("walk")):
        rules.append((key, re.compile(pattern) if pattern else None))
    return rules


class _Reader(osmium.SimpleHandler):
    def __init__(self) -> None:
        super().__init__()
        self.rules = osmnx_walk_rules()
        self.segments: list[tuple[int, int, int, int, bool, bool]] = []
        self.where: dict[int, tuple[float, float]] = {}

    def way(self, way) -> None:
        tags = dict(way.tags)
        for key, refused in self.rules:
            if refused is None and key not in tags:
                return
            if refused is not None and key in tags and refused.search(tags[key]):
                return
        forward = tags.get("oneway:foot") not in ("-1", "reverse")
        backward = (
            tags.get("oneway:foot") not in ("yes", "1", "true")
            and tags.get("foot:backward") != "no"
        )
        nodes = list(way.nodes)
        for number, (a, b) in enumerate(itertools.pairwise(nodes)):
            if a.ref == b.ref or not a.location.valid() or not b.location.valid():
                continue
            self.where[a.ref] = (a.lon, a.lat)
            self.where[b.ref] = (b.lon, b.lat)
            self.segments.append((a.ref, b.ref, way.id, number, forward, backward))


@dataclass
class Judge:
    """Streets of an OSM file as a directed networkx graph, points put into their segments."""

    segments: list[tuple[int, int, int, int, bool, bool]]
    where: dict[int, tuple[float, float]]
    gaps: dict[str, float] = field(default_factory=dict)
    graph: nx.DiGraph = field(default_factory=nx.DiGraph)

    @classmethod
    def read(cls, path) -> Judge:
        reader = _Reader()
        reader.apply_file(str(path), locations=True)
        return cls(reader.segments, reader.where)

    def __post_init__(self) -> None:
        a = np.array([self.where[s[0]] for s in self.segments])
        b = np.array([self.where[s[1]] for s in self.segments])
        self.metres = np.asarray(GEOD.inv(*a.T, *b.T)[2])
        lng, lat = a.mean(axis=0)
        self.plane = Transformer.from_crs(
            4326, f"+proj=aeqd +lat_0={lat} +lon_0={lng} +ellps=WGS84", always_xy=True
        )
        self.a = np.column_stack(self.plane.transform(*a.T))
        self.b = np.column_stack(self.plane.transform(*b.T))
        self.low, self.high = np.minimum(self.a, self.b), np.maximum(self.a, self.b)
        plain = nx.Graph()
        for segment, metres in zip(self.segments, self.metres, strict=True):
            u, v = segment[:2]
            # parallel segments add up: street length counts each of them
            old = plain.edges[u, v]["m"] if plain.has_edge(u, v) else 0.0
            plain.add_edge(u, v, m=old + metres)
        parts = list(nx.connected_components(plain))
        length = [sum(m for _, _, m in plain.subgraph(c).edges(data="m")) for c in parts]
        self.island_count = sum(m < 0.01 * max(length) for m in length)
        off = set().union(
            *(c for c, m in zip(parts, length, strict=True) if m < 0.01 * max(length))
        )
        self.usable = np.array([s[0] not in off for s in self.segments])

    def nearest(self, lng: float, lat: float) -> tuple[int, float]:
        """(segment, fraction along it) nearest to a point; ties by (way, segment number)."""
        p = np.array(self.plane.transform(lng, lat))
        for reach in (600.0, np.inf):
            close = (self.low - reach <= p) & (p <= self.high + reach)
            index = np.flatnonzero(close.all(axis=1) & self.usable)
            if len(index):
                break
        a, line = self.a[index], self.b[index] - self.a[index]
        square = (line**2).sum(axis=1)
        t = np.clip(((p - a) * line).sum(axis=1) / np.where(square > 0, square, 1), 0, 1)
        distance = np.hypot(*(a + t[:, None] * line - p).T)
        tied = np.flatnonzero(distance <= distance.min() + 0.001)
        best = min(tied, key=lambda i: self.segments[index[i]][2:4])
        return int(index[best]), float(t[best])

    def place(self, points: dict[str, tuple[float, float]]) -> None:
        """Put named points (lng, lat) into the graph, splitting the segments they lie on."""
        on_segment: dict[int, list[tuple[float, str]]] = defaultdict(list)
        for name, (lng, lat) in points.items():
            segment, t = self.nearest(lng, lat)
            a, b = self.segments[segment][:2]
            ax, ay = self.where[a]
            bx, by = self.where[b]
            foot = (ax + t * (bx - ax), ay + t * (by - ay))
            self.gaps[name] = GEOD.inv(lng, lat, *foot)[2]
            on_segment[segment].append((t, name))
        for i, (a, b, _way, _number, forward, backward) in enumerate(self.segments):
            stops = [(0.0, a), *sorted(on_segment.get(i, [])), (1.0, b)]
            for (t0, u), (t1, v) in itertools.pairwise(stops):
                same_place = (t1 - t0) * self.metres[i] < 0.001  # nothing between to be one-way
                self._link(
                    u,
                    v,
                    (t1 - t0) * self.metres[i],
                    forward or same_place,
                    backward or same_place,
                )

    def _link(self, u, v, metres: float, forward: bool, backward: bool) -> None:
        for x, y, allowed in ((u, v, forward), (v, u, backward)):
            if allowed and (not self.graph.has_edge(x, y) or self.graph.edges[x, y]["m"] > metres):
                self.graph.add_edge(x, y, m=metres)

    def metres_to(self, site: str, limit: float) -> dict[str, float]:
        """Metres from every placed point to ``site``, both legs included, up to ``limit``."""
        if site not in self.graph:
            return {}
        reach = nx.single_source_dijkstra_path_length(
            self.graph.reverse(copy=False), site, cutoff=limit, weight="m"
        )
        legs = {n: d + self.gaps[n] + self.gaps[site] for n, d in reach.items() if n in self.gaps}
        return {n: m for n, m in legs.items() if m <= limit}
