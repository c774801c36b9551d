"""The one door: reads and checks what planners bring, and says what is wrong with it.

Every reader returns a plain GeoDataFrame in WGS-84 (EPSG:4326, longitude before latitude) with a
RangeIndex, the documented columns first, and the planner's own other columns kept behind them
(one that bears a documented name gets ``_2``). Its ``attrs`` hold ``file`` (name), ``datum``,
``shifted`` (bool: whether the datum's shift was applied), ``columns`` (documented name → the
file's) and ``notes`` (list of (zh, en): what was assumed).

Formats: .csv .txt .tsv .xlsx .xls .ods .geojson .json .gpkg .shp .fgb .parquet. In a layer the
geometry gives the position (a column pair does only where ``columns`` names both); a declared CRS
is believed and turned into WGS-84. With ``datum="gcj02"`` or ``"bd09"`` a layer's degrees are read
as that datum's, whatever it declares, and projected layers are refused. ``area`` says where the
shift applies (see `servicecircle.coordinates`), decided once per file.

Every error is a `TableError`: file, sheet, column, rows, what was found, how to mend it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from .coordinates import AREAS, DATUMS
from .errors import TableError
from .table_columns import DISTRICT_WEAK_NAMES, Columns, looks_like_header
from .table_files import read_raw
from .table_positions import points, polygons

__all__ = ["STATUSES", "check_unique_site_ids", "read_demand", "read_districts", "read_sites"]

STATUSES = ("existing", "required", "candidate", "forbidden")

Path = str | PathLike[str]
Names = Mapping[str, str]

DEMAND_COLUMNS = ("demand_id", "lng", "lat", "weight", "district", "group", "minutes")
SITE_COLUMNS = ("site_id", "name", "lng", "lat", "status", "kind", "cost")
SITE_TEXTS = ("address", "services", "hours", "phone", "level")
SITE_NUMBERS = ("area_m2", "capacity")
DISTRICT_COLUMNS = ("district", "minutes")

STATUS_WORDS = {
    "existing": "existing built open active 已建 现有 已有 在用 已建成 已建站点 现有站点 正常 运行",
    "required": "required must 必选 必建 必须 必选点 必建点 新建(必选)",
    "candidate": "candidate proposed 备选 候选 备选点 候选点 拟建 新建",
    "forbidden": "forbidden excluded closed 排除 禁用 不可用 关闭 已关闭 停用 不选 撤销",
}
KNOWN_STATUS = {word: status for status, words in STATUS_WORDS.items() for word in words.split()}


def read_demand(
    path: Path,
    *,
    datum: str = "wgs84",
    columns: Names | None = None,
    area: str = "mainland",
    sheet: str | None = None,
) -> gpd.GeoDataFrame:
    """Demand points: who is where, and how many.

    Columns: ``demand_id`` (str, unique), ``lng``, ``lat`` (WGS-84 degrees), ``weight`` (float64,
    people, ≥ 0), ``district``, ``group`` (str, "" where not given), ``minutes`` (float64, > 0, NaN
    where not given), the planner's own, ``geometry`` (points). Without an id column the rows are
    numbered "1", "2", …; without a weight column every row weighs 1, and ``attrs["notes"]`` says
    so. Polygons (population cells) become their centroid in the layer's own CRS, or a point
    inside where the centroid lies outside.

    ``columns`` maps documented names to the file's; ``sheet`` names a sheet or a GeoPackage layer.
    Raises `TableError`.
    """
    table = _open(path, DEMAND_COLUMNS, datum, area, columns, sheet)
    lng, lat, shifted = points(table, datum, area, columns)
    has_id, has_weight = "demand_id" in table.found, "weight" in table.found
    if not has_weight:
        table.notes.append(
            ("没有权重列，每个需求点按 1 计。", "No weight column: every demand point counts as 1.")
        )
    count = len(lng)
    data = {
        "demand_id": table.ids("demand_id") if has_id else [str(i + 1) for i in range(count)],
        "lng": lng,
        "lat": lat,
        "weight": table.numbers("weight", blank=False) if has_weight else np.ones(count),
        "district": table.text("district"),
        "group": table.text("group"),
        "minutes": table.numbers("minutes", low_itself=False),
    }
    return _finished(table, data, gpd.points_from_xy(lng, lat), datum, shifted)


def read_sites(
    path: Path,
    *,
    role: Literal["candidate", "existing"] = "candidate",
    datum: str = "wgs84",
    columns: Names | None = None,
    area: str = "mainland",
    sheet: str | None = None,
) -> gpd.GeoDataFrame:
    """Stations: those that exist, or the candidates for new ones.

    Columns: ``site_id`` (str, unique), ``name`` (str, the id where not given), ``lng``, ``lat``
    (WGS-84 degrees), ``status`` (one of `STATUSES`, English or Chinese in the file; by default
    ``role``; in a table of existing ones ``forbidden``, or 关闭, closes a station), ``kind`` (str),
    ``cost`` (float64 yuan, ≥ 0, NaN where unknown); where given ``address``, ``services``,
    ``hours``, ``phone``, ``level`` (str), ``area_m2``, ``capacity`` (float64, ≥ 0); the planner's
    own; ``geometry`` (points). Without an id column the rows are numbered "C1" … or "E1" …, and
    ``attrs["notes"]`` says so. Raises `TableError`.
    """
    if role not in ("candidate", "existing"):
        raise ValueError(f"role must be candidate or existing, not {role!r}")
    targets = (*SITE_COLUMNS, *SITE_TEXTS, *SITE_NUMBERS)
    table = _open(path, targets, datum, area, columns, sheet)
    lng, lat, shifted = points(table, datum, area, columns)
    ids = _site_ids(table, role, len(lng))
    names = table.text("name")
    data: dict[str, Any] = {
        "site_id": ids,
        "name": [name or site for name, site in zip(names, ids, strict=True)],
        "lng": lng,
        "lat": lat,
        "status": _statuses(table, role),
        "kind": table.text("kind"),
        "cost": table.numbers("cost"),
    }
    data |= {name: table.text(name) for name in SITE_TEXTS if name in table.found}
    data |= {name: table.numbers(name) for name in SITE_NUMBERS if name in table.found}
    return _finished(table, data, gpd.points_from_xy(lng, lat), datum, shifted)


def read_districts(
    path: Path,
    *,
    datum: str = "wgs84",
    columns: Names | None = None,
    area: str = "mainland",
    sheet: str | None = None,
) -> gpd.GeoDataFrame:
    """Districts with their own standard.

    Columns: ``district`` (str, unique; also under 名称 or ``name``), ``minutes`` (float64, > 0, NaN
    where not given), the planner's own, ``geometry`` (valid polygons, WGS-84). Edges are cut to
    0.005 degrees before a datum's shift. Raises `TableError`.
    """
    weak = {"district": DISTRICT_WEAK_NAMES}
    table = _open(path, DISTRICT_COLUMNS, datum, area, columns, sheet, weak=weak)
    if table.raw.geometry is None:
        raise table.raw.error(
            "这张表没有面。区县要用多边形图层，如 .geojson、.gpkg、.shp。",
            "This table has no polygons. Districts come as a polygon layer, say .geojson or .gpkg.",
        )
    table.require("district")
    names = table.text("district")
    empty = np.array([not name for name in names])
    if empty.any():
        raise table.raw.error(
            "有的区县没有名称。请补上。",
            "A district has no name. Fill it in.",
            column=table.found["district"],
            where=empty,
        )
    table.unique("district", names)
    geometry, shifted = polygons(table, datum, area)
    data = {"district": names, "minutes": table.numbers("minutes", low_itself=False)}
    return _finished(table, data, geometry, datum, shifted)


def check_unique_site_ids(
    candidates: gpd.GeoDataFrame | None, existing: gpd.GeoDataFrame | None
) -> None:
    """Raise a `TableError` that names the site ids which both tables use; None is no table."""
    if candidates is None or existing is None:
        return
    both = sorted(set(candidates["site_id"]) & set(existing["site_id"]))
    if both:
        files = [str(table.attrs.get("file", "")) for table in (candidates, existing)]
        shown = ", ".join(both[:10]) + (f" … ({len(both)})" if len(both) > 10 else "")
        raise TableError(
            f"备选表和已建表用了同样的编号：{shown}。两张表的编号合起来也不能重复，请改掉一边的。",
            f"Candidates and existing stations share ids: {shown}. "
            "Ids must be unique over both tables; change them in one.",
            file=" + ".join(dict.fromkeys(name for name in files if name)),
        )


# --- the core ------------------------------------------------------------------------------------


def _open(
    path: Path,
    targets: Sequence[str],
    datum: str,
    area: str,
    columns: Names | None,
    sheet: str | None,
    *,
    weak: Names | None = None,
) -> Columns:
    """The table at ``path`` with its columns told apart."""
    chosen = dict(columns or {})
    marks = [target for target in targets if target in ("lng", "lat")] or ["district"]
    raw = read_raw(path, wanted=lambda names: looks_like_header(names, marks, chosen), sheet=sheet)
    for what, value, known in (("datum", datum, DATUMS), ("area", area, AREAS)):
        if value not in known:
            listed = ", ".join(known)
            raise raw.error(
                f"不认识 {what} “{value}”。可用：{listed}。",
                f"{what} “{value}” is not known. One of: {listed}.",
            )
    return Columns.match(raw, targets, chosen, weak=weak)


def _finished(
    table: Columns, data: dict[str, Any], geometry: Any, datum: str, shifted: bool
) -> gpd.GeoDataFrame:
    """Documented columns, then the planner's own, then geometry; notes and origin in attrs."""
    documented = {*data, "geometry"}
    for name in table.own:
        free = name
        while free in documented or (free != name and (free in data or free in table.own)):
            free += "_2"
        data[free] = table.raw.frame[name].to_numpy()
    if datum != "wgs84" and not shifted:
        table.notes.append(
            (
                f"坐标按 {datum} 给出，但不在该偏移适用的范围内，按 WGS-84 原样使用。",
                f"Given as {datum}, but outside the area where its shift applies: "
                "read unchanged as WGS-84.",
            )
        )
    frame = gpd.GeoDataFrame(pd.DataFrame(data), geometry=geometry, crs="EPSG:4326")
    frame.attrs.update(
        file=table.raw.file,
        datum=datum,
        shifted=shifted,
        columns=dict(table.found),
        notes=list(table.notes),
    )
    return frame


def _site_ids(table: Columns, role: str, count: int) -> list[str]:
    if "site_id" in table.found:
        return table.ids("site_id")
    letter = "C" if role == "candidate" else "E"
    first, last = f"{letter}1", f"{letter}{count}"
    table.notes.append(
        (f"没有编号列，按行编为 {first} 至 {last}。", f"No id column: numbered {first} to {last}.")
    )
    return [f"{letter}{i + 1}" for i in range(count)]


def _statuses(table: Columns, role: str) -> list[str]:
    words = table.text("status")
    plain = [unicodedata.normalize("NFKC", word).strip().casefold() or role for word in words]
    known = [KNOWN_STATUS.get(word) for word in plain]
    unknown = np.array([status is None for status in known])
    if unknown.any():
        listed = "；".join(f"{status}（{STATUS_WORDS[status]}）" for status in STATUSES)
        found = words[int(np.argmax(unknown))]
        raise table.raw.error(
            f"不认识状态“{found}”。可用：{listed}。",
            f"Status “{found}” is not known. One of: {listed}.",
            column=table.found["status"],
            where=unknown,
        )
    statuses = [status for status in known if status is not None]
    planned = {"candidate", "required"} & set(statuses)
    if role == "existing" and planned:  # say, stations.csv of an earlier plan, since built
        table.notes.append(
            (
                "已建站点表里状态为“备选”“必选”的站点，按已建处理。",
                "stations of the existing table with status candidate or required count as built.",
            )
        )
        statuses = ["existing" if status in planned else status for status in statuses]
    return statuses
