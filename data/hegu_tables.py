"""The tables of 河谷市 that a planner would hold: existing stations, key areas, districts."""

from __future__ import annotations

import csv
import datetime
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import xlsxwriter
from hegu_layout import DISTRICTS, box
from hegu_places import Fronts
from hegu_plane import bend, bend_one, degrees_of
from hegu_skeleton import Skeleton
from shapely import Point, Polygon

from servicecircle.coordinates import wgs84_to_gcj02

HEADERS = ("编号", "名称", "经度", "纬度", "地址", "类别", "服务项目", "开放时间", "联系电话",
           "面积", "状态", "所属区")  # fmt: skip
STATIONS = 24
IN_CENTRE = 15  # they were built where it was lively, not where people lack them
SERVICES = ("饮水", "微波炉", "充电", "座椅", "急救箱", "空调", "卫生间", "无线网", "图书")
HOURS = ("8:30-11:00 13:30-17:00", "8:00-18:00", "24小时", "9:00-20:00", "8:30-12:00 14:00-17:30")
HOST = ("工会驿站", "环卫驿站", "银行共建驿站", "超市共建驿站", "社区驿站", "骑手之家")
#: name, board box (u, v, u, v), factor
KEY_AREAS = (
    ("站前商圈", (6750, 5200, 7620, 5560), 1.6),
    ("鼓楼老城", (5450, 4280, 6700, 5150), 1.5),
    ("人民路商业街", (6720, 4480, 8540, 4900), 1.4),
    ("东城产业物流园", (9560, 4400, 11150, 5200), 1.8),
    ("大学城生活区", (6720, 2340, 8560, 2680), 1.3),
)


def write_tables(folder: Path, s: Skeleton, fronts: Fronts, rng: np.random.Generator) -> None:
    """All tables into ``folder``."""
    rows = _stations(s, fronts, rng)
    _write_xlsx(folder / "hegu_stations.xlsx", rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([HEADERS, *rows])
    (folder / "hegu_stations_gb18030.csv").write_bytes(text.getvalue().encode("gb18030"))
    _write_key_areas(folder / "hegu_key_areas.geojson")
    _write_districts(folder / "hegu_districts.geojson", s)


def _stations(s: Skeleton, fronts: Fronts, rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """Rows of the station table, in GCJ-02: most in the old centre, one in two of the towns."""
    middle = np.array(bend_one(6300, 4650))
    squared = ((fronts.xy - middle) ** 2).sum(1)
    named = np.array([bool(name) for name in fronts.street])
    centre = np.exp(-squared / (2 * 680.0**2)) * fronts.weight * named
    rest = fronts.lively * fronts.weight * named * (squared > 1900**2)
    taken: list[int] = []
    for weight, count, apart in ((centre, IN_CENTRE, 190.0), (rest, STATIONS - IN_CENTRE, 900.0)):
        draw = -np.log(rng.random(len(weight))) / np.maximum(weight, 1e-12)
        wanted = len(taken) + count
        for i in np.argsort(draw, kind="stable").tolist():
            gap = ((fronts.xy[taken] - fronts.xy[i]) ** 2).sum(1).min() if taken else np.inf
            if weight[i] > 0 and gap > apart**2:
                taken.append(i)
            if len(taken) == wanted:
                break
    lng, lat = degrees_of(fronts.xy[taken, 0], fronts.xy[taken, 1])
    lng, lat = wgs84_to_gcj02(lng, lat)
    return [
        _station_row(k, i, (float(lng[k]), float(lat[k])), s, fronts, rng)
        for k, i in enumerate(taken)
    ]


def _station_row(
    k: int, i: int, at: tuple[float, float], s: Skeleton, fronts: Fronts, rng: np.random.Generator
) -> tuple[Any, ...]:
    street = fronts.street[i]
    own = k % 4 == 0
    count = int(rng.integers(4, 9))
    services = [SERVICES[j] for j in sorted(rng.choice(len(SERVICES), count, replace=False))]
    district = next(n for n, p in s.boundaries.items() if p.covers(Point(fronts.xy[i])))
    host = HOST[int(rng.integers(2))] if own else HOST[int(rng.integers(2, len(HOST)))]
    return (
        f"HG{k + 1:03d}",
        f"{street}{host}",
        round(at[0], 6),
        round(at[1], 6),
        f"河谷市{district}{street}{int(rng.integers(1, 300))}号",
        "自建" if own else "共建",
        "、".join(services),
        HOURS[int(rng.integers(len(HOURS)))],
        f"000-0000-{k + 1:04d}",
        int(rng.integers(12, 80)) if own else int(rng.integers(4, 25)),
        "已建",
        district,
    )


def _write_xlsx(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """A workbook with one sheet, its creation date fixed so that its bytes are."""
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False})
    book.set_properties({
        "title": "河谷市户外劳动者服务站点（虚构）",
        "comments": "坐标：GCJ-02。虚构城市，电话均非真实号码。",
        "created": datetime.datetime(2026, 1, 1),
    })  # fmt: skip
    sheet = book.add_worksheet("站点")
    bold = book.add_format({"bold": True})
    sheet.write_row(0, 0, HEADERS, bold)
    for number, row in enumerate(rows, start=1):
        sheet.write_row(number, 0, row)
    sheet.set_column(1, 1, 30)
    sheet.set_column(4, 7, 26)
    sheet.freeze_panes(1, 0)
    book.close()


def ring_degrees(polygon: Polygon) -> list[list[float]]:
    """A polygon's outline as [lng, lat], on the same grid as the OSM nodes, anticlockwise."""
    xy = np.round(np.array(polygon.normalize().reverse().exterior.coords) * 10) / 10
    lng, lat = degrees_of(xy[:, 0], xy[:, 1])
    ring = [[float(a), float(b)] for a, b in zip(lng, lat, strict=True)]
    return ring if Polygon(ring).exterior.is_ccw else ring[::-1]


def _feature(polygon: Polygon, properties: dict[str, Any]) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [ring_degrees(polygon)]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _write_layer(path: Path, name: str, features: list[dict[str, Any]]) -> None:
    layer = {"type": "FeatureCollection", "name": name, "note": "虚构城市 fictional, WGS-84",
             "features": features}  # fmt: skip
    text = json.dumps(layer, ensure_ascii=False, separators=(",", ":"))
    path.write_bytes((text.replace('{"type":"Feature"', '\n{"type":"Feature"') + "\n").encode())


def _write_key_areas(path: Path) -> None:
    """Quarters that weigh more (重点区域): a name, and the factor on the demand inside."""
    features = [
        _feature(Polygon(bend(box(*corners))), {"name": name, "weight_factor": factor})
        for name, corners, factor in KEY_AREAS
    ]
    _write_layer(path, "重点区域", features)


def _write_districts(path: Path, s: Skeleton) -> None:
    """Four districts at 15 minutes and six towns at 30; outlines as in the OSM file."""
    urban = {name for name, *_ in DISTRICTS}
    features = [
        _feature(polygon, {
            "district": name,
            "minutes": 15 if name in urban else 30,
            "kind": "市辖区" if name in urban else "镇",
        })
        for name, polygon in s.boundaries.items()
    ]  # fmt: skip
    _write_layer(path, "区镇", features)
