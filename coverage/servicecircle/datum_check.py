"""Does a table lie on these streets? Finds wrong datums and swapped axes by how points snap.

A wrong datum still snaps, some 500 m off, and gives a plausible wrong plan. So inside China the
median snapping gap is compared under all three datums, and a table of which more than half does
not snap is refused with a diagnosis.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np

from servicecircle.coordinates import DATUMS, from_wgs84, shift_applies, to_wgs84
from servicecircle.errors import Note, TableError
from servicecircle.snapping import Snapped, Streets, snap
from servicecircle.streets.contraction import Floats

SAMPLE = 500  # points that stand for a table
FAR_M = 2000.0  # how far off streets are looked for
BETTER = 0.5  # another datum fits clearly better below this part of the gap …
BETTER_BY_M = 10.0  # … and by at least so many metres


def is_beyond_doubt(table: gpd.GeoDataFrame, feet: Snapped, area: str) -> bool:
    """Whether `check_fit` has nothing to look at: the table snaps, and no datum shifts there."""
    return bool(feet.found.mean() >= 0.5) and not shift_applies(*_sample(table), area)


def check_fit(
    table: gpd.GeoDataFrame,
    feet: Snapped,
    streets: Streets,
    *,
    file: str,
    datum: str,
    area: str,
    max_snap_m: float,
) -> list[Note]:
    """Notes on a table's fit to the streets; `TableError` when more than half does not snap."""
    lng, lat = _sample(table)
    gaps = _gaps_by_datum(lng, lat, streets, datum, area)
    if feet.found.mean() < 0.5:
        raise _refuse(table, feet, streets, gaps, file, datum, max_snap_m)
    best = min(gaps, key=lambda name: gaps[name])
    if gaps[best] >= BETTER * gaps[datum] or gaps[datum] - gaps[best] < BETTER_BY_M:
        return []
    far = f"> {FAR_M:.0f} m"
    figures = "，".join(
        f"{name} {far if np.isinf(gap) else f'{gap:.0f} m'}" for name, gap in gaps.items()
    )
    return [
        (
            f"{file}：按 {datum} 读取，但按 {best} 更贴合道路（到最近道路的中位距离：{figures}）。"
            f'如果表中坐标来自别的地图，请改 datum = "{best}"。',
            f"{file}: read as {datum}, but {best} fits the streets better (median distance to the "
            f"nearest street: {figures.replace('，', ', ')}). If the table came from another map, "
            f'set datum = "{best}".',
        )
    ]


def _sample(table: gpd.GeoDataFrame) -> tuple[Floats, Floats]:
    rows = np.linspace(0, len(table) - 1, min(SAMPLE, len(table))).astype(int)
    return table["lng"].to_numpy(float)[rows], table["lat"].to_numpy(float)[rows]


def _gaps_by_datum(
    lng: Floats, lat: Floats, streets: Streets, datum: str, area: str
) -> dict[str, float]:
    """Median gap in metres if the table's numbers were read in each datum (none abroad: one)."""
    if not shift_applies(lng, lat, area):
        return {datum: _median_gap(streets, lng, lat)}
    raw = from_wgs84(lng, lat, datum, area="all")
    return {d: _median_gap(streets, *to_wgs84(*raw, d, area="all")) for d in DATUMS}


def _median_gap(streets: Streets, lng: Any, lat: Any) -> float:
    return float(np.median(snap(streets, lng, lat, max_snap_m=FAR_M).gap))


def _refuse(
    table: gpd.GeoDataFrame,
    feet: Snapped,
    streets: Streets,
    gaps: dict[str, float],
    file: str,
    datum: str,
    max_snap_m: float,
) -> TableError:
    missing = int((~feet.found).sum())
    name = "demand_id" if "demand_id" in table else "site_id"
    ids = "、".join(table[name].to_numpy(str)[~feet.found][:5])
    zh = f"{len(feet)} 行中有 {missing} 行离任何可步行道路都超过 {max_snap_m:g} 米（如 {ids}）。"
    en = (
        f"{missing} of {len(feet)} rows are farther than {max_snap_m:g} m from any street "
        f"(such as {ids}). "
    )
    lng, lat = _sample(table)
    usable = (np.abs(lng) <= 90) & (np.abs(lat) <= 180)
    if usable.any() and snap(streets, lat[usable], lng[usable]).found.mean() > 0.5:
        zh += "经度和纬度很可能写反了：请对调这两列。"
        en += "Longitude and latitude seem to be swapped: swap the two columns."
    elif min(gaps.values()) <= max_snap_m and min(gaps, key=lambda d: gaps[d]) != datum:
        best = min(gaps, key=lambda d: gaps[d])
        zh += f'按 {best} 读取则贴合道路：请把 datum 改为 "{best}"。'
        en += f'Read as {best} they fit the streets: set datum = "{best}".'
    else:
        west, south, east, north = streets.network.bounds
        zh += (
            f"路网范围是经度 {west:.3f}–{east:.3f}、纬度 {south:.3f}–{north:.3f}，"
            f"表中大约在经度 {np.median(lng):.3f}、纬度 {np.median(lat):.3f}："
            "这张表和 OSM 文件是同一座城市吗？确实在城外的行请删去。"
        )
        en += (
            f"The streets span lng {west:.3f} to {east:.3f}, lat {south:.3f} to {north:.3f}; the "
            f"table lies around lng {np.median(lng):.3f}, lat {np.median(lat):.3f}: are table and "
            "OSM file of the same city? Delete rows that really lie elsewhere."
        )
    return TableError(zh, en, file=file)
