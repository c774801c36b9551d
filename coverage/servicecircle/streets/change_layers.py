"""Layers of changes that planners draw: barriers (polygons) and links (lines), checked at the door.

Formats, CRS and datums as in `tables.py`: a declared CRS is believed and turned into WGS-84; with
``datum="gcj02"`` or ``"bd09"`` (drawn on Gaode or Baidu) the layer's degrees are read as that
datum's. Every error is a `TableError`: file, layer, column, feature numbers, how to mend it.
"""

from __future__ import annotations

import re
import unicodedata
from os import PathLike
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.coordinates import AREAS, DATUMS
from servicecircle.raw_table import RawTable, cell_text
from servicecircle.table_columns import MISSING, Columns, plain
from servicecircle.table_files import read_raw
from servicecircle.table_positions import in_wgs84, polygons, present

Path = str | PathLike[str]

_AREAL, _LINEAR = (3, 6), (1, 5)  # shapely's type ids: Polygon, MultiPolygon; lines likewise
_YES = frozenset(["true", "yes", "y", "1", "是", "可", "可以", "有", "通行", "可通行"])
_NO = MISSING | frozenset(
    ["false", "no", "n", "0", "否", "不", "不可", "无", "没有", "禁止", "不可通行"]
)
_ONLY_FORWARD = frozenset(["yes", "true", "1", "是", "正向", "单向"])
_ONLY_BACKWARD = frozenset(["-1", "reverse", "逆向", "反向"])
# dBASE cuts names after ten characters
_BRIDGES = "bridges 桥梁 桥隧 桥梁可通行"
_ONE_WAY = "oneway:foot oneway:foo oneway_foot oneway_foo 步行单向 单向"


def read_barriers(
    path: Path, *, datum: str = "wgs84", area: str = "mainland", sheet: str | None = None
) -> gpd.GeoDataFrame:
    """Polygons that may not be entered.

    Columns: ``name`` (str, "" where not given), ``bridges`` (bool, False where not given: may
    bridges and tunnels pass?), ``geometry`` (valid polygons, EPSG:4326). ``attrs`` as in
    `tables.py`; ``sheet`` names a layer of a GeoPackage. Raises `TableError`.
    """
    table = _open(path, datum, area, sheet, _AREAL, "面（多边形）", "polygons")
    geometry, shifted = polygons(table, datum, area)
    data: dict[str, Any] = {
        "name": table.text("name"),
        "bridges": _yes_or_no(table.raw, _BRIDGES),
    }
    return _finished(table, data, geometry, datum, shifted)


def read_links(
    path: Path, *, datum: str = "wgs84", area: str = "mainland", sheet: str | None = None
) -> gpd.GeoDataFrame:
    """Lines that people will be able to walk along: a footbridge, an underpass, a gate.

    Columns: ``name`` (str, "" where not given), ``bridge``, ``tunnel`` (bool, False where not
    given), ``oneway:foot`` ("", "yes" or "-1"), ``geometry`` (lines, EPSG:4326). ``attrs`` as in
    `tables.py`; ``sheet`` names a layer of a GeoPackage. Raises `TableError`.
    """
    table = _open(path, datum, area, sheet, _LINEAR, "线", "lines")
    geometry, shifted = in_wgs84(table.raw, present(table.raw), datum, area)
    data: dict[str, Any] = {
        "name": table.text("name"),
        "bridge": _yes_or_no(table.raw, "bridge 桥 桥梁"),
        "tunnel": _yes_or_no(table.raw, "tunnel 隧道 地道 地下通道"),
        "oneway:foot": _one_way(table.raw),
    }
    return _finished(table, data, geometry, datum, shifted)


def _open(
    path: Path,
    datum: str,
    area: str,
    sheet: str | None,
    kinds: tuple[int, ...],
    zh: str,
    en: str,
) -> Columns:
    """The layer at ``path``, all of its features of one of the ``kinds``."""
    raw = read_raw(path, wanted=lambda names: True, sheet=sheet)
    for what, value, known in (("datum", datum, DATUMS), ("area", area, AREAS)):
        if value not in known:
            listed = ", ".join(known)
            raise raw.error(
                f"不认识 {what} “{value}”。可用：{listed}。",
                f"{what} “{value}” is not known. One of: {listed}.",
            )
    if raw.geometry is None:
        raise raw.error(
            f"这个文件没有几何要素。这里要{zh}图层，如 .geojson、.gpkg、.shp。",
            f"This file has no geometry. Bring a layer of {en}, say .geojson, .gpkg or .shp.",
        )
    shapes = present(raw)
    wrong = ~np.isin(shapely.get_type_id(shapes), kinds)
    if wrong.any():
        found = ", ".join(sorted({shape.geom_type for shape in shapes[wrong]}))
        raise raw.error(
            f"这里要{zh}，{len(shapes)} 个要素里有 {int(wrong.sum())} 个不是（{found}）。"
            "请删去，或换一个图层。",
            f"Here {en} are wanted; {int(wrong.sum())} of {len(shapes)} features are something "
            f"else ({found}). Delete them, or bring another layer.",
            where=wrong,
        )
    return Columns.match(raw, ("name",))


def _column(raw: RawTable, names: str) -> tuple[str | None, list[str]]:
    """The first column that bears one of the names, and its cells as plain words."""
    wanted = {plain(name) for name in names.split()}
    column = next((name for name in raw.frame.columns if plain(name) in wanted), None)
    if column is None:
        return None, [""] * len(raw.frame)
    words = (unicodedata.normalize("NFKC", cell_text(cell)) for cell in raw.frame[column])
    return column, [re.sub(r"\s", "", word).casefold() for word in words]


def _yes_or_no(raw: RawTable, names: str) -> list[bool]:
    column, words = _column(raw, names)
    _refuse(raw, column, words, _YES | _NO, "true / false（是 / 否）")
    return [word in _YES for word in words]


def _one_way(raw: RawTable) -> list[str]:
    column, words = _column(raw, _ONE_WAY)
    _refuse(raw, column, words, _ONLY_FORWARD | _ONLY_BACKWARD | _NO, "yes / -1 / no")
    return ["yes" if w in _ONLY_FORWARD else "-1" if w in _ONLY_BACKWARD else "" for w in words]


def _refuse(
    raw: RawTable, column: str | None, words: list[str], known: frozenset[str], mend: str
) -> None:
    strange = np.array([word not in known for word in words])
    if strange.any():
        found = words[int(np.argmax(strange))][:40]
        raise raw.error(
            f"看不懂“{found}”。请填 {mend}，或留空。",
            f"“{found}” is not understood. Write {mend}, or nothing.",
            column=column,
            where=strange,
        )


def _finished(
    table: Columns,
    data: dict[str, Any],
    geometry: NDArray[np.object_],
    datum: str,
    shifted: bool,
) -> gpd.GeoDataFrame:
    notes = list(table.notes)
    if datum != "wgs84" and not shifted:
        notes.append(
            (
                f"坐标按 {datum} 给出，但不在该偏移适用的范围内，按 WGS-84 原样使用。",
                f"Given as {datum}, but outside the area where its shift applies: "
                "read unchanged as WGS-84.",
            )
        )
    frame = gpd.GeoDataFrame(data, geometry=geometry, crs="EPSG:4326")
    frame.attrs.update(file=table.raw.file, datum=datum, shifted=shifted, notes=notes)
    return frame
