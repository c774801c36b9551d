"""The compiled part of `walk_raster`: times from the points of cells.

The segments that matter to a block of cells are loaded once per walk into a small table (a row of
`_WIDTH` numbers each), and the block's cells point into it.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from servicecircle.circles.raster_cells import BLOCK, FINER
from servicecircle.street_index import TIE_M
from servicecircle.streets.contraction import Floats, Ints

_CELLS = BLOCK * BLOCK
_HALF = FINER // 2
_BEND = 0.5 / 6_371_000.0**2  # the plane's scale is 1 + this · x² (transverse Mercator)
_NUDGE = 1e-3  # steps: no lattice point lies on a line, so that lines neither touch nor cross
_OUTSIDE, _INSIDE, _CROSSED = 0, 1, 2

# a loaded segment: begins at (X, Y), leads to (X + DX, Y + DY), 1 / its squared length; rank;
# offset, forward and backward effort at its begin, and how much more at its end; metres to a
# site from the edge's u end, from its v end and the whole edge before; length of the edge; may
# it be walked forward, backward; first site on the edge (-1: none); effort's change per metre;
# no point on it is farther from a site than this
_X, _Y, _DX, _DY, _INVERSE, _RANK, _O, _DO, _F, _DF, _B, _DB = range(12)
_TO_U, _VIA_V, _TO_V, _LENGTH, _FORWARD, _BACKWARD, _SITE, _SLACK, _WORST = range(12, 21)
_WIDTH = 21


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


@numba.njit(cache=True, nogil=True)
def _load(lines, to, direct, segments, table):  # type: ignore[no-untyped-def]
    """A block's segments and how far a walk leads along them; is any of them reached?"""
    any_reached = False
    for n in range(len(segments)):
        i = segments[n]
        e = lines.edge[i]
        to_u, to_v = to[lines.edge_u[e]], to[lines.edge_v[e]]
        site = np.searchsorted(direct.edge, e)
        s = table[n]
        s[_SITE] = site if site < len(direct.edge) and direct.edge[site] == e else -1
        reached = to_u < np.inf or to_v < np.inf or s[_SITE] >= 0
        any_reached |= reached
        s[_X], s[_Y] = lines.ax[i], lines.ay[i]
        s[_DX], s[_DY] = lines.bx[i] - s[_X], lines.by[i] - s[_Y]
        square = s[_DX] ** 2 + s[_DY] ** 2
        s[_INVERSE] = 1.0 / square if square > 0 else 0.0
        s[_RANK] = lines.rank[i]
        s[_TO_U], s[_TO_V] = to_u, to_v
        s[_SLACK] = lines.slack[i]
        s[_WORST] = np.inf
        if reached:
            s[_O], s[_F], s[_B] = lines.offset_a[i], lines.forward_a[i], lines.backward_a[i]
            s[_DO] = lines.offset_b[i] - s[_O]
            s[_DF], s[_DB] = lines.forward_b[i] - s[_F], lines.backward_b[i] - s[_B]
            s[_VIA_V], s[_LENGTH] = to_v + lines.along[e], lines.edge_m[e]
            s[_FORWARD], s[_BACKWARD] = lines.may_forward[e], lines.may_backward[e]
            if s[_SLACK] < np.inf:
                u_side = to_u + max(s[_B], s[_B] + s[_DB])
                s[_WORST] = min(u_side, s[_VIA_V] - min(s[_F], s[_F] + s[_DF]))
    return any_reached


# Views of single rows would be counted references: too dear where a few operations are all.


@numba.njit(cache=True, nogil=True)
def _along(table, n, t, direct):  # type: ignore[no-untyped-def]
    """Metres to the nearest site from a foot on a loaded segment, as `reach` counts them."""
    if table[n, _SITE] < 0 and table[n, _TO_U] == np.inf and table[n, _TO_V] == np.inf:
        return np.inf
    forward, backward = table[n, _F] + t * table[n, _DF], table[n, _B] + t * table[n, _DB]
    if table[n, _FORWARD] and table[n, _BACKWARD] and table[n, _SITE] < 0:
        return min(table[n, _TO_U] + backward, table[n, _VIA_V] - forward)
    offset, best = table[n, _O] + t * table[n, _DO], np.inf
    if table[n, _FORWARD]:
        best = table[n, _VIA_V] - forward
    if table[n, _BACKWARD]:
        best = min(best, table[n, _TO_U] + backward)
    if offset < TIE_M:  # on a junction one may leave by any street
        best = min(best, table[n, _TO_U])
    if offset > table[n, _LENGTH] - TIE_M:
        best = min(best, table[n, _TO_V])
    k = int(table[n, _SITE])
    edge = direct.edge[k] if k >= 0 else -1
    while 0 <= k < len(direct.edge) and direct.edge[k] == edge:
        if table[n, _FORWARD] and offset <= direct.offset[k]:
            best = min(best, direct.forward[k] - forward + direct.gap[k])
        if table[n, _BACKWARD] and offset >= direct.offset[k]:
            best = min(best, backward - direct.backward[k] + direct.gap[k])
        k += 1
    return best


@numba.njit(cache=True, nogil=True, inline="always")
def _foot(table, n, x, y):  # type: ignore[no-untyped-def]
    """(squared distance to a loaded segment, where along it the foot lies, 0 to 1)."""
    px, py = x - table[n, _X], y - table[n, _Y]
    t = min(1.0, max(0.0, (px * table[n, _DX] + py * table[n, _DY]) * table[n, _INVERSE]))
    px -= t * table[n, _DX]
    py -= t * table[n, _DY]
    return px * px + py * py, t


@numba.njit(cache=True, nogil=True)
def _at(table, candidates, direct, x, y):  # type: ignore[no-untyped-def]
    """(metres to the nearest site, metres to the street) from a point with such candidates."""
    least, where, chosen = np.inf, 0.0, 0
    for n in candidates:
        square, t = _foot(table, n, x, y)
        if square < least or square <= least * (1 + 1e-3) + 1e-5:
            d = np.sqrt(square) - np.sqrt(least)
            if d < -TIE_M or (d <= TIE_M and table[n, _RANK] < table[chosen, _RANK]):
                least, where, chosen = square, t, n
    gap = np.sqrt(least) / (1.0 + _BEND * x * x)
    return _along(table, chosen, where, direct) + direct.leg * gap, gap


@numba.njit(cache=True, nogil=True)
def _state(table, candidates, direct, x, y, half, limit, clip):  # type: ignore[no-untyped-def]
    """Are all points of a cell at least ``clip`` inside, or so much outside, or is it open?

    Only the walks are judged, not the way to a street. Effort changes by no more than ``slack``
    per metre, so that the centre speaks for the points around it.
    """
    may_be_in, may_be_out = False, False
    for n in candidates:
        if table[n, _SITE] < 0 and table[n, _TO_U] == np.inf and table[n, _TO_V] == np.inf:
            may_be_out = True
        elif table[n, _SLACK] == np.inf:
            return _CROSSED
        else:
            square, t = _foot(table, n, x, y)
            gap = np.sqrt(square) / (1.0 + _BEND * x * x)
            excess = _along(table, n, t, direct) + direct.leg * gap - limit
            change = np.hypot(table[n, _SLACK], direct.leg) * half + 0.01
            may_be_in |= excess - change < clip
            may_be_out |= excess + change > -clip
        if may_be_in and may_be_out:
            return _CROSSED
    return _INSIDE if may_be_in else _OUTSIDE


@numba.njit(cache=True, nogil=True)
def classify(lines, cells, step, to, direct, blocks, limit, street_m, clip):  # type: ignore[no-untyped-def]
    """(state of the cells of some blocks, bounds of those that are not outside).

    The bounds are (first row, last row, first column, last column) of cells.
    """
    state = np.zeros((len(blocks), _CELLS), np.uint8)
    bounds = np.array([1 << 60, -(1 << 60), 1 << 60, -(1 << 60)])
    half = np.sqrt(2.0) * step * _HALF
    table = np.empty((256, _WIDTH))
    for k in range(len(blocks)):
        b = blocks[k]
        segments = cells.segment[cells.start[b] : cells.start[b + 1]]
        if len(segments) > len(table):
            table = np.empty((2 * len(segments), _WIDTH))
        if not _load(lines, to, direct, segments, table):
            continue
        worst = table[: len(segments), _WORST].max()
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
                candidates = cells.local[cells.first[c] : cells.first[c + 1]]
                found = _state(table, candidates, direct, x, y, half, limit, clip)
            if found != _OUTSIDE:
                state[k, cell] = found if beside + half <= -clip else _CROSSED
                bounds[0], bounds[1] = min(bounds[0], row), max(bounds[1], row)
                bounds[2], bounds[3] = min(bounds[2], column), max(bounds[3], column)
    return state, bounds


@numba.njit(cache=True, nogil=True)
def _nudged(value, clip, nudge):  # type: ignore[no-untyped-def]
    """Cut to ± clip and kept off zero; what is exactly within the limit lies inside."""
    if value <= 0:
        return max(min(value, -nudge), -clip)
    return min(max(value, nudge), clip)


@numba.njit(cache=True, nogil=True)
def fill(lines, cells, step, to, direct, blocks, state, limit, street_m, clip, row, column, field):  # type: ignore[no-untyped-def]
    """Write the field into a window of the lattice that begins at (row, column)."""
    rows, columns = field.shape
    table = np.empty((256, _WIDTH))
    for k in range(len(blocks)):
        b = blocks[k]
        crossed = False
        for cell in range(_CELLS):
            crossed |= state[k, cell] == _CROSSED
        if crossed:
            segments = cells.segment[cells.start[b] : cells.start[b + 1]]
            if len(segments) > len(table):
                table = np.empty((2 * len(segments), _WIDTH))
            _load(lines, to, direct, segments, table)
        for cell in range(_CELLS):
            if state[k, cell] == _OUTSIDE:
                continue
            r0 = (cells.row[b] * BLOCK + cell // BLOCK) * FINER - _HALF
            c0 = (cells.column[b] * BLOCK + cell % BLOCK) * FINER - _HALF
            first = b * _CELLS + cell
            candidates = cells.local[cells.first[first] : cells.first[first + 1]]
            for r in range(max(r0, row), min(r0 + FINER, row + rows)):
                for c in range(max(c0, column), min(c0 + FINER, column + columns)):
                    value = -clip
                    if state[k, cell] == _CROSSED:
                        metres, gap = _at(table, candidates, direct, c * step, r * step)
                        value = max(metres - limit, gap - street_m)
                        value = _nudged(value, clip, _NUDGE * step)
                    field[r - row, c - column] = value


@numba.njit(cache=True, nogil=True)
def evaluate(lines, cells, step, to, direct, blocks, row, column, metres, gap):  # type: ignore[no-untyped-def]
    """Write metres to the nearest site, and to the street, at cell centres into a window."""
    for b in blocks:
        segments = cells.segment[cells.start[b] : cells.start[b + 1]]
        table = np.empty((len(segments), _WIDTH))
        _load(lines, to, direct, segments, table)
        for cell in range(_CELLS):
            c = b * _CELLS + cell
            candidates = cells.local[cells.first[c] : cells.first[c + 1]]
            if len(candidates):
                i = cells.row[b] * BLOCK + cell // BLOCK
                j = cells.column[b] * BLOCK + cell % BLOCK
                x, y = j * FINER * step, i * FINER * step
                found = _at(table, candidates, direct, x, y)
                metres[i - row, j - column], gap[i - row, j - column] = found
