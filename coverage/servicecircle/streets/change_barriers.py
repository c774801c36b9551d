"""Barriers: the part of every street inside a polygon is taken out, cut at the boundary.

Each polygon is judged on its own: what lies in its interior is barred. A street that touches the
boundary, or runs along it (to within 0.01 mm), stays, also between two polygons that share an
edge; so it does not matter whether barriers come together or one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.straights import Straights

ON_BOUNDARY_DEG = 1e-10  # 0.01 mm: far above what rounding does, far below what anyone draws


class Spans(NamedTuple):
    """Parts of straight bits, from ``t0`` to ``t1`` (0 to 1, linear in degrees)."""

    row: Ints
    t0: Floats
    t1: Floats


def cut_out(
    streets: Straights,
    barriers: NDArray[np.object_],
    lets_bridges_pass: NDArray[np.bool_],
    bridge: NDArray[np.bool_],
    ids: Iterator[int],
) -> tuple[Straights, NDArray[np.bool_]]:
    """What stays of the streets, and which barriers bar any.

    ``barriers`` are valid polygons in degrees, one flag each; ``bridge`` has one flag per bit
    (bridge or tunnel); ``ids`` gives fresh node ids for the new dead ends.
    """
    barred, bars = _barred(streets, barriers, lets_bridges_pass, bridge)
    stays, t = np.ones(len(streets), bool), _tolerance(streets)
    stays[barred.row] = False
    whole = (barred.t0 == 0) & (barred.t1 == 1)
    some = ~whole & ~np.isin(barred.row, barred.row[whole])
    left = _complement(Spans(*(column[some] for column in barred)), t)
    a, b = streets.a[left.row], streets.b[left.row]
    # a new dead end for every end that is no end of the bit
    for node, inner in ((a, left.t0 > 0), (b, left.t1 < 1)):
        node[inner] = [next(ids) for _ in range(int(inner.sum()))]
    return streets.take(stays).plus(streets.parts(left.row, left.t0, left.t1, a, b)), bars


def _tolerance(streets: Straights) -> Floats:
    """`ON_BOUNDARY_DEG` as a share of each bit (inf where it has no length)."""
    length = np.hypot(*(streets.end - streets.start).T)
    with np.errstate(divide="ignore"):
        return np.asarray(ON_BOUNDARY_DEG / length)


def _barred(
    streets: Straights,
    barriers: NDArray[np.object_],
    lets_bridges_pass: NDArray[np.bool_],
    bridge: NDArray[np.bool_],
) -> tuple[Spans, NDArray[np.bool_]]:
    box = shapely.bounds(barriers)
    near = streets.near(box[:, :2], box[:, 2:])
    shapes = streets.shapes(near)
    which, k = shapely.STRtree(shapes).query(barriers, predicate="intersects")
    binds = ~(lets_bridges_pass[which] & bridge[near[k]])
    which, k = which[binds], k[binds]
    found = [Spans(np.empty(0, np.int64), np.empty(0), np.empty(0))]
    bars = np.zeros(len(barriers), bool)
    for one in np.unique(which):
        mine = k[which == one]
        spans = _inside(barriers[one], streets.take(near[mine]), shapes[mine])
        bars[one] = len(spans.row) > 0
        found.append(spans._replace(row=near[mine][spans.row]))
    return Spans(*(np.concatenate(column) for column in zip(*found, strict=True))), bars


def _inside(polygon: shapely.Geometry, bits: Straights, shapes: NDArray[np.object_]) -> Spans:
    """Which parts of the bits lie in the interior of one polygon."""
    shapely.prepare(polygon)
    whole = shapely.contains_properly(polygon, shapes)
    inside = np.flatnonzero(whole)
    parts = _between_marks(polygon.boundary, bits, np.flatnonzero(~whole), shapes)
    middle = ((parts.t0 + parts.t1) / 2)[:, None]
    line = bits.end[parts.row] - bits.start[parts.row]
    points = shapely.points(bits.start[parts.row] + middle * line)
    boundary = polygon.boundary
    shapely.prepare(boundary)
    barred = shapely.contains(polygon, points)
    barred[barred] = ~shapely.dwithin(boundary, points[barred], ON_BOUNDARY_DEG)
    return Spans(
        np.concatenate([inside, parts.row[barred]]),
        np.concatenate([np.zeros(len(inside)), parts.t0[barred]]),
        np.concatenate([np.ones(len(inside)), parts.t1[barred]]),
    )


def _between_marks(
    boundary: shapely.Geometry, bits: Straights, rows: Ints, shapes: NDArray[np.object_]
) -> Spans:
    """Bits cut wherever the boundary meets them, or a corner of it lies on them.

    Each part is then wholly inside, wholly outside, or along the boundary.
    """
    sides = _sides(boundary)
    # side by side: a boundary of many corners against each bit as a whole would take its time
    k, side = shapely.STRtree(sides).query(
        shapes[rows], predicate="dwithin", distance=ON_BOUNDARY_DEG
    )
    crossing, pair = shapely.get_coordinates(
        shapely.intersection(shapes[rows[k]], sides[side]), return_index=True
    )
    corners = shapely.get_coordinates(sides)[::2][side]  # every corner begins a side
    on = shapely.dwithin(shapely.points(corners), shapes[rows[k]], ON_BOUNDARY_DEG)
    row = rows[np.concatenate([k[pair], k[on]])]
    tolerance = _tolerance(bits)
    t = _along(bits, row, np.concatenate([crossing, corners[on]]))
    t[t <= tolerance[row]] = 0.0
    t[t >= 1 - tolerance[row]] = 1.0
    row = np.concatenate([rows, rows, row])
    t = np.concatenate([np.zeros(len(rows)), np.ones(len(rows)), t])
    order = np.lexsort([t, row])
    row, t = row[order], t[order]
    is_part = (row[1:] == row[:-1]) & (np.diff(t) > tolerance[row[1:]])
    return Spans(row[1:][is_part], t[:-1][is_part], t[1:][is_part])


def _sides(boundary: shapely.Geometry) -> NDArray[np.object_]:
    """The straight sides of rings."""
    xy, ring = shapely.get_coordinates(shapely.get_parts(boundary), return_index=True)
    same = ring[1:] == ring[:-1]
    sides = shapely.linestrings(np.stack([xy[:-1][same], xy[1:][same]], axis=1))
    return np.asarray(sides)


def _along(bits: Straights, row: Ints, places: Floats) -> Floats:
    """Where on its bit a place lies, 0 to 1, in degrees (0 on a bit without length)."""
    line = bits.end[row] - bits.start[row]
    square = np.einsum("ij,ij->i", line, line)
    t = np.einsum("ij,ij->i", places - bits.start[row], line) / np.where(square > 0, square, 1.0)
    return np.asarray(np.clip(t, 0.0, 1.0))


def _complement(barred: Spans, tolerance: Floats) -> Spans:
    """What the spans leave of their bits; ``tolerance`` per bit is too short to be left."""
    row, t0, t1 = [], [], []
    order = np.lexsort([barred.t0, barred.row])
    starts = np.flatnonzero(np.diff(barred.row[order], prepend=-1))
    for span in np.split(order, starts[1:]):
        if not len(span):
            continue
        bit = int(barred.row[span[0]])
        begin = 0.0
        for low, high in [*zip(barred.t0[span], barred.t1[span], strict=True), (1.0, 1.0)]:
            if low - begin > tolerance[bit]:
                row.append(bit)
                t0.append(begin)
                t1.append(float(low))
            begin = max(begin, float(high))
    return Spans(np.array(row, np.int64), np.array(t0, float), np.array(t1, float))
