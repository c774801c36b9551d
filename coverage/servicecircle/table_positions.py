"""Where the rows of a table are: geometry or column pair, in any datum, to WGS-84 degrees."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from .coordinates import shift_applies, to_wgs84
from .raw_table import RawTable
from .table_columns import Columns

DENSIFY_DEG = 0.001  # over this a straight edge bends by 15 mm from BD-09, by 1 mm from GCJ-02
SWAPPED_LNG_DEG, SWAPPED_LAT_DEG = (17.0, 54.0), (73.0, 90.0)  # China's west with axes swapped

Numbers = NDArray[np.float64]


def points(
    table: Columns, datum: str, area: str, columns: Mapping[str, str] | None
) -> tuple[Numbers, Numbers, bool]:
    """WGS-84 longitudes and latitudes, and whether the datum's shift was applied."""
    named = {"lng", "lat"} <= set(columns or {})
    if table.raw.geometry is not None and not named:
        geometry = degrees(table.raw, _centres(table.raw), datum)
        lng, lat = shapely.get_x(geometry), shapely.get_y(geometry)
    else:
        table.require("lng", "lat")
        lng = table.numbers("lng", blank=False, low=-np.inf)
        lat = table.numbers("lat", blank=False, low=-np.inf)
    _check_degrees(table, lng, lat)
    return _shifted(lng, lat, datum, area)


def _shifted(lng: Numbers, lat: Numbers, datum: str, area: str) -> tuple[Numbers, Numbers, bool]:
    applies = datum != "wgs84" and shift_applies(lng, lat, area, datum=datum)
    lng, lat = to_wgs84(lng, lat, datum, area="all" if applies else "none")
    return lng, lat, applies


def _check_degrees(table: Columns, lng: Numbers, lat: Numbers) -> None:
    """Refuse what is no position in degrees; say so when the axes are swapped."""
    outside = ~((np.abs(lng) <= 180) & (np.abs(lat) <= 90))
    swapped = (np.abs(lat) > 90) & (np.abs(lat) <= 180) & (np.abs(lng) <= 90)
    if not outside.any():
        west = (lng >= SWAPPED_LNG_DEG[0]) & (lng <= SWAPPED_LNG_DEG[1])
        west &= (lat >= SWAPPED_LAT_DEG[0]) & (lat <= SWAPPED_LAT_DEG[1])
        swapped = west if 2 * np.count_nonzero(west) > west.size else np.zeros_like(west)
    column = table.found.get("lat")
    bad = outside | swapped
    if not bad.any():
        return
    i = int(np.argmax(bad))
    found = f"lng {lng[i]:.10g}, lat {lat[i]:.10g}"
    if swapped.any() and 2 * np.count_nonzero(swapped) >= np.count_nonzero(outside):
        raise table.raw.error(
            f"经纬度像是写反了（{found}）。请对调两列，或用 columns 指明哪列是经度、哪列是纬度。",
            f"Longitude and latitude seem to be swapped ({found}). "
            "Exchange the two, or say with columns which is which.",
            column=column,
            where=swapped,
        )
    raise table.raw.error(
        f"坐标超出范围（{found}）。要用度：经度 ±180，纬度 ±90；米制坐标请先转成经纬度。",
        f"Out of range ({found}). Use degrees, longitude ±180 and latitude ±90; "
        "turn metres into degrees first.",
        column=column,
        where=bad,
    )


def degrees(raw: RawTable, geometry: NDArray[np.object_], datum: str) -> NDArray[np.object_]:
    """Geometry in degrees: of WGS-84, or of the datum asked for."""
    assert raw.geometry is not None
    crs = raw.geometry.crs
    if crs is None:
        west, south, east, north = shapely.total_bounds(geometry)
        if np.abs([west, south, east, north]).max() > 180:
            raise raw.error(
                f"图层没有坐标系，数值也不是经纬度（x {west:.0f} 至 {east:.0f}，"
                f"y {south:.0f} 至 {north:.0f}）。"
                "请在 GIS 里设定坐标系后重新导出（.shp 要带 .prj）。",
                f"The layer has no CRS, and is not in degrees (x {west:.0f} to {east:.0f}, "
                f"y {south:.0f} to {north:.0f}). Set its CRS and export it again (.shp with .prj).",
            )
        return geometry
    if datum == "wgs84":
        return gpd.GeoSeries(geometry, crs=crs).to_crs("EPSG:4326").to_numpy()
    if not crs.is_geographic:
        raise raw.error(
            f"图层是投影坐标（{crs.name}），不能按 {datum} 读。"
            "请导出为经纬度，或把 datum 设为 wgs84。",
            f"The layer is projected ({crs.name}) and cannot be read as {datum}. "
            'Export it in degrees, or set datum = "wgs84".',
        )
    return geometry


def present(raw: RawTable) -> NDArray[np.object_]:
    """The layer's geometries, none of them missing or empty."""
    assert raw.geometry is not None
    geometry: NDArray[np.object_] = raw.geometry.to_numpy().astype(object)
    missing = shapely.is_missing(geometry) | shapely.is_empty(geometry)
    if missing.any():
        raise raw.error(
            "有的要素没有几何位置。请补上，或删去。",
            "A feature has no geometry. Give it one, or delete it.",
            where=missing,
        )
    return geometry


def _centres(raw: RawTable) -> NDArray[np.object_]:
    """One point per feature: the point, or the polygon's centroid (a point inside it, if not)."""
    geometry = present(raw)
    kinds = shapely.get_type_id(geometry)
    point, areal = kinds == 0, np.isin(kinds, (3, 6))
    alone = (kinds == 4) & (shapely.get_num_geometries(geometry) == 1)
    bad = ~(point | areal | alone)
    if bad.any():
        kind = shapely.get_parts(geometry[bad][:1])[0].geom_type
        raise raw.error(
            f"这里要点或面，文件里有 {kind} 类要素（线或多点）。请换成点图层。",
            f"Points or polygons are wanted, the file has {kind} features (lines, or many points). "
            "Bring a layer of points.",
            where=bad,
        )
    centres = shapely.centroid(geometry)
    off = areal & ~shapely.intersects(geometry, centres)
    centres[off] = shapely.point_on_surface(geometry[off])
    return centres


def polygons(table: Columns, datum: str, area: str) -> tuple[NDArray[np.object_], bool]:
    """Valid WGS-84 polygons, and whether the datum's shift was applied."""
    raw = table.raw
    geometry = present(raw)
    bad = ~np.isin(shapely.get_type_id(geometry), (3, 6))
    if bad.any():
        raise raw.error(
            "区县要用面（多边形），这里有别的要素。请换成面图层。",
            "Districts are polygons; here is something else. Bring a polygon layer.",
            where=bad,
        )
    geometry, shifted = in_wgs84(raw, geometry, datum, area)
    return _valid(geometry), shifted


def in_wgs84(
    raw: RawTable, geometry: NDArray[np.object_], datum: str, area: str
) -> tuple[NDArray[np.object_], bool]:
    """Lines or polygons in WGS-84, and whether the datum's shift was applied."""
    geometry = degrees(raw, shapely.force_2d(geometry), datum)
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    outside = ~((np.abs(xy[:, 0]) <= 180) & (np.abs(xy[:, 1]) <= 90))
    if outside.any():
        raise raw.error(
            "有的要素超出经纬度范围（经度 ±180，纬度 ±90）。请检查坐标系。",
            "A feature leaves the range of degrees (±180, ±90). Check the layer's CRS.",
            where=np.isin(np.arange(len(geometry)), owner[outside]),
        )
    shifted = datum != "wgs84" and shift_applies(xy[:, 0], xy[:, 1], area, datum=datum)
    if shifted:
        geometry = shapely.transform(
            shapely.segmentize(geometry, DENSIFY_DEG),
            lambda points: np.column_stack(to_wgs84(points[:, 0], points[:, 1], datum, area="all")),
        )
    return geometry, shifted


def _valid(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons made valid; what falls off as a line or a point is left out."""
    broken = np.flatnonzero(~shapely.is_valid(geometry))
    out = geometry.copy()
    for i in broken:
        parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(geometry[i])))
        out[i] = shapely.union_all([part for part in parts if part.geom_type == "Polygon"])
    return out
