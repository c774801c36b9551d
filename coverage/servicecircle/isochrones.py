"""Service circles: the land within so many minutes' walk of a station, as polygons for the eye.

Coverage is never counted from these; the matrix of walking times decides that. The circles come
from a raster of exact times: the centre of every cell near a station is snapped and walks there
like any demand point, and the contour line runs between the cells that make it and those that do
not. Land farther than `STREET_M` from a street is not coloured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import contourpy
import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from servicecircle.contraction import Floats, Ints
from servicecircle.network import WalkNetwork
from servicecircle.reach import WALK_SPEED_KMH, TravelTimes, travel_times
from servicecircle.snapping import Snapped, Streets, snap

CELL_M = 25.0
STREET_M = 100.0  # land farther than this from a street is not coloured
_PLANE_SLACK = 1.01  # the plane's scale may differ from 1 far from its centre
_BATCH = 64  # sites searched at a time, so that the pairs of all sites never stand in memory


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


def walk_minutes_raster(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    cutoff: float,
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    cell_m: float = CELL_M,
) -> MinutesRaster:
    """Exact walking minutes from cell centres to the nearest of the sites, up to ``cutoff``.

    Only cells within straight-line reach of a site are computed. The grid spans all sites, so
    sites far apart want a raster each, as `service_circles` does it.
    """
    cells = _cells(network, streets, site_feet, cutoff, speed_kmh, cell_m)
    return cells.raster(_least(network, cells, site_feet, cutoff, speed_kmh))


def _least(
    network: WalkNetwork, cells: _Cells, site_feet: Snapped, cutoff: float, speed_kmh: float
) -> Floats:
    """Per cell, minutes to the nearest of the sites; inf beyond the cutoff."""
    best = np.full(len(cells.feet), np.inf)
    for _, times in _walks(network, cells, site_feet, cutoff, speed_kmh):
        rows = np.flatnonzero(np.diff(times.indptr))
        if len(rows):
            nearest = np.minimum.reduceat(times.minutes, times.indptr[rows])
            best[rows] = np.minimum(best[rows], nearest)
    return best


def service_circles(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    minutes: Sequence[float],
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    cell_m: float = CELL_M,
) -> gpd.GeoDataFrame:
    """Land within each of ``minutes`` of any of the sites: columns ``minutes``, ``geometry``.

    One row per value of ``minutes``, ascending: valid MultiPolygons in EPSG:4326, holes kept, a
    longer circle holding every shorter one. Unsnapped sites have no circle; without a snapped one
    the frame is empty.
    """
    every = [np.arange(len(site_feet))]
    return circles_of_sets(
        network, streets, site_feet, every, minutes, speed_kmh=speed_kmh, cell_m=cell_m
    )[0]


def circles_of_sets(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    sets: Sequence[Ints],
    minutes: Sequence[float],
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    cell_m: float = CELL_M,
) -> list[gpd.GeoDataFrame]:
    """`service_circles` of several sets of the sites (positions), their cells snapped but once."""
    levels = _levels(minutes, site_feet)
    parts: list[list[list[shapely.MultiPolygon]]] = [[[] for _ in levels] for _ in sets]
    pace = cell_m / _metres_per_minute(speed_kmh)
    cutoff = max(levels, default=0.0) + 2 * pace  # the line wants to see a cell beyond itself
    for group in _groups(network, site_feet, cutoff, speed_kmh) if levels else ():
        cells = _cells(network, streets, site_feet.take(group), cutoff, speed_kmh, cell_m)
        for part, members in zip(parts, sets, strict=True):
            feet = site_feet.take(np.intersect1d(group, members))
            raster = cells.raster(_least(network, cells, feet, cutoff, speed_kmh))
            for level, shape in zip(part, _nested(raster, levels, pace), strict=True):
                level.append(shape)
    frames = []
    for members, part in zip(sets, parts, strict=True):
        used = levels if site_feet.found[members].any() else []
        # groups lie apart, so to collect their polygons is to dissolve them
        shapes = _to_degrees(network, [_multipolygon(level) for level in part[: len(used)]])
        frames.append(gpd.GeoDataFrame({"minutes": used}, geometry=shapes, crs="EPSG:4326"))
    return frames


def station_circles(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    minutes: Sequence[float],
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    cell_m: float = CELL_M,
) -> gpd.GeoDataFrame:
    """The same for each site by itself: columns ``site``, ``minutes``, ``geometry``.

    ``site`` is the position in ``site_feet``; rows are sorted by site, then minutes.
    """
    levels = _levels(minutes, site_feet)
    rows: list[tuple[int, float, shapely.MultiPolygon]] = []
    pace = cell_m / _metres_per_minute(speed_kmh)
    cutoff = max(levels, default=0.0) + 2 * pace
    for group in _groups(network, site_feet, cutoff, speed_kmh) if levels else ():
        feet = site_feet.take(group)
        cells = _cells(network, streets, feet, cutoff, speed_kmh, cell_m)
        for position, best in _minutes_by_site(network, cells, feet, cutoff, speed_kmh):
            shapes = _nested(_cropped(cells.raster(best)), levels, pace)
            turned = _to_degrees(network, shapes)
            site = int(group[position])
            rows += [(site, m, shape) for m, shape in zip(levels, turned, strict=True)]
    rows.sort(key=lambda row: row[:2])
    data = {"site": [row[0] for row in rows], "minutes": [row[1] for row in rows]}
    return gpd.GeoDataFrame(data, geometry=[row[2] for row in rows], crs="EPSG:4326")


def _levels(minutes: Sequence[float], feet: Snapped) -> list[float]:
    return sorted({float(m) for m in minutes}) if feet.found.any() else []


# --- the raster -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cells:
    """The cells near some sites: ``index`` into the flattened grid x × y, and their feet."""

    x: Floats
    y: Floats
    index: Ints
    feet: Snapped
    cell_m: float

    def raster(self, minutes: Floats) -> MinutesRaster:
        """Spread one number per cell over the grid."""

        def spread(values: Floats) -> Floats:
            grid = np.full(len(self.y) * len(self.x), np.inf)
            grid[self.index] = values
            return grid.reshape(len(self.y), len(self.x))

        return MinutesRaster(self.x, self.y, spread(minutes), spread(self.feet.gap), self.cell_m)


def _metres_per_minute(speed_kmh: float) -> float:
    return speed_kmh * 1000.0 / 60.0


def _plane_xy(network: WalkNetwork, feet: Snapped, sites: Ints) -> Floats:
    return np.column_stack(network.plane.transform(feet.lng[sites], feet.lat[sites]))


def _cells(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    cutoff: float,
    speed_kmh: float,
    cell_m: float,
) -> _Cells:
    """Cells whose centre is within straight-line reach of a site, snapped."""
    reach = cutoff * _metres_per_minute(speed_kmh) * _PLANE_SLACK
    xy = _plane_xy(network, site_feet, np.flatnonzero(site_feet.found))
    low = np.floor((xy.min(axis=0) - reach) / cell_m).astype(int) - 1
    high = np.ceil((xy.max(axis=0) + reach) / cell_m).astype(int) + 1
    x, y = (np.arange(a, b + 1) * cell_m for a, b in zip(low, high, strict=True))
    near = np.zeros((len(y), len(x)), bool)
    for sx, sy in xy:
        i, j = (slice(*np.searchsorted(v, [s - reach, s + reach])) for v, s in ((y, sy), (x, sx)))
        near[i, j] |= (x[None, j] - sx) ** 2 + (y[i, None] - sy) ** 2 <= reach**2
    index = np.flatnonzero(near)
    row, column = np.divmod(index, len(x))
    lng, lat = network.plane.transform(x[column], y[row], direction="INVERSE")
    feet = snap(streets, lng, lat, max_snap_m=STREET_M + 1.5 * cell_m)
    return _Cells(x, y, index, feet, cell_m)


def _walks(
    network: WalkNetwork, cells: _Cells, site_feet: Snapped, cutoff: float, speed_kmh: float
) -> Iterator[tuple[Ints, TravelTimes]]:
    """Times from all cells to the snapped sites, a batch of sites at a time."""
    sites = np.flatnonzero(site_feet.found)
    for start in range(0, len(sites), _BATCH):
        batch = sites[start : start + _BATCH]
        feet = site_feet.take(batch)
        yield batch, travel_times(network, cells.feet, feet, speed_kmh=speed_kmh, cutoff=cutoff)


def _groups(network: WalkNetwork, feet: Snapped, cutoff: float, speed_kmh: float) -> list[Ints]:
    """Snapped sites sorted into groups whose circles cannot touch, so that each grid is small."""
    sites = np.flatnonzero(feet.found)
    apart = 2 * cutoff * _metres_per_minute(speed_kmh) * _PLANE_SLACK + 4 * CELL_M
    pairs = cKDTree(_plane_xy(network, feet, sites)).query_pairs(apart, output_type="ndarray")
    n = len(sites)
    links = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    count, group = connected_components(links, directed=False)
    return [sites[group == g] for g in range(count)]


def _minutes_by_site(
    network: WalkNetwork, cells: _Cells, feet: Snapped, cutoff: float, speed_kmh: float
) -> Iterator[tuple[int, Floats]]:
    """(site, minutes per cell) for each snapped site."""
    for batch, times in _walks(network, cells, feet, cutoff, speed_kmh):
        rows = times.rows
        for column, site in enumerate(batch.tolist()):
            mine = times.indices == column
            best = np.full(len(cells.feet), np.inf)
            best[rows[mine]] = times.minutes[mine]
            yield site, best


def _cropped(raster: MinutesRaster) -> MinutesRaster:
    """The part of a raster that is reached, with one ring around it."""
    reached = np.isfinite(raster.minutes)
    window = []
    for axis in (0, 1):
        hit = np.flatnonzero(reached.any(axis=1 - axis))
        window.append(slice(max(hit[0] - 1, 0), hit[-1] + 2) if len(hit) else slice(0, 2))
    rows, columns = window
    return MinutesRaster(
        raster.x[columns],
        raster.y[rows],
        raster.minutes[rows, columns],
        raster.gap[rows, columns],
        raster.cell_m,
    )


# --- the lines ------------------------------------------------------------------------------------


def _nested(raster: MinutesRaster, levels: Sequence[float], cell_minutes: float) -> list:
    """Polygons in the plane, one per level ascending, each holding the ones before it."""
    shapes: list = []
    for level in levels:
        shape = _contour(raster, level, cell_minutes)
        if shapes:  # ambiguous squares of the raster may join differently at another level
            shape = _multipolygon([shapely.union(shape, shapes[-1])])
        shapes.append(shape)
    return shapes


def _contour(raster: MinutesRaster, level: float, cell_minutes: float) -> shapely.MultiPolygon:
    """Where minutes ≤ level and a street is near.

    The field is the excess over either limit, in minutes, cut to one cell's walk: where times
    jump (a river, a wall) the line then runs halfway between the cells instead of hugging one.
    """
    street = (raster.gap - STREET_M) / raster.cell_m * cell_minutes
    field = np.maximum(raster.minutes - level, street)
    field = np.pad(np.clip(field, -cell_minutes, cell_minutes), 1, constant_values=cell_minutes)
    x, y = (_padded(v, raster.cell_m) for v in (raster.x, raster.y))
    generator = contourpy.contour_generator(
        x, y, field, fill_type=contourpy.FillType.OuterOffset, name="serial"
    )
    found: Any = generator.filled(-2 * cell_minutes, 0.0)
    polygons = [
        shapely.Polygon(xy[o[0] : o[1]], [xy[a:b] for a, b in pairwise(o[1:])])
        for xy, o in zip(*found, strict=True)
    ]
    return _multipolygon(list(shapely.make_valid(polygons)))


def _padded(v: Floats, step: float) -> Floats:
    return np.concatenate([[v[0] - step], v, [v[-1] + step]])


def _multipolygon(shapes: Sequence) -> shapely.MultiPolygon:
    """All the polygons among shapes and their parts; what is no area is left out."""
    parts = shapely.get_parts(shapely.get_parts(np.asarray(shapes, object)))
    polygons = parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > 0)]
    return shapely.MultiPolygon(list(polygons))


def _to_degrees(network: WalkNetwork, shapes: Sequence) -> list:
    def inverse(xy: NDArray) -> NDArray:
        return np.column_stack(network.plane.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))

    turned = [shapely.transform(shape, inverse) for shape in shapes]
    return [s if s.is_valid else _multipolygon([shapely.make_valid(s)]) for s in turned]
