"""A workbook written sheet by sheet: text stays text, numbers are numbers, nothing computes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlsxwriter

from servicecircle.export.plain_text import cell
from servicecircle.export.report.numbers import EXCEL, clean

_OPTIONS = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}
_WIDEST = 48
_A4 = 9  # the format's number for it
_FOOTER = 100  # characters; the format allows 255 with every & doubled


@dataclass(frozen=True)
class Field:
    """A column: its heading, the kind of its numbers (a key of `EXCEL`) or text."""

    title: str
    kind: str = "text"


class Book:
    """A workbook being written; ``footer`` is printed at the foot of every page."""

    def __init__(self, path: Path, lang: str, *, footer: str) -> None:
        self._footer = clean(footer, _FOOTER).replace("&", "&&")
        self._book = xlsxwriter.Workbook(str(path), _OPTIONS)
        self._book.set_properties({"created": dt.datetime(1980, 1, 1), "author": "servicecircle"})
        font = {"font_name": "等线" if lang == "zh" else "Calibri", "font_size": 11}
        self._head = self._book.add_format(
            {
                **font,
                "bold": True,
                "bg_color": "#DDEBE4",
                "border": 1,
                "text_wrap": True,
                "valign": "vcenter",
            }
        )
        self._formats = {
            kind: self._book.add_format({**font, "num_format": form})
            for kind, form in EXCEL.items()
        }
        self._formats["text"] = self._book.add_format({**font, "num_format": "@"})
        self._wrapped = self._book.add_format({**font, "text_wrap": True, "valign": "top"})

    def sheet(self, name: str, fields: Sequence[Field], rows: Iterable[Sequence[Any]]) -> Any:
        """A table with a frozen heading and a filter; None and NaN leave a cell empty."""
        sheet = self._printable(name)
        sheet.repeat_rows(0)
        rows = [tuple(row) for row in rows]
        sheet.freeze_panes(1, 0)
        for column, field in enumerate(fields):
            sheet.write_string(0, column, field.title, self._head)
            texts = [str(row[column]) for row in rows[:500]] if field.kind == "text" else []
            widest = max([_width(text) for text in [field.title, *texts]])
            sheet.set_column(column, column, min(max(widest + 2, 9), _WIDEST))
            for i, row in enumerate(rows, start=1):
                self.write(sheet, i, column, row[column], field.kind)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(fields) - 1)
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

    def _printable(self, name: str) -> Any:
        sheet = self._book.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self._footer}&R&P / &N")
        return sheet

    def close(self) -> None:
        """Write the file. Raises `xlsxwriter`'s errors and `OSError`."""
        self._book.close()

    def write(self, sheet: Any, row: int, column: int, value: Any, kind: str) -> None:
        """A cell of this kind; None and NaN leave it empty."""
        if kind == "text":
            sheet.write_string(row, column, cell(str(value)), self._formats["text"])
        elif value is not None and math.isfinite(value):
            sheet.write_number(row, column, float(value), self._formats[kind])


def _width(text: str) -> int:
    """How many digits wide a text is, roughly."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text[:_WIDEST])
