"""ODS: rows, cells and blanks that are written once and repeated."""

from __future__ import annotations

import re
from collections.abc import Iterable

from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.markup import whole_markup
from servicecircle.unpacking.sheet_size import MAX_TEXT_BYTES, require_small_sheet, too_much_text

_TAG = re.compile(
    rb"""<(/?)table:(table|table-row|table-cell|covered-table-cell)(?=[\s/>])
    ((?:[^<>"']|"[^"]*"|'[^']*')*)>(\s*</table:(?:covered-)?table-cell\s*>)?""",
    re.VERBOSE,
)
_REPEATED = re.compile(rb"""number-(?:rows|columns)-repeated\s*=\s*["']([^"']*)["']""")
_BLANKS = re.compile(rb"""text:c\s*=\s*["']([^"']*)["']""")
_EMPTY_END = 64  # bytes behind a tag, where the end of an empty cell may follow


def require_sane_content(pieces: Iterable[bytes]) -> None:
    """Raise `ExcessError` where the sheets of an ODS file would burst when laid out.

    ``pieces`` are those of its ``content.xml``, in order. Empty rows and cells count only where
    something stands behind them, as the empty end of a sheet is not laid out.
    """
    sheet, rest = _Rows(), b""
    for piece in pieces:
        text, rest = whole_markup(rest + piece, ahead=_EMPTY_END)
        sheet.see(text)
    sheet.see(rest)
    sheet.finish()


class _Rows:
    """The rectangle and the text of the sheets so far."""

    def __init__(self) -> None:
        self.text = 0
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self.rows = self.pending_rows = self.width = 0
        self._begin_row(1)

    def _begin_row(self, times: int) -> None:
        self.times, self.cells, self.pending_cells = times, 0, 0
        self.cell_times = 0  # how often the text that follows is laid out

    def see(self, text: bytes) -> None:
        at = 0
        for tag in _TAG.finditer(text):
            self._count_text(text[at : tag.start()])
            at = tag.end()
            closing, name, attributes, empty = tag.groups()
            if name == b"table":
                self.finish()
                self._begin_sheet()
            elif name == b"table-row":
                self._end_row()
                if not closing:
                    self._begin_row(_times(attributes))
                    if attributes.endswith(b"/"):
                        self._end_row()
            elif not closing:
                self._cell(attributes, bool(empty))
        self._count_text(text[at:])

    def _cell(self, attributes: bytes, empty: bool) -> None:
        times = _times(attributes)
        empty = empty or attributes.endswith(b"/")
        if empty and b"value" not in attributes and b"formula" not in attributes:
            self.pending_cells += times
            self.cell_times = 0
            return
        self.cells += self.pending_cells + times
        self.pending_cells = 0
        self.cell_times = self.times * times
        self.text += len(attributes) * self.cell_times
        require_small_sheet(self.rows + self.pending_rows + self.times, self.cells)

    def _count_text(self, text: bytes) -> None:
        blanks = sum(_number(found) for found in _BLANKS.findall(text)) if b"text:c" in text else 0
        self.text += (len(text) + blanks) * max(self.cell_times, 1)
        if self.text > MAX_TEXT_BYTES:
            raise too_much_text(self.text)

    def _end_row(self) -> None:
        self.pending_rows += self.times
        if self.cells:
            self.rows, self.pending_rows = self.rows + self.pending_rows, 0
            self.width = max(self.width, self.cells)
            require_small_sheet(self.rows, self.width)
        self._begin_row(0)

    def finish(self) -> None:
        self._end_row()


def _times(attributes: bytes) -> int:
    if b"repeated" not in attributes:
        return 1
    found = _REPEATED.findall(attributes)
    return max((_number(number) for number in found), default=1)


def _number(digits: bytes) -> int:
    if not re.fullmatch(rb"\s*\d{1,15}\s*", digits):
        raise ExcessError(
            "表格里的重复次数读不懂，不予打开。", "a repeat count is no number: it is not opened."
        )
    return int(digits)
