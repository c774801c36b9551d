"""Workbooks as every export writes them: text stays text, whatever it begins with, numbers are
numbers, nothing computes, and sheets print well.
"""

from __future__ import annotations

import datetime as dt
import io
import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
_FOOTER_CHARACTERS = 100  # the format allows 255 in all, and each & is written twice
_NARROWEST, _WIDEST, _WIDEST_NUMBER = 9, 48, 12  # of columns, in digits
_MEASURED = 500  # rows that a column's width is taken from
_CHINESE, _LATIN = "等线", "Calibri"
TEXT = "text"


@dataclass(frozen=True)
class Field:
    """A column: its heading, and the kind of its numbers (a key of the book's formats).

    The last ones may be for the screen alone (``printed`` false): a page has only so much room.
    """

    title: str
    kind: str = TEXT
    printed: bool = True


class Book:
    """A workbook being written, sheet by sheet; `close` writes it to ``file``.

    ``formats``: kind → number format; ``footer`` is printed at the foot of every page.
    """

    def __init__(
        self, file: Path | BinaryIO, formats: Mapping[str, str], *, footer: str, lang: str = "zh"
    ) -> None:
        self._footer = cut(one_line(footer), _FOOTER_CHARACTERS).replace("&", "&&")
        self._book = xlsxwriter.Workbook(
            str(file) if isinstance(file, Path) else file, dict(_OPTIONS)
        )
        self._book.set_properties({"created": _CREATED, "author": "servicecircle"})
        font = {"font_name": _CHINESE if lang == "zh" else _LATIN, "font_size": 11}
        head = {"bold": True, "bg_color": "#DDEBE4", "border": 1, "text_wrap": True}
        self._head = self._book.add_format({**font, **head, "valign": "vcenter"})
        self._formats = {
            kind: self._book.add_format({**font, "num_format": form})
            for kind, form in {**formats, TEXT: "@"}.items()
        }
        self._wrapped = self._book.add_format({**font, "text_wrap": True, "valign": "top"})

    def sheet(self, name: str, fields: Sequence[Field], rows: Iterable[Sequence[Any]]) -> Any:
        """A table with a frozen, repeated heading and a filter; cells as `write` has them."""
        sheet = self._printable(name)
        sheet.repeat_rows(0)
        sheet.freeze_panes(1, 0)
        rows = [tuple(row) for row in rows]
        for column, field in enumerate(fields):
            sheet.write_string(0, column, cell(field.title), self._head)
            shown = [row[column] for row in rows[:_MEASURED]]
            sheet.set_column(column, column, _width(field.title, shown))
            for i, row in enumerate(rows, start=1):
                self.write(sheet, i, column, row[column], field.kind)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(fields) - 1)
        printed = [i for i, field in enumerate(fields) if field.printed]
        if len(printed) < len(fields):
            sheet.print_area(0, 0, len(rows), printed[-1])
        return sheet

    def pairs(self, name: str, lines: Iterable[tuple[str, str]]) -> Any:
        """A sheet of labels and texts."""
        sheet = self._printable(name)
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 90)
        for row, (label, text) in enumerate(lines):
            sheet.write_string(row, 0, cell(label), self._head)
            sheet.write_string(row, 1, cell(text), self._wrapped)
        return sheet

    def chart(
        self,
        sheet: Any,
        name: str,
        *,
        title: str,
        axis: str,
        series: Sequence[tuple[str, int, str]],
        rows: int,
    ) -> None:
        """A bar chart right of a table: ``series`` are (name, column of shares, colour)."""
        chart = self._book.add_chart({"type": "bar"})
        for label, column, colour in series:
            chart.add_series(
                {
                    "name": label,
                    "categories": [name, 1, 0, rows, 0],
                    "values": [name, 1, column, rows, column],
                    "fill": {"color": colour},
                    "gap": 60,
                }
            )
        chart.set_title({"name": title, "name_font": {"size": 12}})
        chart.set_x_axis({"min": 0, "max": 1, "num_format": "0%", "name": axis})
        chart.set_y_axis({"reverse": True})
        chart.set_legend({"position": "bottom"})
        chart.set_size({"width": 640, "height": 160 + 34 * rows})
        sheet.insert_chart(1, 9, chart)

    def write(self, sheet: Any, row: int, column: int, value: Any, kind: str) -> None:
        """A cell: text as text, a number as the kind has it; None and NaN leave it empty."""
        if isinstance(value, str):
            sheet.write_string(row, column, cell(value), self._formats[TEXT])
        elif value is not None and math.isfinite(value):
            sheet.write_number(row, column, float(value), self._formats[kind])

    def close(self) -> None:
        """Write the file. Raises `xlsxwriter`'s errors and `OSError`."""
        self._book.close()

    def _printable(self, name: str) -> Any:
        sheet = self._book.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)  # inches
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self._footer}&R&P / &N")
        return sheet


def workbook(
    sheets: Mapping[str, pd.DataFrame],
    *,
    footer: str,
    formats: Mapping[str, str] | None = None,
    unprinted: Collection[str] = (),
) -> bytes:
    """An XLSX file with a sheet per table.

    ``formats``: column → number format; ``unprinted``: last columns that stay on the screen.
    """
    file, formats = io.BytesIO(), dict(formats or {})
    book = Book(file, {**formats, "": "General"}, footer=footer)
    for name, table in sheets.items():
        fields = [
            Field(str(n), str(n) if n in formats else "", n not in unprinted) for n in table.columns
        ]
        book.sheet(name, fields, table.itertuples(index=False))
    book.close()
    return file.getvalue()


def _width(title: str, cells: Sequence[Any]) -> int:
    """Digits that a column needs, within reason."""
    needed = [_digits(title)]
    for value in cells:
        if isinstance(value, str):
            needed.append(_digits(value[:_WIDEST]))
        elif value is not None:
            needed.append(min(len(str(value)), _WIDEST_NUMBER))
    return min(max(*needed, _NARROWEST - 2) + 2, _WIDEST)


def _digits(text: str) -> int:
    """How many digits wide a text is: Chinese ones are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
