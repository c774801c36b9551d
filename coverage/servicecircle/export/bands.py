"""The land that tiles and layers colour: one band per walking time, the longest below.

By default those that the plan folder holds, its standards; other minutes are walked anew on the
streets that the plan was made on.
"""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np

from servicecircle.errors import OutputError
from servicecircle.export.export_plan import ExportPlan
from servicecircle.plan_circles import land_within, water_of
from servicecircle.scenario import load_scenario
from servicecircle.walking import Walking, sha256

MAX_BANDS = 8


def bands_of(plan: ExportPlan, minutes: Sequence[float] = ()) -> gpd.GeoDataFrame:
    """Land within so many minutes of the plan's open stations: ``minutes``, ``geometry``.

    EPSG:4326, one row per band, ascending; empty bands are left out. Raises `OutputError` where
    ``minutes`` are given and the plan's street file is not at its place any more.
    """
    if not minutes:
        stored = plan.circles[plan.circles["set"] == "plan"]
        table = stored[["minutes", "geometry"]].sort_values("minutes", ignore_index=True)
    else:
        walking = streets_of(plan)
        feet = walking.feet(plan.stations)
        every = [np.arange(len(plan.stations))]
        table = land_within(walking, feet, every, sorted(set(minutes)), water_of(walking))[0]
    return table[~table.geometry.is_empty].reset_index(drop=True)


def streets_of(plan: ExportPlan) -> Walking:
    """The streets that the plan was made on. Raises `OutputError` where they are gone or others."""
    scenario = load_scenario(plan.folder / "scenario.toml")
    osm = scenario.path(scenario.network.osm or "")
    if not osm.is_file():
        raise OutputError(
            f"{osm}：找不到规划时用的路网文件，不能另算时间圈。请放回原处，或去掉 --bands。",
            f"{osm}: the street file that was planned on is not there, so no other bands can be "
            "drawn. Put it back, or leave out --bands.",
        )
    if sha256(osm) != scenario.network.sha256:
        raise OutputError(
            f"{osm}：已不是规划时的那份路网文件，不能另算时间圈。请重新规划，或去掉 --bands。",
            f"{osm}: is not the street file that was planned on any more. Plan again, or leave "
            "out --bands.",
        )
    return Walking(scenario)
