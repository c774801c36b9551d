"""Zip archives: what they say of themselves, and what really comes out of them.

An archive's index may lie, and two readers may see two archives in one file. So the index must be
the only one, entries may not share bytes, and everything is inflated once, piece by piece, and
held against what the index says; only then may a library read the file.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from servicecircle.unpacking.excess import ExcessError

CHUNK = 1 << 20
_INDEX_MARK = b"PK\x05\x06"
_INDEX_TAIL = 22 + 0xFFFF  # the end of an archive's index, and the longest comment behind it
_LOCAL_HEADER = 30
_ENCRYPTED = 1

BROKEN_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


@contextmanager
def sane_zip(
    file: BinaryIO, size: int, *, entries: int, expanded: int, ratio: float, free: int
) -> Iterator[zipfile.ZipFile]:
    """The archive in a file of ``size`` bytes, where its index is within the limits.

    At most ``entries`` parts and ``expanded`` bytes in all; beyond ``free`` bytes at most
    ``ratio`` times the file's size. Raises `ExcessError`, or one of `BROKEN_ZIP`.
    """
    _require_one_index(file, size)
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        total = sum(part.file_size for part in parts)
        if len(parts) > entries or total > expanded or (total > free and total > ratio * size):
            raise ExcessError(
                f"解压后太大（{len(parts)} 个部件，{total:,} 字节，{total / size:.0f} 倍），"
                "不予打开。",
                f"it would unpack to too much ({len(parts)} entries, {total:,} bytes, "
                f"{total / size:.0f} times its size) and is not opened.",
            )
        _require_apart(parts, size)
        yield archive


def inflated(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a part in chunks, held against the length that the index gives it.

    Raises `ExcessError` as soon as more comes out than was said, or in the end less.
    """
    said, came = part.file_size, 0
    part.file_size = 1 << 62  # Python stops at the length that was said; other readers do not
    try:
        with archive.open(part) as stream:
            while chunk := stream.read(CHUNK):
                came += len(chunk)
                if came > said:
                    break
                yield chunk
    finally:
        part.file_size = said
    if came != said:
        raise _lying(part.filename)


def _require_one_index(file: BinaryIO, size: int) -> None:
    file.seek(max(0, size - _INDEX_TAIL))
    marks = file.read().count(_INDEX_MARK)
    file.seek(0)
    if marks > 1:
        raise ExcessError(
            "压缩包有不止一个目录，不予打开。",
            "the archive has more than one index and is not opened.",
        )


def _require_apart(parts: list[zipfile.ZipInfo], size: int) -> None:
    """Every part has a name and bytes of its own, and the first one begins the file."""
    names = [part.filename.replace("\\", "/").lower() for part in parts]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise ExcessError(
            f"压缩包里有两个部件叫 {twice[:80]!r}，不予打开。",
            f"the part {twice[:80]!r} comes twice in the archive, so it is not opened.",
        )
    odd = any(re.match(r"/|[a-z]:", name) or ".." in name.split("/") for name in names)
    end = 0
    for i, part in enumerate(sorted(parts, key=lambda part: part.header_offset)):
        odd |= part.header_offset < end or (i == 0 and part.header_offset > 0)
        end = part.header_offset + _LOCAL_HEADER + len(part.filename) + part.compress_size
        if part.flag_bits & _ENCRYPTED:
            raise ExcessError(
                "压缩包里的部件有密码，不予打开。", "a part of the archive has a password."
            )
    if odd or end > size:
        raise _lying(parts[0].filename)


def _lying(name: str) -> ExcessError:
    return ExcessError(
        f"压缩包的目录与内容不符（如 {name[:80]!r}：大小、位置或名称），不予打开。",
        f"the archive's index does not fit its content (such as {name[:80]!r}: size, place or "
        "name), so it is not opened.",
    )
