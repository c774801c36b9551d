"""``check --rebuild``: demand, sites and districts read again, held against what is stored.

This is what tells whether the stored weights, standards, statuses and costs, on which every proof
rests, are those of the planner's tables, or of the OSM file where there is no table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from servicecircle.check_report import Report
from servicecircle.check_tables import same_cell
from servicecircle.errors import OutputError
from servicecircle.inputs import read_inputs
from servicecircle.raw_table import cell_text
from servicecircle.scenario import Scenario
from servicecircle.stored_plan import Stored, unguarded
from servicecircle.walking import Walking, sha256

SAME_DEGREES = 1e-9
SAME_SHARE = 1e-9  # of a weight, a cost, a number of minutes
COUNTED = ("new", "covers_weight", "only_covers_weight")  # by the plan; no column of the inputs


def named_tables(scenario: Scenario) -> dict[str, Path]:
    """Role → path of every table and layer that the scenario names."""
    sites = scenario.sites
    parts = {
        "demand": scenario.demand,
        "existing": sites.existing,
        "candidates": sites.candidates,
        "districts": scenario.districts,
    }
    tables = {
        role: scenario.path(part.file)
        for role, part in parts.items()
        if part is not None and part.file
    }
    return tables | {role: path for role, path, _ in scenario.network_files()}


def require_tables(scenario: Scenario) -> None:
    """Raise `OutputError` that names the first table which is not at its place."""
    for path in named_tables(scenario).values():
        if not path.is_file():
            raise OutputError(
                f"{path}：找不到规划时用的文件，无法重算。请放回原处，或去掉 --rebuild。",
                f"{path}: this file that was planned on is not there, so the inputs cannot be "
                "read again. Put it back, or leave out --rebuild.",
            )


def same_tables(stored: Stored, scenario: Scenario, report: Report) -> bool:
    """Claim that every table is the one planned on, by its sha256."""
    said = {entry["role"]: entry["sha256"] for entry in stored.said["inputs"]}
    same = True
    for role, path in named_tables(scenario).items():
        found = sha256(path)
        report.equal(f"inputs: {role}: sha256 ({path.name})", said.get(role), found)
        same = same and said.get(role) == found
    return same


def compare_inputs(stored: Stored, walking: Walking, report: Report) -> None:
    """Read or derive everything again, and hold the stored arrays and records to it.

    Raises the errors of `read_inputs` when a table cannot be read.
    """
    brought = read_inputs(walking)
    for said, found in zip(stored.said["inputs"], brought.files, strict=True):
        for key, value in found.items():
            report.equal(f"inputs: {found['role']}: {key}", said[key], value)
    report.equal("weight_unit", stored.said["weight_unit"], brought.demand.attrs["weight_unit"])
    a = stored.arrays
    demand = {
        "demand_id": a["demand_id"],
        "lng": a["demand_lng"],
        "lat": a["demand_lat"],
        "weight": a["weight"],
        "minutes_required": a["minutes_required"],
        "minutes": a["minutes_own"],
        "district": stored.demand["district"],
    }
    sites = {
        "site_id": a["site_id"],
        "lng": a["site_lng"],
        "lat": a["site_lat"],
        "status": a["status"],
        "cost": a["cost"],
        "district": a["site_district"],
    }
    if "capacity" in a:
        sites["capacity"] = a["capacity"]
    _compare_columns("demand", demand, brought.demand, report)
    if _compare_columns("sites", sites, brought.sites, report):
        _compare_stations(stored, brought.sites, report)
    _compare_districts(stored, brought.districts, report)


def _compare_columns(
    what: str, stored: dict[str, Any], table: gpd.GeoDataFrame, report: Report
) -> bool:
    """Claim column by column; the first are ids, without which nothing else can be compared."""
    for name, said in stored.items():
        same = len(said) == len(table)
        if same and np.asarray(said).dtype.kind == "f":
            how = {"rtol": 0, "atol": SAME_DEGREES} if name in ("lng", "lat") else _RELATIVE
            same = np.allclose(said, table[name].to_numpy(float), equal_nan=True, **how)
        elif same:
            same = list(said) == [str(cell) for cell in table[name]]
        zh, en = f"与重新读取的一致：{what}: {name}", f"as read again: {what}: {name}"
        report.claim(zh, en, same)
        if name.endswith("_id") and not same:
            return False
    return True


_RELATIVE: dict[str, float] = {"rtol": SAME_SHARE, "atol": 0}


def _compare_stations(stored: Stored, sites: gpd.GeoDataFrame, report: Report) -> None:
    """Names, kinds and the planner's own columns in ``stations.csv``."""
    table = sites.iloc[np.flatnonzero(stored.chosen)]
    for header in stored.stations[0] if stored.stations else ():
        name = unguarded(header)
        if name in COUNTED:
            continue
        known = name in table.columns and len(table) == len(stored.stations)
        cells = [row[header] for row in stored.stations]
        same = known and all(map(same_cell, cells, _as_written(table[name])))
        zh, en = f"与重新读取的一致：stations.csv: {name}", f"as read again: stations.csv: {name}"
        report.claim(zh, en, same)


def _as_written(column: pd.Series) -> list[Any]:
    """Cells as a plan folder holds them: plain numbers and truths, else text."""
    if pd.api.types.is_numeric_dtype(column):
        return [None if pd.isna(cell) else cell for cell in column.tolist()]
    return [cell_text(cell) for cell in column]


def _compare_districts(stored: Stored, districts: gpd.GeoDataFrame | None, report: Report) -> None:
    """Every district of the layer is listed, with its own minutes, else the question's."""
    said = {row["district"]: row["minutes"] for row in stored.said["districts"]}
    asked = float(stored.question["minutes"])
    found = dict.fromkeys(said, asked)
    if districts is not None:
        own = districts["minutes"].astype(float).fillna(asked)
        found |= dict(zip(districts["district"].tolist(), own.tolist(), strict=True))
    report.equal("districts: minutes", {k: float(v) for k, v in said.items()}, found)
