"""Workbooks of plain tables: text stays text, whatever it begins with, and sheets print well."""

from __future__ import annotations

import datetime as dt
import io
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xlsxwriter

from servicecircle.export.plain_text import cell, cut, one_line

_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}
_CREATED = dt.datetime(1980, 1, 1)  # the same tables give the same bytes
_A4 = 9  # the workbook format's number for it
_WIDEST = 46  # characters
_FOOTER_CHARACTERS = 100  # the format allows 255 in all, and each & is written twice


def workbook(
    sheets: Mapping[str, pd.DataFrame], *, footer: str, formats: Mapping[str, str] | None = None
) -> bytes:
    """An XLSX file: a sheet per table, header row frozen and repeated, landscape A4, page numbers.

    Numbers stay numbers (``formats``: column → number format), NaN is an empty cell, all else is
    text. ``footer`` is printed at the foot of every page.
    """
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, _OPTIONS) as book:
        book.set_properties({"created": _CREATED, "author": "servicecircle"})
        for name, table in sheets.items():
            _sheet(book, name, table, footer, formats or {})
    return file.getvalue()


def _sheet(
    book: Any, name: str, table: pd.DataFrame, footer: str, formats: Mapping[str, str]
) -> None:
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "bg_color": "#DDEBE4", "border": 1})
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    printed = cut(one_line(footer), _FOOTER_CHARACTERS).replace("&", "&&")
    sheet.set_footer(f"&L{printed}&R&P / &N")
    for column, label in enumerate(table.columns):
        cells = list(table[label])
        number = book.add_format({"num_format": formats.get(label, "General")})
        sheet.write_string(0, column, cell(str(label)), head)
        sheet.set_column(column, column, _width([str(label), *map(str, cells)]))
        for row, value in enumerate(cells, start=1):
            if isinstance(value, str):
                sheet.write_string(row, column, cell(value))
            elif not pd.isna(value):
                sheet.write_number(row, column, float(value), number)


def _width(texts: Sequence[str]) -> float:
    """Characters a column needs, Chinese ones twice as wide, within reason."""
    longest = max((_columns(text[:_WIDEST]) for text in texts), default=0)
    return min(longest + 2, _WIDEST)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
