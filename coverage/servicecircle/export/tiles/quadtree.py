"""From one tile to its four: rings are cut along the middle, and what is uniform goes no further.

A node carries the rings cut to its square (Sutherland and Hodgman 1974, a half-plane at a time), so
that everything below it can be painted from the node alone. A band whose cut rings run along the
border only covers the whole square or none of it; bands below one that covers all are hidden, and
fall away. Squares are dyadic parts of zoom-0 units: their borders are exact in floating point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.export.tiles.grids import Grid
from servicecircle.export.tiles.outlines import Outlines

__all__ = ["NOTHING", "Node", "children", "count_tiles", "fitting_zoom", "nodes_at", "roots_of"]

NOTHING = -1  # no band covers the whole square
COUNTED_NODES = 2_000  # with more on a zoom, the number of tiles is reckoned, not counted
DEEPEST = 30


@dataclass(frozen=True)
class Node:
    """A tile's square: its rings, and the last band that covers all of it (`NOTHING`: none)."""

    zoom: int
    column: int
    row: int
    under: int
    across: NDArray[np.float64]
    down: NDArray[np.float64]
    starts: NDArray[np.int64]
    band: NDArray[np.int64]

    @property
    def uniform(self) -> bool:
        """Whether no rim runs through it: it and all below it are of one colour, or empty."""
        return len(self.band) == 0

    @property
    def empty(self) -> bool:
        """Whether nothing is to be painted in it nor below it."""
        return self.uniform and self.under == NOTHING


def roots_of(outlines: Outlines, grid: Grid, low: int) -> list[Node]:
    """The nodes to begin with, at zoom ``low`` or above: the smallest tile that holds all.

    There are several where no tile does (around the origin of Baidu's grid), none without rings.
    """
    if len(outlines.band) == 0:
        return []
    lowest = grid.zoom_range[0]
    zoom = max(min(_common_zoom(outlines), low), lowest)
    size = 2.0**zoom
    columns = _span(outlines.across, size)
    rows = _span(outlines.down, size)
    world = grid.world(zoom)
    rings = (outlines.across, outlines.down, outlines.starts, outlines.band)
    nodes = []
    for column in columns:
        for row in rows:
            if column in world and row in world:
                nodes.append(_cut_out(rings, zoom, column, row))
    return [node for node in nodes if not node.empty]


def fitting_zoom(outlines: Outlines, grid: Grid) -> int:
    """The largest zoom at which the layer is no wider and no higher than one tile."""
    low, high = grid.zoom_range
    if len(outlines.across) == 0:
        return low
    wide = max(np.ptp(outlines.across), np.ptp(outlines.down))
    return int(np.clip(np.floor(-np.log2(max(wide, 2.0**-high))), low, high))


def children(node: Node) -> list[Node]:
    """The four nodes below, without the empty ones."""
    zoom, column, row = node.zoom + 1, 2 * node.column, 2 * node.row
    if node.uniform:
        rings = (node.across, node.down, node.starts, node.band)
        return [Node(zoom, column + i, row + j, node.under, *rings) for j in (0, 1) for i in (0, 1)]
    side = 1.0 / 2.0**zoom
    parts = quarters(
        node.across, node.down, node.starts, node.band, node.under, column * side, row * side, side
    )
    below = (
        Node(zoom, column + k % 2, row + k // 2, part[0], *part[1:]) for k, part in enumerate(parts)
    )
    return [child for child in below if not child.empty]


def nodes_at(node: Node, zoom: int) -> Iterator[Node]:
    """The node's descendants at a zoom, itself where it has that zoom; north-west first."""
    if node.zoom >= zoom:
        yield node
        return
    for child in children(node):
        yield from nodes_at(child, zoom)


def count_tiles(roots: list[Node], low: int, high: int) -> dict[int, int]:
    """How many tiles there are per zoom: counted as far as `COUNTED_NODES`, then reckoned.

    Reckoned from the last counted zoom: the number of tiles on a rim doubles from zoom to zoom,
    and the painted area stays, of which a tile on a rim holds a half. Good to some 5 %.
    """
    counts = dict.fromkeys(range(low, high + 1), 0)
    if not roots:
        return counts
    zoom, rims, full = roots[0].zoom, roots, 0.0
    while True:
        full += sum(node.uniform for node in rims)
        rims = [node for node in rims if not node.uniform]
        if zoom >= low:
            counts[zoom] = round(full) + len(rims)
        if zoom == high or len(rims) > COUNTED_NODES:
            break
        rims, zoom, full = [c for node in rims for c in children(node)], zoom + 1, 4.0 * full
    on_rim, area = float(len(rims)), full + len(rims) / 2.0
    for z in range(zoom + 1, high + 1):
        on_rim, area = 2.0 * on_rim, 4.0 * area
        counts[z] = round(area + on_rim / 2.0)
    return counts


def _cut_out(rings: tuple[NDArray, ...], zoom: int, column: int, row: int) -> Node:
    """The node of a tile, cut out of all rings."""
    side = 1.0 / 2.0**zoom
    a, b, starts, band = rings
    a, b, starts, band = half(a, b, starts, band, column * side, False)
    a, b, starts, band = half(a, b, starts, band, (column + 1) * side, True)
    b, a, starts, band = half(b, a, starts, band, row * side, False)
    b, a, starts, band = half(b, a, starts, band, (row + 1) * side, True)
    under, *rest = settle(a, b, starts, band, NOTHING, column * side, row * side, side)
    return Node(zoom, column, row, under, *rest)


def _span(values: NDArray[np.float64], size: float) -> range:
    """The columns (or rows) of a zoom that hold the values."""
    return range(int(np.floor(values.min() * size)), int(np.floor(values.max() * size)) + 1)


def _common_zoom(outlines: Outlines) -> int:
    """The largest zoom at which one tile holds everything; −1 where none does."""
    zoom = -1
    while zoom < DEEPEST and all(
        len(_span(axis, 2.0 ** (zoom + 1))) == 1 for axis in (outlines.across, outlines.down)
    ):
        zoom += 1
    return zoom


# --- kernels: rings are (a, b, starts, band), cut along the first of the two axes -----------------


@numba.njit(cache=True, nogil=True)
def half(a, b, starts, band, at, low):  # type: ignore[no-untyped-def]
    """The rings' part with a ≤ ``at`` (``low``) or a ≥ ``at``; rings that vanish are left out."""
    room = 2 * len(a) + 4
    out_a, out_b = np.empty(room), np.empty(room)
    out_starts = np.empty(len(band) + 1, np.int64)
    out_band = np.empty(len(band), np.int64)
    n, rings = 0, 0
    out_starts[0] = 0
    for ring in range(len(band)):
        first, last = starts[ring], starts[ring + 1]
        a0, b0 = a[last - 1], b[last - 1]
        for i in range(first, last):
            a1, b1 = a[i], b[i]
            if (a0 - at) * (a1 - at) < 0.0:  # the edge crosses
                # from the same end for both halves and both directions: the cuts meet exactly
                if a0 < a1:
                    cut = b0 + (b1 - b0) * ((at - a0) / (a1 - a0))
                else:
                    cut = b1 + (b0 - b1) * ((at - a1) / (a0 - a1))
                out_a[n], out_b[n] = at, cut
                n += 1
            if a1 == at or (a1 < at) == low:
                out_a[n], out_b[n] = a1, b1
                n += 1
            a0, b0 = a1, b1
        if n - out_starts[rings] >= 3:
            out_band[rings] = band[ring]
            rings += 1
            out_starts[rings] = n
        else:
            n = out_starts[rings]
    return out_a[:n], out_b[:n], out_starts[: rings + 1], out_band[:rings]


@numba.njit(cache=True, nogil=True)
def settle(a, b, starts, band, under, left, top, side):  # type: ignore[no-untyped-def]
    """(under, a, b, starts, band) without the bands that are uniform or hidden in the square.

    The rings are moved together within their own arrays.
    """
    right, bottom = left + side, top + side
    area = np.zeros(64)
    rim = np.zeros(64, np.bool_)
    for ring in range(len(band)):
        first, last = starts[ring], starts[ring + 1]
        a0, b0 = a[last - 1], b[last - 1]
        for i in range(first, last):
            a1, b1 = a[i], b[i]
            area[band[ring]] += (a0 - left) * (b1 - top) - (a1 - left) * (b0 - top)
            along = (a0 == a1 and (a0 - left) * (a0 - right) == 0.0) or (
                b0 == b1 and (b0 - top) * (b0 - bottom) == 0.0
            )
            if not along:
                rim[band[ring]] = True
            a0, b0 = a1, b1
    for k in range(64):
        if (
            not rim[k] and abs(area[k]) > side * side and k > under
        ):  # twice the area, all or nothing
            under = k
    n, rings = 0, 0
    for ring in range(len(band)):
        if rim[band[ring]] and band[ring] > under:
            first, last = starts[ring], starts[ring + 1]
            for i in range(first, last):
                a[n], b[n] = a[i], b[i]
                n += 1
            band[rings] = band[ring]
            rings += 1
            starts[rings] = n
    return under, a[:n], b[:n], starts[: rings + 1], band[:rings]


@numba.njit(cache=True, nogil=True)
def quarters(a, b, starts, band, under, left, top, side):  # type: ignore[no-untyped-def]
    """The four quarters of a node's rings, row by row; ``side`` is a quarter's own."""
    mid_a, mid_b = left + side, top + side
    x, y, s, g = half(a, b, starts, band, mid_a, True)
    y0, x0, s0, g0 = half(y, x, s, g, mid_b, True)
    y2, x2, s2, g2 = half(y, x, s, g, mid_b, False)
    x, y, s, g = half(a, b, starts, band, mid_a, False)
    y1, x1, s1, g1 = half(y, x, s, g, mid_b, True)
    y3, x3, s3, g3 = half(y, x, s, g, mid_b, False)
    return (
        settle(x0, y0, s0, g0, under, left, top, side),
        settle(x1, y1, s1, g1, under, mid_a, top, side),
        settle(x2, y2, s2, g2, under, left, mid_b, side),
        settle(x3, y3, s3, g3, under, mid_a, mid_b, side),
    )
