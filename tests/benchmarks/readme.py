"""Writes the benchmarks' tables into the README, each between its two markers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import (
    PICTURE,
    PICTURES,
    ROOT,
    BenchmarkError,
    CaseResult,
    Row,
    machine,
    versions,
    work_folder,
)

_HEADER = ("measured", "goal", "reached", "", "servicecircle", "peer", "sizes")
_SIGNS = {True: "✓", False: "✗", None: ""}


@dataclass(frozen=True)
class Section:
    """What one family of benchmarks says in the README, and the picture it is shown with."""

    name: str
    measured: str  # how, in a few words
    packages: tuple[str, ...]  # peers, and parts that do the work
    picture: Path | None = None
    shows: str = ""
    lines: str = ""  # what the lines below the table are about

    @property
    def begin(self) -> str:
        """The marker before the section."""
        return f"<!-- {self.name} benchmarks: begin -->"

    @property
    def end(self) -> str:
        """The marker after it."""
        return f"<!-- {self.name} benchmarks: end -->"

    def text(self, results: Sequence[CaseResult]) -> str:
        """The table, when and where it was measured, the picture, and the lines."""
        rows = [row for result in results for row in result.rows]
        dates = sorted({result.date for result in results})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        lines = [
            *_table(rows),
            "",
            f"{self.measured} {when}, {machine()}; {versions(self.packages)}.",
        ]
        if self.picture is not None:
            lines += ["", f"![{self.shows}]({self.picture.relative_to(ROOT).as_posix()})"]
        if self.lines:
            profile = [f"- {line}" for result in results for line in result.profile]
            lines += ["", self.lines, "", *profile]
        return "\n".join(lines)

    def write(self, readme: Path, results: Sequence[CaseResult]) -> None:
        """Replace what stands between the markers, and the picture by the newest one.

        Raises `BenchmarkError` unless both markers are there; then nothing is written.
        """
        before, begin, rest = readme.read_text(encoding="utf-8").partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not begin or not end:
            raise BenchmarkError(f"{readme} lacks the markers {self.begin} … {self.end}")
        new = f"{before}{self.begin}\n{self.text(results)}\n{self.end}{after}"
        readme.write_text(new, encoding="utf-8")
        if self.picture is not None:
            shutil.copyfile(work_folder() / self.picture.name, self.picture)


REACH = Section(
    name="reach",
    measured="Medians, contenders in turn in one run, same answers checked first.",
    packages=("osmnx", "networkx", "pandana", "pyrosm", "numpy", "numba", "osmium", "shapely"),
    picture=PICTURE,
    shows="Seconds of reach over the size of the city, log-log",
    lines="Where the time goes:",
)

LOCATE = Section(
    name="locate",
    measured="Medians of three runs, of contenders in turn; what takes more than 30 s runs once.",
    packages=("spopt", "pulp", "highspy", "numpy", "scipy", "numba"),
    picture=PICTURES / "locate_gap.png",
    shows="Gap between plan and bound over the seconds, one line per question, log-log",
    lines="How each answer came about:",
)

EXPORT = Section(
    name="export",
    measured="Medians of three runs, two threads, each in a fresh process with its code compiled.",
    packages=("coord-convert", "eviltransform", "numpy", "numba", "shapely"),
)


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [_line(_HEADER), _line(["---"] * len(_HEADER))]
    for r in rows:
        sign = _SIGNS[r.met]
        lines.append(_line((r.what, r.goal, r.reached, sign, r.ours, r.peer, r.sizes)))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
