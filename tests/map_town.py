"""A small town with a pond, two districts and a few stations, made into a plan for map tests.

Streets: a grid of 7 × 7 junctions 200 m apart on the equator. At 4 km/h, 6 minutes are 400 m.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from servicecircle.plan import Plan, make_plan
from servicecircle.scenario import make_scenario
from towns import WALK, metres_east, write_osm

SIDE, STEP_M = 7, 200.0
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "`${alert(3)}`",
    "<img src=x onerror=alert(4)>",
    "\"'><svg onload=alert(5)>",
    "{{ 7*7 }}{% raw %}{# 站 #}",
)


def town_osm(path: Path) -> Path:
    """The streets, and a pond of 100 × 100 m in the first block."""
    step = metres_east(STEP_M)
    nodes = {i * SIDE + j + 1: (j * step, i * step) for i in range(SIDE) for j in range(SIDE)}
    ways = {}
    for i in range(SIDE):
        ways[1000 + i] = ([i * SIDE + j + 1 for j in range(SIDE)], WALK)
        ways[2000 + i] = ([j * SIDE + i + 1 for j in range(SIDE)], WALK)
    pond = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
    nodes |= {900 + k: (x * step, y * step) for k, (x, y) in enumerate(pond)}
    ways[3000] = ([900, 901, 902, 903, 900], {"natural": "water", "name": "小湖"})
    return write_osm(path, nodes, ways)


def town_plan(folder: Path, names: tuple[str, ...] = (), *, existing: bool = True) -> Plan:
    """A plan of the town; ``names`` are given to title, districts and stations in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    step = metres_east(STEP_M)
    name = (lambda i: names[i % len(names)]) if names else (lambda i: f"站点{i}")
    town_osm(folder / "town.osm")
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, (SIDE - 1) * step, (60, 2))
    demand = pd.DataFrame({"demand_id": range(62), "weight": rng.integers(1, 50, 62)})
    far = [[3 * step, -0.01], [0.5, 0.5]]  # 1.1 km south of the town; in another country
    demand[["lng", "lat"]] = np.concatenate([xy, far])
    demand["minutes"] = np.where(demand.index < 10, 9, 6)
    demand.to_csv(folder / "demand.csv", index=False)
    at = np.array([[i % SIDE, (2 * i) % SIDE] for i in range(14)]) * step
    sites = pd.DataFrame({"site_id": [f"S{i}" for i in range(14)], "lng": at[:, 0]})
    sites = sites.assign(lat=at[:, 1], name=[name(i) for i in range(14)], cost=1000.0)
    sites = sites.assign(address=[name(i + 1) for i in range(14)], kind=name(2))
    sites[:3].assign(status=["existing", "existing", "关闭"]).to_csv(
        folder / "existing.csv", index=False
    )
    sites[3:].to_csv(folder / "candidates.csv", index=False)
    half, whole = 3.1 * step, SIDE * step
    gpd.GeoDataFrame(
        {"district": [name(0), name(1)]},
        geometry=[shapely.box(-step, -step, half, whole), shapely.box(half, -step, whole, whole)],
        crs="EPSG:4326",
    ).to_file(folder / "districts.geojson")
    scenario = {
        "title": name(0),
        "network": {"osm": "town.osm"},
        "demand": {"file": "demand.csv"},
        "sites": {"candidates": "candidates.csv"},
        "districts": {"file": "districts.geojson"},
        "question": {"new_sites": 3, "minutes": 6, "time_limit": 5},
    }
    if existing:
        scenario["sites"]["existing"] = "existing.csv"
    return make_plan(make_scenario(scenario, folder=folder))
