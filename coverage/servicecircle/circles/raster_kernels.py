"""The compiled part of `walk_raster`: times from the points of cells.

The segments that matter to a block of cells are loaded once per walk into a small table (a row of
`_WIDTH` numbers each), and the block's cells point into it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.circles.raster_cells import (
    ALONG,
    AT,
    BLOCK,
    D_AT,
    DB,
    DF,
    DX,
    DY,
    EDGE_M,
    FINER,
    INVERSE,
    MAY_BACKWARD,
    MAY_FORWARD,
    RANK,
    SLACK,
    B,
    Cells,
    F,
    Lines,
    X,
    Y,
)
from servicecircle.street_index import TIE_M
from servicecircle.streets.contraction import Floats, Ints

_CELLS = BLOCK * BLOCK
_HALF = FINER // 2
_BEND = 0.5 / 6_371_000.0**2  # the plane's scale is 1 + this · x² (transverse Mercator)
_NUDGE = 1e-3  # steps: no lattice point lies on a line, so that lines neither touch nor cross
_OUTSIDE, _INSIDE, _CROSSED = 0, 1, 2

# a loaded segment: the columns of `Lines.segment`; metres to a site from the edge's u end, from
# its v end and the whole edge before, from its v end; length of the edge; may it be walked
# forward, backward; first site on the edge (-1: none); no point on it is farther from a site
_TO_U, _VIA_V, _TO_V, _LENGTH, _FORWARD, _BACKWARD, _SITE, _WORST = range(SLACK + 1, SLACK + 9)
_WIDTH = _WORST + 1
_FIRST = np.int64(0)  # typed: numba would compile `_along` for the literal once more


class Direct(NamedTuple):
    """Sites sorted by edge, for walks along their own street; ``gap`` is their leg's effort.

    ``leg`` is the effort per metre of a leg beside the streets.
    """

    edge: Ints
    offset: Floats
    forward: Floats
    backward: Floats
    gap: Floats
    leg: float


def classify(
    lines: Lines, cells: Cells, step: float, to: Floats, direct: Direct, blocks: Ints,
    limit: float, street_m: float, clip: float,
) -> tuple[NDArray[np.uint8], Ints]:  # fmt: skip
    """(state of the cells of some blocks, bounds of those that are not outside).

    The bounds are (first row, last row, first column, last column) of cells.
    """
    state = np.zeros((len(blocks), _CELLS), np.uint8)
    bounds = np.array([1 << 60, -(1 << 60), 1 << 60, -(1 << 60)])
    table = _table(cells, blocks)
    _classify(lines, cells, step, to, direct, blocks, limit, street_m, clip, table, state, bounds)
    return state, bounds


def fill(
    lines: Lines, cells: Cells, step: float, to: Floats, direct: Direct, blocks: Ints,
    state: NDArray[np.uint8], limit: float, street_m: float, clip: float, row: int, column: int,
    field: Floats,
) -> None:  # fmt: skip
    """Write the field into a window of the lattice that begins at (row, column)."""
    table = _table(cells, blocks)
    _fill(
        lines, cells, step, to, direct, blocks, state, limit, street_m, clip, row, column, field,
        table,
    )  # fmt: skip


def evaluate(
    lines: Lines, cells: Cells, step: float, to: Floats, direct: Direct, blocks: Ints,
    row: int, column: int, metres: Floats, gap: Floats,
) -> None:  # fmt: skip
    """Write metres to the nearest site, and to the street, at cell centres into a window."""
    table = _table(cells, blocks)
    _evaluate(lines, cells, step, to, direct, blocks, row, column, metres, gap, table)


def _table(cells: Cells, blocks: Ints) -> Floats:
    """Room for the segments of any of the blocks (made in compiled code it takes longer)."""
    most = (cells.start[blocks + 1] - cells.start[blocks]).max(initial=0)
    return np.empty((int(most), _WIDTH))


# --- compiled -------------------------------------------------------------------------------------


@numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _load(lines, to, direct, segments, first, last, table):  # type: ignore[no-untyped-def]
    """A block's segments and how far a walk leads along them: (is any reached?, the farthest)."""
    any_reached, farthest = False, -np.inf
    for n in range(last - first):
        i = segments[first + n]
        e = lines.edge[i]
        to_u, to_v = to[lines.edge_u[e]], to[lines.edge_v[e]]
        low, high = 0, len(direct.edge)
        while low < high:
            middle = (low + high) // 2
            if direct.edge[middle] < e:
                low = middle + 1
            else:
                high = middle
        own = low < len(direct.edge) and direct.edge[low] == e
        reached = to_u < np.inf or to_v < np.inf or own
        any_reached |= reached
        for column in range(SLACK + 1):
            table[n, column] = lines.segment[i, column]
        table[n, _SITE] = low if own else -1
        table[n, _TO_U], table[n, _TO_V] = to_u, to_v
        worst = np.inf
        if reached:
            via_v = to_v + lines.edges[e, ALONG]
            table[n, _VIA_V], table[n, _LENGTH] = via_v, lines.edges[e, EDGE_M]
            table[n, _FORWARD] = lines.edges[e, MAY_FORWARD]
            table[n, _BACKWARD] = lines.edges[e, MAY_BACKWARD]
            if table[n, SLACK] < np.inf:
                u_side = to_u + max(table[n, B], table[n, B] + table[n, DB])
                worst = min(u_side, via_v - min(table[n, F], table[n, F] + table[n, DF]))
        table[n, _WORST] = worst
        farthest = max(farthest, worst)
    return any_reached, farthest


@numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _along(table, n, t, direct):  # type: ignore[no-untyped-def]
    """Metres to the nearest site from a foot on a loaded segment, as `reach` counts them."""
    if table[n, _SITE] < 0 and table[n, _TO_U] == np.inf and table[n, _TO_V] == np.inf:
        return np.inf
    forward, backward = table[n, F] + t * table[n, DF], table[n, B] + t * table[n, DB]
    if table[n, _FORWARD] and table[n, _BACKWARD] and table[n, _SITE] < 0:
        return min(table[n, _TO_U] + backward, table[n, _VIA_V] - forward)
    offset, best = table[n, AT] + t * table[n, D_AT], np.inf
    if table[n, _FORWARD]:
        best = table[n, _VIA_V] - forward
    if table[n, _BACKWARD]:
        best = min(best, table[n, _TO_U] + backward)
    if offset < TIE_M:  # on a junction one may leave by any street
        best = min(best, table[n, _TO_U])
    if offset > table[n, _LENGTH] - TIE_M:
        best = min(best, table[n, _TO_V])
    k = np.int64(table[n, _SITE])
    edge = direct.edge[k] if k >= 0 else -1
    while 0 <= k < len(direct.edge) and direct.edge[k] == edge:
        if table[n, _FORWARD] and offset <= direct.offset[k]:
            best = min(best, direct.forward[k] - forward + direct.gap[k])
        if table[n, _BACKWARD] and offset >= direct.offset[k]:
            best = min(best, backward - direct.backward[k] + direct.gap[k])
        k += 1
    return best


@numba.njit(inline="always")
def _foot(table, n, x, y):  # type: ignore[no-untyped-def]
    """(squared distance to a loaded segment, where along it the foot lies, 0 to 1)."""
    px, py = x - table[n, X], y - table[n, Y]
    t = min(1.0, max(0.0, (px * table[n, DX] + py * table[n, DY]) * table[n, INVERSE]))
    px -= t * table[n, DX]
    py -= t * table[n, DY]
    return px * px + py * py, t


@numba.njit(inline="always")
def _at(table, local, first, last, direct, x, y):  # type: ignore[no-untyped-def]
    """(metres to the nearest site, metres to the street) from a point with such candidates."""
    least, where, chosen = np.inf, 0.0, _FIRST
    for k in range(first, last):
        n = local[k]
        square, t = _foot(table, n, x, y)
        if square < least or square <= least * (1 + 1e-3) + 1e-5:
            d = math.sqrt(square) - math.sqrt(least)
            if d < -TIE_M or (d <= TIE_M and table[n, RANK] < table[chosen, RANK]):
                least, where, chosen = square, t, np.int64(n)
    gap = math.sqrt(least) / (1.0 + _BEND * x * x)
    return _along(table, chosen, where, direct) + direct.leg * gap, gap


@numba.njit(inline="always")
def _state(table, local, first, last, direct, x, y, half, limit, clip):  # type: ignore[no-untyped-def]
    """Are all points of a cell at least ``clip`` inside, or so much outside, or is it open?

    Only the walks are judged, not the way to a street. Effort changes by no more than ``slack``
    per metre, so that the centre speaks for the points around it.
    """
    may_be_in, may_be_out = False, False
    for k in range(first, last):
        n = np.int64(local[k])
        if table[n, _SITE] < 0 and table[n, _TO_U] == np.inf and table[n, _TO_V] == np.inf:
            may_be_out = True
        elif table[n, SLACK] == np.inf:
            may_be_in = may_be_out = True
        else:
            square, t = _foot(table, n, x, y)
            gap = math.sqrt(square) / (1.0 + _BEND * x * x)
            excess = _along(table, n, t, direct) + direct.leg * gap - limit
            change = math.hypot(table[n, SLACK], direct.leg) * half + 0.01
            may_be_in |= excess - change < clip
            may_be_out |= excess + change > -clip
        if may_be_in and may_be_out:
            break
    if may_be_in and may_be_out:
        return _CROSSED
    return _INSIDE if may_be_in else _OUTSIDE


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _classify(  # type: ignore[no-untyped-def]
    lines, cells, step, to, direct, blocks, limit, street_m, clip, table, state, bounds
):
    """See `classify`."""
    half = math.sqrt(2.0) * step * _HALF
    for k in range(len(blocks)):
        b = blocks[k]
        reached, worst = _load(
            lines, to, direct, cells.segment, cells.start[b], cells.start[b + 1], table
        )
        if not reached:
            continue
        for cell in range(_CELLS):
            c = b * _CELLS + cell
            gap = cells.gap[c]
            row = cells.row[b] * BLOCK + cell // BLOCK
            column = cells.column[b] * BLOCK + cell % BLOCK
            x, y = column * FINER * step, row * FINER * step
            beside = gap / (1.0 + _BEND * x * x) - street_m
            if beside - half >= clip:
                continue
            if worst + direct.leg * (gap + half) <= limit - clip:
                found = _INSIDE
            else:
                found = _state(
                    table, cells.local, cells.first[c], cells.first[c + 1], direct, x, y,
                    half, limit, clip,
                )  # fmt: skip
            if found != _OUTSIDE:
                state[k, cell] = found if beside + half <= -clip else _CROSSED
                bounds[0], bounds[1] = min(bounds[0], row), max(bounds[1], row)
                bounds[2], bounds[3] = min(bounds[2], column), max(bounds[3], column)


@numba.njit(inline="always")
def _nudged(value, clip, nudge):  # type: ignore[no-untyped-def]
    """Cut to ± clip and kept off zero; what is exactly within the limit lies inside."""
    if value <= 0:
        return max(min(value, -nudge), -clip)
    return min(max(value, nudge), clip)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill(  # type: ignore[no-untyped-def]
    lines, cells, step, to, direct, blocks, state, limit, street_m, clip, row, column, field, table
):
    """See `fill`."""
    rows, columns = field.shape
    for k in range(len(blocks)):
        b = blocks[k]
        crossed = False
        for cell in range(_CELLS):
            crossed |= state[k, cell] == _CROSSED
        if crossed:
            _load(lines, to, direct, cells.segment, cells.start[b], cells.start[b + 1], table)
        for cell in range(_CELLS):
            if state[k, cell] == _OUTSIDE:
                continue
            r0 = (cells.row[b] * BLOCK + cell // BLOCK) * FINER - _HALF
            c0 = (cells.column[b] * BLOCK + cell % BLOCK) * FINER - _HALF
            first, last = cells.first[b * _CELLS + cell], cells.first[b * _CELLS + cell + 1]
            for r in range(max(r0, row), min(r0 + FINER, row + rows)):
                for c in range(max(c0, column), min(c0 + FINER, column + columns)):
                    value = -clip
                    if state[k, cell] == _CROSSED:
                        metres, gap = _at(
                            table, cells.local, first, last, direct, c * step, r * step
                        )
                        value = max(metres - limit, gap - street_m)
                        value = _nudged(value, clip, _NUDGE * step)
                    field[r - row, c - column] = value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _evaluate(  # type: ignore[no-untyped-def]
    lines, cells, step, to, direct, blocks, row, column, metres, gap, table
):
    """See `evaluate`."""
    for b in blocks:
        _load(lines, to, direct, cells.segment, cells.start[b], cells.start[b + 1], table)
        for cell in range(_CELLS):
            c = b * _CELLS + cell
            first, last = cells.first[c], cells.first[c + 1]
            if first < last:
                i = cells.row[b] * BLOCK + cell // BLOCK
                j = cells.column[b] * BLOCK + cell % BLOCK
                x, y = j * FINER * step, i * FINER * step
                metres[i - row, j - column], gap[i - row, j - column] = _at(
                    table, cells.local, first, last, direct, x, y
                )
