"""Workbooks (XLSX, ODS): how large their sheets become in a reader that lays out every cell.

A reader allocates a sheet's whole rectangle, and copies a text for every cell that shows it. A
cell far out, a row repeated a billion times, or a long text shown by many cells make gigabytes
out of a kilobyte. Everything is looked at as bytes, in pieces; where markup can be read in two
ways, the larger one counts.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from servicecircle.unpacking.archives import inflated, sane_zip
from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.markup import PlainXml, whole_markup
from servicecircle.unpacking.repeated_cells import require_sane_content
from servicecircle.unpacking.sheet_size import MAX_TEXT_BYTES, require_small_sheet, too_much_text

MAX_STRINGS = 20_000_000  # shared ones
_NAME = rb"<(?:[^\s<>:/]+:)?"
_ATTRIBUTES = rb"""(?:\s+[^\s=<>"']+\s*=\s*(?:"[^"]*"|'[^']*'))*?"""
_ROW = re.compile(_NAME + rb"row(?=[\s/>])")
_CELL = re.compile(_NAME + rb"c(?=[\s/>])")
_PLACED_ROW = re.compile(_NAME + rb"row" + _ATTRIBUTES + rb"""\s+r\s*=\s*["'](\d{1,10})["']""")
_PLACED_CELL = re.compile(
    _NAME + rb"c" + _ATTRIBUTES + rb"""\s+r\s*=\s*["']([A-Za-z]{1,7})(\d{1,10})["']"""
)
_PLAIN_ROW, _PLAIN_CELL = re.compile(rb'<row r="(\d{1,10})"'), re.compile(rb'<c r="([A-Z]+)(\d+)"')
_STRING_ENDS = re.compile(rb"</(?:[^\s<>:/]+:)?si\s*>|" + _NAME + rb"si\s*/>")
_SHOWN = re.compile(rb">\s*(\d{1,8})\s*<")


def require_sane_workbook(
    file: BinaryIO, size: int, *, entries: int, expanded: int, ratio: float, free: int
) -> None:
    """Raise `ExcessError` where a zipped workbook would burst; limits as in `sane_zip`."""
    with sane_zip(
        file, size, entries=entries, expanded=expanded, ratio=ratio, free=free
    ) as archive:
        parts = [_seen(archive, part) for part in archive.infolist()]
        lengths = max((part.lengths() for part in parts), key=len, default=np.zeros(0, np.int32))
        longest = int(lengths.max(initial=0))
        if sum(part.cells for part in parts) * longest > MAX_TEXT_BYTES:
            _require_little_text(archive, lengths)


def _seen(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> _Sheet:
    """What is seen of a part, looked through as a sheet: any part may be one."""
    if part.filename.lower().endswith("workbook.bin"):
        raise ExcessError(
            "是二进制工作簿（XLSB），读不了。", "it is a binary workbook (XLSB), which is not read."
        )
    sheet = _Sheet()
    if part.filename.lower() == "content.xml":
        require_sane_content(_plain(archive, part))
        return sheet
    for piece in _plain(archive, part):
        sheet.see(piece)
    sheet.see(b"<")  # nothing more comes
    require_small_sheet(sheet.last_row + sheet.unplaced_rows, sheet.width())
    return sheet


def _plain(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The pieces of a part; where it is markup, it is well-formed UTF-8 without a document type.

    Sheet readers are lenient, and so see other cells in broken markup than a search would.
    """
    pieces = inflated(archive, part)
    first = next(pieces, b"")
    markup = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"
    if first[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"):
        raise _odd(part.filename, "不是 UTF-8 编码", "is not in UTF-8")
    check = PlainXml()
    for piece in chain([first], pieces):
        if markup:
            check.feed(piece)
        elif b"sheetData" in piece or _STRING_ENDS.search(piece):
            raise _odd(part.filename, "不是 XML", "is not XML")
        yield piece
    if markup:
        check.feed(b"", last=True)


def _odd(name: str, zh: str, en: str) -> ExcessError:
    return ExcessError(
        f"部件 {name[:80]} {zh}，不予打开。", f"the part {name[:80]} {en} and is not opened."
    )


def _require_little_text(archive: zipfile.ZipFile, lengths: NDArray[np.int32]) -> None:
    """Any number that stands alone may show the shared text of that number."""
    total = 0
    for part in archive.infolist():
        rest = b""
        for piece in inflated(archive, part):
            text = rest + piece
            shown = np.array(_SHOWN.findall(text), "S8").astype(np.int64)
            total += int(lengths[shown[shown < len(lengths)]].sum(dtype=np.int64))
            rest = text[max(text.rfind(b">"), len(text) - 64, 0) :]
        if total > MAX_TEXT_BYTES:
            raise too_much_text(total)


@dataclass
class _Sheet:
    """What is seen of one part, piece by piece: how far its cells reach, its shared texts."""

    last_row: int = 0  # that is named
    columns: set[bytes] = field(default_factory=set)
    unplaced_rows: int = 0  # rows and cells without a place follow the one before
    unplaced_cells: int = 0
    cells: int = 0
    most_cells: int = 0  # of a row
    odd: bool = False  # comments and the like, which may hold what looks like markup
    begun: bool = False
    _row_cells: int = 0  # so far of the row that goes on
    _rest: bytes = b""
    _texts: list[NDArray[np.int32]] = field(default_factory=list)
    _text: int = 0  # bytes so far of the text that goes on
    _text_count: int = 0

    def see(self, piece: bytes) -> None:
        text, self._rest = whole_markup(self._rest + piece)
        self.odd |= b"<!" in text or (b"<?" in text and self.begun)
        self.begun = True
        self._see_cells(text)
        self._see_texts(text)

    def _see_cells(self, text: bytes) -> None:
        if self._see_plain_cells(text):
            return
        rows = np.array([found.start() for found in _ROW.finditer(text)], np.int64)
        cells = len(_CELL.findall(text))
        if not len(rows) and not cells:
            return
        placed_rows, placed = _PLACED_ROW.findall(text), _PLACED_CELL.findall(text)
        self._reach(placed_rows, placed)
        self.unplaced_rows += len(rows) - len(placed_rows)
        self.cells += cells
        self.unplaced_cells += cells - len(placed)
        if cells > len(placed):
            starts = np.array([found.start() for found in _CELL.finditer(text)], np.int64)
            in_row = np.bincount(np.searchsorted(rows, starts), minlength=len(rows) + 1)
            in_row[0] += self._row_cells
            self._row_cells = int(in_row[-1])
            self.most_cells = max(self.most_cells, int(in_row.max()))
        elif len(rows):
            self._row_cells = 0

    def _see_plain_cells(self, text: bytes) -> bool:
        """Cells as nearly all programs write them, three times as fast; False: not all are so."""
        if b":c" in text or b":row" in text:
            return False
        placed, placed_rows = _PLAIN_CELL.findall(text), _PLAIN_ROW.findall(text)
        others = text.count(b"<co")  # columns
        if len(placed) < text.count(b"<c") - others or len(placed_rows) < text.count(b"<row"):
            return False
        self._reach(placed_rows, placed)
        self.cells += len(placed)
        if placed_rows:
            self._row_cells = 0
        return True

    def _reach(self, rows: list[bytes], cells: list[tuple[bytes, bytes]]) -> None:
        self.columns.update({column for column, _ in cells})
        named = {*rows, *(row for _, row in cells)}
        self.last_row = max(self.last_row, max(map(int, named), default=0))

    def _see_texts(self, text: bytes) -> None:
        ends = []
        if b"si" in text:
            ends = [found.end() for found in _STRING_ENDS.finditer(text)]
        if ends:
            lengths = np.diff(ends, prepend=-self._text).astype(np.int32)
            self._texts.append(lengths)
            self._text_count += len(ends)
            self._text = len(text) - ends[-1]
        else:
            self._text += len(text)
        if self._text_count > MAX_STRINGS:
            raise too_much_text(self._text_count)

    def width(self) -> int:
        """The number of columns, or more."""
        named = max((_column(letters) for letters in self.columns), default=0)
        unplaced = self.unplaced_cells if self.odd else self.most_cells
        return named + (unplaced if self.unplaced_cells else 0)

    def lengths(self) -> NDArray[np.int32]:
        """Bytes of each shared text, or more."""
        lengths = np.concatenate([np.zeros(0, np.int32), *self._texts])
        return np.full_like(lengths, lengths.max(initial=0)) if self.odd else lengths


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
