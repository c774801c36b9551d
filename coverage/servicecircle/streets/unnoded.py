"""Where lines of a layer meet without being connected: ends on other lines, and crossings.

Line layers carry no nodes. Lines are joined where their ends lie in one place; where a line ends
halfway along another, or two cross, it may be a mistake of drawing or a flyover: it is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.streets.contraction import Floats, Ints

MAX_PLACES = 100_000  # counting ends here: such a layer is no street network
_BLOCK = 250  # lines queried at once, so that a tangle of lines cannot fill the memory


@dataclass(frozen=True)
class Unnoded:
    """How many line ends lie on another line, how many crossings there are, and all the places.

    ``at_ends``, ``at_crossings``: (n, 2) coordinates in the layer's own CRS; ``complete`` is False
    when counting stopped at `MAX_PLACES`.
    """

    at_ends: Floats
    at_crossings: Floats
    complete: bool = True

    def __len__(self) -> int:
        return len(self.at_ends) + len(self.at_crossings)


def find_unnoded(
    lines: NDArray[np.object_], ends: Ints, places: Floats, level: Ints, tolerance: float
) -> Unnoded:
    """Meetings of n ``lines`` that are no common end.

    ``ends``: (n, 2) numbers of the places where they begin and end; ``places``: (m, 2) their
    coordinates; ``level``: (n,) lines of different levels (bridge, tunnel, layer) do not meet.
    An end counts once when it lies within ``tolerance`` (in units of the layer) of a line that
    does not end there; a crossing counts once per place, however many lines meet there, when it is
    farther than that from both lines' ends. Where lines lie upon each other, the middle counts.
    """
    tree = shapely.STRtree(lines)
    at_ends = places[_ends_on_lines(tree, ends, places, level, tolerance)]
    found: list[Floats] = []
    for start in range(0, len(lines), _BLOCK):
        found.append(_crossings(tree, start, ends, places, level, tolerance))
        if sum(map(len, found)) > MAX_PLACES:
            break
    points = np.concatenate([np.empty((0, 2)), *found])
    _, first = np.unique(np.round(points / tolerance), axis=0, return_index=True)
    return Unnoded(at_ends, points[np.sort(first)], complete=start + _BLOCK >= len(lines))


def _ends_on_lines(
    tree: shapely.STRtree, ends: Ints, places: Floats, level: Ints, tolerance: float
) -> Ints:
    levels = int(level.max()) + 1
    here = np.unique(ends.ravel() * levels + np.repeat(level, 2))  # (place, level) of all ends
    found = []
    for start in range(0, len(places), _BLOCK):
        points = shapely.points(places[start : start + _BLOCK])
        place, line = tree.query(points, predicate="dwithin", distance=tolerance)
        place += start
        other = (ends[line] != place[:, None]).all(axis=1)
        place, line = place[other], line[other]
        found.append(np.unique(place[np.isin(place * levels + level[line], here)]))
    return np.concatenate(found)


def _crossings(
    tree: shapely.STRtree, start: int, ends: Ints, places: Floats, level: Ints, tolerance: float
) -> Floats:
    """Places where a line of one block crosses a later line of the layer."""
    lines = tree.geometries
    one, other = tree.query(lines[start : start + _BLOCK], predicate="intersects")
    one += start
    meet = (one < other) & (level[one] == level[other])
    one, other = one[meet], other[meet]
    inside = ~shapely.touches(lines[one], lines[other])  # most pairs only share an end
    one, other = one[inside], other[inside]
    points, pair = _shared_points(shapely.intersection(lines[one], lines[other]))
    corners = places[np.column_stack([ends[one], ends[other]])][pair]  # (points, 4, 2)
    apart = np.hypot(*np.moveaxis(corners - points[:, None], -1, 0)).min(axis=1, initial=np.inf)
    return points[apart > tolerance]


def _shared_points(shared: NDArray[np.object_]) -> tuple[Floats, Ints]:
    """Points of intersections, and the middles of the stretches in them; with their indices."""
    parts, index = shapely.get_parts(shared, return_index=True)
    point = shapely.get_type_id(parts) == shapely.GeometryType.POINT
    long = np.flatnonzero(shapely.length(shared) > 0)
    stretches, of = shapely.get_parts(shapely.line_merge(shared[long]), return_index=True)
    middles = shapely.line_interpolate_point(stretches, 0.5, normalized=True)
    every = np.concatenate([parts[point], middles])
    return shapely.get_coordinates(every), np.concatenate([index[point], long[of]])
