"""Service circles: the land within so many minutes' walk of a station, as polygons for the eye.

Coverage is never counted from these; the matrix of walking times decides that. The line runs
between the points of a lattice (`walk_raster`) that make it and those that do not; where times
jump, as between two streets that meet far away, it runs halfway between two points. Land farther
than `STREET_M` from a street is not coloured, nor is water whose areas are given.

A longer circle holds every shorter one, and the circle of several stations that of each, since
what is inside at one limit is inside at every higher one, point by point.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import contourpy
import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.circles.junction_walks import Pace, Together, Walk, checked_levels
from servicecircle.circles.walk_raster import Field, WalkRaster
from servicecircle.reach import WALK_SPEED_KMH
from servicecircle.snapping import THREADS, Snapped, Streets
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork

_ROUND = 65536.0  # places on a line are kept to so many parts of a step


def service_circles(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    minutes: Sequence[float],
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
    raster: WalkRaster | None = None,
    water: gpd.GeoDataFrame | None = None,
) -> gpd.GeoDataFrame:
    """Land within each of ``minutes`` of any of the sites: columns ``minutes``, ``geometry``.

    One row per value of ``minutes``, ascending: valid MultiPolygons in EPSG:4326, holes kept, a
    longer circle holding every shorter one. Unsnapped sites have no circle; without a snapped one
    the frame is empty. ``raster``: that of an earlier call on the same streets, so that its cells
    are not made again (by default one of 25 m); ``water``: areas to leave out (EPSG:4326).
    """
    every = [np.arange(len(site_feet))]
    return circles_of_sets(
        network, streets, site_feet, every, minutes,
        speed_kmh=speed_kmh, leg_speed_kmh=leg_speed_kmh, raster=raster, water=water,
    )[0]  # fmt: skip


def circles_of_sets(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    sets: Sequence[Ints],
    minutes: Sequence[float],
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
    raster: WalkRaster | None = None,
    water: gpd.GeoDataFrame | None = None,
) -> list[gpd.GeoDataFrame]:
    """`service_circles` of several sets of the sites (positions), each walk searched but once."""
    levels, pace = checked_levels(minutes), Pace(speed_kmh, leg_speed_kmh)
    raster = raster or WalkRaster(streets)
    draw = _Drawing(raster, pace, water)
    together = [Together(network) for _ in sets]
    member = [np.isin(np.arange(len(site_feet)), members) for members in sets]
    for walks in raster.walks(site_feet, max(levels, default=0.0), pace):
        for site, walk in walks:
            for gathered, is_in in zip(together, member, strict=True):
                if is_in[site]:
                    gathered.add(walk)
    frames = []
    for gathered in together:
        used = levels if gathered.walk else []
        with ThreadPoolExecutor(THREADS) as pool:
            shapes = list(pool.map(lambda m, walk=gathered.walk: draw.circle(walk, m), used))
        frames.append(gpd.GeoDataFrame({"minutes": used}, geometry=shapes, crs="EPSG:4326"))
    return frames


def station_circles(
    network: WalkNetwork,
    streets: Streets,
    site_feet: Snapped,
    minutes: Sequence[float],
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
    raster: WalkRaster | None = None,
    water: gpd.GeoDataFrame | None = None,
) -> gpd.GeoDataFrame:
    """The same for each site by itself: columns ``site``, ``minutes``, ``geometry``.

    ``site`` is the position in ``site_feet``; rows are sorted by site, then minutes.
    """
    levels, pace = checked_levels(minutes), Pace(speed_kmh, leg_speed_kmh)
    raster = raster or WalkRaster(streets)
    draw = _Drawing(raster, pace, water)
    sites: list[int] = []
    shapes: list[shapely.MultiPolygon] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for walks in raster.walks(site_feet, max(levels, default=0.0), pace):
            for circles in pool.map(lambda w: [draw.circle(w[1], m) for m in levels], walks):
                shapes += circles
            sites += [site for site, _ in walks]
    data = {"site": np.repeat(np.array(sites, int), len(levels)), "minutes": levels * len(sites)}
    return gpd.GeoDataFrame(data, geometry=shapes, crs="EPSG:4326")


class _Drawing:
    """How walks become polygons in degrees."""

    def __init__(self, raster: WalkRaster, pace: Pace, water: gpd.GeoDataFrame | None) -> None:
        self.plane = raster.network.plane
        self.raster = raster
        self.pace = pace
        self.water = None if water is None else shapely.STRtree(_areas(water))

    def circle(self, walk: Walk, minutes: float) -> shapely.MultiPolygon:
        """Land within so many minutes' walk."""
        fields = self.raster.fields(walk, self.pace.limit(minutes))
        parts = [self._outline(field) for field in fields]
        shape = parts[0] if len(parts) == 1 else as_multipolygon(shapely.union_all(parts))
        if self.water is None:
            return shape
        wet = self.water.geometries[self.water.query(shape, predicate="intersects")]
        return as_multipolygon(shapely.difference(shape, shapely.union_all(wet)))

    def _outline(self, field: Field) -> shapely.MultiPolygon:
        """The inside of a field. No lattice point lies on the line, so lines never touch."""
        generator = contourpy.contour_generator(
            z=field.metres, name="serial", fill_type=contourpy.FillType.ChunkCombinedOffsetOffset
        )
        found: Any = generator.filled(-2 * self.raster.clip, 0.0)
        (points,), (rings,), (polygons,) = found
        if points is None:
            return shapely.MultiPolygon()
        # so far as floats agree in every window, so that neighbours meet in the same points
        points = np.round(points * _ROUND) / _ROUND + np.array([field.column, field.row])
        xy = self._degrees(points * self.raster.step)
        whole = np.array([0, len(polygons) - 1])
        parts = (rings, polygons, whole)
        return shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, xy, parts)[0]

    def _degrees(self, xy: Floats) -> Floats:
        return np.column_stack(self.plane.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))


def _areas(table: gpd.GeoDataFrame) -> NDArray[np.object_]:
    """The valid shapes of a table, in degrees."""
    shapes = table.geometry if table.crs is None else table.geometry.to_crs("EPSG:4326")
    return np.asarray(shapely.make_valid(shapes.to_numpy()), object)


def as_multipolygon(shape: shapely.Geometry) -> shapely.MultiPolygon:
    """All the polygons of a shape; what is no area is left out."""
    if shape.geom_type == "MultiPolygon":
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.MultiPolygon([p for p in parts if p.geom_type == "Polygon" and not p.is_empty])
