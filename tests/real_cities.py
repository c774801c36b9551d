"""Planning questions on real cities, drawn by a seeded generator.

    python tests/real_cities.py porto path/to/porto.osm.pbf FOLDER
    python tests/real_cities.py saopaulo path/to/saopaulo.osm.pbf FOLDER path/to/hexgrid.csv

writes the tables and ``scenario.toml`` into FOLDER, for ``servicecircle plan``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w

from servicecircle.streets.osm_file import read_osm

PORTO_CITY = (-8.70, 41.13, -8.54, 41.21)  # the city proper; the extract is 35 × 46 km
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def places_near_streets(osm: Path, n: int, rng: np.random.Generator, box: tuple) -> np.ndarray:
    """(lng, lat) rows some 50 m around random street vertices: many where streets are many."""
    network = read_osm(osm)
    west, south, east, north = box
    lng, lat = network.vertex_lng, network.vertex_lat
    inside = np.flatnonzero((lng > west) & (lng < east) & (lat > south) & (lat < north))
    at = rng.choice(inside, n)
    place = np.column_stack([network.vertex_lng[at], network.vertex_lat[at]])
    return place + rng.normal(0, 0.0005, place.shape)


def site_table(places: np.ndarray, prefix: str, rng: np.random.Generator) -> pd.DataFrame:
    count = len(places)
    return pd.DataFrame(
        {
            "site_id": [f"{prefix}{i + 1:03d}" for i in range(count)],
            "name": [f"站点{prefix}{i + 1}" for i in range(count)],
            "lng": places[:, 0],
            "lat": places[:, 1],
            "cost": rng.integers(3, 20, count) * 1000,
        }
    )


def draw(
    folder: Path,
    osm: Path,
    *,
    candidates: int,
    existing: int,
    question: dict,
    demand: Path | None = None,
    demand_points: int = 0,
    box: tuple = EVERYWHERE,
    seed: int = 1,
) -> Path:
    """Write tables and scenario; return the scenario's path."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    if demand is None:
        places = places_near_streets(osm, demand_points, rng, box)
        demand = folder / "demand.csv"
        weight = np.rint(rng.lognormal(3, 1, demand_points)).astype(int)
        pd.DataFrame(
            {"demand_id": np.arange(demand_points), "lng": places[:, 0], "lat": places[:, 1],
             "weight": weight}
        ).to_csv(demand, index=False)  # fmt: skip
    for name, prefix, count in (("candidates", "C", candidates), ("existing", "E", existing)):
        table = site_table(places_near_streets(osm, count, rng, box), prefix, rng)
        table.to_csv(folder / f"{name}.csv", index=False)
    scenario = {
        "title": osm.name.split(".")[0],
        "network": {"osm": str(osm.resolve())},
        "demand": {"file": str(demand.resolve())},
        "sites": {"existing": "existing.csv", "candidates": "candidates.csv"},
        "question": question,
    }
    path = folder / "scenario.toml"
    path.write_text(tomli_w.dumps(scenario), encoding="utf-8")
    return path


def porto(folder: Path, osm: Path, **question) -> Path:
    """2,000 demand points, 300 candidates, 10 existing stations in the city proper."""
    asked = {"new_sites": 30, **question}
    return draw(
        folder, osm, candidates=300, existing=10, question=asked, demand_points=2000, box=PORTO_CITY
    )


def saopaulo(folder: Path, osm: Path, grid: Path, **question) -> Path:
    """323 population cells, 100 candidates, 4 existing stations."""
    asked = {"new_sites": 8, **question}
    return draw(folder, osm, candidates=100, existing=4, question=asked, demand=grid)


if __name__ == "__main__":
    city, osm_file, target, *rest = sys.argv[1:]
    make = {"porto": porto, "saopaulo": saopaulo}[city]
    print(make(Path(target), Path(osm_file), *map(Path, rest)))
