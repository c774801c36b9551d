"""Legs that go around obstacles: from a point to the nearest street that can be reached straight.

Streets are cut where an obstacle meets them (a level crossing, a bridge head), for this search
only: from each side, the part on that side can be reached, up to the crossing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from servicecircle import obstacle_index as index
from servicecircle.errors import Note
from servicecircle.snapping import MAX_SNAP_M, THREADS, Snapped, Streets, place_on, snap
from servicecircle.street_index import TIE_M
from servicecircle.streets.contraction import GEOD, Floats, Ints

_CHUNK = 2_000  # points per task
_PLANE_SLACK = 1.01  # the plane's scale may differ from 1 far from its centre


class OpenLegs:
    """An index by which points are snapped without crossing obstacles; built once per network.

    ``obstacles`` is a table as of `read_obstacles`: (Multi)Polygons that may not be entered, and
    lines that may not be crossed, in any CRS.
    """

    def __init__(self, streets: Streets, obstacles: gpd.GeoDataFrame) -> None:
        self.streets = streets
        a, b, shore = _segments(obstacles, streets.network.plane)
        self.any = len(a) > 0
        if not self.any:
            return
        self.obstacles = index.Obstacles(index.make_cells(a, b, np.arange(len(a))), shore)
        cut, t = index.crossings(streets.grid, self.obstacles)
        self.segment, self.begins, self.ends = _cut(cut, t, len(streets.vertex))
        self.parts = index.make_cells(
            self._places(self.segment, self.begins),
            self._places(self.segment, self.ends),
            streets.grid.rank[self.segment],
        )

    def _places(self, segment: Ints, t: Floats) -> Floats:
        """Places in the plane on segments of the streets, ``t`` (0 to 1) along each."""
        vertex = self.streets.vertex[segment]
        a, b = self.streets.xy[vertex], self.streets.xy[vertex + 1]
        return np.where(t[:, None] == 1.0, b, a + t[:, None] * (b - a))

    def choose(self, x: Floats, y: Floats, max_m: float) -> tuple[Ints, Floats]:
        """Per point in the plane, the segment its leg goes to (-1: none), and where along it.

        ``t`` is 0 to 1 where the foot is not simply the segment's nearest place (the leg ends at
        a crossing), else NaN.
        """
        segment, t = self.streets.nearest(x, y, max_m), np.full(len(x), np.nan)

        def blocked(rows: Ints) -> NDArray:
            return index.blocked(self.obstacles, self.streets.grid, segment[rows], x[rows], y[rows])

        def free(rows: Ints) -> NDArray:
            return index.nearest_free(self.parts, self.obstacles, x[rows], y[rows], max_m)

        again = np.flatnonzero(_threaded(blocked, np.arange(len(x))))
        part = _threaded(free, again)
        segment[again] = np.where(part >= 0, self.segment[part], -1)
        again, part = again[part >= 0], part[part >= 0]
        whole = self._along(segment[again], np.column_stack([x[again], y[again]]))
        at = np.clip(whole, self.begins[part], self.ends[part])
        t[again] = np.where(at == whole, np.nan, at)
        return segment, t

    def _along(self, segment: Ints, p: Floats) -> Floats:
        """Where on its segment the place nearest to a point lies, 0 to 1."""
        vertex = self.streets.vertex[segment]
        a, line = self.streets.xy[vertex], self.streets.xy[vertex + 1] - self.streets.xy[vertex]
        square = np.einsum("ij,ij->i", line, line)
        t = np.einsum("ij,ij->i", p - a, line) / np.where(square > 0, square, 1.0)
        return np.asarray(np.clip(t, 0.0, 1.0))


def snap_around(
    legs: OpenLegs, lng: Floats, lat: Floats, *, max_snap_m: float = MAX_SNAP_M
) -> Snapped:
    """Snap points (WGS-84 degrees) to the nearest street whose straight leg meets no obstacle.

    As `snap`, but a foot counts only when the leg to it neither crosses a line nor enters water;
    what comes within `obstacle_index.TOUCH_M` of either end does not matter. Of every stretch of
    street between two obstacles the place nearest to the point is tried. Points in water, and
    those from which no leg within ``max_snap_m`` metres is free, stay unsnapped. Without any
    obstacle the answer is `snap`'s.
    """
    lng, lat = np.asarray(lng, float), np.asarray(lat, float)
    if not legs.any:
        return snap(legs.streets, lng, lat, max_snap_m=max_snap_m)
    x, y = (np.asarray(v, float) for v in legs.streets.network.plane.transform(lng, lat))
    segment, t = legs.choose(x, y, max_snap_m * _PLANE_SLACK)
    feet = place_on(legs.streets, lng, lat, segment, max_snap_m)
    rows = np.flatnonzero(~np.isnan(t))
    at_crossing = _feet_at(legs.streets, lng[rows], lat[rows], segment[rows], t[rows], max_snap_m)
    return _put(feet, rows, at_crossing)


def leg_effect(
    before: Snapped,
    after: Snapped,
    sites_before: Snapped,
    sites_after: Snapped,
    *,
    covered: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
    weight: Floats | None = None,
) -> list[Note]:
    """What the rule changes, as (Chinese, English) notes: legs that moved or fell away, coverage.

    ``before``, ``after``: demand as snapped without and with the rule; ``sites_…`` likewise.
    ``covered``: which demand is covered without and with it, by ``weight`` (else by points).
    """
    notes = []
    for zh, en, old, new in (
        ("需求点", "demand points", before, after),
        ("站点", "sites", sites_before, sites_after),
    ):
        other, lost = _moved(old, new)
        notes.append(
            (
                f"引路线不得穿越障碍：{len(old):,} 个{zh}中，{other:,} 个改走别处上路，"
                f"{lost:,} 个在限距内无路可走（未匹配）。",
                f"legs may not cross obstacles: of {len(old):,} {en}, {other:,} meet the streets "
                f"elsewhere, and {lost:,} reach none within the limit (unsnapped).",
            )
        )
    if covered is None:
        return notes
    heavy = np.ones(len(before)) if weight is None else np.asarray(weight, float)
    total = heavy.sum()
    was, now = (float(heavy[c].sum() / total) if total > 0 else 0.0 for c in covered)
    notes.append(
        (
            f"因此覆盖率由 {was:.2%} 变为 {now:.2%}（{(now - was) * 100:+.2f} 个百分点）。",
            f"this takes the covered share from {was:.2%} to {now:.2%} "
            f"({(now - was) * 100:+.2f} percentage points).",
        )
    )
    return notes


def _moved(before: Snapped, after: Snapped) -> tuple[int, int]:
    """How many points meet the streets in another place, and how many no longer do."""
    both = before.found & after.found
    elsewhere = (before.edge != after.edge) | (np.abs(before.offset - after.offset) > TIE_M)
    return int((both & elsewhere).sum()), int((before.found & ~after.found).sum())


# --- building -------------------------------------------------------------------------------------


def _segments(
    table: gpd.GeoDataFrame, plane: Transformer
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Straight segments of the obstacles in the plane, from, to (n × 2), and which are shores.

    Shores have the water on their left.
    """
    shapes = np.array(table.geometry.to_crs("EPSG:4326").array, object)
    parts = shapely.get_parts(shapely.get_parts(shapely.force_2d(shapes)))
    flat = shapely.transform(parts, lambda xy: np.column_stack(plane.transform(*xy.T)))
    kind = shapely.get_dimensions(flat)
    rings = shapely.get_rings(shapely.orient_polygons(flat[kind == 2]))
    lines = np.concatenate([rings, flat[kind == 1]])
    xy, line = shapely.get_coordinates(lines, return_index=True)
    one = np.flatnonzero(line[1:] == line[:-1])
    return xy[one], xy[one + 1], line[one] < len(rings)


def _cut(segment: Ints, t: Floats, count: int) -> tuple[Ints, Floats, Floats]:
    """Segments (``count`` of them) cut at places ``t`` along some: segment, from, to (0 to 1)."""
    segment = np.concatenate([np.arange(count), segment])
    begins = np.concatenate([np.zeros(count), t])
    order = np.lexsort([begins, segment])
    segment, begins = segment[order], begins[order]
    new = np.r_[True, (np.diff(segment) > 0) | (np.diff(begins) > 0)]
    segment, begins = segment[new], begins[new]
    ends = np.r_[np.where(np.diff(segment) > 0, 1.0, begins[1:]), 1.0]
    return segment, begins, ends


# --- feet -----------------------------------------------------------------------------------------


def _threaded(work: Callable[[Ints], NDArray], rows: Ints) -> NDArray:
    """``work`` on chunks of rows, in threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return np.concatenate(
            list(pool.map(work, np.array_split(rows, max(1, len(rows) // _CHUNK))))
        )


def _feet_at(
    streets: Streets, lng: Floats, lat: Floats, segment: Ints, t: Floats, max_snap_m: float
) -> Snapped:
    """Feet at given places ``t`` (0 to 1) on segments, within ``max_snap_m`` metres of points."""
    vertex = streets.vertex[segment]
    net = streets.network
    foot_lng, foot_lat = (
        v[vertex] + t * (v[vertex + 1] - v[vertex]) for v in (net.vertex_lng, net.vertex_lat)
    )
    feet = place_on(streets, foot_lng, foot_lat, segment, np.inf)
    gap = np.asarray(GEOD.inv(lng, lat, feet.lng, feet.lat)[2])
    near = gap <= max_snap_m
    missing = place_on(streets, lng, lat, np.full(len(lng), -1), max_snap_m)
    return _put(missing, np.flatnonzero(near), replace(feet, gap=gap).take(np.flatnonzero(near)))


def _put(feet: Snapped, rows: Ints, other: Snapped) -> Snapped:
    """``feet`` with some rows taken from elsewhere."""
    changed: dict[str, Any] = {}
    for field in fields(feet):
        values = getattr(feet, field.name).copy()
        values[rows] = getattr(other, field.name)
        changed[field.name] = values
    return Snapped(**changed)
