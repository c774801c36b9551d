"""An independent judge of efforts: every segment by a plain loop, walks by networkx.

Shares no code with the package. Heights come from a function of (lng, lat), the streets from the
`Judge` of walking times, so that nothing is contracted.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping

import networkx as nx
import numpy as np
import osmium
from pyproj import Geod

GEOD = Geod(ellps="WGS84")
WALKERS = {"footway", "path", "pedestrian", "steps", "cycleway"}
STEP_M = 30.0

Tags = Mapping[int, Mapping[str, str]]


class Grid:
    """A model of heights in degrees, as an array: bilinear between the centres of its cells."""

    def __init__(self, cells, west, south, east, north):
        self.cells, self.bounds = np.asarray(cells, float), (west, south, east, north)

    def __call__(self, lng: float, lat: float) -> float:
        west, south, east, north = self.bounds
        rows, columns = self.cells.shape
        x = (lng - west) / (east - west) * columns - 0.5
        y = (north - lat) / (north - south) * rows - 0.5
        if not (0 <= x <= columns - 1 and 0 <= y <= rows - 1):
            return math.nan
        i, j = min(int(y), rows - 2), min(int(x), columns - 2)
        p, q = x - j, y - i
        return float(
            self.cells[i, j] * (1 - p) * (1 - q)
            + self.cells[i, j + 1] * p * (1 - q)
            + self.cells[i + 1, j] * (1 - p) * q
            + self.cells[i + 1, j + 1] * p * q
        )


def tobler(slope: float) -> float:
    """Speed on the flat over speed on the slope, each as Tobler gives it in km/h."""
    slope = min(max(slope, -1.0), 1.0)
    return (6 * math.exp(-3.5 * abs(0.05))) / (6 * math.exp(-3.5 * abs(slope + 0.05)))


def is_span(tags: Mapping[str, str]) -> bool:
    return any(tags.get(key, "no") != "no" for key in ("bridge", "tunnel"))


class EffortJudge:
    """Directed efforts beyond the metres, per segment (a, b, way, number, forward, backward)."""

    def __init__(
        self,
        segments: list,
        where: Mapping[int, tuple[float, float]],
        tags: Tags,
        *,
        height: Callable[[float, float], float] | None = None,
        steps_factor: float = 1.0,
        wait_m: float = 0.0,
        signals: frozenset[int] = frozenset(),
    ):
        self.segments, self.where, self.tags = segments, where, tags
        self.metres = [GEOD.inv(*where[s[0]], *where[s[1]])[2] for s in segments]
        self.node_height: dict[int, float] = {}
        if height is not None:
            self._heights(height)
        self.unknown_m = self.clipped_m = 0.0
        extra = self._waits(signals, wait_m)
        self.excess = []
        for segment, metres, wait in zip(segments, self.metres, extra, strict=True):
            kind = tags[segment[2]]["highway"]
            if kind == "steps" and steps_factor > 1:
                along = against = (steps_factor - 1) * metres
                if height is not None:
                    self._climb(segment, metres, height)  # counts what is unknown
            elif height is not None:
                along, against = self._climb(segment, metres, height)
            else:
                along = against = 0.0
            self.excess.append((along + wait, against + wait))

    def _heights(self, height) -> None:
        """Heights of nodes; those held by bridges alone from one dense system."""
        self.node_height = {i: height(*self.where[i]) for s in self.segments for i in s[:2]}
        near = defaultdict(list)
        grounded = set()
        for (a, b, way, *_), metres in zip(self.segments, self.metres, strict=True):
            if is_span(self.tags[way]):
                near[a].append((b, 1 / max(metres, 0.001)))
                near[b].append((a, 1 / max(metres, 0.001)))
            else:
                grounded |= {a, b}
        floating = nx.Graph()
        floating.add_nodes_from(i for i in near if i not in grounded)
        for i in floating.nodes:
            floating.add_edges_from((i, k) for k, _ in near[i] if k not in grounded)
        for part in list(nx.connected_components(floating)):
            nodes = sorted(part)
            rest = {k for i in nodes for k, _ in near[i] if k in grounded}
            held = [self.node_height[k] for k in rest]
            if not held:
                level = np.nanmin([self.node_height[i] for i in nodes])
                self.node_height.update(dict.fromkeys(nodes, float(level)))
                continue
            matrix, right = np.zeros((len(nodes), len(nodes))), np.zeros(len(nodes))
            for row, i in enumerate(nodes):
                for k, weight in near[i]:
                    matrix[row, row] += weight
                    if k in grounded:
                        right[row] += weight * self.node_height[k]
                    else:
                        matrix[row, nodes.index(k)] -= weight
            found = np.linalg.solve(matrix, right) if not np.isnan(held).any() else right * np.nan
            self.node_height.update(zip(nodes, map(float, found), strict=True))

    def _climb(self, segment, metres, height) -> tuple[float, float]:
        """Effort beyond the metres, along and against a segment, bit by bit."""
        (ax, ay), (bx, by) = self.where[segment[0]], self.where[segment[1]]
        n = 1 if is_span(self.tags[segment[2]]) else max(1, math.ceil(metres / STEP_M))
        heights = [self.node_height[segment[0]]]
        for k in range(1, n):
            heights.append(height(ax + k / n * (bx - ax), ay + k / n * (by - ay)))
        heights.append(self.node_height[segment[1]])
        along = against = 0.0
        for low, high in itertools.pairwise(heights):
            run = metres / n
            if math.isnan(high - low):
                self.unknown_m += run
            elif run > 0:
                along += (tobler((high - low) / run) - 1) * run
                against += (tobler((low - high) / run) - 1) * run
                self.clipped_m += run if abs(high - low) > run else 0.0
        return along, against

    def _waits(self, signals, wait_m) -> list[float]:
        lit, whole = set(), defaultdict(float)
        for (a, b, way, *_), metres in zip(self.segments, self.metres, strict=True):
            whole[way] += metres
            if a in signals or b in signals:
                lit.add(way)
        waits = []
        for (a, b, way, *_), metres in zip(self.segments, self.metres, strict=True):
            tags, wait = self.tags[way], 0.0
            if tags["highway"] in WALKERS:
                wait += wait_m / 2 * ((a in signals) + (b in signals))
            lights = (
                tags.get("crossing") == "traffic_signals" or tags.get("crossing:signals") == "yes"
            )
            if tags.get("footway") == "crossing" and lights and way not in lit and whole[way]:
                wait += wait_m * metres / whole[way]
            waits.append(wait)
        return waits

    def graph(self, feet: Mapping[str, tuple[int, int, float, float]]) -> nx.DiGraph:
        """Streets as a directed graph of flat metres; ``feet``: way, segment, lng, lat by name."""
        on = defaultdict(list)
        for name, (way, number, lng, lat) in feet.items():
            on[way, number].append((name, lng, lat))
        graph = nx.DiGraph()
        for (a, b, way, number, forward, backward), metres, excess in zip(
            self.segments, self.metres, self.excess, strict=True
        ):
            (ax, ay), (bx, by) = self.where[a], self.where[b]
            stops = [(0.0, 0.0, a), (1.0, metres, b)]
            for name, lng, lat in on[way, number]:
                wide = abs(bx - ax) > abs(by - ay)
                t = (lng - ax) / (bx - ax) if wide else (lat - ay) / (by - ay)
                stops.append((t, GEOD.inv(ax, ay, lng, lat)[2], name))
            stops.sort(key=lambda stop: stop[0])
            for (t, m, u), (t2, m2, v) in itertools.pairwise(stops):
                here = abs(m2 - m) < 0.001  # nothing between to be one-way
                for x, y, may, more in (
                    (u, v, forward or here, excess[0]), (v, u, backward or here, excess[1])
                ):  # fmt: skip
                    cost = max(m2 - m + (t2 - t) * more, 0.0)
                    if may and (not graph.has_edge(x, y) or graph.edges[x, y]["m"] > cost):
                        graph.add_edge(x, y, m=cost)
        return graph


def tags_of(path) -> dict[int, dict[str, str]]:
    ways = osmium.FileProcessor(str(path), osmium.osm.WAY)
    return {way.id: dict(way.tags) for way in ways if "highway" in way.tags}


def signals_of(path) -> frozenset[int]:
    found = set()
    for node in osmium.FileProcessor(str(path), osmium.osm.NODE):
        tags = dict(node.tags)
        crossing = tags.get("highway") == "crossing" and (
            tags.get("crossing") == "traffic_signals" or tags.get("crossing:signals") == "yes"
        )
        if crossing or tags.get("highway") == "traffic_signals":
            found.add(node.id)
    return frozenset(found)
