"""Plan walkable service stations (服务圈规划): from an OSM walking network to a proven plan.

>>> from servicecircle import load_scenario, make_plan
>>> plan = make_plan(load_scenario("city.toml"))        # doctest: +SKIP
>>> plan.covered_share, plan.selection.gap               # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servicecircle.check import check_folder
    from servicecircle.circles.exact_circles import reached_streets, street_circles
    from servicecircle.circles.isochrones import circles_of_sets, service_circles, station_circles
    from servicecircle.circles.walk_raster import WalkRaster
    from servicecircle.errors import PlannerError
    from servicecircle.fetching.fetch import fetch_place
    from servicecircle.legs import OpenLegs, snap_around
    from servicecircle.locate import (
        Selection,
        lscp,
        mclp,
        mclp_alternatives,
        mclp_curve,
        p_center,
        p_median,
        partial_cover,
    )
    from servicecircle.maps import map_html, plan_map
    from servicecircle.obstacles import read_obstacles
    from servicecircle.plan import Plan, make_plan
    from servicecircle.plan_folder import save
    from servicecircle.reach import TravelTimes, travel_times
    from servicecircle.scenario import Scenario, load_scenario, make_scenario
    from servicecircle.snapping import Snapped, Streets, snap
    from servicecircle.streets.changes import apply_changes, read_barriers, read_links
    from servicecircle.streets.effort import walking_effort
    from servicecircle.streets.line_layer import network_from_lines
    from servicecircle.streets.network import WalkNetwork
    from servicecircle.streets.osm_file import read_osm
    from servicecircle.streets.street_files import read_streets
    from servicecircle.streets.street_graph import network_from_graph
    from servicecircle.tables import read_demand, read_districts, read_sites

# Names are fetched when they are first used: the geographic libraries take seconds to import,
# and `servicecircle --help` needs none of them.
_HOME = {
    "OpenLegs": "legs",
    "Plan": "plan",
    "PlannerError": "errors",
    "Scenario": "scenario",
    "Selection": "locate",
    "Snapped": "snapping",
    "Streets": "snapping",
    "TravelTimes": "reach",
    "WalkNetwork": "streets.network",
    "WalkRaster": "circles.walk_raster",
    "apply_changes": "streets.changes",
    "check_folder": "check",
    "circles_of_sets": "circles.isochrones",
    "fetch_place": "fetching.fetch",
    "load_scenario": "scenario",
    "lscp": "locate",
    "make_plan": "plan",
    "make_scenario": "scenario",
    "map_html": "maps",
    "mclp": "locate",
    "mclp_alternatives": "locate",
    "mclp_curve": "locate",
    "network_from_graph": "streets.street_graph",
    "network_from_lines": "streets.line_layer",
    "p_center": "locate",
    "p_median": "locate",
    "partial_cover": "locate",
    "plan_map": "maps",
    "reached_streets": "circles.exact_circles",
    "read_barriers": "streets.changes",
    "read_demand": "tables",
    "read_districts": "tables",
    "read_links": "streets.changes",
    "read_obstacles": "obstacles",
    "read_osm": "streets.osm_file",
    "read_sites": "tables",
    "read_streets": "streets.street_files",
    "save": "plan_folder",
    "service_circles": "circles.isochrones",
    "snap": "snapping",
    "snap_around": "legs",
    "station_circles": "circles.isochrones",
    "street_circles": "circles.exact_circles",
    "travel_times": "reach",
    "walking_effort": "streets.effort",
}

__all__ = [
    "OpenLegs",
    "Plan",
    "PlannerError",
    "Scenario",
    "Selection",
    "Snapped",
    "Streets",
    "TravelTimes",
    "WalkNetwork",
    "WalkRaster",
    "apply_changes",
    "check_folder",
    "circles_of_sets",
    "fetch_place",
    "load_scenario",
    "lscp",
    "make_plan",
    "make_scenario",
    "map_html",
    "mclp",
    "mclp_alternatives",
    "mclp_curve",
    "network_from_graph",
    "network_from_lines",
    "p_center",
    "p_median",
    "partial_cover",
    "plan_map",
    "reached_streets",
    "read_barriers",
    "read_demand",
    "read_districts",
    "read_links",
    "read_obstacles",
    "read_osm",
    "read_sites",
    "read_streets",
    "save",
    "service_circles",
    "snap",
    "snap_around",
    "station_circles",
    "street_circles",
    "travel_times",
    "walking_effort",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
