"""Station tables for uploading and for people: neutral sheets, and the providers' upload files.

Coordinates are converted once, here; the datum stands in the file name, in a column, and on the
sheet 说明. Every row says where it comes from: rows out of OpenStreetMap carry the ODbL.
"""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np
import pandas as pd

from servicecircle.coordinates import DATUMS
from servicecircle.errors import Note, OutputError
from servicecircle.export.export_plan import (
    SOURCE_WORDS,
    STATUS_WORDS,
    ExportPlan,
    cannot_write,
    writing,
)
from servicecircle.export.links import MAKERS, station_links
from servicecircle.export.plain_text import cell, csv_bytes, cut, legible, number, one_line
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.stations.checks import findings
from servicecircle.export.stations.hours import parse_hours
from servicecircle.export.stations.upload_fields import DATUM, LEFT_OPEN, LNG_LAT, UPLOADS, Upload
from servicecircle.export.workbook import workbook

#: who the tables are for → what to call them, and the datums they come in
TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "xlsx": ("站点标注表 station table", DATUMS),
    **{to: (" ".join(p.words), (p.datum,)) for to, p in PROVIDERS.items()},
}
LINK_COLUMNS = {to: f"地图链接（{PROVIDERS[to].words[0]}）" for to in MAKERS}
DECIMALS = 7  # of degrees: within a centimetre
_FORMATS = {"经度": "0.0000000", "纬度": "0.0000000", "面积": "0.##"}
_DISTRICT = "区县"  # for uploads that ask for it, not a column of the sheet


def write_tables(
    plan: ExportPlan, folder: Path, *, to: str, notes: list[Note] | None = None
) -> list[Path]:
    """Write the station tables of one of `TARGETS` into a folder that exists; returns the paths.

    ``<title>-stations[-<to>]-<datum>.xlsx`` and ``.csv``, once per datum that differs here, and for
    providers with `UPLOADS` a ``<title>-upload-<name>-<datum>.csv`` with their field names, in
    parts where the provider limits a file's size. The workbook's sheets: 站点, 待补正 (what to mend
    before uploading; ``notes`` hears how much), 说明. Tables of an earlier export go. Raises
    `OutputError`.
    """
    purpose, datums = TARGETS[to]
    mend = findings(plan, _limits(to))
    written = []
    for datum in dict.fromkeys(plan.datum(datum) for datum in datums):
        sheet = station_sheet(plan, datum)
        name = "-".join([plan.stem, "stations", *([] if to == "xlsx" else [to]), datum])
        about = pd.DataFrame(
            [*plan.about(datum, purpose), *_about_uploads(to)], columns=["项目", "内容"]
        )
        book = workbook(
            {"站点": sheet, "待补正": mend, "说明": about}, footer=plan.licence, formats=_FORMATS,
            unprinted=LINK_COLUMNS.values(),
        )  # fmt: skip
        written += [
            _write(folder / f"{name}.xlsx", book),
            _write(folder / f"{name}.csv", csv_bytes(_as_text(sheet))),
        ]
        for upload in UPLOADS.get(to, ()):
            written += _write_upload(plan, sheet, upload, folder, datum)
    _clear(folder, plan.stem, written)
    if notes is not None and (n := len(mend)):
        notes.append(
            (
                f"站点资料有 {n} 处缺漏或不清楚，见工作表“待补正”；请补正后再上传地图平台。",
                f"The stations' data lack or garble {n} things: see the sheet 待补正, and mend "
                "them before uploading.",
            )
        )
    return written


def station_sheet(plan: ExportPlan, datum: str) -> pd.DataFrame:
    """The neutral table: a row per open station, texts legible, degrees to seven decimals."""
    stations, links = plan.stations, station_links(plan)
    lng, lat = plan.at(datum)
    from_osm = stations["from_osm"].to_numpy(bool)
    sheet: dict[str, object] = {
        "编码": stations["site_id"],
        "名称": stations["name"].map(cell),
        "类别": stations["kind"].map(cell),
        "地址": stations["address"].map(cell),
        "经度": np.round(lng, DECIMALS),
        "纬度": np.round(lat, DECIMALS),
        "联系电话": stations["phone"].map(cell),
        "开放时间": [cell(parse_hours(text).text_zh()) for text in stations["hours"]],
        "服务项目": stations["services"].map(cell),
        "面积": stations["area_m2"],
        "共建单位": stations["partner"].map(cell),
        "状态": stations["status"].map(STATUS_WORDS),
        "备注": stations["remarks"].map(cell),
        "坐标系": plan.datum_words(datum)[0],
        "来源": np.array(SOURCE_WORDS, dtype=object)[from_osm.astype(int)],
        "署名与许可": np.where(from_osm, plan.licence, "").astype(object),
    }
    sheet |= {column: links[to] for to, column in LINK_COLUMNS.items()}
    return pd.DataFrame(sheet, index=stations.index)


def upload_table(plan: ExportPlan, sheet: pd.DataFrame, upload: Upload, datum: str) -> pd.DataFrame:
    """A provider's upload file as a table of text, fields named and cut as it documents them."""
    degrees = {
        name: [f"{value:.{upload.decimals}f}" for value in sheet[name]] for name in ("经度", "纬度")
    }
    pairs = [f"{x},{y}" for x, y in zip(degrees["经度"], degrees["纬度"], strict=True)]
    special: dict[str, object] = {
        **degrees,
        LNG_LAT: pairs,
        DATUM: upload.datums.get(datum, ""),
        LEFT_OPEN: "",
        _DISTRICT: plan.stations["district"].map(legible),
    }
    text = _as_text(sheet)
    table = pd.DataFrame(
        {field: special.get(column, text.get(column)) for field, column in upload.fields.items()},
        index=sheet.index,
    )
    for field, limit in upload.limits.items():
        table[field] = [cut(one_line(value), limit) for value in table[field]]
    return table


# --- files ----------------------------------------------------------------------------------------


def _write_upload(
    plan: ExportPlan, sheet: pd.DataFrame, upload: Upload, folder: Path, datum: str
) -> list[Path]:
    parts = _parts(upload_table(plan, sheet, upload, datum), upload.max_bytes)
    stem = f"{plan.stem}-upload-{upload.name}-{datum}"
    names = [stem] if len(parts) == 1 else [f"{stem}-{i}" for i in range(1, len(parts) + 1)]
    return [_write(folder / f"{n}.csv", part) for n, part in zip(names, parts, strict=True)]


def _parts(table: pd.DataFrame, max_bytes: int | None) -> list[bytes]:
    """A table as CSV files below a size, halved until each is."""
    data = csv_bytes(table)
    if max_bytes is None or len(data) < max_bytes:
        return [data]
    if len(table) == 1:
        raise OutputError(
            f"站点 {table.iloc[0, 0]!r} 的文字太多，一行就超过平台的文件大小。请缩短它的文字。",
            f"Station {table.iloc[0, 0]!r}: its texts alone are larger than a file may be. "
            "Shorten them.",
        )
    half = len(table) // 2
    return [*_parts(table.iloc[:half], max_bytes), *_parts(table.iloc[half:], max_bytes)]


def _write(path: Path, data: bytes) -> Path:
    with writing(path) as beside:
        beside.write_bytes(data)
    return path


def _clear(folder: Path, stem: str, written: list[Path]) -> None:
    """Remove an earlier export's tables: of other datums, or in more parts."""
    for kind in ("stations", "upload"):
        for path in folder.glob(f"{glob.escape(f'{stem}-{kind}-')}*"):
            if path not in written and path.suffix in (".xlsx", ".csv"):
                try:
                    path.unlink()
                except OSError as error:
                    raise cannot_write(path, error) from error


def _as_text(sheet: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text: degrees with all their decimals, nothing for NaN."""

    def written(name: str, value: object) -> str:
        if isinstance(value, str):
            return value
        amount = float(value)  # type: ignore[arg-type]
        return f"{amount:.{DECIMALS}f}" if name in ("经度", "纬度") else number(amount)

    return pd.DataFrame(
        {name: [written(str(name), value) for value in sheet[name]] for name in sheet},
        index=sheet.index, dtype=object,
    )  # fmt: skip


# --- notes ----------------------------------------------------------------------------------------


def _limits(to: str) -> dict[str, int]:
    """Column → the characters that a provider's upload takes."""
    return {
        upload.fields[field]: limit
        for upload in UPLOADS.get(to, ())
        for field, limit in upload.limits.items()
    }


def _about_uploads(to: str) -> list[tuple[str, str]]:
    """Lines for the sheet 说明 on a provider's upload files: fields, source, what was not tried."""
    lines = []
    for upload in UPLOADS.get(to, ()):
        mapping = "；".join(
            f"{field}={_column_words(column)}" for field, column in upload.fields.items()
        )
        lines += [
            ("上传文件 upload", f"{upload.name}：{upload.words[0]}（{upload.words[1]}）"),
            ("字段 fields", mapping),
            ("文档 documented at", upload.source),
            ("核实 verified", f"{upload.note[0]}。{upload.note[1]}"),
        ]
    return lines


def _column_words(column: str) -> str:
    return {LNG_LAT: "经度,纬度", DATUM: "坐标系代码", LEFT_OPEN: "（补填）"}.get(column, column)
