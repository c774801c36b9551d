"""What lies below a map picture: streets, water and district outlines, where their files remain.

A plan folder holds none of them. They are read again from the files that the scenario names, which
must be the very files that were planned on; without them the picture has circles and demand alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd

from servicecircle.errors import PlannerError
from servicecircle.export.bands import streets_of
from servicecircle.export.report.facts import Facts
from servicecircle.places import read_districts_of
from servicecircle.plan_circles import water_of
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.street_files import is_osm
from servicecircle.tables import read_districts
from servicecircle.walking import Walking, sha256


@dataclass(frozen=True)
class Ground:
    """Streets, water and districts (``district``, ``geometry``; EPSG:4326); None: not at hand."""

    network: WalkNetwork | None
    water: gpd.GeoDataFrame | None
    districts: gpd.GeoDataFrame | None


def ground_of(facts: Facts) -> Ground:
    """Read what is still there; what is gone, changed or unreadable is left out."""
    network = water = None
    walking: Walking | None = None
    try:
        walking = streets_of(facts.plan)
        network = walking.network
        water = water_of(walking)
    except (PlannerError, OSError):
        pass
    try:
        districts = _districts(facts, walking if network is not None else None)
    except (PlannerError, OSError):
        districts = None
    return Ground(network, water, districts)


def _districts(facts: Facts, walking: Walking | None) -> gpd.GeoDataFrame | None:
    """The outlines of the districts that ``plan.json`` lists."""
    part = facts.scenario.districts
    entry = next((e for e in facts.said["inputs"] if e["role"] == "districts"), None)
    if entry is None:
        return None
    if part.file:
        path = facts.scenario.path(part.file)
        if not path.is_file() or sha256(path) != entry["sha256"]:
            return None
        found = read_districts(
            path, datum=part.datum, columns=part.columns or None, area=part.area, sheet=part.sheet
        )
    else:
        if walking is None or not is_osm(walking.osm):
            return None
        osm, levels = walking.osm, part.admin_levels
        found = walking.table("districts", levels, lambda: read_districts_of(osm, levels))
        if found is None:
            return None
    named = {row["district"] for row in facts.said["districts"]}
    return found[found["district"].isin(named)].reset_index(drop=True)
