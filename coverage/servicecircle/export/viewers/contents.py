"""What the pages show: tiles, legend, stations and origin, as one JSON value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from servicecircle.coordinates import BAND_FROM_DEG, LL2MC
from servicecircle.errors import Note
from servicecircle.export.export_plan import STATUS_WORDS, ExportPlan
from servicecircle.export.plain_text import cut, legible, one_line
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.tiles.metadata import TileSet

DIGITS = 7  # of a degree: a centimetre
MOST_NAME, MOST_TEXT = 120, 1000  # characters shown
_TEXTS = ("address", "services", "hours", "phone", "district", "kind")

#: where the user gets a key, by provider
KEY_FROM: dict[str, Note] = {
    "gaode": (
        "高德开放平台 console.amap.com → 应用管理 → 添加 Key，服务平台选“Web端(JS API)”",
        "console.amap.com → applications → add a key for “Web (JS API)”",
    ),
    "baidu": (
        "百度地图开放平台 lbsyun.baidu.com → 控制台 → 创建应用，类型选“浏览器端”",
        "lbsyun.baidu.com → console → new application of the type “browser”",
    ),
    "tencent": (
        "腾讯位置服务 lbs.qq.com → 控制台 → 应用管理 → 添加 key，启用 JavaScript API",
        "lbs.qq.com → console → applications → add a key with the JavaScript API",
    ),
    "tianditu": (
        "天地图控制台 console.tianditu.gov.cn → 创建新应用，类型选“浏览器端”",
        "console.tianditu.gov.cn → new application of the type “browser”",
    ),
}


def contents(
    plan: ExportPlan, *, to: str, datum: str, tiles: TileSet, sharp: bool = False
) -> dict[str, Any]:
    """The JSON value of both pages. Texts are legible, and cut where endless; not escaped."""
    provider = PROVIDERS.get(to)
    lng, lat = plan.at(datum)
    said: dict[str, Any] = {
        "title": cut(one_line(plan.title), MOST_NAME),
        "to": to,
        "provider": provider.words if provider else None,
        "keyFrom": KEY_FROM.get(to),
        "datum": plan.datum_words(datum),
        "grid": tiles.grid.name,
        "zooms": tiles.zooms,
        "bounds": tiles.bounds_datum or _around(lng, lat),
        "ranges": _ranges(tiles),
        "sharp": sharp,
        "legend": _legend(tiles.legend),
        "stations": _stations(plan, lng, lat),
        "attribution": one_line(plan.attribution),
        "about": [(a, legible(b)) for a, b in plan.about(datum, "服务圈瓦片浏览")],
    }
    if tiles.grid.y_up:  # the plane of Baidu's grid, as coordinates.py has it
        said["ll2mc"] = {"from": BAND_FROM_DEG.tolist(), "bands": LL2MC.tolist()}
    return said


def _around(lng: Any, lat: Any) -> tuple[float, float, float, float]:
    return float(lng.min()), float(lat.min()), float(lng.max()), float(lat.max())


def _ranges(tiles: TileSet) -> dict[str, tuple[int, int, int, int]]:
    """Per zoom the first and last x and y that can hold a tile: nothing beyond is asked for."""
    if tiles.bounds_datum is None:
        return {}
    west, south, east, north = tiles.bounds_datum
    found = {}
    for zoom in range(tiles.zooms[0], tiles.zooms[1] + 1):
        x, y = tiles.grid.tile_of_degrees([west, east], [south, north], zoom)
        found[str(zoom)] = (int(x.min()), int(y.min()), int(x.max()), int(y.max()))
    return found


def _legend(legend: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The bands, the topmost first; in English their minutes, where these tell them apart."""
    names = [one_line(str(band["name"])) for band in legend]
    every = [band["minutes"] for band in legend]
    apart = None not in every and len(set(every)) == len(every)
    return [
        {
            "name": (name, f"{minutes:g}-minute service circle" if apart else name),
            "colour": band["colour"],
            "opacity": band["opacity"],
        }
        for band, name, minutes in list(zip(legend, names, every, strict=True))[::-1]
    ]


def _stations(plan: ExportPlan, lng: Any, lat: Any) -> list[dict[str, Any]]:
    table, rows = plan.stations, []
    table = table.assign(at=np.round(np.column_stack([lng, lat]), DIGITS).tolist())
    # the new ones first: a long list shows its beginning, and they are what the plan is about
    table = table.sort_values("new", ascending=False, kind="stable")
    for row in table.to_dict("records"):
        texts = {name: cut(legible(str(row[name])), MOST_TEXT) for name in _TEXTS}
        rows.append(
            {
                "id": str(row["site_id"]),
                "name": cut(one_line(str(row["name"])), MOST_NAME) or str(row["site_id"]),
                "at": row["at"],
                "new": bool(row["new"]),
                "status": STATUS_WORDS.get(str(row["status"]), str(row["status"])),
                "osm": bool(row["from_osm"]),
                **{name: text for name, text in texts.items() if text},
            }
        )
    return rows
