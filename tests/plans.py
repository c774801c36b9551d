"""Planning questions on towns small enough to answer by hand, written as files on the spot.

All towns lie on one street along the equator; places are metres east of its western end. At
4 km/h, 6 minutes are 400 m, and 15 minutes 1,000 m.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from servicecircle.plan import Plan, make_plan
from servicecircle.plan_folder import save
from servicecircle.scenario import load_scenario
from towns import line_town, metres_east

NORTH_M = 110_574.2757  # metres per degree of latitude on the equator


def place(east: float, north: float = 0.0) -> dict[str, float]:
    """``lng`` and ``lat`` of a place so many metres east and north of the street's end."""
    return {"lng": metres_east(east), "lat": north / NORTH_M}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A CSV file with the columns of the first row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def demand_row(name: str, east: float, weight: float, north: float = 0.0, **more: Any) -> dict:
    return {"demand_id": name, **place(east, north), "weight": weight, **more}


def site_row(name: str, east: float, cost: Any = "", status: str = "", **more: Any) -> dict:
    row = {"site_id": name, "name": f"站点{name}", **place(east), "cost": cost, "status": status}
    return row | more


def write_scenario(
    folder: Path,
    *,
    demand: Sequence[Mapping[str, Any]],
    candidates: Sequence[Mapping[str, Any]],
    existing: Sequence[Mapping[str, Any]] = (),
    districts: Mapping[str, tuple[float, float, float | None]] | None = None,
    length: float = 6000.0,
    **question: Any,
) -> Path:
    """The files of a town, and its scenario; ``districts`` are name → (from, to, minutes)."""
    folder.mkdir(parents=True, exist_ok=True)
    line_town(folder / "town.osm", [length / 4] * 4)
    write_table(folder / "demand.csv", demand)
    write_table(folder / "candidates.csv", candidates)
    data: dict[str, Any] = {
        "title": "town",
        "network": {"osm": "town.osm"},
        "demand": {"file": "demand.csv"},
        "sites": {"candidates": "candidates.csv"},
        "question": {"minutes": 6.0, **question},
    }
    if existing:
        write_table(folder / "existing.csv", existing)
        data["sites"]["existing"] = "existing.csv"
    if districts:
        write_districts(folder / "districts.geojson", districts)
        data["districts"] = {"file": "districts.geojson"}
    path = folder / "scenario.toml"
    path.write_text(tomli_w.dumps(data), encoding="utf-8")
    return path


def write_districts(path: Path, districts: Mapping[str, tuple[float, float, float | None]]) -> Path:
    """Districts as boxes across the street."""
    features = []
    for name, (west, east, minutes) in districts.items():
        a, b = metres_east(west), metres_east(east)
        box = [[a, -0.01], [b, -0.01], [b, 0.01], [a, 0.01], [a, -0.01]]
        features.append(
            {
                "type": "Feature",
                "properties": {"district": name, "minutes": minutes},
                "geometry": {"type": "Polygon", "coordinates": [box]},
            }
        )
    layer = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(layer, ensure_ascii=False), encoding="utf-8")
    return path


# Minutes are 6, so a site covers 400 m to both sides:
#
#        d1  d2   C1   d3   C2   d4   d5   C3   C4   d6   C5 = d7
#   E1=0 100 700  1000 1290 1600 1900 2500 2600 4000 4100 5000 m
#
#   E1 {d1 10} · C1 {d2 20, d3 30} · C2 {d3 30, d4 25} · C3 {d5 15} · C4 {d6 5} · C5 {d7 40}
#
# C5 is forbidden, so d7 (40) is out of reach; d8 (8) is 600 m from the street. Total weight 153.
DEMAND = (
    demand_row("d1", 100, 10),
    demand_row("d2", 700, 20),
    demand_row("d3", 1290, 30),
    demand_row("d4", 1900, 25),
    demand_row("d5", 2500, 15),
    demand_row("d6", 4100, 5),
    demand_row("d7", 5000, 40),
    demand_row("d8", 100, 8, north=600),
)
EXISTING = (site_row("E1", 0),)
CANDIDATES = (
    site_row("C1", 1000, 100),
    site_row("C2", 1600, 300),
    site_row("C3", 2600, 150),
    site_row("C4", 4000, 50),
    site_row("C5", 5000, 10, "forbidden"),
)


def main_street(folder: Path, **changes: Any) -> Path:
    """The scenario of the town above; ``changes`` are tables, or lines of the question."""
    parts = {"demand": DEMAND, "candidates": CANDIDATES, "existing": EXISTING}
    return write_scenario(folder, **{**parts, **changes})


def busy_town(folder: Path, osm: Path, points: int = 4000, **question: Any) -> Path:
    """A question on a real extract of Helsinki that keeps the machine busy for a while."""
    rng = np.random.default_rng(0)
    lng = 24.945 + rng.uniform(-0.008, 0.008, points)
    lat = 60.172 + rng.uniform(-0.004, 0.004, points)
    rows = [
        {"demand_id": f"d{i}", "lng": x, "lat": y, "weight": rng.uniform(1, 50)}
        for i, (x, y) in enumerate(zip(lng, lat, strict=True))
    ]
    sites = [
        {"site_id": f"c{i}", "lng": row["lng"], "lat": row["lat"]}
        for i, row in enumerate(rows[: points // 5])
    ]
    asked = {"new_sites": 8, "minutes": 5.0, **question}
    path = write_scenario(folder, demand=rows, candidates=sites, **asked)
    shutil.copy(osm, folder / "town.osm.pbf")
    text = path.read_text(encoding="utf-8").replace('"town.osm"', '"town.osm.pbf"')
    path.write_text(text, encoding="utf-8")
    return path


def with_status(status: str, *names: str, rows: Sequence[Mapping[str, Any]] = CANDIDATES) -> list:
    """The candidates with another status for some."""
    return [{**row, "status": status} if row["site_id"] in names else row for row in rows]


def answer(path: Path) -> Plan:
    """The plan of a scenario file."""
    return make_plan(load_scenario(path))


def chosen(plan: Plan) -> set[str]:
    """Ids of the new sites."""
    return set(plan.sites["site_id"].iloc[plan.new])


def saved(path: Path, folder: Path) -> Path:
    """The plan of a scenario file, in a folder, with no map to speak of."""
    return save(answer(path), folder, map_html=lambda plan: "<html></html>")
