"""Terrain: heights along the streets, out of a digital elevation model (a GeoTIFF).

A street is sampled at steps no longer than the model's cells; heights between the cells' centres
are bilinear. A model shows the ground, so bridges and tunnels go straight from where they leave it
to where they meet it again: `bridge_heights`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from scipy.sparse import coo_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from servicecircle.errors import InputError, Note
from servicecircle.streets.contraction import GEOD, Floats, Ints
from servicecircle.streets.network import WalkNetwork

LONGEST_STEP_M = 30.0
SHORTEST_STEP_M = 5.0  # finer models show kerbs and parked cars, not what a walker climbs
LOWEST_M, HIGHEST_M = -500.0, 9000.0  # heights beyond these are no heights on land
_TILE = 2048  # cells read at once, each way: memory stays the same for any model
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FEET = {"ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "us-ft": 1200 / 3937, "ftus": 1200 / 3937}


@dataclass(frozen=True)
class Profile:
    """The streets cut into short bits, and how each of them climbs.

    One entry per bit, along the edges: ``segment`` (the vertex at which its segment begins),
    ``metres`` (its length on the map), ``rise`` (metres up when walked from the edge's u end to
    its v end; NaN where no height is known). ``heights``: metres, one per vertex, NaN where
    unknown. ``notes``: what to know of the model, (Chinese, English).
    """

    segment: Ints
    metres: Floats
    rise: Floats
    heights: Floats
    notes: tuple[Note, ...]


def street_profile(network: WalkNetwork, path: Path, spans: NDArray[np.bool_]) -> Profile:
    """How the streets of ``network`` climb, by the elevation model in the GeoTIFF ``path``.

    ``spans`` (one per vertex): is the segment that begins there a bridge or tunnel? The model may
    be in any CRS; heights are metres (or feet, where its band says so). Only the cells that the
    streets need are read. Streets are taken as straight in the model's grid between two vertices.

    Raises `InputError` when the file is missing, damaged, no GeoTIFF, no elevation model, has no
    CRS, or holds no height for any street.
    """
    begins = network.vertex_segment >= 0
    vertices = np.arange(len(begins))
    with _opened(path) as model:
        column, row = model.cells(network.vertex_lng, network.vertex_lat)
        n = np.ones(len(begins), np.int64)  # bits per segment; a bridge or tunnel is but one
        cut = np.flatnonzero(begins & ~spans)
        length = network.vertex_offset[cut + 1] - network.vertex_offset[cut]
        n[cut] = np.maximum(np.ceil(length / model.step_m(column, row)), 1)
        first = np.cumsum(n) - n
        vertex = np.repeat(vertices, n)
        further = np.where(begins, vertices + 1, vertices)[vertex]
        t = (np.arange(len(vertex)) - first[vertex]) / n[vertex]
        height, absurd = model.heights(
            column[vertex] + t * (column[further] - column[vertex]),
            row[vertex] + t * (row[further] - row[vertex]),
        )
        if np.isnan(height).all():
            raise _elsewhere(model, network)
        notes = [_height_note(path, height), *model.notes(), *_absurd_note(path, absurd)]
    height[first] = bridge_heights(network, spans, height[first])
    bit = np.flatnonzero(begins[vertex])
    segment = vertex[bit]
    metres = (network.vertex_offset[segment + 1] - network.vertex_offset[segment]) / n[segment]
    rise = height[bit + 1] - height[bit]
    notes += _missing_note(path, float(metres[np.isnan(rise)].sum()), network.length)
    return Profile(segment, metres, rise, height[first], tuple(notes))


def bridge_heights(network: WalkNetwork, spans: NDArray[np.bool_], height: Floats) -> Floats:
    """Heights (metres, per vertex) with those on bridges and in tunnels put right.

    A node where all streets are bridges or tunnels does not lie on the ground. Its height is the
    mean of its neighbours', weighted by one over the metres to them: on a bridge without junctions
    a straight line between its ends, and smooth where a junction lies on it. Bridges that nowhere
    touch the ground are level, at the lowest of the model's heights; where a height that they hang
    on is unknown, so are their own. A street that meets a deck half-way without being tagged as a
    bridge itself (steps up to it, mostly) pulls the deck down to the ground there.
    """
    begins, _ = network.segments
    span = begins[spans[begins]]
    if not len(span):
        return height
    ids, node = np.unique(network.vertex_id, return_inverse=True)
    grounded = np.zeros(len(ids), bool)
    land = begins[~spans[begins]]
    grounded[node[land]] = grounded[node[land + 1]] = True
    a, b = node[span], node[span + 1]
    floats = np.zeros(len(ids), bool)
    floats[a] = floats[b] = True
    floats &= ~grounded
    if not floats.any():
        return height
    at_node = np.empty(len(ids))
    at_node[node] = height
    metres = np.maximum(network.vertex_offset[span + 1] - network.vertex_offset[span], 0.001)
    at_node[floats] = _hung(floats, a, b, 1.0 / metres, at_node)
    return np.asarray(at_node[node])


def _hung(floats: NDArray[np.bool_], a: Ints, b: Ints, weight: Floats, height: Floats) -> Floats:
    """Heights of the nodes that float, hung up on those that do not; links a — b by weight."""
    number = np.cumsum(floats) - 1
    m = int(floats.sum())
    both = floats[a] & floats[b]
    inner = coo_array((weight[both], (number[a[both]], number[b[both]])), shape=(m, m))
    count, part = connected_components(inner, directed=False)
    # links to the ground, seen from the floating end
    up = np.concatenate([a[floats[a] & ~floats[b]], b[floats[b] & ~floats[a]]])
    down = np.concatenate([b[floats[a] & ~floats[b]], a[floats[b] & ~floats[a]]])
    w = np.concatenate([weight[floats[a] & ~floats[b]], weight[floats[b] & ~floats[a]]])
    low = np.full(count, np.inf)  # counted from the lowest support, level stays exactly level
    with np.errstate(invalid="ignore"):
        np.minimum.at(low, part[number[up]], height[down])  # NaN where one of them is
    solid = np.isfinite(low)
    ground = np.full(count, np.nan)
    np.fmin.at(ground, part, height[floats])
    out = np.where(np.isposinf(low), ground, np.nan)[part]
    use = solid[part[number[up]]]
    up, down, w = number[up[use]], down[use], w[use]
    pull = np.bincount(up, w, m)
    right = np.bincount(up, w * (height[down] - low[part[up]]), m)
    known = np.flatnonzero(solid[part])
    if len(known):
        links = (inner + inner.T).tocsr()
        system = diags_array(links.sum(axis=1) + pull) - links
        above = spsolve(system.tocsr()[known][:, known].tocsc(), right[known])
        out[known] = low[part[known]] + above
    return np.asarray(out)


# --- the model ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Model:
    """An open GeoTIFF of heights; cells are counted from the centre of the first one."""

    path: Path
    band: Any  # an open rasterio dataset

    @cached_property
    def crs(self) -> CRS:
        """Where the grid lies; its heights' own datum matters to no slope."""
        found, place = self.band.crs, self.band.transform
        if found is None or place.is_identity or place.determinant == 0.0:
            raise _unplaced(self.path)
        try:
            return CRS.from_wkt(found.to_wkt()).to_2d()
        except ProjError as error:
            raise _unplaced(self.path) from error

    @cached_property
    def to_model(self) -> Transformer:
        """Degrees (lng, lat) → the model's CRS."""
        try:
            return Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)
        except ProjError as error:
            raise _unplaced(self.path) from error

    def cells(self, lng: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """(column, row) of places, as fractions; not finite where the CRS does not reach."""
        x, y = (np.asarray(v) for v in self.to_model.transform(lng, lat))
        place, back = self.band.transform, ~self.band.transform
        if self.crs.is_geographic:  # some models count longitudes from 0 to 360
            middle = place.a * self.band.width / 2 + place.b * self.band.height / 2 + place.c
            x = x + 360.0 * np.round((middle - x) / 360.0)
        column = back.a * x + back.b * y + back.c - 0.5
        return column, back.d * x + back.e * y + back.f - 0.5

    def degrees(self, column: Floats, row: Floats) -> tuple[Floats, Floats]:
        """(lng, lat) of places in the grid."""
        place, column, row = self.band.transform, column + 0.5, row + 0.5
        lng, lat = self.to_model.transform(
            place.a * column + place.b * row + place.c,
            place.d * column + place.e * row + place.f,
            direction="INVERSE",
        )
        return np.asarray(lng), np.asarray(lat)

    def step_m(self, column: Floats, row: Floats) -> float:
        """How far apart streets are sampled: a cell's shorter side in the middle of the places."""
        finite = np.isfinite(column) & np.isfinite(row)
        if not finite.any():
            return LONGEST_STEP_M
        middle = np.array([np.median(column[finite]), np.median(row[finite])])
        lng, lat = self.degrees(middle[0] + np.array([0, 1, 0]), middle[1] + np.array([0, 0, 1]))
        side = np.asarray(GEOD.inv(lng[[0, 0]], lat[[0, 0]], lng[1:], lat[1:])[2])
        shorter = np.nanmin(side) if np.isfinite(side).any() else LONGEST_STEP_M
        return float(np.clip(shorter, SHORTEST_STEP_M, LONGEST_STEP_M))

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """(west, south, east, north) in degrees; None where they have none."""
        side = np.linspace(0.0, 1.0, 21)
        x = np.concatenate([side, side, np.zeros(21), np.ones(21)]) * self.band.width - 0.5
        y = np.concatenate([np.zeros(21), np.ones(21), side, side]) * self.band.height - 0.5
        lng, lat = self.degrees(x, y)
        sound = np.isfinite(lng) & np.isfinite(lat)
        if not sound.any():
            return None
        lng, lat = lng[sound], lat[sound]
        return float(lng.min()), float(lat.min()), float(lng.max()), float(lat.max())

    def heights(self, column: Floats, row: Floats) -> tuple[Floats, int]:
        """(bilinear heights of places in the grid, how many cells were absurd).

        NaN outside the centres of the outermost cells, and where one of the four cells is missing.
        """
        width, height = self.band.width, self.band.height
        with np.errstate(invalid="ignore"):
            inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
        out = np.full(len(column), np.nan)
        if width < 2 or height < 2 or not inside.any():
            return out, 0
        at = np.flatnonzero(inside)
        c = np.minimum(column[at].astype(np.int64), width - 2)
        r = np.minimum(row[at].astype(np.int64), height - 2)
        tile = (r // _TILE) * (width // _TILE + 1) + c // _TILE
        order = np.argsort(tile, kind="stable")
        absurd = 0
        for part in np.split(order, np.flatnonzero(np.diff(tile[order])) + 1):
            left, top = int(c[part].min()), int(r[part].min())
            grid, wrong = self._read(left, top, int(c[part].max()) + 2, int(r[part].max()) + 2)
            absurd += wrong
            x, y = column[at[part]] - c[part], row[at[part]] - r[part]
            i, j = r[part] - top, c[part] - left
            # in this form what is level stays exactly level
            upper = grid[i, j] + x * (grid[i, j + 1] - grid[i, j])
            lower = grid[i + 1, j] + x * (grid[i + 1, j + 1] - grid[i + 1, j])
            out[at[part]] = upper + y * (lower - upper)
        return out, absurd

    def _read(self, left: int, top: int, right: int, bottom: int) -> tuple[Floats, int]:
        """(metres of a window of cells, NaN where missing; how many were absurd)."""
        band = self.band
        raw = band.read(1, window=((top, bottom), (left, right)), masked=True)
        grid = np.ma.filled(raw.astype(float), np.nan) * band.scales[0] + band.offsets[0]
        grid *= _FEET.get((band.units[0] or "").strip().lower(), 1.0)
        with np.errstate(invalid="ignore"):
            wrong = (grid < LOWEST_M) | (grid > HIGHEST_M)
        grid[wrong] = np.nan
        return grid, int(wrong.sum())

    def notes(self) -> list[Note]:
        """What the model's file makes us choose."""
        if self.band.count == 1:
            return []
        return [
            (
                f"高程文件 {self.path.name} 有 {self.band.count} 个波段，用第一个。",
                f"The elevation model {self.path.name} has {self.band.count} bands; the first one "
                "is used.",
            )
        ]


@contextmanager
def _opened(path: Path) -> Iterator[_Model]:
    """The model in a file; whatever the file does wrong is said as an `InputError`."""
    import rasterio  # noqa: PLC0415 (slow to import, and few plans need it)
    from rasterio.errors import NotGeoreferencedWarning, RasterioError  # noqa: PLC0415

    path = Path(path)
    _require_tiff(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # `to_model` says it
            band = rasterio.open(path, driver="GTiff")
        with band:
            _require_heights(path, band)
            yield _Model(path, band)
    except (RasterioError, OSError) as error:
        reason = str(error.__cause__ or error)
        raise InputError(
            f"{path}：高程文件读不了（{reason}）。文件可能不完整或已损坏：请重新下载，"
            "或用 gdalinfo -checksum 检查。",
            f"{path}: the elevation model cannot be read ({reason}). It may be cut short or "
            "damaged: download it again, or look at it with `gdalinfo -checksum`.",
        ) from error


def _require_tiff(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"{path}：找不到这个高程文件，请检查路径。",
            f"{path}: no such elevation model; check the path.",
        )
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise InputError(
            f"{path}：高程文件打不开（{error}），请检查读取权限。",
            f"{path}: the elevation model cannot be opened ({error}); check its permissions.",
        ) from error
    if head not in _TIFF:
        raise InputError(
            f"{path}：不是 GeoTIFF 文件。高程要用 GeoTIFF（.tif）；其他格式请先用 gdal_translate "
            "转换。",
            f"{path}: not a GeoTIFF. Heights must come as a GeoTIFF (.tif); convert other formats "
            "with `gdal_translate` first.",
        )


def _require_heights(path: Path, band: Any) -> None:
    """A picture is no elevation model."""
    kinds = {kind.name for kind in band.colorinterp}
    if not kinds & {"red", "palette"} and not band.dtypes[0].startswith("complex"):
        return
    raise InputError(
        f"{path}：这是一张图片（{band.dtypes[0]}，{'、'.join(sorted(kinds))}），不是高程数据。"
        "请给单波段、数值为米的 DEM。",
        f"{path}: this is a picture ({band.dtypes[0]}; {', '.join(sorted(kinds))}), not heights. "
        "Give an elevation model: one band, its values metres.",
    )


# --- what is said ---------------------------------------------------------------------------------


def _unplaced(path: Path) -> InputError:
    return InputError(
        f"{path}：高程文件没有可用的坐标系或地理位置。请补上，例如 "
        "gdal_edit.py -a_srs EPSG:4326 文件.tif（坐标系问数据来源），或在 QGIS 里“指定投影”。",
        f"{path}: the elevation model has no usable CRS or does not say where it lies. Add it, "
        "say with `gdal_edit.py -a_srs EPSG:4326 FILE.tif` (ask its source for the CRS), or "
        "with “Assign Projection” in QGIS.",
    )


def _elsewhere(model: _Model, network: WalkNetwork) -> InputError:
    there, here = model.bounds, network.bounds
    if there is not None and _meet(there, here):
        return InputError(
            f"{model.path}：高程文件在城市范围内（{_span(here)}）没有一条街道有高程值，"
            "全是空值、异常值或在其边缘之外。请换一个文件。",
            f"{model.path}: within the city ({_span(here)}) the elevation model has no height for "
            "any street: all empty, absurd, or beyond its margin. Use another file.",
        )
    where = _span(there) if there is not None else "?"
    return InputError(
        f"{model.path}：高程文件不覆盖这个城市。高程范围（经度，纬度）：{where}；"
        f"城市范围：{_span(here)}。请换覆盖城市的文件，或检查其坐标系。",
        f"{model.path}: the elevation model does not cover the city. It spans (lng, lat) {where}; "
        f"the city {_span(here)}. Use one that covers the city, or check its CRS.",
    )


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _span(bounds: tuple[float, ...]) -> str:
    west, south, east, north = bounds
    return f"{west:.4f}…{east:.4f}, {south:.4f}…{north:.4f}"


def _height_note(path: Path, heights: Floats) -> Note:
    low, high = np.nanmin(heights), np.nanmax(heights)
    return (
        f"步行时间计入坡度：高程文件 {path.name}，街道高程 {low:,.0f}～{high:,.0f} 米。",
        f"Walking times count slopes: elevation model {path.name}, streets from {low:,.0f} to "
        f"{high:,.0f} m.",
    )


def _absurd_note(path: Path, cells: int) -> list[Note]:
    if not cells:
        return []
    return [
        (
            f"高程文件 {path.name} 有 {cells:,} 个格子的值不在 {LOWEST_M:g}～{HIGHEST_M:g} 米之间，"
            "按缺失处理。",
            f"{cells:,} cells of the elevation model {path.name} lie outside {LOWEST_M:g} to "
            f"{HIGHEST_M:g} m and are treated as missing.",
        )
    ]


def _missing_note(path: Path, metres: float, length: float) -> list[Note]:
    if metres == 0.0:
        return []
    km, share = metres / 1000.0, metres / length
    return [
        (
            f"高程文件 {path.name} 缺 {km:,.1f} 公里道路（{share:.1%}）的高程，这些路按平地计算。"
            "请换覆盖更全的文件，或把相邻图幅拼接（gdal_merge.py）。",
            f"The elevation model {path.name} has no heights for {km:,.1f} km of street "
            f"({share:.1%}); these count as flat. Use one that covers more, or merge adjacent "
            "sheets (`gdal_merge.py`).",
        )
    ]
