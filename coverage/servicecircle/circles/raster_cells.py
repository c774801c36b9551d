"""Cells of a raster and the street segments that are nearest to some point of them, compiled.

Cells come in square blocks. A block lists the segments that matter to any of its cells, and the
cells point into this list.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.street_index import TIE_M, Grid
from servicecircle.streets.contraction import Floats, Ints

FINER = 5  # lattice points to a cell and side; odd, so that one of them is the cell's centre
_NEAR, _SEGMENTS, _LOCAL = 256, 1024, 4096  # room to begin with; see `find_cells`
BLOCK = 8  # cells to a block and side
_CELLS = BLOCK * BLOCK


# of a segment a → b: a in the plane, b - a, 1 / squared length, rank among ties, offset, forward
# and backward effort at a and how much more at b, the most that effort changes per metre along it
# (inf on one-way streets, where it jumps)
X, Y, DX, DY, INVERSE, RANK, AT, D_AT, F, DF, B, DB, SLACK = range(13)
# of an edge: length, effort to walk all of it, may it be walked forward, backward
EDGE_M, ALONG, MAY_FORWARD, MAY_BACKWARD = range(4)


class Lines(NamedTuple):
    """Segments in the plane and what a walk along them costs, in few arrays.

    (Every array of a compiled function takes its time to compile.) ``segment``: one row per
    segment, columns `X` to `SLACK` in metres, effort counted from the edge's u end (forward) and
    to it (backward); ``edge``: of each segment. ``edges``: one row per edge of `WalkNetwork`,
    columns `EDGE_M` to `MAY_BACKWARD`; ``edge_u``, ``edge_v``: its ends.
    """

    segment: Floats
    edge: Ints
    edges: Floats
    edge_u: Ints
    edge_v: Ints


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


class _Near(NamedTuple):
    """Room for the segments near a block; all but ``stamp`` (one entry per segment of the
    network) are as long as the most that a block has."""

    stamp: NDArray[np.int32]  # the block that met a segment last
    near: NDArray[np.int32]
    square: Floats
    some: NDArray[np.int32]  # those that matter to a cell
    number: NDArray[np.int32]  # place in the block's list, -1: not there


def find_cells(
    segments: Floats, grid: Grid, row: Ints, column: Ints, step: float, street_m: float
) -> tuple[NDArray, ...]:
    """The arrays of `Cells` for some blocks; cells farther than ``street_m`` have no candidates.

    The compiled search stops at a block for which an array is too short, and goes on there with
    longer ones: arrays made in compiled code take long to compile.
    """
    n = len(row)
    start, first = np.zeros(n + 1, np.int64), np.zeros(n * _CELLS + 1, np.int64)
    gap = np.full(n * _CELLS, np.inf, np.float32)
    segment, local = np.empty(_SEGMENTS, np.int32), np.empty(_LOCAL, np.int32)
    near, done = _room(segments, _NEAR), 0
    frame = grid.west, grid.south, grid.cell_m, grid.columns, grid.rows
    while True:
        out = (start, segment, gap, first, local)
        done, most = _find_cells(
            segments, grid.start, grid.segment, frame, row, column, step, street_m, near, out, done
        )
        if done == n:
            return start, segment[: start[-1]].copy(), gap, first, local[: first[-1]].copy()
        near = _room(segments, max(2 * most, len(near.near)))
        segment = _longer(segment, start[done] + most)
        local = _longer(local, first[done * _CELLS] + most * _CELLS)


def _room(segments: Floats, most: int) -> _Near:
    """Room for ``most`` segments near a block."""
    stamp, (near, some, number) = (
        np.full(len(segments), -1, np.int32),
        np.empty((3, most), np.int32),
    )
    return _Near(stamp, near, np.empty(most), some, number)


def _longer(values: NDArray[np.int32], room: int) -> NDArray[np.int32]:
    """The values, in an array with room for so many."""
    more = max(0, 2 * room - len(values)) if room > len(values) else 0
    return np.concatenate([values, np.empty(more, np.int32)])


@numba.njit(inline="always")
def _square(segments, i, x, y):  # type: ignore[no-untyped-def]
    """Squared distance from (x, y) to a segment."""
    px, py = x - segments[i, X], y - segments[i, Y]
    t = px * segments[i, DX] + py * segments[i, DY]
    t = min(1.0, max(0.0, t * segments[i, INVERSE]))
    px -= t * segments[i, DX]
    py -= t * segments[i, DY]
    return px * px + py * py


@numba.njit(inline="always")
def _gather(start, segment, frame, west, south, wide, work, mark):  # type: ignore[no-untyped-def]
    """Segments of the street grid whose cells meet a square: how many.

    Beyond the room there is they are only counted.
    """
    stamp, near, number = work.stamp, work.near, work.number
    grid_west, grid_south, cell_m, columns, rows = frame
    c0 = max(0, int((west - grid_west) // cell_m))
    r0 = max(0, int((south - grid_south) // cell_m))
    c1 = min(columns - 1, int((west + wide - grid_west) // cell_m))
    r1 = min(rows - 1, int((south + wide - grid_south) // cell_m))
    n = 0
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            for k in range(start[r * columns + c], start[r * columns + c + 1]):
                i = segment[k]
                if stamp[i] != mark:
                    stamp[i] = mark
                    if n < len(near):
                        near[n], number[n] = i, -1
                    n += 1
    return n


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _find_cells(  # type: ignore[no-untyped-def]
    segments, grid_start, grid_segment, frame, row, column, step, street_m, work, out, done
):
    """Go on at block ``done``: (blocks done, segments near the next one)."""
    start, segment, gap, first, local = out
    near, square, some, number = work.near, work.square, work.some, work.number
    half = math.sqrt(2.0) * step * (FINER // 2)  # from a cell's centre to its corner points
    limit = street_m + half
    apart = step * FINER
    around = limit + 2 * half
    wide = (BLOCK - 1) * apart + 2 * around
    for b in range(done, len(row)):
        x0, y0 = column[b] * BLOCK * apart, row[b] * BLOCK * apart
        n = _gather(grid_start, grid_segment, frame, x0 - around, y0 - around, wide, work, b)
        begin, end = start[b], first[b * _CELLS]
        if n > len(near) or begin + n > len(segment) or end + n * _CELLS > len(local):
            return b, n
        filled, n_some = begin, 0
        for cell in range(_CELLS):
            i, j = cell // BLOCK, cell % BLOCK
            least = np.inf
            if j % 2 == 0:  # what matters to this cell and the next, or to neither
                x, y = x0 + (j + 0.5) * apart, y0 + i * apart
                for k in range(n):
                    square[k] = _square(segments, near[k], x, y)
                    least = min(least, square[k])
                most = (min(math.sqrt(least), limit) + apart + 2 * half + 2 * TIE_M) ** 2
                n_some = 0
                for k in range(n):
                    if square[k] <= most:
                        some[n_some] = k
                        n_some += 1
            x, y = x0 + j * apart, y0 + i * apart
            least = np.inf
            for k in range(n_some):
                square[k] = _square(segments, near[some[k]], x, y)
                least = min(least, square[k])
            if least <= limit * limit:
                gap[b * _CELLS + cell] = math.sqrt(least)
                most = (math.sqrt(least) + 2 * half + 2 * TIE_M) ** 2
                for k in range(n_some):
                    if square[k] <= most:
                        s = some[k]
                        if number[s] < 0:
                            number[s] = filled - begin
                            segment[filled] = near[s]
                            filled += 1
                        local[end] = number[s]
                        end += 1
            first[b * _CELLS + cell + 1] = end
        start[b + 1] = filled
    return len(row), 0
