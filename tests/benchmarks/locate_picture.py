"""Draws the gap over the seconds; a worker's task."""

from __future__ import annotations

from typing import Any

FLOOR = 1e-4  # gaps below it are drawn there, on the line that says so
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


def draw(panels: dict[str, dict[str, Any]], path: str) -> dict[str, Any]:
    """One panel per family, one line per question: [seconds, gap] pairs; log-log."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, several = plt.subplots(
        len(panels), 1, figsize=(8, 2.7 * len(panels) + 0.4), sharex=True, layout="constrained",
        squeeze=False, height_ratios=[len(lines) + 3 for lines in panels.values()],
    )  # fmt: skip
    times = [t for lines in panels.values() for line in lines.values() for t, _ in line]
    for axes, (title, lines) in zip(several[:, 0], panels.items(), strict=True):
        axes.set(xscale="log", yscale="log")
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlim(min(times) / 1.5, max(times) * 1.5)
        axes.set_ylim(FLOOR / 1.6, 2.0)
        axes.axhline(FLOOR, color="0.6", linewidth=0.8)
        axes.grid(True, which="major", color="0.92")
        _lines(axes, lines)
    marks = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    low, high = several[0, 0].get_xlim()
    whole = [10.0**k for k in range(-3, 5) if low <= 10.0**k <= high]
    for axes in several[:, 0]:
        axes.set_yticks(marks, ["0 (proven)", "0.1 %", "1 %", "10 %", "100 %"])
        axes.set_ylabel("gap")
        axes.set_xticks(whole, [f"{t:g}" for t in whole])
        axes.minorticks_off()
    several[-1, 0].set_xlabel("wall time of a process's first call (seconds)")
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
    return {}


def _lines(axes: Any, lines: dict[str, Any]) -> None:
    """Steps with their names in the margin, in the order of their ends, so that none overlap."""
    ends = []
    for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
        seconds = [t for t, _ in line]
        gaps = [min(max(gap, FLOOR), 1.5) for _, gap in line]
        axes.step(seconds, gaps, where="post", color=colour, linewidth=1.6)
        axes.plot(seconds[-1:], gaps[-1:], "o", color=colour, markersize=4)
        ends.append((gaps[-1], -seconds[-1], colour, name))
    for i, (gap, seconds, colour, name) in enumerate(sorted(ends, reverse=True)):
        axes.annotate(
            name,
            (-seconds, gap),
            (1.04, 1 - (i + 0.5) / len(ends)),
            textcoords="axes fraction",
            color=colour,
            fontsize=8.5,
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "relpos": (0, 0.5)},
        )
