"""Do straight legs meet an obstacle, and which street can be reached without: compiled.

A leg meets an obstacle when something of it is left after its first and last `TOUCH_M` are cut
off, and this rest touches a line, or touches or lies in water. So a leg may begin or end at a
bank, and what ends on the street itself is always free.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.street_index import TIE_M, Grid, make_grid
from servicecircle.streets.contraction import Floats, Ints

TOUCH_M = 0.05  # an obstacle this near either end of a leg does not stop it
_NEAR_M = 1e-6  # lines that come so near each other meet: no leg slips through a bend's corner
_FIRST_RADIUS_M = 64.0
_RECENT = 12  # what blocked one leg of a point often blocks its next


class Cells(NamedTuple):
    """A grid of segments; ``column``, ``row`` of the south-west corner of each segment's box."""

    grid: Grid
    column: Ints
    row: Ints


class Obstacles(NamedTuple):
    """Lines that stop legs; ``shore`` marks those with water on their left."""

    cells: Cells
    shore: NDArray[np.bool_]


def make_cells(a: Floats, b: Floats, rank: Ints) -> Cells:
    """Segments from ``a`` to ``b`` (n × 2, metres, n > 0); the lowest ``rank`` wins ties."""
    grid = make_grid(a, b, rank)
    corner = (np.minimum(a, b) - (grid.west, grid.south)) // grid.cell_m
    column, row = np.ascontiguousarray(corner.astype(np.int64).T)
    return Cells(grid, column, row)


@numba.njit(cache=True, nogil=True, inline="always")
def _square(ax, ay, bx, by, x, y):  # type: ignore[no-untyped-def]
    """Squared distance from (x, y) to a → b, and where on it the nearest place lies (0 to 1)."""
    dx, dy, px, py = bx - ax, by - ay, x - ax, y - ay
    length = dx * dx + dy * dy
    t = 0.0
    if length > 0:
        t = min(1.0, max(0.0, (px * dx + py * dy) / length))
        px -= t * dx
        py -= t * dy
    return px * px + py * py, t


@numba.njit(cache=True, nogil=True)
def _meets(grid, i, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Whether the line (x0, y0) → (x1, y1) meets segment i."""
    ax, ay, bx, by = grid.ax[i], grid.ay[i], grid.bx[i], grid.by[i]
    if max(ax, bx) + _NEAR_M < min(x0, x1) or max(x0, x1) + _NEAR_M < min(ax, bx):
        return False
    if max(ay, by) + _NEAR_M < min(y0, y1) or max(y0, y1) + _NEAR_M < min(ay, by):
        return False
    dx, dy, ex, ey = x1 - x0, y1 - y0, bx - ax, by - ay
    of_a = dx * (ay - y0) - dy * (ax - x0)
    of_b = dx * (by - y0) - dy * (bx - x0)
    of_0 = ex * (y0 - ay) - ey * (x0 - ax)
    of_1 = ex * (y1 - ay) - ey * (x1 - ax)
    if ((of_a < 0 < of_b) or (of_b < 0 < of_a)) and ((of_0 < 0 < of_1) or (of_1 < 0 < of_0)):
        return True
    near = _NEAR_M * _NEAR_M
    return (
        _square(x0, y0, x1, y1, ax, ay)[0] <= near
        or _square(x0, y0, x1, y1, bx, by)[0] <= near
        or _square(ax, ay, bx, by, x0, y0)[0] <= near
        or _square(ax, ay, bx, by, x1, y1)[0] <= near
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _rows(grid, low, high):  # type: ignore[no-untyped-def]
    """The first and last row of the grid from ``low`` to ``high`` metres north."""
    first = int((low - _NEAR_M - grid.south) // grid.cell_m)
    last = int((high + _NEAR_M - grid.south) // grid.cell_m)
    return max(first, 0), min(last, grid.rows - 1)


@numba.njit(cache=True, nogil=True, inline="always")
def _columns(grid, low, high):  # type: ignore[no-untyped-def]
    """The same for columns, eastward."""
    first = int((low - _NEAR_M - grid.west) // grid.cell_m)
    last = int((high + _NEAR_M - grid.west) // grid.cell_m)
    return max(first, 0), min(last, grid.columns - 1)


@numba.njit(cache=True, nogil=True)
def _columns_in_row(grid, row, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """The columns that a line passes within one row of cells."""
    low, high, dy = 0.0, 1.0, y1 - y0
    if dy != 0:
        south = grid.south + row * grid.cell_m
        enters = (south - _NEAR_M - y0) / dy
        leaves = (south + grid.cell_m + _NEAR_M - y0) / dy
        low = min(1.0, max(0.0, min(enters, leaves)))
        high = min(1.0, max(0.0, enters, leaves))
    west, east = x0 + low * (x1 - x0), x0 + high * (x1 - x0)
    return _columns(grid, min(west, east), max(west, east))


@numba.njit(cache=True, nogil=True, inline="always")
def _to_front(recent, k, i):  # type: ignore[no-untyped-def]
    """Put ``i`` first, in the place of the entry ``k``."""
    for j in range(k, 0, -1):
        recent[j] = recent[j - 1]
    recent[0] = i


@numba.njit(cache=True, nogil=True)
def _first_met(grid, x0, y0, x1, y1, recent):  # type: ignore[no-untyped-def]
    """A segment that a line meets, or -1; those in ``recent`` (-1: none) are tried first.

    The one that is found moves to the front of ``recent``.
    """
    for k in range(len(recent)):
        i = recent[k]
        if i < 0:
            break
        if _meets(grid, i, x0, y0, x1, y1):
            _to_front(recent, k, i)
            return i
    first, last = _rows(grid, min(y0, y1), max(y0, y1))
    for turn in range(last - first + 1):
        row = first + turn if y0 <= y1 else last - turn
        west, east = _columns_in_row(grid, row, x0, y0, x1, y1)
        for cell in range(row * grid.columns + west, row * grid.columns + east + 1):
            for k in range(grid.start[cell], grid.start[cell + 1]):
                i = grid.segment[k]
                if _meets(grid, i, x0, y0, x1, y1):
                    _to_front(recent, len(recent) - 1, i)
                    return i
    return -1


@numba.njit(cache=True, nogil=True)
def _in_water(obstacles, x, y):  # type: ignore[no-untyped-def]
    """Whether (x, y) lies in water: the winding number of the shores, counted along its row."""
    cells, shore = obstacles.cells, obstacles.shore
    grid = cells.grid
    row = int((y - grid.south) // grid.cell_m)
    if row < 0 or row >= grid.rows:
        return False
    turns = 0
    for column in range(min(int((x - grid.west) // grid.cell_m), grid.columns - 1) + 1):
        cell = row * grid.columns + column
        for k in range(grid.start[cell], grid.start[cell + 1]):
            i = grid.segment[k]
            if not shore[i] or cells.column[i] != column:  # else it would count once per column
                continue
            ay, by = grid.ay[i], grid.by[i]
            if (ay <= y) == (by <= y):
                continue
            if grid.ax[i] + (y - ay) * (grid.bx[i] - grid.ax[i]) / (by - ay) < x:
                turns += 1 if by > ay else -1
    return turns != 0


@numba.njit(cache=True, nogil=True)
def _at_shore(obstacles, x, y):  # type: ignore[no-untyped-def]
    """Whether a shore is within `TOUCH_M` of (x, y)."""
    grid = obstacles.cells.grid
    south, north = _rows(grid, y - TOUCH_M, y + TOUCH_M)
    west, east = _columns(grid, x - TOUCH_M, x + TOUCH_M)
    for row in range(south, north + 1):
        for cell in range(row * grid.columns + west, row * grid.columns + east + 1):
            for k in range(grid.start[cell], grid.start[cell + 1]):
                i = grid.segment[k]
                square, _ = _square(grid.ax[i], grid.ay[i], grid.bx[i], grid.by[i], x, y)
                if obstacles.shore[i] and square <= TOUCH_M * TOUCH_M:
                    return True
    return False


@numba.njit(cache=True, nogil=True)
def _is_free(obstacles, x, y, foot_x, foot_y, recent):  # type: ignore[no-untyped-def]
    """Whether the leg from a point to a foot meets no obstacle; ``recent`` as in `_first_met`."""
    dx, dy = foot_x - x, foot_y - y
    length = np.sqrt(dx * dx + dy * dy)
    if length <= 2 * TOUCH_M:
        return True
    cut = TOUCH_M / length
    x0, y0, x1, y1 = x + cut * dx, y + cut * dy, foot_x - cut * dx, foot_y - cut * dy
    if _first_met(obstacles.cells.grid, x0, y0, x1, y1, recent) >= 0:
        return False
    # it meets no shore, so all of it lies on one side
    return not _in_water(obstacles, (x0 + x1) / 2, (y0 + y1) / 2)


@numba.njit(cache=True, nogil=True)
def blocked(obstacles, grid, chosen, x, y):  # type: ignore[no-untyped-def]
    """Which legs from points to the segments of ``grid`` chosen for them (-1: none) are blocked."""
    found, recent = np.zeros(len(x), np.bool_), np.full(1, -1, np.int64)
    for p in range(len(x)):
        i = chosen[p]
        if i < 0:
            continue
        ax, ay, bx, by = grid.ax[i], grid.ay[i], grid.bx[i], grid.by[i]
        _, t = _square(ax, ay, bx, by, x[p], y[p])
        foot_x, foot_y = ax + t * (bx - ax), ay + t * (by - ay)
        found[p] = not _is_free(obstacles, x[p], y[p], foot_x, foot_y, recent)
    return found


@numba.njit(cache=True, nogil=True)
def nearest_free(cells, obstacles, x, y, max_m):  # type: ignore[no-untyped-def]
    """Per point, the nearest segment within ``max_m`` metres whose leg is free (-1: none).

    Ties go to the lowest rank. For points whose nearest segment of all is blocked.
    """
    chosen = np.full(len(x), -1, np.int64)
    for p in range(len(x)):
        if _in_water(obstacles, x[p], y[p]) and not _at_shore(obstacles, x[p], y[p]):
            continue  # every leg begins in water
        recent = np.full(_RECENT, -1, np.int64)
        done, radius = -1.0, min(_FIRST_RADIUS_M, max_m)
        while chosen[p] < 0 and done < max_m:
            near, distance = _between(cells, x[p], y[p], done, radius + TIE_M)
            chosen[p] = _first_free(
                cells.grid, obstacles, x[p], y[p], near, distance, radius, recent
            )
            done, radius = radius, min(2 * radius, max_m)
    return chosen


@numba.njit(cache=True, nogil=True)
def _between(cells, x, y, least, most):  # type: ignore[no-untyped-def]
    """Segments farther than ``least`` and at most ``most`` metres away, and how far each is."""
    grid = cells.grid
    south, north = _rows(grid, y - most, y + most)
    west, east = _columns(grid, x - most, x + most)
    size = 0
    for row in range(south, north + 1):
        if west <= east:
            line = row * grid.columns
            size += grid.start[line + east + 1] - grid.start[line + west]
    near, distance = np.empty(size, np.int64), np.empty(size)
    count = 0
    for row in range(south, north + 1):
        for column in range(west, east + 1):
            cell = row * grid.columns + column
            for k in range(grid.start[cell], grid.start[cell + 1]):
                i = grid.segment[k]
                # once only: in the first of its cells that the window holds
                if max(cells.column[i], west) != column or max(cells.row[i], south) != row:
                    continue
                square, _ = _square(grid.ax[i], grid.ay[i], grid.bx[i], grid.by[i], x, y)
                far = np.sqrt(square)
                if least < far <= most:
                    near[count], distance[count] = i, far
                    count += 1
    return near[:count], distance[:count]


@numba.njit(cache=True, nogil=True)
def _first_free(grid, obstacles, x, y, near, distance, radius, recent):  # type: ignore[no-untyped-def]
    """The nearest of some segments with a free leg of at most ``radius``, or -1."""
    found, best = -1, radius
    for k in np.argsort(distance):
        i, far = near[k], distance[k]
        if far > best + (TIE_M if found >= 0 else 0.0):
            break
        if found >= 0 and grid.rank[i] >= grid.rank[found]:
            continue
        ax, ay, bx, by = grid.ax[i], grid.ay[i], grid.bx[i], grid.by[i]
        _, t = _square(ax, ay, bx, by, x, y)
        if _is_free(obstacles, x, y, ax + t * (bx - ax), ay + t * (by - ay), recent):
            best = far if found < 0 else best
            found = i
    return found


@numba.njit(cache=True)
def crossings(streets, obstacles):  # type: ignore[no-untyped-def]
    """Where segments of the grid ``streets`` meet obstacles: (segment, 0 to 1 along it).

    Not within 1 mm of their ends; a place may come more than once.
    """
    grid = obstacles.cells.grid
    segment, along = np.empty(0, np.int64), np.empty(0)
    for turn in range(2):  # count, then fill
        count = 0
        for i in range(len(streets.ax)):
            x0, y0, x1, y1 = streets.ax[i], streets.ay[i], streets.bx[i], streets.by[i]
            south, north = _rows(grid, min(y0, y1), max(y0, y1))
            for row in range(south, north + 1):
                west, east = _columns_in_row(grid, row, x0, y0, x1, y1)
                for cell in range(row * grid.columns + west, row * grid.columns + east + 1):
                    for k in range(grid.start[cell], grid.start[cell + 1]):
                        t = _crossing(grid, grid.segment[k], x0, y0, x1, y1)
                        if t > 0:
                            if turn == 1:
                                segment[count], along[count] = i, t
                            count += 1
        if turn == 0:
            segment, along = np.empty(count, np.int64), np.empty(count)
    return segment, along


@numba.njit(cache=True, nogil=True)
def _crossing(grid, i, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Where on a line (0 to 1) it crosses segment i, not within 1 mm of its ends; else -1."""
    dx, dy = x1 - x0, y1 - y0
    ax, ay = grid.ax[i], grid.ay[i]
    ex, ey = grid.bx[i] - ax, grid.by[i] - ay
    across = dx * ey - dy * ex
    if across == 0 or not _meets(grid, i, x0, y0, x1, y1):
        return -1.0
    t = ((ax - x0) * ey - (ay - y0) * ex) / across
    end = TIE_M / np.sqrt(dx * dx + dy * dy)
    return t if end < t < 1 - end else -1.0
