"""The file formats of tables: each reader turns a file into a `RawTable`, and judges no content.

    read_raw
    ├── text      .csv .txt .tsv              UTF-8 strictly, else GB18030; UTF-16 by its mark
    ├── workbook  .xlsx .xls .ods             python-calamine, sizes checked before unpacking
    ├── layer     .geojson .json .gpkg .shp .fgb   pyogrio
    └── parquet   .parquet                    GeoParquet, or plain

Cells of text files and workbooks are text; columns of the other formats keep their type.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import python_calamine

from .errors import TableError
from .raw_table import (
    RawTable,
    Wanted,
    cell_text,
    decoded,
    distinct,
    fail,
    no_sheet,
    require_few_columns,
)
from .table_layers import LAYER_MARKS, read_layer, read_parquet
from .unpacking.archives import BROKEN_ZIP
from .unpacking.excess import ExcessError
from .unpacking.old_workbooks import require_sane_xls
from .unpacking.workbooks import require_sane_workbook

MAX_FILE_BYTES = 2_000_000_000  # of the files that are read as a whole
MAX_ZIP_ENTRIES = 5_000
MAX_ZIP_EXPANDED_BYTES = 1_200_000_000  # 20,000,000 cells of up to 60 bytes
MAX_ZIP_RATIO = 200  # sheets reach 10 to 40; a file of zeros 1,000
ZIP_RATIO_FREE_BYTES = 20_000_000  # below this size any ratio is harmless
MAX_PADDED_CELLS = 20_000_000  # of a text table whose rows are shorter than its header
HEADER_SEARCH_ROWS = 20  # a title may stand above the header

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
WORKBOOK_SUFFIXES = (".xlsx", ".xls", ".ods")
SUFFIXES = (*TEXT_SUFFIXES, *WORKBOOK_SUFFIXES, *LAYER_MARKS, ".parquet")


def read_raw(path: str | PathLike[str], *, wanted: Wanted, sheet: str | None = None) -> RawTable:
    """The table in a file, by its suffix.

    ``wanted`` tells a header by its column names: the first such row, in the first such sheet, is
    taken (else the first row that is not empty, in the first sheet that has one). ``sheet`` names
    a sheet, or a layer of a GeoPackage. Raises `TableError` when the file cannot be read or has
    no rows.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.exists():
        fail(
            path,
            f"找不到文件 {path}。请检查路径和文件名。",
            f"No such file: {path}. Check the path.",
        )
    if suffix not in SUFFIXES:
        known = " ".join(SUFFIXES)
        fail(
            path, f"不认识“{suffix}”格式。可用：{known}", f"Format “{suffix}” is not known: {known}"
        )
    data = _content(path, suffix)
    if not data:
        fail(
            path,
            "文件是空的（0 字节）。请重新导出。",
            "The file is empty (0 bytes). Export it again.",
        )
    try:
        if suffix in TEXT_SUFFIXES:
            table = _text_table(path, data, wanted)
        elif suffix in WORKBOOK_SUFFIXES:
            table = _workbook(path, data, wanted, sheet)
        elif suffix == ".parquet":
            table = read_parquet(path, data)
        else:
            table = read_layer(path, data, sheet)
    except ExcessError as excess:
        raise TableError(excess.zh, excess.en, file=path.name) from excess
    except MemoryError as error:
        raise TableError(
            "内存不够，读不了这么大的表。请只保留需要的行和列。",
            "there is not enough memory for a table of this size. Keep only the rows and columns "
            "that are needed.",
            file=path.name,
        ) from error
    if len(table.frame) == 0:
        raise table.error(
            "只有表头，没有数据行。请填入至少一行。",
            "There is a header but no rows. Add at least one row.",
        )
    return table


def _content(path: Path, suffix: str) -> bytes:
    """A file's bytes; the first few where GDAL reads the file itself."""
    try:
        if suffix in (".gpkg", ".shp", ".fgb"):
            with path.open("rb") as file:
                return file.read(32)
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            fail(
                path,
                f"文件有 {size:,} 字节，太大（上限 {MAX_FILE_BYTES:,}）。请分成几个文件。",
                f"The file has {size:,} bytes, too many (up to {MAX_FILE_BYTES:,}). Split it.",
            )
        return path.read_bytes()
    except OSError as error:
        fail(path, f"读不了文件：{error.strerror}。", f"Cannot read the file: {error.strerror}.")


# --- text ----------------------------------------------------------------------------------------


def _text_table(path: Path, data: bytes, wanted: Wanted) -> RawTable:
    text = decoded(path, data)
    if "\0" in text or data.startswith(b"PK\x03\x04"):
        fail(
            path,
            "这不是文本表格（可能是改了后缀的 Excel 文件）。"
            "请用 Excel 另存为“CSV UTF-8”，或改回 .xlsx。",
            "This is not a text table (perhaps a workbook under another suffix). "
            "Save it as “CSV UTF-8”, or give it its own suffix.",
        )
    numbers: list[int] = []
    records: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    try:
        for record in reader:
            numbers.append(line)
            records.append(record)
            line = reader.line_num + 1
    except csv.Error as error:
        fail(
            path,
            f"从这一行起引号不成对（{error}）。请检查双引号，单元格里的引号要写两遍。",
            f"Quotes do not pair up from this row on ({error}). Double the quotes inside cells.",
            row=line,
        )
    if records and records[0] and re.fullmatch(r"sep=.?", records[0][0].strip(), re.IGNORECASE):
        del records[0], numbers[0]  # Excel's own hint at the delimiter
    return _grid(path, None, records, numbers, wanted)


def _delimiter(text: str) -> str:
    """The comma, semicolon or tab that the header has most of."""
    lines = (line for line in text.splitlines() if line.strip())
    first = next(lines, "")
    if match := re.fullmatch(r"sep=(.)", first.strip(), re.IGNORECASE):
        return match[1]
    if first.lower().startswith("sep="):
        return "\t"
    head = [re.sub(r'"[^"]*"', "", line) for line in [first, next(lines, "")]]
    return max(",;\t", key=lambda mark: max(line.count(mark) for line in head))


def _grid(
    path: Path, sheet: str | None, records: list[list[str]], numbers: list[int], wanted: Wanted
) -> RawTable:
    """Header and rows out of a grid of text; empty rows are left out, numbers stay."""
    filled = [i for i, record in enumerate(records) if any(cell.strip() for cell in record)]
    if not filled:
        fail(
            path,
            "表里什么都没有。请重新导出。",
            "The table is empty. Export it again.",
            sheet=sheet,
        )
    search = filled[:HEADER_SEARCH_ROWS]
    header = next((i for i in search if wanted([c.strip() for c in records[i]])), filled[0])
    names = [cell.strip() for cell in records[header]]
    while names and not names[-1]:
        names.pop()
    body = [i for i in filled if i > header]
    for i in body:
        if any(cell.strip() for cell in records[i][len(names) :]):
            fail(
                path,
                f"这一行有 {len(records[i])} 格，表头只有 {len(names)} 列。"
                "请把含分隔符的单元格加上双引号，或补上列名。",
                f"This row has {len(records[i])} cells, the header {len(names)}. "
                "Quote cells that contain the delimiter, or name the column.",
                sheet=sheet,
                row=numbers[i],
            )
    require_few_columns(names)
    padded = sum(max(0, len(names) - len(records[i])) for i in body)
    if padded > MAX_PADDED_CELLS:
        raise ExcessError(
            f"表头有 {len(names):,} 列，{len(body):,} 行多半不到，补齐后太大。"
            "请删去表头里多余的列名。",
            f"The header has {len(names):,} columns, and {len(body):,} rows are mostly shorter: "
            "too much when filled up. Delete the names that are not needed from the header.",
        )
    padding = [""] * len(names)
    cells = [(records[i] + padding)[: len(names)] for i in body]
    unique, repeated = distinct(names)
    frame = pd.DataFrame(cells, columns=unique, dtype=object)
    nameless = [u for u, n in zip(unique, names, strict=True) if not n]
    frame = frame.drop(columns=[u for u in nameless if not frame[u].str.strip().any()])
    rows = np.array([numbers[i] for i in body], dtype=np.int64)
    return RawTable(path.name, sheet, frame, rows, repeated)


# --- workbooks -----------------------------------------------------------------------------------


def _workbook(path: Path, data: bytes, wanted: Wanted, sheet: str | None) -> RawTable:
    _require_sane_book(path, data)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = _sheet_names(path, book, sheet)
        grids = ((name, _sheet_grid(book, name)) for name in names)
        kept: RawTable | None = None
        for name, records in grids:
            if not any(cell.strip() for record in records for cell in record):
                continue
            table = _grid(path, name, records, list(range(1, len(records) + 1)), wanted)
            if wanted(list(table.frame.columns)):
                return table
            kept = kept or table
    except python_calamine.PasswordError:
        fail(
            path, "工作簿有密码。请去掉密码后再存一次。", "The workbook has a password. Remove it."
        )
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        fail(
            path,
            f"工作簿打不开，可能已损坏（{error}）。请用 Excel 打开后另存为 .xlsx。",
            f"The workbook cannot be opened ({error}). Open it in Excel and save it as .xlsx.",
        )
    if kept is None:
        fail(
            path,
            "工作簿里什么都没有。请重新导出。",
            "The workbook is empty. Export it again.",
            sheet=sheet,
        )
    return kept


def _sheet_names(path: Path, book: Any, sheet: str | None) -> list[str]:
    if sheet is None:
        visible = python_calamine.SheetVisibleEnum.Visible
        return [meta.name for meta in book.sheets_metadata if meta.visible == visible]
    if sheet not in book.sheet_names:
        no_sheet(path, sheet, book.sheet_names)
    return [sheet]


def _sheet_grid(book: Any, name: str) -> list[list[str]]:
    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    return [[cell_text(cell) for cell in row] for row in rows]


def _require_sane_book(path: Path, data: bytes) -> None:
    """Refuse a workbook that would burst, before a reader lays it out."""
    try:
        if not data.startswith(b"PK"):
            require_sane_xls(data)
            return
        require_sane_workbook(
            io.BytesIO(data),
            len(data),
            entries=MAX_ZIP_ENTRIES,
            expanded=MAX_ZIP_EXPANDED_BYTES,
            ratio=MAX_ZIP_RATIO,
            free=ZIP_RATIO_FREE_BYTES,
        )
    except ExcessError as excess:
        fail(
            path,
            f"{excess.zh}请用 Excel 打开，只留需要的工作表，另存为 .xlsx 或 CSV。",
            f"{excess.en} Open it in Excel, keep only the sheet that is needed, and save it as "
            ".xlsx or CSV.",
        )
    except (*BROKEN_ZIP, zlib.error) as error:
        fail(
            path,
            f"工作簿已损坏（{error}）。请用 Excel 打开后另存为 .xlsx。",
            f"The workbook is damaged ({error}). Open it in Excel and save it as .xlsx.",
        )
