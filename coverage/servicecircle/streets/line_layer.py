"""Line layers of a GIS (GeoPackage, Shapefile, GeoParquet …): lines in, a `WalkNetwork` out.

Lines are joined where their ends lie in one place, and nowhere else: an inner vertex joins
nothing. Where lines meet without being joined is counted and said (`unnoded.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from servicecircle.errors import NetworkError
from servicecircle.streets import layer_notes as say
from servicecircle.streets.contraction import Floats, Ints, Pieces
from servicecircle.streets.layer_tags import LayerTags, read_tags
from servicecircle.streets.network import ISLAND_SHARE, WalkNetwork, build_network
from servicecircle.streets.tag_values import drive_note
from servicecircle.streets.unnoded import find_unnoded
from servicecircle.streets.walk_filter import FILTERS
from servicecircle.table_files import read_raw
from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.layers import require_sane_binary

LINE_SUFFIXES = (".gpkg", ".shp", ".parquet", ".geojson", ".json", ".fgb")
JOIN_M = 1e-3  # ends this close (rounded, in the layer's own CRS) are one place
JOIN_DEG = 1e-8
_FARTHEST = 2**52  # join distances from the origin; beyond, rounded coordinates lose digits


def read_lines(
    path: str | Path,
    *,
    layer: str | None = None,
    walk_filter: str = "osmnx",
    island_share: float = ISLAND_SHARE,
) -> WalkNetwork:
    """Walking network of a line layer in a file; see `network_from_lines`.

    GeoPackage, Shapefile, GeoParquet, GeoJSON and FlatGeobuf. ``layer`` names a layer of a
    GeoPackage; without it, the only one that has lines is taken. Raises `NetworkError` or
    `TableError` when the file is missing, damaged, or of another format.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in LINE_SUFFIXES:
        known = " ".join(LINE_SUFFIXES)
        raise NetworkError(
            f"{path}：不是线图层，需要 {known} 之一（压缩包请先解压）。",
            f"{path}: not a line layer; one of {known} is needed (unzip archives first).",
        )
    if suffix == ".gpkg" and layer is None and path.is_file():
        layer = _only_lines(path)
    try:
        raw = read_raw(path, wanted=lambda _: True, sheet=layer)
    except (shapely.errors.ShapelyError, ProjError, TypeError, AttributeError) as error:
        raise NetworkError(
            f"{path}：图层读不出来，可能已损坏（{error}）。请重新导出。",
            f"{path}: the layer cannot be read, perhaps it is damaged ({error}). Export it again.",
        ) from error
    if raw.geometry is None:
        raise NetworkError(
            f"{path}：没有几何列，不是图层。请导出带线几何的图层（如 GeoPackage）。",
            f"{path}: no geometry in it, so it is no layer. Export a layer of lines, such as a "
            "GeoPackage.",
        )
    return network_from_lines(
        gpd.GeoDataFrame(raw.frame, geometry=raw.geometry.to_numpy(), crs=raw.geometry.crs),
        walk_filter=walk_filter,
        island_share=island_share,
        source=str(path),
    )


def _only_lines(path: Path) -> str | None:
    """The layer of a GeoPackage that has lines; None leaves it to the reader to complain."""
    try:
        with path.open("rb") as file:
            require_sane_binary(".gpkg", file.read(32))
        layers = [(str(name), str(kind or "")) for name, kind in pyogrio.list_layers(path)]
    except (RuntimeError, ValueError, OSError, ExcessError):
        return None
    lines = [name for name, kind in layers if "LineString" in kind or "Curve" in kind]
    lines = lines or [name for name, kind in layers if kind in ("Unknown", "GeometryCollection")]
    if len(lines) == 1:
        return lines[0]
    names = ", ".join(f"“{name}”" for name, _ in layers) or "—"
    found = ", ".join(f"“{name}”" for name in lines)
    if not lines:
        raise NetworkError(
            f"{path}：没有线图层。文件里有：{names}。请换用道路线图层。",
            f"{path}: no layer of lines. The file holds: {names}. Use a layer of street lines.",
        )
    raise NetworkError(
        f"{path}：有 {len(lines)} 个线图层：{found}。请把道路那一层单独导出成一个文件。",
        f"{path}: there are {len(lines)} layers of lines: {found}. Export the streets' layer to "
        "a file of its own.",
    )


def network_from_lines(
    layer: gpd.GeoDataFrame,
    *,
    walk_filter: str = "osmnx",
    island_share: float = ISLAND_SHARE,
    source: str = "",
) -> WalkNetwork:
    """Walking network of a layer of lines in any CRS; lines are joined at shared ends only.

    Multi-lines are taken apart, heights dropped. Ends are one place when they agree after rounding
    in the layer's CRS, to 1 mm (projected) or 1e-8 degrees. Columns with names of OSM tags
    (``highway``, ``foot``, ``oneway:foot``, ``bridge`` …) are used, whatever of them there is;
    without ``highway`` every line is walkable. ``osmid``, ``osm_id`` or ``way`` are the way ids
    where all are whole numbers, else lines are numbered by row from 1. What was left out, and
    where lines meet unconnected, is said in ``notes``. ``layer`` is not changed.

    Raises `NetworkError` when the layer has no CRS, coordinates that do not fit it, or no
    walkable line.
    """
    source = source or "layer"
    crs, to_degrees = _crs_of(layer, source)
    join = _join_distance(crs)
    lines, counted = _usable_lines(layer, crs, to_degrees, source)
    tags = read_tags(pd.DataFrame(layer), FILTERS[walk_filter]).take(lines.row)
    lines, tags = _distinct(lines, tags, counted)
    if not tags.kept.any():
        raise say.nothing_left(source, walk_filter, counted, tags)
    streets, known = lines.take(tags.kept), tags.take(tags.kept)
    ends, places = _joined(streets, join)
    unnoded = find_unnoded(streets.geometry, ends, places, known.level, join)
    ways = known.table()
    return build_network(
        _pieces(streets, known, ends),
        ways,
        island_share=island_share,
        source=source,
        gained_m=lines.take(tags.kept & ~tags.osmnx).metres,
        lost_m=lines.take(tags.osmnx & ~tags.kept).metres,
        notes=(
            *say.left_out(counted, len(lines), len(streets), walk_filter),
            *say.no_highway(tags),
            *say.unconnected(unnoded, to_degrees),
            *(drive_note(ways["highway"]) if tags.has_highway else ()),
            *say.datum(crs, streets.place),
        ),
    )


# --- the coordinate system ------------------------------------------------------------------------


def _crs_of(layer: gpd.GeoDataFrame, source: str) -> tuple[CRS, Transformer]:
    """The layer's CRS, and the way from it to WGS-84 degrees (lng, lat)."""
    if not isinstance(layer, gpd.GeoDataFrame) or layer.active_geometry_name is None:
        raise NetworkError(
            f"{source}：需要带几何列的 GeoDataFrame。",
            f"{source}: a GeoDataFrame with a geometry column is needed.",
        )
    crs = layer.crs
    if crs is None:
        raise NetworkError(
            f"{source}：图层没有坐标系。请在 GIS 里为图层设置坐标系后重新导出"
            "（Shapefile 要有 .prj 文件；geopandas：layer.set_crs(…)）。",
            f"{source}: the layer has no CRS. Set it in your GIS and export again (a Shapefile "
            "needs its .prj; geopandas: layer.set_crs(…)).",
        )
    try:
        if not (crs.is_projected or crs.is_geographic):
            raise ProjError("neither projected nor geographic")
        return crs, Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    except ProjError as error:
        raise NetworkError(
            f"{source}：坐标系“{crs.name}”换算不到经纬度（{error}）。请转成 EPSG:4326 后导出。",
            f"{source}: the CRS “{crs.name}” does not lead to longitude and latitude ({error}). "
            "Export the layer in EPSG:4326.",
        ) from error


def _join_distance(crs: CRS) -> float:
    """How far apart ends may be that are one place, in the layer's units."""
    unit = float(crs.axis_info[0].unit_conversion_factor)  # metres, or radians
    return JOIN_M / unit if crs.is_projected else float(np.radians(JOIN_DEG)) / unit


def _require_fit(xy: Floats, crs: CRS, outside: NDArray[np.bool_], source: str) -> None:
    """Raise where coordinates do not fit the CRS on the whole: axes swapped, metres, degrees."""
    x, y = np.abs(xy[np.isfinite(xy).all(axis=1)]).T
    if not len(x):
        return
    if crs.is_projected and x.max() <= 180 and y.max() <= 90:
        found = ("看起来是度", "look like degrees")
    elif crs.is_geographic and np.median(y) > 80 and np.median(x) <= 90 and np.median(y) <= 180:
        found = ("看起来是先纬度后经度", "look like lat before lng")
    elif outside.mean() > 0.5:
        found = ("超出它的范围", "lie outside its range")
    else:
        return
    example = "({:.10g}, {:.10g})".format(*xy[np.isfinite(xy).all(axis=1)][0])
    raise NetworkError(
        f"{source}：坐标{found[0]}，与坐标系“{crs.name}”不符（如 {example}）。"
        "请改正图层的坐标系，或坐标的顺序。",
        f"{source}: the coordinates {found[1]}, which does not fit the CRS “{crs.name}” "
        f"(such as {example}). Correct the layer's CRS, or the order of its axes.",
    )


# --- lines ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """Line strings (n): ``geometry`` (2-D, in the layer's CRS), ``row`` of the layer, ``count`` of
    vertices; ``xy`` (in that CRS) and ``place`` (degrees): all vertices, one after the other.
    """

    geometry: NDArray[np.object_]
    row: Ints
    count: Ints
    xy: Floats
    place: Floats

    def __len__(self) -> int:
        return len(self.row)

    def take(self, lines: NDArray[np.bool_]) -> _Lines:
        vertex = np.repeat(lines, self.count)
        return _Lines(
            self.geometry[lines],
            self.row[lines],
            self.count[lines],
            self.xy[vertex],
            self.place[vertex],
        )

    @property
    def first(self) -> Ints:
        """Where the vertices of each line begin."""
        return np.cumsum(self.count) - self.count

    @property
    def last(self) -> Ints:
        """Where they end."""
        return np.cumsum(self.count) - 1

    @property
    def metres(self) -> float:
        """Their length on the ellipsoid, together."""
        refs, ways = np.arange(len(self.place)), np.zeros(len(self), np.int64)
        lng, lat = self.place.T
        return float(Pieces.build(refs, lng, lat, self.count, ways).metres.sum())

    def ends(self) -> Floats:
        """(n, 2, 2): first and last vertex of each line, in the layer's CRS."""
        return np.stack([self.xy[self.first], self.xy[self.last]], axis=1)


def _usable_lines(
    layer: gpd.GeoDataFrame, crs: CRS, to_degrees: Transformer, source: str
) -> tuple[_Lines, dict[str, int]]:
    """The lines of a layer that have places and a length; how many features do not, and why."""
    geometry, row, counted = _line_parts(np.asarray(layer.geometry.array, object))
    xy, line = shapely.get_coordinates(geometry, return_index=True)
    place = np.column_stack(to_degrees.transform(*xy.T))
    join = _join_distance(crs)
    outside = ~(
        (np.abs(place) <= (180, 90)).all(axis=1) & (np.abs(xy) < _FARTHEST * join).all(axis=1)
    )
    _require_fit(xy, crs, outside, source)
    lines = _Lines(geometry, row, np.bincount(line, minlength=len(geometry)), xy, place)
    good = np.bincount(line[outside], minlength=len(geometry)) == 0
    counted["bad_places"] = int((~good).sum())
    lines = lines.take(good)
    ends = np.round(lines.ends() / join)
    point = (ends[:, 0] == ends[:, 1]).all(axis=1) & (shapely.length(lines.geometry) <= 2 * join)
    counted["no_length"] = int(point.sum())
    return lines.take(~point), counted


def _line_parts(
    features: NDArray[np.object_],
) -> tuple[NDArray[np.object_], Ints, dict[str, int]]:
    """2-D line strings out of features of any kind, the feature of each; how many are none."""
    nothing = shapely.is_missing(features) | shapely.is_empty(features)
    row = np.flatnonzero(~nothing)
    parts = features[row]
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT).any():
        parts, index = shapely.get_parts(parts, return_index=True)
        row = row[index]
    kinds = (shapely.GeometryType.LINESTRING, shapely.GeometryType.LINEARRING)
    is_line = np.isin(shapely.get_type_id(parts), kinds)
    counted = {"empty": int(nothing.sum()), "not_lines": len(np.unique(row[~is_line]))}
    is_line &= ~shapely.is_empty(parts)  # an empty part of a multi-line
    return shapely.force_2d(parts[is_line]), row[is_line], counted


def _distinct(lines: _Lines, tags: LayerTags, counted: dict[str, int]) -> tuple[_Lines, LayerTags]:
    """Each line once, whichever way it is drawn; it may be walked as any of its copies may."""
    if not len(lines):
        return lines, tags
    start, end = lines.place[lines.first], lines.place[lines.last]
    ring = (start == end).all(axis=1)[:, None]
    start = np.where(ring, lines.place[lines.first + 1], start)
    end = np.where(ring, lines.place[lines.last - 1], end)
    flip = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    alike = lines.geometry.copy()
    alike[flip] = shapely.reverse(alike[flip])
    shape = pd.factorize(shapely.to_wkb(alike))[0]
    _, first, copy_of = np.unique(
        shape * 4 + tags.kept * 2 + tags.osmnx, return_index=True, return_inverse=True
    )
    counted["repeated"] = len(lines) - len(first)
    forward = np.bincount(copy_of, np.where(flip, tags.backward, tags.forward)) > 0
    backward = np.bincount(copy_of, np.where(flip, tags.forward, tags.backward)) > 0
    flip = flip[first]
    keep = np.zeros(len(lines), bool)
    keep[first] = True
    order = np.argsort(first)  # `take` keeps the layer's order
    known = replace(
        tags.take(keep),
        forward=np.where(flip, backward, forward)[order],
        backward=np.where(flip, forward, backward)[order],
    )
    return lines.take(keep), known


def _joined(lines: _Lines, join: float) -> tuple[Ints, Floats]:
    """(n, 2) numbers of the places where lines begin and end, and the places' coordinates."""
    xy = lines.ends().reshape(-1, 2)
    rounded = np.round(xy / join)
    _, first, number = np.unique(
        rounded[:, 0] + 1j * rounded[:, 1], return_index=True, return_inverse=True
    )
    return number.reshape(-1, 2), xy[first]


def _pieces(lines: _Lines, tags: LayerTags, ends: Ints) -> Pieces:
    """Lines as pieces: ends are numbered from 1, inner vertices (that join nothing) after them."""
    ref = np.arange(len(lines.place)) + int(ends.max()) + 2
    ref[lines.first], ref[lines.last] = ends.T + 1
    lng, lat = lines.place.T
    return Pieces.build(
        ref,
        lng,
        lat,
        lines.count,
        tags.way,
        first_segment=_first_segment(tags.way, lines.count - 1),
        forward=tags.forward,
        backward=tags.backward,
    )


def _first_segment(way: Ints, segments: Ints) -> Ints:
    """Segments of a way are numbered on from one of its lines to the next, in the layer's order."""
    order = np.argsort(way, kind="stable")
    before = np.cumsum(segments[order]) - segments[order]
    begins = np.flatnonzero(np.diff(way[order], prepend=-1))
    base = np.repeat(before[begins], np.diff(begins, append=len(way)))
    first = np.empty(len(way), np.int64)
    first[order] = before - base
    return first
