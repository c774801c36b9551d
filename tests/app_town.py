"""A small town as a planner brings it to the dashboard, and what its tests share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from servicecircle.coordinates import from_wgs84
from servicecircle.dashboard.words import Say
from towns import WALK, write_osm

ZH, EN = Say("zh"), Say("en")
SIDE, STEP_DEG = 9, 0.002  # a grid of streets about 200 m apart in Gansu, inside the mainland
WEST, SOUTH = 104.0, 36.0
WAIT_S = 60


class Town(NamedTuple):
    """Files a planner might bring: each table in another datum and format."""

    osm: Path
    demand: Path  # WGS-84, CSV
    candidates: Path  # BD-09, XLSX
    existing: Path  # GCJ-02, CSV in GB18030
    stations: list[tuple[float, float]]  # where the existing ones are, WGS-84


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    at = [(WEST + j * STEP_DEG, SOUTH + i * STEP_DEG) for i in range(SIDE) for j in range(SIDE)]
    ways = {1000 + i: ([i * SIDE + j + 1 for j in range(SIDE)], WALK) for i in range(SIDE)}
    ways |= {2000 + j: ([i * SIDE + j + 1 for i in range(SIDE)], WALK) for j in range(SIDE)}
    osm = write_osm(folder / "河边镇.osm.pbf", {i + 1: xy for i, xy in enumerate(at)}, ways)
    rng = np.random.default_rng(7)
    places = pd.DataFrame(at, columns=["lng", "lat"])
    demand = places.assign(
        编号=[f"D{i}" for i in range(len(at))], 人数=rng.integers(1, 90, len(at))
    )
    demand.rename(columns={"lng": "经度", "lat": "纬度"}).to_csv(folder / "需求.csv", index=False)
    some = places.iloc[::3].reset_index(drop=True)
    lng, lat = from_wgs84(some["lng"].to_numpy(), some["lat"].to_numpy(), "bd09")
    names = [f"备选{i}" for i in range(len(some))]
    table = pd.DataFrame({"编号": [f"C{i}" for i in range(len(some))], "名称": names})
    table = table.assign(经度=lng, 纬度=lat, 费用=1000 + 10 * np.arange(len(some)))
    table.to_excel(folder / "备选.xlsx", index=False, engine="xlsxwriter")
    stations = [at[10], at[70]]
    lng, lat = from_wgs84(*np.array(stations).T, "gcj02")
    built = pd.DataFrame(
        {"编号": ["001", "002"], "名称": ["驿站㐂", "=2+3"], "经度": lng, "纬度": lat}
    )
    (folder / "已建.csv").write_bytes(built.to_csv(index=False).encode("gb18030"))
    return Town(osm, folder / "需求.csv", folder / "备选.xlsx", folder / "已建.csv", stations)
