"""``check --rebuild``: walks and inputs redone from their files, held against what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from servicecircle.check_inputs import compare_inputs, require_tables, same_tables
from servicecircle.check_report import MISFITS, Report
from servicecircle.distances import all_walks
from servicecircle.errors import OutputError, ScenarioError
from servicecircle.plan import cutoff_of
from servicecircle.reach import TravelTimes
from servicecircle.scenario import load_scenario
from servicecircle.snapping import Snapped
from servicecircle.stored_plan import Stored, read_folder
from servicecircle.walking import Walking, sha256

SAME_MINUTES = 1e-6  # what another machine may round otherwise
SAME_METRES = 1e-3


def rebuild(folder: str | Path, report: Report) -> None:
    """Redo reach and inputs from the files that the scenario names; hold what is stored to them.

    Claims are added to ``report``; a file other than the one that was planned on is one that does
    not hold. Raises `OutputError`, `NetworkError` or `TableError` when the folder or a file cannot
    be read, or is not at its place.
    """
    stored = read_folder(Path(folder))
    try:
        scenario = load_scenario(Path(folder) / "scenario.toml")
    except ScenarioError as error:
        report.claim("scenario.toml", "scenario.toml", False, (error.zh, error.en))
        return
    osm = scenario.path(scenario.network.osm or "")
    if not osm.is_file():
        raise OutputError(
            f"{osm}：找不到规划时用的 OSM 文件，无法重算。请放回原处，或去掉 --rebuild。",
            f"{osm}: the OSM file that was planned on is not there, so reach cannot be redone. "
            "Put it back, or leave out --rebuild.",
        )
    require_tables(scenario)
    same_file = sha256(osm) == scenario.network.sha256
    report.claim("OSM 文件就是规划时的那份", "the OSM file is the one planned on", same_file)
    if not same_file:
        return
    try:
        if same_tables(stored, scenario, report):
            walking = Walking(scenario, fresh=True)
            _compare(stored, walking, report)
            compare_inputs(stored, walking, report)
    except MISFITS as error:
        report.misfit(error)


def _compare(stored: Stored, walking: Walking, report: Report) -> None:
    a, network = stored.arrays, walking.network
    demand = walking.feet(pd.DataFrame({"lng": a["demand_lng"], "lat": a["demand_lat"]}))
    sites = walking.feet(pd.DataFrame({"lng": a["site_lng"], "lat": a["site_lat"]}))
    q = walking.scenario.question
    cutoff = cutoff_of(a["minutes_required"], q.decay_to_minutes)
    stored_parts = [_Part(stored.rows, a["indices"], a["minutes"])]
    if q.by_distance:
        walks = all_walks(walking, demand, sites, cutoff)
        ours, cutoff = [_part(walks.near), _part(walks.beyond)], np.inf
        far = np.repeat(np.arange(len(stored.weight)), np.diff(a["beyond_indptr"]))
        stored_parts.append(_Part(far, a["beyond_indices"], a["beyond_minutes"]))
    else:
        ours = [_part(walking.times(demand, sites, cutoff))]
    m = len(stored.chosen)
    _compare_walks(_keyed(ours, m), _keyed(stored_parts, m), cutoff, report)
    for zh, en, feet, gap in (
        ("需求点到路的距离相同", "demand points lie as far from the streets", demand, a["gap_m"]),
        ("站点到路的距离相同", "sites lie as far from the streets", sites, a["site_gap_m"]),
    ):
        report.claim(zh, en, _same_gaps(feet, gap))
    islands = stored.said["islands"]
    report.equal("islands: count", islands["count"], network.islands)
    report.equal("islands: metres", islands["metres"], network.island_metres)
    rows = [entry["rows"] for entry in stored.said["inputs"] if entry["role"] == "network"]
    report.equal("inputs: network rows", rows, [network.n_edges])


def _same_gaps(feet: Snapped, gap: NDArray[np.float64]) -> bool:
    same_found = np.array_equal(feet.found, np.isfinite(gap))
    return same_found and np.allclose(
        feet.gap[feet.found], gap[feet.found], rtol=0, atol=SAME_METRES
    )


class _Part(NamedTuple):
    """Walks: demand row, site, minutes of each."""

    row: NDArray[np.int64]
    site: NDArray[np.int64]
    minutes: NDArray[np.float64]


def _part(times: TravelTimes) -> _Part:
    return _Part(times.rows, times.indices, times.minutes)


_Keyed = tuple[NDArray[np.int64], NDArray[np.float64]]


def _keyed(parts: list[_Part], n_sites: int) -> _Keyed:
    """One number per pair, and its minutes."""
    keys = [part.row * n_sites + part.site for part in parts]
    return np.concatenate(keys), np.concatenate([part.minutes for part in parts])


def _compare_walks(ours: _Keyed, stored: _Keyed, cutoff: float, report: Report) -> None:
    """The same pairs (right at the cutoff they may differ), in the same minutes."""
    _, i, j = np.intersect1d(ours[0], stored[0], assume_unique=True, return_indices=True)
    alone = [np.delete(ours[1], i), np.delete(stored[1], j)]
    at_cutoff = np.all(np.concatenate(alone) >= cutoff - SAME_MINUTES)
    report.claim("截断时间内的步行相同", "the same walks are within the cutoff", at_cutoff)
    same = np.allclose(ours[1][i], stored[1][j], rtol=0, atol=SAME_MINUTES)
    report.claim("步行分钟数相同", "the same minutes", same)
