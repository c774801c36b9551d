"""Shapes moved into a grid: cleaned, cut to the map's edge, densified, shifted, projected."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from servicecircle.coordinates import from_wgs84
from servicecircle.export.tiles.grids import Grid

__all__ = ["Band", "Outlines", "outlines_of"]

EDGE_DEG = 0.001  # longest edge before a datum shift: bends of less than a millimetre remain
MAX_BANDS = 64
POLYGON = 3  # shapely's type number

Bounds = tuple[float, float, float, float]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """One colour of the layer: all land within so many minutes, dissolved.

    ``shape`` is a (multi)polygon in WGS-84 degrees (None or an empty one is allowed), ``colour``
    red, green, blue from 0 to 255, ``opacity`` 0 to 1. Raises ``ValueError`` for other values.
    """

    shape: BaseGeometry | None
    colour: tuple[int, int, int]
    opacity: float
    name: str
    minutes: float | None = None

    def __post_init__(self) -> None:
        if len(self.colour) != 3 or not all(0 <= c <= 255 for c in self.colour):
            raise ValueError(f"a colour is three numbers from 0 to 255, not {self.colour!r}")
        if not 0.0 <= self.opacity <= 1.0:
            raise ValueError(f"opacity is from 0 to 1, not {self.opacity!r}")


@dataclass(frozen=True)
class Outlines:
    """Rings in units of the grid's zoom-0 tiles, rows down; of a band all shells turn one way.

    ``across, down``: (n,) float64, every ring open; ring i is ``starts[i]:starts[i + 1]`` and
    belongs to band ``band[i]``. ``bounds_wgs84`` and ``bounds_datum`` are degrees (west, south,
    east, north), None where nothing is to be drawn.
    """

    across: NDArray[np.float64]
    down: NDArray[np.float64]
    starts: NDArray[np.int64]
    band: NDArray[np.int64]
    n_bands: int
    bounds_wgs84: Bounds | None
    bounds_datum: Bounds | None


def outlines_of(bands: Sequence[Band], grid: Grid, *, shifted: bool, workers: int = 2) -> Outlines:
    """The rings of ``bands`` in ``grid``. Parts beyond the map's edge (latitude) fall away.

    Shapes need not be valid: where they overlap themselves they are painted once.
    """
    if len(bands) > MAX_BANDS:
        raise ValueError(f"at most {MAX_BANDS} bands, not {len(bands)}")

    def prepared(band: Band) -> tuple[NDArray, ...]:
        lng, lat, lengths = _rings(band.shape, grid.limit_lat_deg)
        x, y = from_wgs84(lng, lat, grid.datum, area="all" if shifted else "none")
        return lng, lat, x, y, *grid.units(*grid.plane_of_degrees(x, y)), lengths

    with ThreadPoolExecutor(workers) as pool:  # GEOS and numpy let go of Python's lock
        several = [(np.empty(0),) * 7, *pool.map(prepared, bands)]
    lng, lat, x, y, across, down, lengths = map(np.concatenate, zip(*several, strict=True))
    return Outlines(
        across,
        down,
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        band=np.repeat(np.arange(len(bands)), [len(part[-1]) for part in several[1:]]),
        n_bands=len(bands),
        bounds_wgs84=_bounds(lng, lat),
        bounds_datum=_bounds(x, y),
    )


def _rings(shape: BaseGeometry | None, limit: float) -> tuple[_Floats, _Floats, NDArray[np.int64]]:
    """Dense rings in WGS-84: lng, lat, and the number of points of each ring.

    Shells run clockwise on a map (north up), which is anticlockwise in rows that count down.
    """
    polygons = shapely.orient_polygons(shapely.get_parts(_clean(shape, limit)), exterior_cw=True)
    rings = shapely.get_rings(polygons)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    if not len(points):
        return np.empty(0), np.empty(0), np.empty(0, np.int64)
    edge = np.flatnonzero(ring[1:] == ring[:-1])  # rings are closed: a start and a step per edge
    start, step = points[edge], points[edge + 1] - points[edge]
    pieces = np.maximum(np.ceil(np.hypot(*step.T) / EDGE_DEG), 1).astype(np.int64)
    of_edge = np.repeat(np.arange(len(edge)), pieces)
    within = np.arange(len(of_edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    dense = start[of_edge] + step[of_edge] * (within / pieces[of_edge])[:, None]
    lengths = np.bincount(ring[edge], weights=pieces, minlength=len(rings))
    return dense[:, 0].copy(), dense[:, 1].copy(), lengths.astype(np.int64)


def _clean(shape: BaseGeometry | None, limit: float) -> BaseGeometry:
    """Polygons within ±180° and ±``limit``; what lies beyond 180° comes in at −180°."""
    if shape is None or shape.is_empty:
        return shapely.MultiPolygon()
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        raise ValueError("a band's shape holds coordinates that are not numbers")
    west, south, east, north = shape.bounds
    if west < -180.0 or east > 180.0 or south < -limit or north > limit:
        window = shapely.box(-180.0, -limit, 180.0, limit)
        turns = range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1)
        whole = shapely.make_valid(shape)
        shape = shapely.union_all([translate(whole, -360.0 * k) & window for k in turns])
    if shape.geom_type == "MultiPolygon":
        return shape
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.MultiPolygon(parts[shapely.get_type_id(parts) == POLYGON].tolist())


def _bounds(lng: _Floats, lat: _Floats) -> Bounds | None:
    if len(lng) == 0:
        return None
    return float(lng.min()), float(lat.min()), float(lng.max()), float(lat.max())
