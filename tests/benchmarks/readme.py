"""Writes the benchmarks' table into the README, between its two markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import PICTURE, ROOT, BenchmarkError, CaseResult, Row, machine, versions

BEGIN = "<!-- reach benchmarks: begin -->"
END = "<!-- reach benchmarks: end -->"
_HEADER = ("measured", "goal", "reached", "", "servicecircle", "peer", "sizes")
_SIGNS = {True: "✓", False: "✗", None: ""}


def section(results: Sequence[CaseResult]) -> str:
    """The table, when and where it was measured, the curve, and where the time goes."""
    rows = [row for result in results for row in result.rows]
    dates = sorted({result.date for result in results})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    picture = PICTURE.relative_to(ROOT).as_posix()
    lines = [
        *_table(rows),
        "",
        f"Medians, contenders in turn in one run, same answers checked first. {when}, "
        f"{machine()}; {versions()}.",
        "",
        f"![Seconds of reach over the size of the city, log-log]({picture})",
        "",
        "Where the time goes:",
        "",
        *(f"- {line}" for result in results for line in result.profile),
    ]
    return "\n".join(lines)


def write_section(readme: Path, text: str) -> None:
    """Replace what stands between the markers. Raises `BenchmarkError` unless both are there."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchmarkError(f"{readme} lacks the markers {BEGIN} … {END}")
    new = f"{before}{BEGIN}\n{text}\n{END}{after}"
    readme.write_text(new, encoding="utf-8")


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [_line(_HEADER), _line(["---"] * len(_HEADER))]
    for r in rows:
        sign = _SIGNS[r.met]
        lines.append(_line((r.what, r.goal, r.reached, sign, r.ours, r.peer, r.sizes)))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
