"""Stations and circles as layers for other programs: KML, GeoJSON, GeoPackage, and Ovital's text.

KML and GeoPackage are in WGS-84; GeoJSON comes in every datum that differs here, and says which.
Circles are the land served, dissolved per standard; they are for the eye.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from servicecircle.coordinates import DATUMS
from servicecircle.export.export_plan import (
    SOURCE_WORDS,
    STATUS_WORDS,
    ExportPlan,
    cannot_write,
    writing,
)
from servicecircle.export.kml import Folder, Place, Style, kml_document
from servicecircle.export.plain_text import cell, legible, number, one_line
from servicecircle.export.stations.hours import parse_hours

STATION_DECIMALS = 7
CIRCLE_DECIMALS = 6  # what circles.geojson has
_TEXTS = (
    "site_id", "name", "kind", "address", "services", "hours", "phone", "partner", "remarks",
    "district",
)  # fmt: skip
_NUMBERS = ("area_m2", "cost", "covers_weight", "only_covers_weight")
_LABELS = {
    "site_id": "编码", "kind": "类别", "address": "地址", "services": "服务项目",
    "hours": "开放时间", "phone": "联系电话", "area_m2": "面积（平方米）", "partner": "共建单位",
    "status": "状态", "remarks": "备注", "district": "区县", "source": "来源",
    "licence": "署名与许可",
}  # fmt: skip
_SETS = {"today": "现状服务圈", "plan": "规划服务圈"}
_OVITAL_MARKS = {"wgs84": "", "gcj02": "g ", "bd09": "b "}


def station_features(plan: ExportPlan) -> pd.DataFrame:
    """The stations' properties under the contract's names, texts legible, hours in normal form.

    ``status`` is in words; ``source`` and ``licence`` say where a row comes from.
    """
    stations = plan.stations
    table = pd.DataFrame({name: stations[name].map(cell) for name in _TEXTS})
    table["hours"] = [cell(parse_hours(text).text_zh()) for text in stations["hours"]]
    table["status"] = stations["status"].map(STATUS_WORDS)
    table["new"] = stations["new"].astype(bool)
    for name in _NUMBERS:
        table[name] = stations[name].astype(float)
    from_osm = stations["from_osm"].to_numpy(bool)
    table["source"] = np.array(SOURCE_WORDS, dtype=object)[from_osm.astype(int)]
    table["licence"] = np.where(from_osm, legible(plan.licence), "").astype(object)
    return table


# --- KML ------------------------------------------------------------------------------------------


def write_kml(plan: ExportPlan, folder: Path) -> list[Path]:
    """Write ``<title>.kml`` (KML 2.2, WGS-84): folders 已建, 新建 and one per set of circles.

    Raises `OutputError`.
    """
    about = plan.about("wgs84", "站点与服务圈 stations and service circles")
    document = kml_document(
        legible(plan.title),
        [(label, legible(text)) for label, text in about],
        [
            Style("existing", "ff8a6a1f", 1.1),
            Style("new", "ff2f3fd0", 1.2),
            *(Style(f"{name}-{i}", colour) for name in _SETS for i, colour in enumerate(_BANDS)),
        ],
        [*_station_folders(plan), *_circle_folders(plan)],
    )
    path = folder / f"{plan.stem}.kml"
    with writing(path) as beside:
        beside.write_bytes(document)
    return [path]


_BANDS = ("5f8a6a1f", "4fb09a3f", "3fc8b86a", "33d8cc9a")  # aabbggrr, the main standard first


def _station_folders(plan: ExportPlan) -> Iterator[Folder]:
    table = station_features(plan)
    lng, lat = plan.at("wgs84")
    places = [
        Place(
            one_line(row["name"]) or row["site_id"],
            shapely.Point(round(x, STATION_DECIMALS), round(y, STATION_DECIMALS)),
            "new" if row["new"] else "existing",
            {label: _shown(row[name]) for name, label in _LABELS.items() if _shown(row[name])},
        )
        for row, x, y in zip(table.to_dict("records"), lng, lat, strict=True)
    ]
    for title, new in (("已建", False), ("新建", True)):
        mine = [place for place, is_new in zip(places, table["new"], strict=True) if is_new == new]
        if mine:
            yield Folder(f"{title}（{len(mine)}）", mine)


def _circle_folders(plan: ExportPlan) -> Iterator[Folder]:
    for name, title in _SETS.items():
        rows = _circles(plan, name)
        places = [
            Place(
                plan.circle_name(row.minutes), row.geometry, f"{name}-{min(i, len(_BANDS) - 1)}",
                {"说明": title, "分钟": f"{row.minutes:g}", "署名与许可": legible(plan.licence)},
            )
            for i, row in enumerate(rows.itertuples())
        ]  # fmt: skip
        if places:
            yield Folder(title, places, visible=name == "plan")


def _circles(plan: ExportPlan, name: str) -> gpd.GeoDataFrame:
    """A set's circles, the main standard first, then the shorter ones; without empty ones."""
    rows = plan.circles[plan.circles["set"] == name]
    rows = rows[~rows.geometry.is_empty]
    return rows.sort_values(["main", "minutes"], ascending=[False, True])


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return number(value)


# --- Ovital ---------------------------------------------------------------------------------------


def write_ovital(plan: ExportPlan, folder: Path) -> list[Path]:
    """Write ``<title>-ovital-<datum>.txt`` for every datum that differs here, and how to import.

    A line per station: ``g`` (GCJ-02) or ``b`` (BD-09) or nothing (CGCS2000, for a walk the same as
    WGS-84), longitude, latitude, name, code, services, hours, address, phone, source, licence, one
    space between them: so white space inside a text becomes ``_``. Raises `OutputError`.
    """
    table = station_features(plan)
    columns = ("name", "site_id", "services", "hours", "address", "phone", "source", "licence")
    written = []
    for datum in dict.fromkeys(plan.datum(datum) for datum in DATUMS):
        lines = [
            f"{_OVITAL_MARKS[datum]}{x:.{STATION_DECIMALS}f} {y:.{STATION_DECIMALS}f} "
            + " ".join(_word(row[name]) for name in columns)
            for row, x, y in zip(table.to_dict("records"), *plan.at(datum), strict=True)
        ]
        path = folder / f"{plan.stem}-ovital-{datum}.txt"
        with writing(path) as beside:
            beside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\r\n")
        written.append(path)
    return [*written, _ovital_notes(plan, folder)]


def _ovital_notes(plan: ExportPlan, folder: Path) -> Path:
    notes = [
        ("怎么导入", "在奥维里选“导入对象”，文件任选其一（几个坐标系的位置相同），条目依次：经度、"
                    "纬度、名称、备注；行首 g 为 GCJ-02，b 为 BD-09，没有为 CGCS2000"),
        ("import", "one of the files is enough; entries: longitude, latitude, name, remarks"),
        ("编码 encoding", "UTF-8，条目之间一个空格，文字里的空格写作 _"),
        ("核实 verified", "按公开文档整理，未在奥维里实测；不合适时请导入 KML。"
                        "As documented, not tried in Ovital: the KML is the other way."),
        *((label, one_line(text)) for label, text in plan.about("wgs84", "奥维互动地图 Ovital")
          if not label.startswith("坐标系")),
    ]  # fmt: skip
    path = folder / f"{plan.stem}-ovital-说明.txt"
    with writing(path) as beside:
        text = "".join(f"{label}：{words}\n" for label, words in notes)
        beside.write_text(text, encoding="utf-8-sig", newline="\r\n")
    return path


def _word(text: str) -> str:
    return "_".join(text.split()) or "-"


# --- GeoJSON --------------------------------------------------------------------------------------


def write_geojson(plan: ExportPlan, folder: Path) -> list[Path]:
    """Write ``<title>-<datum>.geojson``: circles and stations, the datum of each in ``about``.

    The WGS-84 one is RFC 7946; the others have its form, and ``"wgs84": false``. Raises
    `OutputError`.
    """
    written = []
    for datum in dict.fromkeys(plan.datum(datum) for datum in DATUMS):
        about = dict(plan.about(datum, "站点与服务圈 stations and service circles"))
        layer = {
            "type": "FeatureCollection",
            "name": legible(plan.title),
            "datum": datum,
            "wgs84": datum == "wgs84",
            "about": {label: legible(text) for label, text in about.items()},
            "features": [*_circle_features(plan, datum), *_point_features(plan, datum)],
        }
        path = folder / f"{plan.stem}-{datum}.geojson"
        with writing(path) as beside:
            text = json.dumps(layer, ensure_ascii=False, allow_nan=False)
            beside.write_text(text + "\n", encoding="utf-8")
        written.append(path)
    return written


def _circle_features(plan: ExportPlan, datum: str) -> Iterator[dict[str, Any]]:
    for name in _SETS:
        rows = _circles(plan, name)
        for row, shape in zip(
            rows.itertuples(), plan.warped(rows.geometry.array, datum), strict=True
        ):
            ring = shapely.transform(
                shapely.orient_polygons(shape), lambda xy: np.round(xy, CIRCLE_DECIMALS)
            )
            yield {
                "type": "Feature",
                "properties": {"layer": "circles", "set": name, "minutes": row.minutes,
                               "main": bool(row.main)},
                "geometry": json.loads(shapely.to_geojson(ring)),
            }  # fmt: skip


def _point_features(plan: ExportPlan, datum: str) -> Iterator[dict[str, Any]]:
    rows = station_features(plan).to_dict("records")
    for row, x, y in zip(rows, *plan.at(datum), strict=True):
        values = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in row.items()
        }
        place = [round(float(x), STATION_DECIMALS), round(float(y), STATION_DECIMALS)]
        yield {
            "type": "Feature",
            "properties": {"layer": "stations", **values},
            "geometry": {"type": "Point", "coordinates": place},
        }


# --- GeoPackage -----------------------------------------------------------------------------------


def write_geopackage(plan: ExportPlan, folder: Path) -> list[Path]:
    """Write ``<title>.gpkg`` (WGS-84): ``stations``, ``circles``, ``demand``, a table ``about``.

    Raises `OutputError`.
    """
    import pyogrio  # noqa: PLC0415 (GDAL is slow to load, and needed only here)

    path = folder / f"{plan.stem}.gpkg"
    with writing(path) as beside:
        try:
            for name, frame in _package(plan).items():
                pyogrio.write_dataframe(
                    frame, beside, layer=name, driver="GPKG",
                    append=beside.exists(), promote_to_multi=name == "circles",
                )  # fmt: skip
        except (pyogrio.errors.DataSourceError, pyogrio.errors.FeatureError) as error:
            raise cannot_write(path, error) from error
    return [path]


def _package(plan: ExportPlan) -> dict[str, pd.DataFrame]:
    lng, lat = plan.at("wgs84")
    place = gpd.points_from_xy(lng, lat)
    package: dict[str, pd.DataFrame] = {
        "stations": gpd.GeoDataFrame(station_features(plan), geometry=place, crs="EPSG:4326"),
        "demand": _demand(plan),
    }
    parts = [rows for name in _SETS if len(rows := _circles(plan, name))]
    if parts:
        package["circles"] = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True))
    about = plan.about("wgs84", "站点与服务圈 stations and service circles")
    package["about"] = pd.DataFrame(
        [(label, legible(text)) for label, text in about], columns=["label", "text"]
    )
    return package


def _demand(plan: ExportPlan) -> gpd.GeoDataFrame:
    """The demand points with their nearest station, as ``demand.parquet`` has them."""
    columns = dict(plan.stored.demand)
    lng, lat = columns.pop("lng"), columns.pop("lat")
    frame = pd.DataFrame(columns)
    for name in ("demand_id", "site_id", "district"):
        frame[name] = ["" if pd.isna(text) else cell(str(text)) for text in frame[name]]
    return gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(lng, lat), crs="EPSG:4326")
