"""The land that tiles and layers colour: one band per walking time, the longest below.

By default those that the plan folder holds, its standards; other minutes are walked anew on the
streets that the plan was made on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from servicecircle.errors import OutputError
from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.tiles.outlines import Band

if TYPE_CHECKING:
    from servicecircle.walking import Walking

MAX_MINUTES = 120
MAX_BANDS = 8
OPACITY = 0.5
NEAR, FAR = (0, 90, 62), (160, 205, 100)  # dark green for the shortest walk, light for the longest


def bands_of(plan: ExportPlan, minutes: Sequence[float] = ()) -> gpd.GeoDataFrame:
    """Land within so many minutes of the plan's open stations: ``minutes``, ``geometry``.

    EPSG:4326, one row per band, ascending; empty bands are left out. Raises `OutputError` where
    ``minutes`` are given and the plan's street file is not at its place any more.
    """
    if len(minutes) > MAX_BANDS:
        raise OutputError(f"服务圈至多 {MAX_BANDS} 层。", f"at most {MAX_BANDS} bands.")
    if any(not 0 < m <= MAX_MINUTES for m in minutes):
        raise OutputError(
            f"服务圈的分钟数要大于 0，不超过 {MAX_MINUTES}。",
            f"minutes of bands are above 0 and at most {MAX_MINUTES}.",
        )
    if not minutes:
        stored = plan.circles[plan.circles["set"] == "plan"]
        table = stored[["minutes", "geometry"]].sort_values("minutes", ignore_index=True)
    else:
        # brings the planner along, which other exports do without
        from servicecircle.plan_circles import land_within, water_of  # noqa: PLC0415

        walking = streets_of(plan)
        feet = walking.feet(plan.stations)
        every = [np.arange(len(plan.stations))]
        table = land_within(walking, feet, every, sorted(set(minutes)), water_of(walking))[0]
    return table[~table.geometry.is_empty].reset_index(drop=True)


def coloured(plan: ExportPlan, bands: gpd.GeoDataFrame) -> list[Band]:
    """The bands as tiles draw them: the longest first and lightest, the shortest on top."""
    share = np.linspace(0.0, 1.0, len(bands)) if len(bands) > 1 else np.array([0.3])
    colours = np.round(np.outer(1 - share, NEAR) + np.outer(share, FAR)).astype(int).tolist()
    drawn = [
        Band(shape, (r, g, b), OPACITY, plan.circle_name(minutes), float(minutes))
        for minutes, shape, (r, g, b) in zip(bands["minutes"], bands.geometry, colours, strict=True)
    ]
    return drawn[::-1]


def streets_of(plan: ExportPlan) -> Walking:
    """The streets that the plan was made on. Raises `OutputError` where they are gone or others."""
    from servicecircle.scenario import load_scenario  # noqa: PLC0415
    from servicecircle.walking import Walking, sha256  # noqa: PLC0415

    scenario = load_scenario(plan.folder / "scenario.toml")
    osm = scenario.path(scenario.network.osm or "")
    if not osm.is_file():
        raise OutputError(
            f"{osm}：找不到规划时用的路网文件，不能另算服务圈。请放回原处，或去掉 --bands。",
            f"{osm}: the street file that was planned on is not there, so no other bands can be "
            "drawn. Put it back, or leave out --bands.",
        )
    if sha256(osm) != scenario.network.sha256:
        raise OutputError(
            f"{osm}：已不是规划时的那份路网文件，不能另算服务圈。请重新规划，或去掉 --bands。",
            f"{osm}: is not the street file that was planned on any more. Plan again, or leave "
            "out --bands.",
        )
    return Walking(scenario)
