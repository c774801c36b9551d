"""Case 6: does twice the city take twice the time? Made cities at one density, and the curve."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.city import BENDS, OURS, TYPICAL, city_files
from benchmarks.common import PICTURE, CaseResult, Row, in_turn, measure, shares, work_folder

SIZES = (60_000, 120_000, 240_000, 480_000, 960_000)
WITHIN = 0.2  # above 2 per doubling; below it are small cities, for which the start weighs


def run() -> CaseResult:
    """Seconds of read, snap and times per size, sizes in turn; draws the curve."""
    files = {n: city_files(n, BENDS[TYPICAL]) for n in SIZES}
    contenders = {
        str(n): lambda f=f: measure("city:reach", *f, imports=OURS) for n, f in files.items()
    }
    found = in_turn(contenders)
    seconds = [found[str(n)]["seconds"] for n in SIZES]
    measure("growth:draw", list(SIZES), seconds, work_folder() / PICTURE.name)
    factors = [b / a for a, b in pairwise(seconds)]
    row = Row(
        "growth: read, snap and times when the city doubles at the same density",
        f"at most 2 + {WITHIN:.0%}",
        ", ".join(f"{factor:.2f}" for factor in factors),
        all(factor <= 2 * (1 + WITHIN) for factor in factors),
        ", ".join(f"{s:.2f} s" for s in seconds),
        "",
        f"{', '.join(f'{n:,}' for n in SIZES)} nodes",
    )
    lines = [f"{n:,} nodes: {shares(found[str(n)]['steps'])}; "
             f"peak {found[str(n)]['peak_mb']:,.0f} MB." for n in SIZES]  # fmt: skip
    return CaseResult("growth", [row], lines)


def draw(sizes: list[int], seconds: list[float], path: str) -> dict[str, Any]:
    """The curve as a picture, log-log, with the line of equal pace; a worker's task."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    ideal = [seconds[0] * n / sizes[0] for n in sizes]
    axes.loglog(sizes, ideal, "--", color="0.6", label="twice the city, twice the time")
    axes.loglog(sizes, seconds, "o-", color="tab:blue", label="read + snap + travel times")
    for n, s in zip(sizes, seconds, strict=True):
        axes.annotate(f"{s:.1f} s", (n, s), textcoords="offset points", xytext=(6, -12))
    axes.set_xticks(sizes, [f"{n // 1000:,}k" for n in sizes], minor=False)
    low, high = min(seconds) / 1.3, max(*seconds, *ideal) * 1.3
    whole = [s for s in (0.5, 1, 2, 5, 10, 20, 50, 100) if low <= s <= high]
    axes.set_yticks(whole, [f"{s:g}" for s in whole])
    axes.set_ylim(low, high)
    axes.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.5)
    axes.minorticks_off()
    axes.set_xlabel("size of the city (nodes in the OSM file)")
    axes.set_ylabel("time (seconds)")
    axes.grid(True, which="major", color="0.9")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return {}
