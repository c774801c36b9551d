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
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow
import pyogrio
import python_calamine
from numpy.typing import NDArray
from pyarrow import parquet

from .errors import TableError
from .unpacking.archives import BROKEN_ZIP
from .unpacking.excess import ExcessError
from .unpacking.layers import (
    require_few_cells,
    require_sane_binary,
    require_sane_json,
    require_table,
)
from .unpacking.old_workbooks import require_sane_xls
from .unpacking.parquet_files import require_sane_parquet
from .unpacking.workbooks import require_sane_workbook

MAX_FILE_BYTES = 2_000_000_000  # of the files that are read as a whole
MAX_ZIP_ENTRIES = 5_000
MAX_ZIP_EXPANDED_BYTES = 1_200_000_000  # 20,000,000 cells of up to 60 bytes
MAX_ZIP_RATIO = 200  # sheets reach 10 to 40; a file of zeros 1,000
ZIP_RATIO_FREE_BYTES = 20_000_000  # below this size any ratio is harmless
MAX_PADDED_CELLS = 20_000_000  # of a text table whose rows are shorter than its header
MAX_COLUMNS = 16_384  # a sheet has no more
HEADER_SEARCH_ROWS = 20  # a title may stand above the header
SHOWN_COLUMNS = 30

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
WORKBOOK_SUFFIXES = (".xlsx", ".xls", ".ods")
LAYER_MARKS = {
    ".geojson": b"{",
    ".json": b"{",
    ".gpkg": b"SQLite format 3",
    ".shp": b"\x00\x00\x27\x0a",
    ".fgb": b"fgb",
}
SUFFIXES = (*TEXT_SUFFIXES, *WORKBOOK_SUFFIXES, *LAYER_MARKS, ".parquet")

Wanted = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class RawTable:
    """What a file holds, before any check: columns by name, and the row numbers a planner sees.

    ``rows[i]`` belongs to ``frame.iloc[i]``: the line of a text file (where the record begins),
    the row of a sheet, the feature number elsewhere, all from 1. ``repeated`` are column names
    that the file has more than once. ``geometry`` is None in tables without one.
    """

    file: str
    sheet: str | None
    frame: pd.DataFrame
    rows: NDArray[np.int64]
    repeated: frozenset[str] = frozenset()
    geometry: gpd.GeoSeries | None = None

    def error(
        self, zh: str, en: str, *, column: str | None = None, where: NDArray[np.bool_] | None = None
    ) -> TableError:
        """A `TableError` that names this file and sheet; ``where`` marks the bad rows."""
        rows = [] if where is None else self.rows[where].tolist()
        return TableError(zh, en, file=self.file, sheet=self.sheet, column=column, rows=rows)

    def column_list(self) -> str:
        """The file's columns for a message, cut off after the first few dozen."""
        names = list(self.frame.columns)
        shown = ", ".join(f"“{name}”" for name in names[:SHOWN_COLUMNS])
        return shown + (f" … ({len(names)})" if len(names) > SHOWN_COLUMNS else "")


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
        _fail(
            path,
            f"找不到文件 {path}。请检查路径和文件名。",
            f"No such file: {path}. Check the path.",
        )
    if suffix not in SUFFIXES:
        known = " ".join(SUFFIXES)
        _fail(
            path, f"不认识“{suffix}”格式。可用：{known}", f"Format “{suffix}” is not known: {known}"
        )
    data = _content(path, suffix)
    if not data:
        _fail(
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
            table = _parquet(path, data)
        else:
            table = _layer(path, data, sheet)
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
            _fail(
                path,
                f"文件有 {size:,} 字节，太大（上限 {MAX_FILE_BYTES:,}）。请分成几个文件。",
                f"The file has {size:,} bytes, too many (up to {MAX_FILE_BYTES:,}). Split it.",
            )
        return path.read_bytes()
    except OSError as error:
        _fail(path, f"读不了文件：{error.strerror}。", f"Cannot read the file: {error.strerror}.")


def cell_text(value: Any) -> str:
    """A cell as a planner would type it: whole numbers without ``.0``, nothing for missing."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        whole = number.is_integer() and abs(number) < 1e15  # beyond, digits are already lost
        return "" if np.isnan(number) else str(int(number)) if whole else repr(number)
    return str(value)


def _fail(path: Path, zh: str, en: str, *, sheet: str | None = None, row: int = 0) -> NoReturn:
    raise TableError(zh, en, file=path.name, sheet=sheet, rows=[row] if row else [])


# --- text ----------------------------------------------------------------------------------------


def _text_table(path: Path, data: bytes, wanted: Wanted) -> RawTable:
    text = _decoded(path, data)
    if "\0" in text or data.startswith(b"PK\x03\x04"):
        _fail(
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
        _fail(
            path,
            f"从这一行起引号不成对（{error}）。请检查双引号，单元格里的引号要写两遍。",
            f"Quotes do not pair up from this row on ({error}). Double the quotes inside cells.",
            row=line,
        )
    if records and records[0] and re.fullmatch(r"sep=.?", records[0][0].strip(), re.IGNORECASE):
        del records[0], numbers[0]  # Excel's own hint at the delimiter
    return _grid(path, None, records, numbers, wanted)


def _decoded(path: Path, data: bytes) -> str:
    """UTF-8 first: GB18030 accepts most UTF-8 without an error, and gives garbage."""
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    farthest = 0
    for codec in ["utf-16"] if utf16 else ["utf-8-sig", "gb18030"]:
        try:
            return data.decode(codec)
        except UnicodeDecodeError as error:
            farthest = max(farthest, error.start)
    _fail(
        path,
        f"编码既不是 UTF-8 也不是 GB18030（第 {farthest + 1} 个字节处坏了）。"
        "请用 Excel 另存为“CSV UTF-8”。",
        f"The encoding is neither UTF-8 nor GB18030 (broken at byte {farthest + 1}). "
        "Save the file as “CSV UTF-8”.",
    )


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
        _fail(
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
            _fail(
                path,
                f"这一行有 {len(records[i])} 格，表头只有 {len(names)} 列。"
                "请把含分隔符的单元格加上双引号，或补上列名。",
                f"This row has {len(records[i])} cells, the header {len(names)}. "
                "Quote cells that contain the delimiter, or name the column.",
                sheet=sheet,
                row=numbers[i],
            )
    _require_few_columns(names)
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
    unique, repeated = _unique(names)
    frame = pd.DataFrame(cells, columns=unique, dtype=object)
    nameless = [u for u, n in zip(unique, names, strict=True) if not n]
    frame = frame.drop(columns=[u for u in nameless if not frame[u].str.strip().any()])
    rows = np.array([numbers[i] for i in body], dtype=np.int64)
    return RawTable(path.name, sheet, frame, rows, repeated)


def _unique(names: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """Column names without repetition (``_2``, ``_3`` …), and which ones were repeated."""
    out: dict[str, None] = {}
    times: Counter[str] = Counter()
    for i, name in enumerate(names):
        base = unique = name or f"column_{i + 1}"
        count = max(1, times[base])
        while unique in out:
            count += 1
            unique = f"{base}_{count}"
        times[base] = count
        out[unique] = None
    counted = Counter(names)
    return list(out), frozenset(name for name in counted if name and counted[name] > 1)


def _require_few_columns(names: Sequence[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise ExcessError(
            f"有 {len(names):,} 列，太多（上限 {MAX_COLUMNS:,}）。请只保留需要的列。",
            f"There are {len(names):,} columns, too many (up to {MAX_COLUMNS:,}). Keep only those "
            "that are needed.",
        )


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
        _fail(
            path, "工作簿有密码。请去掉密码后再存一次。", "The workbook has a password. Remove it."
        )
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        _fail(
            path,
            f"工作簿打不开，可能已损坏（{error}）。请用 Excel 打开后另存为 .xlsx。",
            f"The workbook cannot be opened ({error}). Open it in Excel and save it as .xlsx.",
        )
    if kept is None:
        _fail(
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
        _no_sheet(path, sheet, book.sheet_names)
    return [sheet]


def _no_sheet(path: Path, sheet: str, names: Sequence[str]) -> NoReturn:
    known = ", ".join(f"“{name}”" for name in names)
    _fail(
        path,
        f"没有名为“{sheet}”的工作表或图层。有：{known}。",
        f"No sheet or layer “{sheet}”. There are: {known}.",
    )


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
        _fail(
            path,
            f"{excess.zh}请用 Excel 打开，只留需要的工作表，另存为 .xlsx 或 CSV。",
            f"{excess.en} Open it in Excel, keep only the sheet that is needed, and save it as "
            ".xlsx or CSV.",
        )
    except (*BROKEN_ZIP, zlib.error) as error:
        _fail(
            path,
            f"工作簿已损坏（{error}）。请用 Excel 打开后另存为 .xlsx。",
            f"The workbook is damaged ({error}). Open it in Excel and save it as .xlsx.",
        )


# --- layers --------------------------------------------------------------------------------------


def _layer(path: Path, data: bytes, layer: str | None) -> RawTable:
    suffix = path.suffix.lower()
    encoding = None
    if suffix in (".geojson", ".json"):
        data = _decoded(path, data).strip().encode()
    if not data.startswith(LAYER_MARKS[suffix]):
        _fail(
            path,
            f"内容不是 {suffix} 格式。请检查后缀，或重新导出。",
            f"The content is not {suffix}. Check the suffix, or export it again.",
        )
    if suffix == ".shp":
        encoding = _dbf_encoding(path)
    try:
        chosen = None
        if suffix in (".geojson", ".json"):
            require_sane_json(data.decode())
        else:
            require_sane_binary(suffix, data)
        if suffix == ".gpkg":
            chosen = _gpkg_layer(path, layer)
            require_table(path, chosen)
        with _for_gdal(path, suffix, data) as handle:
            about = pyogrio.read_info(
                handle, layer=chosen, encoding=encoding, force_feature_count=True
            )
            require_few_cells(int(about["features"]), len(about["fields"]))
            frame = pyogrio.read_dataframe(handle, layer=chosen, encoding=encoding)
    except (RuntimeError, ValueError, OSError, IndexError, sqlite3.Error) as error:
        _unreadable(path, error)
    return _from_frame(path, chosen, frame)


@contextmanager
def _for_gdal(path: Path, suffix: str, data: bytes) -> Iterator[str | Path]:
    """What GDAL is told to open: by content alone it would also take lists of commands for JSON."""
    if suffix not in (".geojson", ".json"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="servicecircle-") as folder:
        copy = Path(folder) / "layer.geojson"
        copy.write_bytes(data)  # in UTF-8
        yield f"GEOJSON:{copy}"


def _gpkg_layer(path: Path, layer: str | None) -> str:
    """The layer asked for, or the first one with geometry."""
    layers = pyogrio.list_layers(path).tolist()
    names = [name for name, _ in layers]
    if layer is not None and layer not in names:
        _no_sheet(path, layer, names)
    return layer or ([name for name, kind in layers if kind is not None] or names)[0]


def _unreadable(path: Path, error: Exception) -> NoReturn:
    beside = "（.shp 旁边还要有 .shx 和 .dbf）" if path.suffix.lower() == ".shp" else ""
    beside_en = " (a .shp needs its .shx and .dbf)" if beside else ""
    first = (str(error).splitlines() or [""])[0][:200]
    _fail(
        path,
        f"文件读不出来，可能已损坏{beside}：{first}。请重新导出。",
        f"The file cannot be read, perhaps it is damaged{beside_en}: {first}. Export it again.",
    )


def _dbf_encoding(path: Path) -> str | None:
    """GB18030 or UTF-8 by content, where no .cpg says it; GDAL would assume Latin-1."""
    dbf = path.with_suffix(".dbf")
    if path.with_suffix(".cpg").exists() or not dbf.exists():
        return None
    data = dbf.read_bytes()
    body = data[int.from_bytes(data[8:10], "little") :]
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "GB18030"
    return "UTF-8"


def _parquet(path: Path, data: bytes) -> RawTable:
    try:
        require_sane_parquet(io.BytesIO(data))
        schema = parquet.read_schema(io.BytesIO(data))
        spatial = b"geo" in (schema.metadata or {})
        read: Any = gpd.read_parquet if spatial else pd.read_parquet
        frame = read(io.BytesIO(data))
    except (pyarrow.ArrowException, ValueError, OSError, KeyError) as error:
        _unreadable(path, error)
    return _from_frame(path, None, frame)


def _from_frame(path: Path, sheet: str | None, frame: pd.DataFrame) -> RawTable:
    rows = np.arange(1, len(frame) + 1, dtype=np.int64)
    geometry = None
    if isinstance(frame, gpd.GeoDataFrame):
        geometry = gpd.GeoSeries(frame.geometry.to_numpy(), crs=frame.crs)
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    _require_few_columns(frame.columns.tolist())
    unique, repeated = _unique([str(name) for name in frame.columns])
    frame = frame.set_axis(unique, axis=1).reset_index(drop=True)
    return RawTable(path.name, sheet, frame, rows, repeated, geometry)
