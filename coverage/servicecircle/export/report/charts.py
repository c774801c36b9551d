"""The bar chart of districts: covered share today and with the plan."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd

from servicecircle.errors import Lang
from servicecircle.export.fonts import Font
from servicecircle.export.report.map_signs import DPI, drawn
from servicecircle.export.report.numbers import number
from servicecircle.map_panel import BLUE, GREEN

MAX_BARS = 40  # districts that one chart shows, those of most weight
_LIGHT = "#b9cbdc"
_NAME = 12  # characters of a district's name


def district_chart(rows: pd.DataFrame, font: Font, lang: Lang, *, width_mm: float) -> bytes:
    """A PNG with two bars per district (`facts.Facts.districts`), in the order of the rows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (slow to import)
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    words = FontProperties(fname=str(font.single_file()), size=8)
    high_mm = 22 + 7.5 * len(rows)
    figure = Figure(figsize=(width_mm / 25.4, high_mm / 25.4), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    at = np.arange(len(rows))
    zh = lang == "zh"
    bars = (
        ("share_before", -0.2, _LIGHT, "现状" if zh else "today", BLUE),
        ("covered_share", 0.2, GREEN, "方案" if zh else "plan", GREEN),
    )
    for column, shift, colour, label, dark in bars:
        shares = rows[column].to_numpy(float)
        axes.barh(at + shift, np.nan_to_num(shares), 0.38, color=colour, label=label)
        for y, share in zip(at + shift, shares, strict=True):
            axes.text(
                np.nan_to_num(share) + 0.008,
                y,
                number(share, "share"),
                va="center",
                color=dark,
                fontproperties=words,
            )
    names = [drawn(name, _NAME, font) for name in rows["district"]]
    axes.set_yticks(at, names, fontproperties=words)
    for tick in axes.get_yticklabels():
        tick.set_parse_math(False)  # names are names, whatever signs they hold
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.13)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for tick in axes.get_xticklabels():
        tick.set_fontproperties(words)
    axis = "覆盖率（占本区需求权重，%）" if zh else "covered share of the district's demand (%)"
    axes.set_xlabel(axis, fontproperties=words)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, prop=words)
    return _png(figure)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
