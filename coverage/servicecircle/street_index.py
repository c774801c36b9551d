"""A grid over street segments, and the nearest segment to a point, compiled.

Cells hold the segments whose bounding box meets them. A search looks at the rings of cells around
a point until no farther cell can hold anything nearer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from servicecircle.streets.contraction import Floats, Ints

TIE_M = 0.001  # segments this much farther than the nearest one count as equally near
_CELL_M = 64.0
_CELLS_PER_SEGMENT = 8  # at most: a network with far outliers gets wider cells


class Grid(NamedTuple):
    """Segments a → b in a metric plane, sorted into square cells (CSR by cell, row by row)."""

    ax: Floats
    ay: Floats
    bx: Floats
    by: Floats
    rank: Ints  # place of each segment in the order that settles ties
    start: Ints
    segment: Ints
    west: float
    south: float
    cell_m: float
    columns: int
    rows: int


def make_grid(a: Floats, b: Floats, rank: Ints) -> Grid:
    """The grid of segments from ``a`` to ``b`` (n × 2, metres); the lowest ``rank`` wins ties."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    west, south = low.min(axis=0)
    width, height = high.max(axis=0) - (west, south)
    fewest = np.sqrt(max(width, 1.0) * max(height, 1.0) / (_CELLS_PER_SEGMENT * len(a) + 1e6))
    cell_m = max(_CELL_M, float(fewest), float(max(width, height)) / 1e6)
    columns, rows = int(width // cell_m) + 1, int(height // cell_m) + 1
    first = ((low - (west, south)) // cell_m).astype(np.int64)
    last = ((high - (west, south)) // cell_m).astype(np.int64)
    counts = np.zeros(columns * rows, np.int64)
    _sort_in(first, last, columns, counts, np.empty(0, np.int32))
    start = np.concatenate([[0], np.cumsum(counts)])
    segment = np.empty(start[-1], np.int32)
    _sort_in(first, last, columns, start[:-1].copy(), segment)
    ax, ay = np.ascontiguousarray(a.T)
    bx, by = np.ascontiguousarray(b.T)
    return Grid(
        ax, ay, bx, by, rank, start, segment, float(west), float(south), cell_m, columns, rows
    )


def nearest(grid: Grid, x: Floats, y: Floats, max_m: float) -> Ints:
    """Per point the nearest segment within ``max_m`` metres (-1: none), ties to the lowest rank."""
    chosen = np.full(len(x), -1)
    _all_nearest(grid, x, y, max_m, chosen)
    return chosen


# --- compiled; arrays made in here would take their time to compile -------------------------------


@numba.njit(cache=True)
def _sort_in(first, last, columns, at, segment):  # type: ignore[no-untyped-def]
    """Put segments into their cells, from the place ``at`` on; with no room, only count."""
    for i in range(len(first)):
        for row in range(first[i, 1], last[i, 1] + 1):
            for column in range(first[i, 0], last[i, 0] + 1):
                cell = row * columns + column
                if len(segment) > 0:
                    segment[at[cell]] = i
                at[cell] += 1


@numba.njit(cache=True, nogil=True, inline="always")
def _square(grid, i, x, y):  # type: ignore[no-untyped-def]
    """Squared distance from (x, y) to segment i."""
    dx, dy = grid.bx[i] - grid.ax[i], grid.by[i] - grid.ay[i]
    px, py = x - grid.ax[i], y - grid.ay[i]
    length = dx * dx + dy * dy
    if length > 0:
        t = min(1.0, max(0.0, (px * dx + py * dy) / length))
        px -= t * dx
        py -= t * dy
    return px * px + py * py


@numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _in_ring(grid, ring, column, row, x, y, best, limit):  # type: ignore[no-untyped-def]
    """Look at the cells of one ring around a cell; return (best, its segment or -1).

    With ``limit`` < 0 the best is the smallest square below ``best``; else it is the lowest rank
    below ``best`` among the segments whose square is within ``limit``.
    """
    found = -1
    for r in range(max(row - ring, 0), min(row + ring, grid.rows - 1) + 1):
        whole = abs(r - row) == ring  # the ring's top and bottom; else only its two sides
        first = max(column - ring, 0) if whole else column - ring
        last = min(column + ring, grid.columns - 1) if whole else column + ring
        for c in range(first, last + 1, 1 if whole else 2 * ring):
            if c < 0 or c >= grid.columns:
                continue
            cell = r * grid.columns + c
            for k in range(grid.start[cell], grid.start[cell + 1]):
                i = grid.segment[k]
                square = _square(grid, i, x, y)
                if limit < 0:
                    if square < best:
                        best, found = square, i
                elif square <= limit and grid.rank[i] < best:
                    best, found = float(grid.rank[i]), i
    return best, found


@numba.njit(nogil=True, inline="always")
def _nearest(grid, x, y, max_m):  # type: ignore[no-untyped-def]
    column = math.floor((x - grid.west) / grid.cell_m)
    row = math.floor((y - grid.south) / grid.cell_m)
    # to the nearest side of the point's own cell
    across = min(x - grid.west - column * grid.cell_m, grid.west + (column + 1) * grid.cell_m - x)
    along = min(y - grid.south - row * grid.cell_m, grid.south + (row + 1) * grid.cell_m - y)
    inner = min(across, along)
    ring = first = max(-column, column - grid.columns + 1, -row, row - grid.rows + 1, 0)
    if first > 0 and inner + (first - 1) * grid.cell_m > max_m:
        return -1  # too far off the grid
    best, segment = max_m * max_m * (1 + 1e-12), -1
    while True:
        best, found = _in_ring(grid, ring, column, row, x, y, best, -1.0)
        if found >= 0:
            segment = found
        beyond = inner + ring * grid.cell_m  # no farther ring comes nearer than this
        if beyond > max_m or (segment >= 0 and math.sqrt(best) + TIE_M < beyond):
            break
        ring += 1
    if segment < 0:
        return -1
    limit, lowest = (math.sqrt(best) + TIE_M) ** 2, float(grid.rank[segment])
    for r in range(first, ring + 1):
        lowest, found = _in_ring(grid, r, column, row, x, y, lowest, limit)
        if found >= 0:
            segment = found
    return segment


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _all_nearest(grid, x, y, max_m, chosen):  # type: ignore[no-untyped-def]
    """See `nearest`."""
    for p in range(len(x)):
        if math.isfinite(x[p]) and math.isfinite(y[p]):
            chosen[p] = _nearest(grid, x[p], y[p], max_m)
