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
    from servicecircle.errors import PlannerError
    from servicecircle.isochrones import service_circles
    from servicecircle.locate import Selection, lscp, mclp, partial_cover
    from servicecircle.maps import map_html, plan_map
    from servicecircle.network import WalkNetwork
    from servicecircle.osm_file import read_osm
    from servicecircle.plan import Plan, make_plan
    from servicecircle.plan_folder import save
    from servicecircle.reach import TravelTimes, travel_times
    from servicecircle.scenario import Scenario, load_scenario, make_scenario
    from servicecircle.snapping import Snapped, Streets, snap
    from servicecircle.street_graph import network_from_graph
    from servicecircle.tables import read_demand, read_districts, read_sites

# Names are fetched when they are first used: the geographic libraries take seconds to import,
# and `servicecircle --help` needs none of them.
_HOME = {
    "Plan": "plan",
    "PlannerError": "errors",
    "Scenario": "scenario",
    "Selection": "locate",
    "Snapped": "snapping",
    "Streets": "snapping",
    "TravelTimes": "reach",
    "WalkNetwork": "network",
    "check_folder": "check",
    "load_scenario": "scenario",
    "lscp": "locate",
    "make_plan": "plan",
    "make_scenario": "scenario",
    "map_html": "maps",
    "mclp": "locate",
    "network_from_graph": "street_graph",
    "partial_cover": "locate",
    "plan_map": "maps",
    "read_demand": "tables",
    "read_districts": "tables",
    "read_osm": "osm_file",
    "read_sites": "tables",
    "save": "plan_folder",
    "service_circles": "isochrones",
    "snap": "snapping",
    "travel_times": "reach",
}

__all__ = [
    "Plan",
    "PlannerError",
    "Scenario",
    "Selection",
    "Snapped",
    "Streets",
    "TravelTimes",
    "WalkNetwork",
    "check_folder",
    "load_scenario",
    "lscp",
    "make_plan",
    "make_scenario",
    "map_html",
    "mclp",
    "network_from_graph",
    "partial_cover",
    "plan_map",
    "read_demand",
    "read_districts",
    "read_osm",
    "read_sites",
    "save",
    "service_circles",
    "snap",
    "travel_times",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
