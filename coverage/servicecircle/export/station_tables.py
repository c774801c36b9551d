"""Station tables for Gaode and Baidu: the open stations of a plan folder as XLSX and CSV.

Coordinates are converted once, here; the datum stands in the file name, in a column, and on the
first sheet. Every row says where it comes from: rows out of OpenStreetMap carry the ODbL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xlsxwriter

from servicecircle.coordinates import from_wgs84, shift_applies
from servicecircle.errors import OutputError
from servicecircle.plan_folder import write_csv
from servicecircle.stored_plan import Stored, read_folder, unguarded

OSM_NOTE = "上传或转发时须署名并遵守 ODbL 1.0"


@dataclass(frozen=True)
class Provider:
    """A map provider: its name, and the datum of its coordinates."""

    zh: str
    datum: str
    datum_zh: str


PROVIDERS = {
    "gaode": Provider("高德地图", "gcj02", "GCJ-02（高德、腾讯）"),
    "baidu": Provider("百度地图", "bd09", "BD-09（百度）"),
}

#: column of the sheet → column of stations.csv
COLUMNS = {
    "编码": "site_id", "名称": "name", "类别": "kind", "地址": "address", "经度": "lng",
    "纬度": "lat", "联系电话": "phone", "开放时间": "hours", "服务项目": "services",
    "面积": "area_m2", "状态": "status",
}  # fmt: skip
_STATUS = {"existing": "已建", "required": "新建（必选）", "candidate": "新建"}


def export_stations(folder: str | Path, to: str, *, area: str = "mainland") -> list[Path]:
    """Write ``export/<title>-stations-<provider>-<datum>.xlsx`` and ``.csv`` into a plan folder.

    ``to`` is a name in `PROVIDERS`. ``area`` decides once for the table whether the datum's shift
    applies (`coordinates.shift_applies`). Returns the two paths. Raises `OutputError`.
    """
    folder, provider = Path(folder), PROVIDERS[to]
    stored = read_folder(folder)
    table = station_sheet(stored, provider, area=area)
    title = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", str(stored.scenario.get("title", "plan"))).strip(
        " ._"
    )
    stem = f"{title[:60] or 'plan'}-stations-{to}-{provider.datum}"
    target = folder / "export"
    try:
        target.mkdir(exist_ok=True)
        xlsx, csv = target / f"{stem}.xlsx", target / f"{stem}.csv"
        _write_xlsx(table, _about(stored, provider, table), xlsx)
        write_csv(table, csv)
    except (OSError, xlsxwriter.exceptions.XlsxWriterException) as error:
        raise OutputError(
            f"{target}：写不进去（{error}）。文件若在 Excel 中打开，请先关闭。",
            f"{target}: cannot be written ({error}). Close the file if Excel has it open.",
        ) from error
    return [xlsx, csv]


def station_sheet(stored: Stored, provider: Provider, *, area: str) -> pd.DataFrame:
    """The sheet: one row per open station, coordinates in the provider's datum, six decimals."""
    if not stored.stations:
        raise OutputError(
            "这个方案没有开放的站点，没有可导出的。",
            "the plan opens no station: nothing to export.",
        )
    rows = pd.DataFrame(stored.stations)
    lng, lat = rows["lng"].to_numpy(float), rows["lat"].to_numpy(float)
    shifted = shift_applies(lng, lat, area)
    x, y = from_wgs84(lng, lat, provider.datum, area="all" if shifted else "none")
    sheet = pd.DataFrame(
        {
            zh: [unguarded(text) for text in rows[column]] if column in rows else ""
            for zh, column in COLUMNS.items()
        },
        index=rows.index,
    )
    sheet["经度"], sheet["纬度"] = np.round(x, 6), np.round(y, 6)
    sheet["状态"] = rows["status"].map(_STATUS)
    sheet["坐标系"] = provider.datum_zh if shifted else "WGS-84（大陆以外，未偏移）"
    from_osm = _from_osm(rows)
    sheet["来源"] = np.where(from_osm, "OSM 路网文件", "规划单位提供")
    sheet["署名与许可"] = np.where(from_osm, _licence(stored), "")
    return sheet


def _from_osm(rows: pd.DataFrame) -> np.ndarray:
    """Rows derived from OSM, as the contract names them: ids such as node/123 and way/123."""
    return rows["site_id"].str.fullmatch(r"'?(node|way|relation)/\d+").to_numpy(bool)


def _licence(stored: Stored) -> str:
    """Whose the map's data are, and what follows where they are OpenStreetMap's."""
    owner = str(stored.said["attribution"])
    return f"{owner}；{OSM_NOTE}" if "OpenStreetMap" in owner else owner


def _about(stored: Stored, provider: Provider, table: pd.DataFrame) -> list[tuple[str, str]]:
    return [
        ("标题 title", str(stored.scenario.get("title", ""))),
        ("用途 for", provider.zh),
        ("坐标系 datum", str(table["坐标系"].iloc[0]) if len(table) else provider.datum_zh),
        ("站点数 stations", str(len(table))),
        ("服务标准 standard", f"步行 {stored.said['minutes']:g} 分钟"),
        ("来源 source", "出自 OSM 路网文件的行见“来源”列；其余由规划单位提供"),
        ("署名与许可 licence", _licence(stored)),
    ]


def _write_xlsx(table: pd.DataFrame, about: list[tuple[str, str]], path: Path) -> None:
    """Two sheets, 站点 and 说明; text stays text, whatever it begins with."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        bold = book.add_format({"bold": True, "bg_color": "#DDEBE4", "border": 1})
        degrees = book.add_format({"num_format": "0.000000"})
        sheet = book.add_worksheet("站点")
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(table.columns):
            numeric = pd.api.types.is_numeric_dtype(table[name])
            widest = max([len(str(v)) for v in table[name]] + [len(name)])
            sheet.set_column(column, column, min(8 + 1.6 * widest, 48) if not numeric else 13)
            sheet.write_string(0, column, name, bold)
            for row, value in enumerate(table[name], start=1):
                if numeric:
                    sheet.write_number(row, column, float(value), degrees)
                else:
                    sheet.write_string(row, column, "" if pd.isna(value) else str(value))
        notes = book.add_worksheet("说明")
        notes.set_column(0, 0, 20)
        notes.set_column(1, 1, 70)
        for row, (label, text) in enumerate(about):
            notes.write_string(row, 0, label, bold)
            notes.write_string(row, 1, text)
