"""Text out of tables as files can carry it: hostile characters gone where one can see it.

Escaping is each format's own business; here only what no format, spreadsheet or terminal should
get goes: control characters, half a surrogate, characters that turn the reading direction, and
characters that are none. Each leaves a `MARK`. Emoji, rare characters and line ends stay.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata

import pandas as pd

from servicecircle.stored_plan import guard

MARK = "\ufffd"  # stands where a character was taken out
ELLIPSIS = "…"
CELL_UNITS = 32_767  # of UTF-16: what a cell of a workbook holds

_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
_NO_CHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_HOSTILE = re.compile(  # controls but tab and line feed; surrogates; turning ones; no characters
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef"
    + _NO_CHARACTERS
    + "]"
)
_JOINS_ON = frozenset("\u200d\ufe0e\ufe0f")  # a text does not end with one of these


def legible(text: str) -> str:
    """Text of one or more lines, trimmed; line ends are ``\\n``, tabs stay."""
    lines = _LINE_ENDS.sub("\n", text)
    return _HOSTILE.sub(MARK, lines).strip()


def one_line(text: str) -> str:
    """The same on one line, runs of white space as one space."""
    return " ".join(legible(text).split())


def cut(text: str, characters: int) -> str:
    """At most so many characters, the last of them an ellipsis where some are missing."""
    if len(text) <= characters:
        return text
    kept = text[: max(characters - 1, 0)].rstrip()
    while kept and (kept[-1] in _JOINS_ON or unicodedata.combining(text[len(kept)])):
        kept = kept[:-1]
    return kept + ELLIPSIS if characters > 0 else ""


def cell(text: str) -> str:
    """Legible text that fits a cell of a workbook."""
    text = legible(text)
    if len(text.encode("utf-16-le")) // 2 <= CELL_UNITS:
        return text
    kept = text.encode("utf-16-le")[: 2 * (CELL_UNITS - 1)].decode("utf-16-le", errors="ignore")
    return kept + ELLIPSIS


def number(value: float) -> str:
    """A number as people write it: no exponent below 10^12, nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.12g}"


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table of text as CSV for Excel: UTF-8 with BOM, no cell that becomes a formula."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([guard(str(name)) for name in table.columns])
    writer.writerows([guard(str(value)) for value in row] for row in table.to_numpy(object))
    return file.getvalue().encode("utf-8-sig")
