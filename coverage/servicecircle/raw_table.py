"""What a table's file holds before any check, and what its readers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import TableError
from .unpacking.excess import ExcessError

MAX_COLUMNS = 16_384  # a sheet has no more
SHOWN_COLUMNS = 30

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


def fail(path: Path, zh: str, en: str, *, sheet: str | None = None, row: int = 0) -> NoReturn:
    """Raise a `TableError` that names the file, and where given its sheet and row."""
    raise TableError(zh, en, file=path.name, sheet=sheet, rows=[row] if row else [])


def decoded(path: Path, data: bytes) -> str:
    """UTF-8 first: GB18030 accepts most UTF-8 without an error, and gives garbage."""
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    farthest = 0
    for codec in ["utf-16"] if utf16 else ["utf-8-sig", "gb18030"]:
        try:
            return data.decode(codec)
        except UnicodeDecodeError as error:
            farthest = max(farthest, error.start)
    fail(
        path,
        f"编码既不是 UTF-8 也不是 GB18030（第 {farthest + 1} 个字节处坏了）。"
        "请用 Excel 另存为“CSV UTF-8”。",
        f"The encoding is neither UTF-8 nor GB18030 (broken at byte {farthest + 1}). "
        "Save the file as “CSV UTF-8”.",
    )


def distinct(names: Sequence[str]) -> tuple[list[str], frozenset[str]]:
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


def require_few_columns(names: Sequence[str]) -> None:
    """Raise `ExcessError` for more columns than a sheet can have."""
    if len(names) > MAX_COLUMNS:
        raise ExcessError(
            f"有 {len(names):,} 列，太多（上限 {MAX_COLUMNS:,}）。请只保留需要的列。",
            f"There are {len(names):,} columns, too many (up to {MAX_COLUMNS:,}). Keep only those "
            "that are needed.",
        )


def no_sheet(path: Path, sheet: str, names: Sequence[str]) -> NoReturn:
    """Raise a `TableError` that lists the sheets there are."""
    known = ", ".join(f"“{name}”" for name in names)
    fail(
        path,
        f"没有名为“{sheet}”的工作表或图层。有：{known}。",
        f"No sheet or layer “{sheet}”. There are: {known}.",
    )
