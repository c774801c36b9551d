"""A network as straight bits between neighbouring vertices: what changes cut, drop and add."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.streets.contraction import GEOD, Floats, Ints, Pieces
from servicecircle.streets.network import WalkNetwork

_GRID = 512  # cells along each side, for a first look at what is near


@dataclass(frozen=True)
class Straights:
    """Straight bits a → b of a walking network, in the order of its polylines; one entry per bit.

    ``a``, ``b`` node ids; ``start``, ``end`` their places (n × 2: lng, lat in degrees); ``way``
    and ``number`` the segment a bit belongs to; ``forward``, ``backward``: may it be walked a → b,
    b → a; ``island``: did it belong to an island; ``metres`` its geodesic length.
    """

    a: Ints
    b: Ints
    start: Floats
    end: Floats
    way: Ints
    number: Ints
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]
    island: NDArray[np.bool_]
    metres: Floats

    @classmethod
    def of(cls, network: WalkNetwork) -> Self:
        """Every segment of a network."""
        i, edge = network.segments
        place = np.column_stack([network.vertex_lng, network.vertex_lat])
        return cls(
            a=network.vertex_id[i],
            b=network.vertex_id[i + 1],
            start=place[i],
            end=place[i + 1],
            way=network.vertex_way[i],
            number=network.vertex_segment[i],
            forward=network.edge_forward[edge],
            backward=network.edge_backward[edge],
            island=network.edge_island[edge],
            metres=network.vertex_offset[i + 1] - network.vertex_offset[i],
        )

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: NDArray) -> Self:
        """Some of the bits (indices, or a boolean per bit)."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def plus(self, other: Self) -> Self:
        """These bits, then the others."""
        both = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return type(self)(*(np.concatenate(pair) for pair in both))

    def parts(self, row: Ints, t0: Floats, t1: Floats, a: Ints, b: Ints) -> Self:
        """The parts from ``t0`` to ``t1`` (0 to 1, linear in degrees) of bits ``row``."""
        whole = self.take(row)
        line = whole.end - whole.start
        # exact at the ends, where the interpolation would round
        start = np.where(t0[:, None] == 0, whole.start, whole.start + t0[:, None] * line)
        end = np.where(t1[:, None] == 1, whole.end, whole.start + t1[:, None] * line)
        metres = np.asarray(GEOD.inv(*start.T, *end.T)[2])
        return replace(whole, a=a, b=b, start=start, end=end, metres=metres)

    def near(self, low: Floats, high: Floats) -> Ints:
        """The bits that may meet any of the boxes (k × 2: lng, lat of two corners, degrees).

        By a grid of marked cells: none is missed, a few are too many.
        """
        small, large = np.minimum(self.start, self.end), np.maximum(self.start, self.end)
        origin, end = low.min(axis=0), high.max(axis=0)
        rows = np.flatnonzero((small <= end).all(axis=1) & (large >= origin).all(axis=1))
        size = np.maximum(end - origin, 1e-9) / _GRID

        def cell(places: Floats) -> Ints:
            return np.clip(np.floor((places - origin) / size), 0, _GRID - 1).astype(np.int64)

        marked = np.zeros((_GRID + 1, _GRID + 1), np.int64)
        for (x0, y0), (x1, y1) in zip(cell(low), cell(high), strict=True):
            marked[x0 + 1 : x1 + 2, y0 + 1 : y1 + 2] = 1
        # sums over rectangles from the origin: four of them count the marks in a bit's own box
        below = marked.cumsum(axis=0).cumsum(axis=1)
        (x0, y0), (x1, y1) = cell(small[rows]).T, cell(large[rows]).T + 1
        return rows[below[x1, y1] - below[x0, y1] - below[x1, y0] + below[x0, y0] > 0]

    def shapes(self, rows: Ints) -> NDArray[np.object_]:
        """Lines, and points where a bit has no length."""
        start, end = self.start[rows], self.end[rows]
        lines = shapely.linestrings(np.stack([start, end], axis=1))
        empty = np.flatnonzero((start == end).all(axis=1))
        lines[empty] = shapely.points(start[empty])
        return np.asarray(lines)

    def pieces(self) -> Pieces:
        """What a network is built from: every bit a piece of its own."""
        return Pieces(
            ref=np.column_stack([self.a, self.b]).ravel(),
            lng=np.column_stack([self.start[:, 0], self.end[:, 0]]).ravel(),
            lat=np.column_stack([self.start[:, 1], self.end[:, 1]]).ravel(),
            segment=np.repeat(self.number, 2),
            start=np.arange(0, 2 * len(self) + 1, 2),
            way=self.way,
            forward=self.forward,
            backward=self.backward,
        )
