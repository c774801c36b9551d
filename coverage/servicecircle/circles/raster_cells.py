"""Cells of a raster and the street segments that are nearest to some point of them, compiled.

Cells come in square blocks. A block lists the segments that matter to any of its cells, and the
cells point into this list.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.street_index import TIE_M
from servicecircle.streets.contraction import Floats, Ints

FINER = 5  # lattice points to a cell and side; odd, so that one of them is the cell's centre
BLOCK = 8  # cells to a block and side
_CELLS = BLOCK * BLOCK


class Lines(NamedTuple):
    """Segments in the plane and what a walk along them costs.

    One entry per segment a → b: ends (metres), ``rank`` among ties, ``edge``, offset and effort
    from the edge's u end to a and b (forward), and from there to u (backward); ``slack``: the
    most that effort changes per metre along it (inf on one-way streets, where it jumps). One
    entry per edge: as in `WalkNetwork`.
    """

    ax: Floats
    ay: Floats
    bx: Floats
    by: Floats
    rank: Ints
    edge: Ints
    offset_a: Floats
    offset_b: Floats
    forward_a: Floats
    forward_b: Floats
    backward_a: Floats
    backward_b: Floats
    slack: Floats
    edge_u: Ints
    edge_v: Ints
    edge_m: Floats
    along: Floats
    may_forward: NDArray[np.bool_]
    may_backward: NDArray[np.bool_]


class Cells(NamedTuple):
    """Blocks of cells and the segments that are nearest to some point of a cell.

    One entry per block: ``row``, ``column`` (in blocks); the block's segments are
    ``segment[start[b]:start[b + 1]]``. One entry per cell, row by row,
    block after block: ``gap`` metres from its centre to a street in the plane, and its
    candidates ``local[first[c]:first[c + 1]]``, numbers among the block's segments.
    """

    row: Ints
    column: Ints
    start: Ints
    segment: NDArray[np.int32]
    gap: NDArray[np.float32]
    first: Ints
    local: NDArray[np.int32]


@numba.njit(cache=True, nogil=True)
def _grown(values, filled, more):  # type: ignore[no-untyped-def]
    """The values, in an array with room for ``more`` after the first ``filled``."""
    if filled + more <= len(values):
        return values
    wider = np.empty(2 * (filled + more), values.dtype)
    wider[:filled] = values[:filled]
    return wider


@numba.njit(cache=True, nogil=True)
def _squares(x, y, ends, which, square):  # type: ignore[no-untyped-def]
    """Squared distances from (x, y) to some segments (x, y, dx, dy, 1 / length²); the least."""
    least = np.inf
    for k in range(len(which)):
        s = ends[which[k]]
        px, py = x - s[0], y - s[1]
        t = min(1.0, max(0.0, (px * s[2] + py * s[3]) * s[4]))
        px -= t * s[2]
        py -= t * s[3]
        square[k] = px * px + py * py
        least = min(least, square[k])
    return least


@numba.njit(cache=True, nogil=True)
def _ends(lines, near):  # type: ignore[no-untyped-def]
    """Begin, extent and 1 / squared length of segments, one row each."""
    ends = np.zeros((len(near), 5))
    for j in range(len(near)):
        i, s = near[j], ends[j]
        s[0], s[1] = lines.ax[i], lines.ay[i]
        s[2], s[3] = lines.bx[i] - s[0], lines.by[i] - s[1]
        square = s[2] * s[2] + s[3] * s[3]
        s[4] = 1.0 / square if square > 0 else 0.0
    return ends


@numba.njit(cache=True, nogil=True)
def _gather(grid, west, south, wide, stamp, mark, near):  # type: ignore[no-untyped-def]
    """Segments of the street grid whose cells meet a square: (array, how many)."""
    c0 = max(0, int((west - grid.west) // grid.cell_m))
    r0 = max(0, int((south - grid.south) // grid.cell_m))
    c1 = min(grid.columns - 1, int((west + wide - grid.west) // grid.cell_m))
    r1 = min(grid.rows - 1, int((south + wide - grid.south) // grid.cell_m))
    n = 0
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            cell = r * grid.columns + c
            for k in range(grid.start[cell], grid.start[cell + 1]):
                i = grid.segment[k]
                if stamp[i] != mark:
                    stamp[i] = mark
                    near = _grown(near, n, 1)
                    near[n] = i
                    n += 1
    return near, n


@numba.njit(cache=True, nogil=True)
def find_cells(lines, grid, row, column, step, street_m):  # type: ignore[no-untyped-def]
    """The arrays of `Cells` for some blocks; cells farther than ``street_m`` have no candidates."""
    n_blocks = len(row)
    start, first = np.zeros(n_blocks + 1, np.int64), np.zeros(n_blocks * _CELLS + 1, np.int64)
    segment, local = np.empty(1024, np.int32), np.empty(4096, np.int32)
    gap = np.full(n_blocks * _CELLS, np.inf, np.float32)
    stamp, near = np.full(len(lines.ax), -1, np.int32), np.empty(1024, np.int32)
    half = np.sqrt(2.0) * step * (FINER // 2)  # from a cell's centre to its corner points
    limit = street_m + half
    apart = step * FINER
    for b in range(n_blocks):
        x0, y0 = column[b] * BLOCK * apart, row[b] * BLOCK * apart
        around = limit + 2 * half
        wide = (BLOCK - 1) * apart + 2 * around
        near, n = _gather(grid, x0 - around, y0 - around, wide, stamp, b, near)
        ends, number, square = _ends(lines, near[:n]), np.full(n, -1, np.int32), np.empty(n)
        every, begin = np.arange(n), start[b]
        filled = begin
        for cell in range(_CELLS):
            if cell % BLOCK % 2 == 0:  # what matters to this cell and the next, or to neither
                x = x0 + (cell % BLOCK + 0.5) * apart
                least = np.sqrt(_squares(x, y0 + (cell // BLOCK) * apart, ends, every, square))
                most = (min(least, limit) + apart + 2 * half + 2 * TIE_M) ** 2
                some = every[square <= most]
            x, y = x0 + (cell % BLOCK) * apart, y0 + (cell // BLOCK) * apart
            least = _squares(x, y, ends, some, square)
            end = first[b * _CELLS + cell]
            if least <= limit * limit:
                gap[b * _CELLS + cell] = np.sqrt(least)
                most = (np.sqrt(least) + 2 * half + 2 * TIE_M) ** 2
                segment, local = _grown(segment, filled, n), _grown(local, end, n)
                for k in range(len(some)):
                    if square[k] <= most:
                        j = some[k]
                        if number[j] < 0:
                            number[j] = filled - begin
                            segment[filled] = near[j]
                            filled += 1
                        local[end] = number[j]
                        end += 1
            first[b * _CELLS + cell + 1] = end
        start[b + 1] = filled
    return start, segment[: start[-1]].copy(), gap, first, local[: first[-1]].copy()
