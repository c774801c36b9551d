"""The tables of a plan folder held to its matrix, and the two station files to each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.check_report import Report, is_number
from servicecircle.stored_plan import Stored, unguarded

SAME_NUMBER = 1e-12  # of it: numbers are written to the last digit


def check_demand(stored: Stored, report: Report) -> None:
    """``demand.parquet`` says the same as the matrix."""
    a, d, times = stored.arrays, stored.demand, stored.times_covered(stored.chosen)
    minutes, near = _nearest(stored)
    expected = {
        "demand_id": a["demand_id"].astype(object),
        "lng": a["demand_lng"],
        "lat": a["demand_lat"],
        "weight": a["weight"],
        "minutes_required": a["minutes_required"],
        "snapped": np.isfinite(a["gap_m"]),
        "site_id": near,
        "covered": times > 0,
        "times_covered": times,
    }
    for name, values in expected.items():
        same = np.array_equal(d[name], values)
        report.claim(f"demand.parquet: {name}", f"demand.parquet: {name}", same)
    same = d["minutes"].shape == minutes.shape
    same = same and np.allclose(d["minutes"], minutes, rtol=0, atol=1e-9, equal_nan=True)
    report.claim("demand.parquet: minutes", "demand.parquet: minutes", same)


def _nearest(stored: Stored) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Per demand row: minutes to, and id of, the nearest open station (ties: the first site)."""
    a, n = stored.arrays, len(stored.weight)
    keep = stored.chosen[a["indices"]]
    row, site, minutes = stored.rows[keep], a["indices"][keep], a["minutes"][keep]
    order = np.lexsort([site, minutes, row])
    first_row, first = np.unique(row[order], return_index=True)
    best, near = np.full(n, np.nan), np.full(n, None, object)
    best[first_row] = minutes[order][first]
    near[first_row] = a["site_id"][site[order][first]].astype(object)
    return best, near


def check_stations(stored: Stored, report: Report) -> None:
    """``stations.csv`` and ``stations.geojson`` say the same as the matrix, and as each other."""
    columns = np.flatnonzero(stored.chosen)
    ids = stored.arrays["site_id"][columns].tolist()
    from_csv = [_from_text(row) for row in stored.stations]
    from_layer = [_from_feature(feature) for feature in stored.features]
    for file, rows in (("stations.csv", from_csv), ("stations.geojson", from_layer)):
        listed = [row["site_id"] for row in rows] == ids
        report.claim(f"{file}: site_id", f"{file}: site_id", listed)
        if listed:
            _check_station_figures(stored, report, file, rows)
    _check_alike(stored, report)


def _check_station_figures(
    stored: Stored, report: Report, file: str, rows: list[dict[str, Any]]
) -> None:
    a, columns = stored.arrays, np.flatnonzero(stored.chosen)
    row, site = stored.pairs
    alone = stored.times_covered(stored.chosen)[row] == 1
    m = len(stored.chosen)
    expected = {
        "lng": a["site_lng"][columns],
        "lat": a["site_lat"][columns],
        "cost": a["cost"][columns],
        "covers_weight": np.bincount(site, stored.weight[row], m)[columns],
        "only_covers_weight": np.bincount(site[alone], stored.weight[row][alone], m)[columns],
    }
    for name, counted in expected.items():
        said = np.array([np.nan if r[name] is None else r[name] for r in rows], float)
        same = np.allclose(said, counted, rtol=1e-9, atol=1e-9, equal_nan=True)
        report.claim(f"{file}: {name}", f"{file}: {name}", same)
    texts = {"status": a["status"][columns].tolist(), "new": stored.new[columns].tolist()}
    for name, values in texts.items():
        report.claim(f"{file}: {name}", f"{file}: {name}", [r[name] for r in rows] == values)


def _check_alike(stored: Stored, report: Report) -> None:
    """Both station files say the same in every column, the planner's own included."""
    what = "stations.csv = stations.geojson"
    for row, feature in zip(stored.stations, stored.features, strict=True):
        cells = {unguarded(name): text for name, text in row.items()}
        values = feature["properties"]
        report.equal(f"{what}: columns", sorted(values), sorted(cells))
        for name in values.keys() & cells.keys():
            if not same_cell(cells[name], values[name]):
                report.equal(f"{what}: {name}", cells[name], values[name])


def same_cell(text: str, value: Any) -> bool:
    """Whether a cell of ``stations.csv`` says what a property of ``stations.geojson`` says."""
    if value is None:
        return text == ""
    if isinstance(value, bool):
        return text == str(value).lower()
    if is_number(value):
        try:
            return math.isclose(float(text), value, rel_tol=SAME_NUMBER)
        except ValueError:
            return False
    return isinstance(value, str) and value in (text, unguarded(text))


def _from_text(row: dict[str, str]) -> dict[str, Any]:
    """A row of ``stations.csv`` with its numbers, and without the guard before an id."""
    numbers = ("lng", "lat", "cost", "covers_weight", "only_covers_weight")
    values: dict[str, Any] = {name: float(row[name]) if row[name] else None for name in numbers}
    new = {"true": True, "false": False}.get(row["new"])
    return {**values, "site_id": unguarded(row["site_id"]), "status": row["status"], "new": new}


def _from_feature(feature: dict[str, Any]) -> dict[str, Any]:
    """A feature of ``stations.geojson``: its properties, if its point lies where they say."""
    row: dict[str, Any] = dict(feature["properties"])
    at = feature["geometry"]["coordinates"]
    if feature["geometry"]["type"] != "Point" or not np.allclose(
        at, [row["lng"], row["lat"]], rtol=0, atol=1e-9
    ):
        row["lng"] = None
    return row
