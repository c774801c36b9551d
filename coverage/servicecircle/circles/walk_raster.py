"""Walking times on a raster: which streets each cell may walk from, and times wherever wanted.

The plane is cut into square cells. For every cell near a street the raster keeps the segments
that are nearest to some point of it, found once per city. With the metres from the junctions to a
station the time of any point of a cell then takes a few operations, so that nothing is snapped
again for another station, another standard or a finer grid.

The raster's points lie on a lattice, `FINER` to a cell and side, at whole multiples of their
spacing, and one of them is each cell's centre. Memory grows with the cells near streets.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from servicecircle.circles.junction_walks import Pace, Walk, junction_walks
from servicecircle.circles.raster_cells import BLOCK, FINER, Cells, Lines, find_cells
from servicecircle.circles.raster_kernels import Direct, classify, evaluate, fill
from servicecircle.snapping import THREADS, Snapped, Streets
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork

CELL_M = 25.0
STREET_M = 100.0  # land farther than this from a street is not coloured
CLIP_STEPS = 1.5  # the field is cut to the walk of so many steps of the lattice
_SAMPLE_M = 100.0  # streets are sorted into blocks by points at most so far apart
_BLOCKS = 256  # blocks per task
_EMPTY = (0, 0, 1, 0, 0, 1, 0)  # lengths and types of the arrays of `Cells`
_TYPES = (np.int64, np.int64, np.int64, np.int32, np.float32, np.int64, np.int32)
_WINDOW = 1024  # lattice steps to a window and side, at most: 8 MB


class Field(NamedTuple):
    """Metres on foot beyond a limit on a window of the lattice: negative is inside.

    ``metres`` has shape (rows, columns), ascending y and x, cut to ± 1.5 steps; the point in
    ``metres[i, j]`` lies at ``((column + j) * step, (row + i) * step)`` in the network's plane.
    """

    row: int
    column: int
    metres: Floats


@dataclass(frozen=True)
class MinutesRaster:
    """Minutes on foot to the nearest of some sites, on a grid in the network's metric plane.

    ``minutes`` and ``gap`` (metres to the nearest street) have shape (rows, columns), inf where
    unknown: beyond the cutoff, or far from any street. ``x``, ``y`` are the plane's coordinates
    of the cell centres, ascending; ``cell_m`` is their spacing.
    """

    x: Floats
    y: Floats
    minutes: Floats
    gap: Floats
    cell_m: float


class WalkRaster:
    """The cells of a network, kept from call to call; made where walks lead, as they are asked for.

    ``streets`` is the index of the network's streets, ``cell_m`` the cells' width in metres.
    """

    def __init__(self, streets: Streets, *, cell_m: float = CELL_M) -> None:
        if not (np.isfinite(cell_m) and cell_m > 0):
            raise ValueError(f"cells are so many metres wide, more than 0: {cell_m!r}")
        self.network = streets.network
        self.cell_m = cell_m
        self.step = cell_m / FINER
        self.clip = CLIP_STEPS * self.step
        self._grid = streets.grid
        self._lines = _lines(streets)
        self._edge_boxes = _edge_boxes(streets)
        self._junction_boxes = _junction_boxes(self.network, self._edge_boxes)
        self._prepared = np.zeros(self.network.n_edges, bool)  # edges whose cells are there
        self._sampled = _sampled(streets, cell_m * BLOCK)
        self._cells = Cells(*(np.zeros(n, t) for n, t in zip(_EMPTY, _TYPES, strict=True)))

    # --- walks ------------------------------------------------------------------------------------

    def walks(self, sites: Snapped, cutoff: float, pace: Pace) -> Iterator[list[tuple[int, Walk]]]:
        """The walks to each snapped site by itself, (position, walk), some sites at a time.

        They hold for limits up to ``cutoff`` minutes, and the cells around are ready then.
        """
        beyond = self.clip / pace.per_minute  # the line wants to see a little beyond itself
        for walks in junction_walks(self.network, sites, cutoff + beyond, pace):
            junctions = np.concatenate([walk.junction for _, walk in walks])
            self._prepare(junctions, sites.edge[[site for site, _ in walks]])
            yield walks

    # --- times ------------------------------------------------------------------------------------

    def fields(self, walk: Walk, limit: float) -> Iterator[Field]:
        """Metres beyond a walk of ``limit`` metres, or beyond `STREET_M` from a street.

        The points within the limit lie inside windows of at most `_WINDOW` steps a side, with a
        ring of points outside around all of them; neighbours share the points of their border.
        """
        known = self._known(walk)
        blocks = self._near(walk, limit)
        state, bounds = classify(*known, blocks, limit, STREET_M, self.clip)
        if bounds[0] > bounds[1]:
            return
        rows, columns = (
            _windows((low - 1) * FINER + FINER // 2, (high + 1) * FINER - FINER // 2)
            for low, high in (bounds[:2].tolist(), bounds[2:].tolist())
        )
        for r0, r1 in rows:
            for c0, c1 in columns:
                here = self._meets(blocks, (r0, r1), (c0, c1))
                if state[here].any():
                    metres = np.full((r1 - r0 + 1, c1 - c0 + 1), self.clip)
                    within: Any = (limit, STREET_M, self.clip, r0, c0, metres)
                    fill(*known, blocks[here], state[here], *within)
                    yield Field(r0, c0, metres)

    def minutes(self, walk: Walk, cutoff: float, pace: Pace) -> MinutesRaster:
        """Minutes to the nearest site of a walk from the centres of cells, up to ``cutoff``."""
        limit = pace.limit(cutoff)
        known = self._known(walk)
        blocks = self._near(walk, limit)
        span = [
            (int(at[blocks].min()) * BLOCK, (int(at[blocks].max()) + 1) * BLOCK)
            for at in (self._cells.row, self._cells.column)
        ]
        y, x = (np.arange(low, high, dtype=float) * self.cell_m for low, high in span)
        metres, gap = np.full((2, len(y), len(x)), np.inf)
        evaluate(*known, blocks, span[0][0], span[1][0], metres, gap)
        metres[(metres > limit) | (gap > STREET_M)] = np.inf
        return MinutesRaster(x, y, metres / pace.per_minute, gap, self.cell_m)

    def _known(self, walk: Walk) -> tuple[Lines, Cells, float, Floats, Direct]:
        """What the compiled functions want to know of a walk."""
        to = walk.to_junctions(self.network.n_junctions)
        return self._lines, self._cells, self.step, to, _direct(walk)

    def _near(self, walk: Walk, limit: float) -> Ints:
        """Blocks that may hold a point within the limit: around the streets that were met."""
        met = walk.junction[walk.metres <= limit + self.clip]
        box = np.concatenate([self._junction_boxes[met], self._edge_boxes[walk.sites.edge]])
        west, south = box[:, :2].min(axis=0) - STREET_M - self.clip
        east, north = box[:, 2:].max(axis=0) + STREET_M + self.clip
        rows, columns = (
            (int(a // self.step), int(b // self.step) + 1)
            for a, b in ((south, north), (west, east))
        )
        every = np.arange(len(self._cells.row))
        return every[self._meets(every, rows, columns)]

    def _meets(
        self, blocks: Ints, rows: tuple[int, int], columns: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """Which blocks hold lattice points of these rows and columns, first and last."""
        side, half = FINER * BLOCK, FINER // 2
        found = np.ones(len(blocks), bool)
        for at, (low, high) in ((self._cells.row, rows), (self._cells.column, columns)):
            first = at[blocks] * side - half
            found &= (first <= high) & (first + side > low)
        return found

    # --- cells ------------------------------------------------------------------------------------

    def _prepare(self, junction: Ints, own: Ints) -> None:
        """Find the candidates of all cells near the streets that end at junctions, and ``own``."""
        net = self.network
        reached = np.zeros(net.n_junctions, bool)
        reached[junction] = True
        fresh = reached[net.edge_u] | reached[net.edge_v]
        fresh[own] = True
        fresh &= ~self._prepared
        self._prepared |= fresh
        row, column, of_edge = self._sampled
        met = fresh[of_edge]
        ring = int(np.ceil((STREET_M + self.clip + _SAMPLE_M / 2) / (self.cell_m * BLOCK)))
        cells = self._cells
        new = _around(row[met], column[met], ring, _key(cells.row, cells.column))
        if not len(new):
            return
        found = self._found(new)
        ends = np.cumsum([len(cells.segment), *(len(part[1]) for part in found)])
        starts = [part[0][1:] + end for part, end in zip(found, ends[:-1], strict=True)]
        ends = np.cumsum([len(cells.local), *(len(part[4]) for part in found)])
        firsts = [part[3][1:] + end for part, end in zip(found, ends[:-1], strict=True)]
        self._cells = Cells(
            np.concatenate([cells.row, new[:, 0]]),
            np.concatenate([cells.column, new[:, 1]]),
            np.concatenate([cells.start, *starts]),
            np.concatenate([cells.segment, *(part[1] for part in found)]),
            np.concatenate([cells.gap, *(part[2] for part in found)]),
            np.concatenate([cells.first, *firsts]),
            np.concatenate([cells.local, *(part[4] for part in found)]),
        )

    def _found(self, blocks: Ints) -> list[tuple[NDArray, ...]]:
        """The arrays of `Cells` from ``start`` on, part by part."""

        def find(part: Ints) -> tuple[NDArray, ...]:
            row, column = np.ascontiguousarray(part.T)
            street_m = STREET_M + self.clip
            found: tuple[NDArray, ...] = find_cells(
                self._lines.segment, self._grid, row, column, self.step, street_m
            )
            return found

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(find, np.array_split(blocks, -(-len(blocks) // _BLOCKS))))


# --- what is known of the streets -----------------------------------------------------------------


def _lines(streets: Streets) -> Lines:
    net, begin, grid = streets.network, streets.vertex, streets.grid
    end, (forward, backward) = begin + 1, net.effort
    metres = net.vertex_offset[end] - net.vertex_offset[begin]
    steepest = np.maximum(
        np.abs(forward[end] - forward[begin]), np.abs(backward[end] - backward[begin])
    )
    per_metre = np.divide(steepest, metres, out=np.ones(len(metres)), where=metres > 0)
    both_ways = (net.edge_forward & net.edge_backward)[streets.edge]
    dx, dy = grid.bx - grid.ax, grid.by - grid.ay
    square = dx * dx + dy * dy
    inverse = np.divide(1.0, square, out=np.zeros(len(square)), where=square > 0)
    columns = [grid.ax, grid.ay, dx, dy, inverse, grid.rank]
    for at_vertex in (net.vertex_offset, forward, backward):
        columns += [at_vertex[begin], at_vertex[end] - at_vertex[begin]]
    columns.append(np.where(both_ways, per_metre, np.inf))
    edges = (net.edge_length, net.edge_effort[0], net.edge_forward, net.edge_backward)
    return Lines(
        np.column_stack(columns), streets.edge, np.column_stack(edges), net.edge_u, net.edge_v
    )


def _direct(walk: Walk) -> Direct:
    sites = walk.sites.take(np.argsort(walk.sites.edge, kind="stable"))
    return Direct(
        sites.edge, sites.offset, sites.forward, sites.backward, sites.gap * walk.leg, walk.leg
    )


def _edge_boxes(streets: Streets) -> Floats:
    """(west, south, east, north) of every edge in the plane; islands' have no extent at all."""
    a, b = streets.xy[streets.vertex], streets.xy[streets.vertex + 1]
    box = np.repeat([[np.inf, np.inf, -np.inf, -np.inf]], streets.network.n_edges, axis=0)
    np.minimum.at(box[:, :2], streets.edge, np.minimum(a, b))
    np.maximum.at(box[:, 2:], streets.edge, np.maximum(a, b))
    return box


def _junction_boxes(net: WalkNetwork, edge_boxes: Floats) -> Floats:
    """The same around all edges that end at a junction."""
    box = np.repeat([[np.inf, np.inf, -np.inf, -np.inf]], net.n_junctions, axis=0)
    for ends in (net.edge_u, net.edge_v):
        np.minimum.at(box[:, :2], ends, edge_boxes[:, :2])
        np.maximum.at(box[:, 2:], ends, edge_boxes[:, 2:])
    return box


def _sampled(streets: Streets, block_m: float) -> tuple[Ints, Ints, Ints]:
    """(row, column, edge) of blocks that streets lead through, by points along them."""
    a, b = streets.xy[streets.vertex], streets.xy[streets.vertex + 1]
    pieces = np.maximum(1, np.ceil(np.hypot(*(b - a).T) / _SAMPLE_M)).astype(np.int64)
    at = np.repeat(np.arange(len(a)), pieces)
    t = (np.arange(len(at)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + 0.5) / pieces[at]
    column, row = np.floor((a[at] + t[:, None] * (b - a)[at]) / block_m).astype(np.int64).T
    edge = streets.edge[at]
    again = np.zeros(len(at), bool)  # most points lie in the block of the one before
    again[1:] = (np.diff(row) == 0) & (np.diff(column) == 0) & (np.diff(edge) == 0)
    return row[~again], column[~again], edge[~again]


# --- blocks and windows ---------------------------------------------------------------------------


def _key(row: Ints, column: Ints) -> Ints:
    return np.asarray((row << 32) + column)


def _around(row: Ints, column: Ints, ring: int, known: Ints) -> Ints:
    """Blocks (n × 2: row, column) at most ``ring`` from the given ones, without the known."""
    keys = np.unique(_key(row, column))
    one = np.arange(-ring, ring + 1)
    steps = _key(*np.meshgrid(one, one)).ravel()
    keys = np.setdiff1d(keys[:, None] + steps, known)
    column = ((keys + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)  # the lower half may be negative
    return np.column_stack([(keys - column) >> 32, column])


def _windows(first: int, last: int) -> list[tuple[int, int]]:
    """Spans of at most `_WINDOW` steps from first to last that share their ends."""
    cuts = [*range(first, last, _WINDOW), last]
    return list(pairwise(cuts))
