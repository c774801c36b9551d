"""XLS workbooks (BIFF in a compound file): how far their cells reach, how much text they show.

A cell's place is two numbers of 16 bits, so one record makes a sheet of four billion cells; and a
sector that follows itself makes a stream without end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.sheet_size import MAX_TEXT_BYTES, require_small_sheet, too_much_text

_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STREAMS = ("workbook", "book")
_LAST_SECTOR = 0xFFFFFFFA  # larger numbers mark free sectors and ends of chains
_MINI_STREAM_BELOW = 4096
# records of cells: those of one cell, and those of a row's run of cells
_ONE = frozenset([0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0201, 0x0203, 0x0204, 0x0205,
                  0x0206, 0x0406, 0x027E, 0x00D6, 0x00FD])  # fmt: skip
_RUN = frozenset([0x00BD, 0x00BE])
_BEGIN, _SHARED_TEXT_CELL, _SHARED_TEXTS, _CONTINUE = (0x0009, 0x00FD, 0x00FC, 0x003C)
_BEGINS = frozenset([0x0009, 0x0209, 0x0409, 0x0809])


def require_sane_xls(data: bytes) -> None:
    """Raise `ExcessError` where a workbook in the old format would burst.

    What is no compound file, or too damaged to be looked through, is left to its reader only
    where that refuses it too.
    """
    if not data.startswith(_MARK):
        return
    try:
        streams = list(_Compound(data).streams())
    except (struct.error, IndexError, ValueError) as error:
        raise ExcessError(
            f"工作簿已损坏（{error}）。请用 Excel 打开后另存为 .xlsx。",
            f"The workbook is damaged ({error}). Open it in Excel and save it as .xlsx.",
        ) from error
    for stream in streams:
        _require_small(stream)


def _require_small(stream: bytes) -> None:
    rows = columns = 0
    texts: NDArray[np.int64] = np.zeros(0, np.int64)
    shown: list[int] = []
    shared = _SharedTexts()
    for kind, body in _records(stream):
        if kind in _BEGINS:
            rows = columns = 0
        elif kind == _SHARED_TEXTS or (kind == _CONTINUE and shared.open):
            shared.add(body)
            continue
        elif kind in _ONE and len(body) >= 4:
            row, column = struct.unpack_from("<HH", body)
            rows, columns = max(rows, row + 1), max(columns, column + 1)
            if kind == _SHARED_TEXT_CELL and len(body) >= 10:
                shown.append(struct.unpack_from("<I", body, 6)[0])
        elif kind in _RUN and len(body) >= 6:
            row, first = struct.unpack_from("<HH", body)
            last = struct.unpack_from("<H", body, len(body) - 2)[0]
            rows, columns = max(rows, row + 1), max(columns, first + 1, last + 1)
        require_small_sheet(rows, columns)
        shared.open = False
    texts = shared.lengths()
    index = np.array(shown, np.int64)
    total = int(texts[index[index < len(texts)]].sum())
    if total > MAX_TEXT_BYTES:
        raise too_much_text(total)


def _records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + length]
        at += 4 + length


@dataclass
class _SharedTexts:
    """The table of shared texts, over the records that it continues in."""

    open: bool = False
    bodies: list[bytes] = field(default_factory=list)

    def add(self, body: bytes) -> None:
        self.open = True
        self.bodies.append(body)

    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each text as UTF-8 at most: three for each of its characters."""
        found: list[int] = []
        data, at, ends = b"".join(self.bodies), 8, np.cumsum([len(b) for b in self.bodies])
        while at + 3 <= len(data):
            characters, flags = struct.unpack_from("<HB", data, at)
            at += 3
            runs = struct.unpack_from("<H", data, at)[0] if flags & 8 else 0
            at += 2 if flags & 8 else 0
            extra = struct.unpack_from("<I", data, at)[0] if flags & 4 else 0
            at += 4 if flags & 4 else 0
            found.append(3 * characters)
            at = self._behind(data, at, ends, characters, flags & 1) + 4 * runs + extra
        return np.array(found, np.int64)

    @staticmethod
    def _behind(data: bytes, at: int, ends: NDArray[np.int64], characters: int, wide: int) -> int:
        """Where a text's characters end; where a record does, the next one says their width."""
        while characters:
            end = int(ends[min(int(np.searchsorted(ends, at, side="right")), len(ends) - 1)])
            fitting = min(characters, (end - at) >> wide)
            characters, at = characters - fitting, at + (fitting << wide)
            if not characters:
                break
            at = end
            if at >= len(data):
                break
            wide, at = data[at] & 1, at + 1
        return at


class _Compound:
    """A compound file: sectors in chains, a directory of streams."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        shift = struct.unpack_from("<H", data, 30)[0]
        if shift not in (9, 12):
            raise ValueError("sector size")
        self.sector = 1 << shift
        (directory,) = struct.unpack_from("<I", data, 48)
        (mini_table,) = struct.unpack_from("<I", data, 60)
        self.next = self._table(self._table_sectors())
        self.directory = self._chain(directory)
        self.mini_next = self._numbers(self._chain(mini_table))
        self.mini = b""

    def streams(self) -> Iterator[bytes]:
        """The streams that hold a workbook."""
        for at in range(0, len(self.directory) - 127, 128):
            entry = self.directory[at : at + 128]
            length, kind = struct.unpack_from("<HB", entry, 64)
            start, size = struct.unpack_from("<II", entry, 116)
            name = entry[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
            if at == 0:
                self.mini = self._chain(start)
            elif kind == 2 and name.lower() in _STREAMS:
                small = size < _MINI_STREAM_BELOW
                yield (self._mini_chain(start) if small else self._chain(start))[:size]

    def _table_sectors(self) -> list[int]:
        first = list(struct.unpack_from("<109I", self.data, 76))
        (more,) = struct.unpack_from("<I", self.data, 68)
        seen: set[int] = set()
        while more < _LAST_SECTOR:
            if more in seen:
                raise ValueError("sectors in a circle")
            seen.add(more)
            numbers = self._numbers(self._at(more)).tolist()
            first += numbers[:-1]
            more = numbers[-1]
        return [sector for sector in first if sector < _LAST_SECTOR]

    def _table(self, sectors: list[int]) -> NDArray[np.int64]:
        if len(sectors) * self.sector > len(self.data):
            raise ValueError("more sectors than the file has")
        return self._numbers(b"".join(self._at(sector) for sector in sectors))

    @staticmethod
    def _numbers(data: bytes) -> NDArray[np.int64]:
        return np.frombuffer(data[: len(data) // 4 * 4], "<u4").astype(np.int64)

    def _at(self, sector: int) -> bytes:
        start = (sector + 1) * self.sector
        if start >= len(self.data):
            raise ValueError("a sector beyond the end")
        return self.data[start : start + self.sector]

    def _chain(self, sector: int) -> bytes:
        return b"".join(self._at(each) for each in _followed(sector, self.next))

    def _mini_chain(self, sector: int) -> bytes:
        chain = _followed(sector, self.mini_next)
        return b"".join(self.mini[each * 64 : each * 64 + 64] for each in chain)


def _followed(sector: int, following: NDArray[np.int64]) -> Iterator[int]:
    """The sectors of a chain. Raises ValueError where it runs in a circle."""
    for _ in range(len(following) + 1):
        if sector >= _LAST_SECTOR:
            return
        yield sector
        sector = int(following[sector])
    raise ValueError("sectors in a circle")
