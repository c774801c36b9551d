"""OSM files: XML without a document type, and no more in a compressed file than maps hold.

libosmium streams, so a compressed file that never ends costs time, a place in memory for every
node and a line on the disk for every street. How much comes out is counted before.
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.markup import MalformedError, PlainXml

MAX_EXPANDED_BYTES = 64 << 30  # the whole of China is about half of it
FREE_BYTES = 100_000_000  # below this size any ratio is harmless
MAX_XML_RATIO = 100  # maps reach 10 to 20
MAX_PBF_RATIO = 20  # maps reach 2 to 3: numbers are packed before they are compressed
_CHUNK = 1 << 20
_MAX_BLOB_HEADER = 1 << 16  # of the format's own limits
_MAX_BLOB = 1 << 25


def require_sane_osm(path: Path) -> None:
    """Raise `ExcessError` where an OSM file would burst, OSError where it cannot be read.

    A file that is merely damaged is left to its reader. What was found sound is not looked
    through again while it stays as it is.
    """
    about = path.stat()
    _look_through(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=64)
def _look_through(path: Path, size: int, changed: int) -> None:
    name = path.name.lower()
    with path.open("rb") as file:
        if name.endswith(".pbf"):
            _require_ratio(_blob_sizes(file, size), size, MAX_PBF_RATIO)
        elif name.endswith(".gz"):
            _require_plain(gzip.GzipFile(fileobj=file), size)  # type: ignore[arg-type]
        elif name.endswith(".bz2"):
            _require_plain(bz2.BZ2File(file), size)  # type: ignore[arg-type]
        else:
            _require_plain(file, size)


def _require_plain(file: BinaryIO, size: int) -> None:
    check = PlainXml(until_root=True)

    def pieces() -> Iterator[int]:
        try:
            while piece := file.read(_CHUNK):
                if not check.done:
                    check.feed(piece)
                yield len(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile, MalformedError) as error:
            raise _Damaged from error
        except OSError as error:
            if error.errno is None:  # what bz2 says of damaged data
                raise _Damaged from error
            raise

    try:
        if isinstance(file, (gzip.GzipFile, bz2.BZ2File)):
            _require_ratio(pieces(), size, MAX_XML_RATIO)
        else:
            for _ in pieces():
                if check.done:
                    return
    except _Damaged:
        return


class _Damaged(Exception):  # noqa: N818 (its reader will say what is wrong)
    pass


def _require_ratio(pieces: Iterator[int], size: int, ratio: int) -> None:
    total = 0
    for piece in pieces:
        total += piece
        if total > MAX_EXPANDED_BYTES or (total > FREE_BYTES and total > ratio * size):
            raise ExcessError(
                f"解压后太大（{size:,} 字节展开成 {total:,} 字节以上），不像地图数据，不予打开。"
                "请重新下载，或用 osmium cat 另存为 .osm.pbf。",
                f"it would unpack to too much ({size:,} bytes to more than {total:,}), which maps "
                "do not, and is not opened. Download it again, or save it with `osmium cat` as "
                ".osm.pbf.",
            )


# --- PBF: a row of blobs, each with its length and the length of what is in it -------------------


def _blob_sizes(file: BinaryIO, size: int) -> Iterator[int]:
    """Bytes that each blob expands to, as it says; readers refuse a blob that does not keep to it.

    Ends where the file is damaged.
    """
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(4)
        length = int.from_bytes(head, "big")
        if len(head) < 4 or length > _MAX_BLOB_HEADER:
            return
        blob = dict(_fields(file.read(length))).get(3)
        if not isinstance(blob, int) or blob > _MAX_BLOB:
            return
        at += 4 + length + blob
        yield _raw_size(file, at - blob, at)


def _raw_size(file: BinaryIO, at: int, end: int) -> int:
    """The ``raw_size`` of a blob, or the length of its plain bytes."""
    largest = 0
    while at < end:
        file.seek(at)
        head = file.read(min(24, end - at))
        try:
            key, behind = _number(head, 0)
            value, behind = _number(head, behind)
        except IndexError:
            break
        if key & 7 == 2:
            behind += value
            largest = max(largest, value)
        elif key & 7 == 0:
            largest = max(largest, value) if key >> 3 == 2 else largest
        else:
            break
        at += behind
    return largest


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a message's fields, the two kinds that blob headers have."""
    at = 0
    while at < len(data):
        try:
            key, at = _number(data, at)
            value, at = _number(data, at)
        except IndexError:
            return
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2:
            yield key >> 3, data[at : at + value]
            at += value
        else:
            return


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The variable-length number at a place, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128 or shift > 63:
            return value, at
