"""How the report writes numbers and other people's text: one way for paper, charts and workbook."""

from __future__ import annotations

import math

from servicecircle.export.plain_text import cut, one_line
from servicecircle.steps import percent, plain

#: kind of number → how the workbook shows it; `number` writes the same digits
EXCEL = {
    "share": "0.00%", "gap": "0.00%", "count": "#,##0", "weight": "#,##0.00", "yuan": "#,##0.00",
    "minutes": "General", "walk": "#,##0.00", "degrees": "0.000000", "plain": "General",
}  # fmt: skip
NONE = "—"  # what is not known, or does not apply
_TENTH_OF_MILLE = 5e-5  # shares are written to 0.01 %
_ZERO = 1e-12  # what is less comes of rounding
_LEAST = "< 0.01%"


def number(value: float | None, kind: str) -> str:
    """A figure as the paper writes it; ``kind`` is a key of `EXCEL`. None and NaN give a dash.

    A share that is not quite 0 or 1 never looks as if it were.
    """
    if value is None or math.isnan(value):
        return NONE
    if kind == "share":
        return _share(value)
    if kind == "gap":
        return _LEAST if _ZERO < value < _TENTH_OF_MILLE else percent(value)
    if kind == "plain":
        return plain(value)
    if kind in ("weight", "yuan"):
        whole = abs(value - round(value)) < 1e-9 or (kind == "weight" and abs(value) >= 1000)
        return f"{value:,.0f}" if whole else f"{value:,.2f}"
    value = round(value, 6) + 0.0  # no minus before a zero
    return f"{value:{ {'count': ',.0f', 'minutes': 'g', 'walk': ',.2f', 'degrees': '.6f'}[kind] }}"


def change(before: float, after: float, kind: str) -> str:
    """How much a figure grows, with its sign; shares in percentage points (without the words)."""
    sign = "" if after == before else "+" if after > before else "−"
    grown = abs(after - before)
    return sign + (f"{100 * grown:.2f}" if kind == "share" else number(grown, kind))


def clean(text: object, limit: int | None = None) -> str:
    """Text as a document can hold it, on one line (`plain_text`), cut to ``limit`` characters."""
    line = one_line(str(text))
    return line if limit is None else cut(line, limit)


def _share(value: float) -> str:
    if 1 - _TENTH_OF_MILLE <= value < 1 - _ZERO:
        return "> 99.99%"
    if _ZERO < value < _TENTH_OF_MILLE:
        return _LEAST
    return f"{value:.2%}"
