"""Snapping: points to the nearest place on a walkable street, vectorised, nothing split."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from servicecircle.street_index import TIE_M, make_grid, nearest
from servicecircle.streets.contraction import GEOD, Floats, Ints
from servicecircle.streets.network import WalkNetwork

MAX_SNAP_M = 500.0
THREADS = min(os.cpu_count() or 1, 8)
_CHUNK = 10_000  # points per task
_PLANE_SLACK = 1.01  # the plane's scale may differ from 1 far from its centre


@dataclass(frozen=True)
class Snapped:
    """Where points meet the network; one entry per point, in the order they came.

    ``edge`` (index, -1 where nothing is within reach), ``offset`` metres from the edge's u end
    along it, ``forward``, ``backward`` effort (metres on the flat) of walking from the u end to
    there, and from there to the u end, ``gap`` metres between the point and the street (inf where
    unsnapped), ``lng``, ``lat`` of the foot point, ``way`` and ``segment`` it lies on (-1 where
    unsnapped).
    """

    edge: Ints
    offset: Floats
    forward: Floats
    backward: Floats
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
    """A spatial index over the straight segments of a network, islands left out.

    ``vertex`` is the vertex at which each indexed segment begins, ``edge`` its edge.
    """

    def __init__(self, network: WalkNetwork) -> None:
        self.network = network
        vertex, edge = network.segments
        stays = ~network.edge_island[edge]
        self.vertex, self.edge = vertex[stays], edge[stays]
        self.xy = np.column_stack(network.plane.transform(network.vertex_lng, network.vertex_lat))
        way, number = network.vertex_way[self.vertex], network.vertex_segment[self.vertex]
        rank = np.empty(len(self.vertex), np.int64)
        rank[np.lexsort([number, way])] = np.arange(len(rank))
        self.grid = make_grid(self.xy[self.vertex], self.xy[self.vertex + 1], rank)

    def nearest(self, x: Floats, y: Floats, max_m: float) -> Ints:
        """Per point in the plane, the nearest segment within ``max_m`` metres, -1 where none.

        Among segments within 1 mm of the nearest, the smallest (way id, segment number) wins.
        """
        parts = np.array_split(np.arange(len(x)), max(1, len(x) // _CHUNK))
        with ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(lambda part: nearest(self.grid, x[part], y[part], max_m), parts)
            return np.concatenate(list(found))


def snap(streets: Streets, lng: Floats, lat: Floats, *, max_snap_m: float = MAX_SNAP_M) -> Snapped:
    """Snap points (WGS-84 degrees) to the nearest walkable street within ``max_snap_m`` metres.

    Nearest is measured in the network's local metric plane; gap and offset are geodesics.
    """
    lng, lat = np.asarray(lng, float), np.asarray(lat, float)
    x, y = (np.asarray(v, float) for v in streets.network.plane.transform(lng, lat))
    return place_on(streets, lng, lat, streets.nearest(x, y, max_snap_m * _PLANE_SLACK), max_snap_m)


def place_on(
    streets: Streets, lng: Floats, lat: Floats, segment: Ints, max_snap_m: float
) -> Snapped:
    """Feet of points on the segments given for them (-1: none), within ``max_snap_m`` metres."""
    net = streets.network
    point = np.flatnonzero(segment >= 0)
    vertex, edge = streets.vertex[segment[point]], streets.edge[segment[point]]
    p = np.column_stack(net.plane.transform(lng[point], lat[point]))
    t = _along(streets.xy[vertex], streets.xy[vertex + 1], p)

    def between(values: Floats) -> Floats:
        return np.asarray(values[vertex] + t * (values[vertex + 1] - values[vertex]))

    foot_lng, foot_lat = between(net.vertex_lng), between(net.vertex_lat)
    gap = np.asarray(GEOD.inv(lng[point], lat[point], foot_lng, foot_lat)[2])
    along_m = GEOD.inv(net.vertex_lng[vertex], net.vertex_lat[vertex], foot_lng, foot_lat)[2]
    offset = np.minimum(net.vertex_offset[vertex] + along_m, net.vertex_offset[vertex + 1])
    offset = _at_ends(offset, net.edge_length[edge])
    forward, backward = (
        # what counts beyond the metres, so that on the flat the metres stay what they are
        _effort(offset + between(effort - net.vertex_offset), offset, net.edge_length[edge], whole)
        for effort, whole in zip(net.effort, (e[edge] for e in net.edge_effort), strict=True)
    )
    keep = gap <= max_snap_m

    def spread(values: NDArray, missing: float) -> NDArray:
        out = np.full(len(lng), missing, values.dtype)
        out[point[keep]] = values[keep]
        return out

    return Snapped(
        edge=spread(edge, -1),
        offset=spread(offset, np.nan),
        forward=spread(forward, np.nan),
        backward=spread(backward, np.nan),
        gap=spread(gap, np.inf),
        lng=spread(foot_lng, np.nan),
        lat=spread(foot_lat, np.nan),
        way=spread(net.vertex_way[vertex], -1),
        segment=spread(net.vertex_segment[vertex], -1),
    )


def _effort(effort: Floats, offset: Floats, length: Floats, whole: Floats) -> Floats:
    """Effort up to a foot; at an edge's ends exactly nothing, and the whole."""
    effort = np.where(offset == 0.0, 0.0, effort)
    return np.where(offset == length, whole, effort)


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
