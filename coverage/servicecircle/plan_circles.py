"""The circles of a plan: the land that today's stations and the plan's serve, per standard.

For the eye only: coverage is counted from the matrix of walking times, never from these.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from servicecircle.circles.isochrones import circles_of_sets
from servicecircle.circles.walk_raster import CELL_M
from servicecircle.errors import NetworkError
from servicecircle.places import read_water
from servicecircle.snapping import Snapped
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.street_files import is_osm
from servicecircle.walking import Walking

if TYPE_CHECKING:
    from servicecircle.plan import Plan

MAX_STANDARDS = 4  # standards that get circles, those of most weight
SETS = ("today", "plan")
METRES_PER_DEGREE = 111_320.0  # of latitude, roughly
_FILE_SIMPLIFY_M = 1.0


def circles_of(plan: Plan, water: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """Columns ``set`` (of `SETS`), ``minutes``, ``main``, ``geometry`` (EPSG:4326).

    ``main`` marks the standard of most weight, at most `MAX_STANDARDS` are drawn. Valid
    MultiPolygons, today's within the plan's, ``water`` (polygons) left out; a set without a
    snapped station has no row.
    """
    standards = _standards(plan)
    today = np.flatnonzero(np.isin(plan.chosen, plan.existing))
    feet, every = plan.site_feet.take(plan.chosen), np.arange(len(plan.chosen))
    frames = land_within(plan.walking, feet, [today, every], standards, water)
    for name, frame in zip(SETS, frames, strict=True):
        frame["set"] = name
        frame["main"] = frame["minutes"] == standards[0]
    table = pd.concat(frames, ignore_index=True)[["set", "minutes", "main", "geometry"]]
    return gpd.GeoDataFrame(table, geometry="geometry", crs="EPSG:4326")


def land_within(
    walking: Walking,
    feet: Snapped,
    sets: Sequence[NDArray[np.int64]],
    minutes: Sequence[float],
    water: gpd.GeoDataFrame | None,
) -> list[gpd.GeoDataFrame]:
    """The land within so many minutes of each set of ``feet`` (positions), without specks.

    Columns ``minutes``, ``geometry`` as of `circles.isochrones.circles_of_sets`.
    """
    network = walking.network
    frames = circles_of_sets(
        network, walking.streets, feet, sets, minutes, **walking.pace, water=water
    )
    for frame in frames:
        frame.geometry = [_without_specks(network, shape) for shape in frame.geometry]
    return frames


def water_of(walking: Walking) -> gpd.GeoDataFrame | None:
    """Water areas of the file that the streets came from (EPSG:4326), where it holds any."""
    path = Path(walking.network.source)
    if not path.is_file() or not is_osm(path):
        return None
    try:
        water: gpd.GeoDataFrame = walking.table("water", None, lambda: read_water(path))
        return water
    except NetworkError:  # the streets were read from it; a plan without water is still a plan
        return None


def circles_geojson(plan: Plan) -> str:
    """``circles.geojson``: the circles of a plan, simplified to a metre, six decimals."""
    features = [
        {
            "type": "Feature",
            "properties": {"set": row.set, "minutes": row.minutes, "main": bool(row.main)},
            "geometry": geojson(plan.network, row.geometry, _FILE_SIMPLIFY_M),
        }
        for row in plan.circles.itertuples()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, allow_nan=False)


def geojson(network: WalkNetwork, shape: Any, simplify_m: float) -> dict[str, Any]:
    """A shape in degrees, simplified to so many metres, rounded to 0.1 m, as GeoJSON."""

    def plane(xy: NDArray) -> NDArray:
        return np.column_stack(network.plane.transform(xy[:, 0], xy[:, 1]))

    def back(xy: NDArray) -> NDArray:
        turned = network.plane.transform(xy[:, 0], xy[:, 1], direction="INVERSE")
        return np.round(np.column_stack(turned), 6)

    simple = shapely.simplify(shapely.transform(shape, plane), simplify_m)
    result: dict[str, Any] = json.loads(shapely.to_geojson(shapely.transform(simple, back)))
    return result


def _standards(plan: Plan) -> list[float]:
    """The standards that occur, that of most weight first, at most `MAX_STANDARDS`."""
    minutes, which = np.unique(plan.minutes_required, return_inverse=True)
    weight = np.bincount(which, weights=plan.weight, minlength=len(minutes))
    return [float(m) for m in minutes[np.argsort(-weight, kind="stable")][:MAX_STANDARDS]]


def _without_specks(network: WalkNetwork, shape: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """The shape without holes and bits smaller than a cell of its raster: noise to the eye."""
    lat = np.radians(sum(network.bounds[1::2]) / 2)
    least = CELL_M**2 / (METRES_PER_DEGREE**2 * np.cos(lat))  # square degrees
    kept = []
    for polygon in shape.geoms:
        if polygon.area >= least:
            holes = [r for r in polygon.interiors if shapely.Polygon(r).area >= least]
            kept.append(shapely.Polygon(polygon.exterior, holes))
    return shapely.MultiPolygon(kept)
