"""Snapping: points to the nearest place on a walkable street, vectorised, nothing split."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.contraction import GEOD, Floats, Ints
from servicecircle.network import WalkNetwork

MAX_SNAP_M = 500.0
TIE_M = 0.001  # streets this much farther than the nearest one count as equally near
_THREADS = 2
_CHUNK = 10_000  # points per task
_PLANE_SLACK = 1.01  # the plane's scale may differ from 1 far from its centre


@dataclass(frozen=True)
class Snapped:
    """Where points meet the network; one entry per point, in the order they came.

    ``edge`` (index, -1 where nothing is within reach), ``offset`` metres from the edge's u end
    along it, ``gap`` metres between the point and the street (inf where unsnapped), ``lng``,
    ``lat`` of the foot point, ``way`` and ``segment`` it lies on (-1 where unsnapped).
    """

    edge: Ints
    offset: Floats
    gap: Floats
    lng: Floats
    lat: Floats
    way: Ints
    segment: Ints

    def __len__(self) -> int:
        return len(self.edge)

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which points were snapped."""
        return self.edge >= 0

    def take(self, rows: Ints) -> Snapped:
        """The same for some of the points."""
        return Snapped(*(getattr(self, field.name)[rows] for field in fields(self)))


class Streets:
    """A spatial index over the straight segments of a network, islands left out."""

    def __init__(self, network: WalkNetwork) -> None:
        self.network = network
        begins = network.vertex_way >= 0
        edge = np.repeat(np.arange(network.n_edges), np.diff(network.vertex_start))
        self.vertex = np.flatnonzero(begins & ~network.edge_island[edge])
        self.edge = edge[self.vertex]
        x, y = network.plane.transform(network.vertex_lng, network.vertex_lat)
        self.xy = np.column_stack([x, y])
        ends = np.stack([self.xy[self.vertex], self.xy[self.vertex + 1]], axis=1)
        self.tree = shapely.STRtree(shapely.linestrings(ends))

    def nearest(self, x: Floats, y: Floats, max_m: float) -> tuple[Ints, Ints]:
        """(point, segment) pairs of the nearest segments, ties settled; metres in the plane.

        Among segments within 1 mm of the nearest, the smallest (way id, segment number) wins.
        """
        parts = np.array_split(np.arange(len(x)), max(1, len(x) // _CHUNK))
        with ThreadPoolExecutor(_THREADS) as pool:  # the tree lets go of Python's lock
            found = list(pool.map(lambda part: self._nearest(x[part], y[part], max_m), parts))
        point = np.concatenate([part[p] for part, (p, _) in zip(parts, found, strict=True)])
        return point, np.concatenate([segment for _, segment in found])

    def _nearest(self, x: Floats, y: Floats, max_m: float) -> tuple[Ints, Ints]:
        points = shapely.points(x, y)
        pair, distance = self.tree.query_nearest(
            points, max_distance=max_m * _PLANE_SLACK, return_distance=True, all_matches=False
        )
        point, best = pair
        near = self.tree.query(points[point], predicate="dwithin", distance=distance + TIE_M)
        crowded = np.bincount(near[0], minlength=len(point)) > 1
        return point, self._settle(best, near[:, crowded[near[0]]])

    def _settle(self, best: Ints, near: NDArray) -> Ints:
        """Replace ``best`` where several segments are equally near."""
        which, segment = near
        vertex = self.vertex[segment]
        way, number = self.network.vertex_way[vertex], self.network.vertex_segment[vertex]
        order = np.lexsort([number, way, which])
        row, first = np.unique(which[order], return_index=True)
        best = best.copy()
        best[row] = segment[order][first]
        return best


def snap(streets: Streets, lng: Floats, lat: Floats, *, max_snap_m: float = MAX_SNAP_M) -> Snapped:
    """Snap points (WGS-84 degrees) to the nearest walkable street within ``max_snap_m`` metres.

    Nearest is measured in the network's local metric plane; gap and offset are geodesics.
    """
    lng, lat = np.asarray(lng, float), np.asarray(lat, float)
    x, y = (np.asarray(v, float) for v in streets.network.plane.transform(lng, lat))
    usable = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    point, segment = streets.nearest(x[usable], y[usable], max_snap_m)
    point = usable[point]
    vertex = streets.vertex[segment]
    t = _along(streets.xy[vertex], streets.xy[vertex + 1], np.column_stack([x, y])[point])
    net = streets.network
    foot_lng = net.vertex_lng[vertex] + t * (net.vertex_lng[vertex + 1] - net.vertex_lng[vertex])
    foot_lat = net.vertex_lat[vertex] + t * (net.vertex_lat[vertex + 1] - net.vertex_lat[vertex])
    gap = np.asarray(GEOD.inv(lng[point], lat[point], foot_lng, foot_lat)[2])
    along_m = GEOD.inv(net.vertex_lng[vertex], net.vertex_lat[vertex], foot_lng, foot_lat)[2]
    offset = _at_ends(
        np.minimum(net.vertex_offset[vertex] + along_m, net.vertex_offset[vertex + 1]),
        net.edge_length[streets.edge[segment]],
    )
    keep = gap <= max_snap_m

    def spread(values: NDArray, missing: float, dtype: type) -> NDArray:
        out: NDArray = np.full(len(lng), missing, dtype)
        out[point[keep]] = values[keep]
        return out

    return Snapped(
        edge=spread(streets.edge[segment], -1, np.int64),
        offset=spread(offset, np.nan, np.float64),
        gap=spread(gap, np.inf, np.float64),
        lng=spread(foot_lng, np.nan, np.float64),
        lat=spread(foot_lat, np.nan, np.float64),
        way=spread(net.vertex_way[vertex], -1, np.int64),
        segment=spread(net.vertex_segment[vertex], -1, np.int64),
    )


def _at_ends(offset: Floats, length: Floats) -> Floats:
    """Within 1 mm of an end a point stands on that junction, free to go any way from there."""
    offset = np.where(offset < TIE_M, 0.0, offset)
    return np.where(offset > length - TIE_M, length, offset)


def _along(a: Floats, b: Floats, p: Floats) -> Floats:
    """Where on a → b the point nearest to p lies, 0 to 1; rows of (x, y) in the plane."""
    line = b - a
    square = np.einsum("ij,ij->i", line, line)
    t = np.einsum("ij,ij->i", p - a, line) / np.where(square > 0, square, 1.0)
    return np.asarray(np.clip(t, 0.0, 1.0))
