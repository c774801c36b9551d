"""Check a plan folder: every claim counted again from what is stored, with numpy, no solver.

Coverage comes from the stored minutes, the bound from the stored multipliers or leaves
(`locate.certificate`); ``plan.json``, ``stations.csv`` and ``demand.parquet`` are held to both.
"""

from __future__ import annotations

import csv
import json
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.errors import OutputError
from servicecircle.locate.certificate import allowance, certified_bound, target_weight

MINUTES_TOLERANCE = 1e-7  # covered: minutes <= standard + this (the contract's one test)
PROVEN_GAP = 1e-6
PROVED, FALSE_CLAIM, UNREADABLE, SOLVER_ONLY = 0, 1, 2, 3


@dataclass
class Report:
    """What was checked; a claim is (what, does it hold, what was found)."""

    claims: list[tuple[str, bool, str]] = field(default_factory=list)
    solver_only: bool = False

    def claim(self, what: str, holds: Any, found: str = "") -> None:
        """Note one claim."""
        self.claims.append((what, bool(holds), found))

    def equal(self, what: str, said: Any, counted: Any) -> None:
        """Note a number (or None) that must agree to 1e-9 of its size."""
        if said is None or counted is None or isinstance(said, str):
            holds = said == counted
        else:
            holds = bool(np.isclose(said, counted, rtol=1e-9, atol=1e-9))
        self.claim(what, holds, "" if holds else f"said {said!r}, counted {counted!r}")

    @property
    def failed(self) -> list[tuple[str, bool, str]]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if not claim[1]]

    @property
    def exit_code(self) -> int:
        """0 all proved · 1 a claim is false · 3 all holds, but the bound is the solver's word."""
        if self.failed:
            return FALSE_CLAIM
        return SOLVER_ONLY if self.solver_only else PROVED


@dataclass
class Stored:
    """A plan folder's content, as plain arrays and dictionaries."""

    said: dict[str, Any]
    question: dict[str, Any]
    scenario: dict[str, Any]
    stations: list[dict[str, str]]
    demand: dict[str, NDArray[Any]]
    arrays: dict[str, NDArray[Any]]

    @property
    def weight(self) -> NDArray[np.float64]:
        """Weight per demand row."""
        return np.asarray(self.arrays["weight"], float)

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Mask of the open sites."""
        return np.asarray(self.arrays["chosen"], bool)

    def status(self, *names: str) -> NDArray[np.bool_]:
        """Mask of the sites with one of these statuses."""
        return np.isin(self.arrays["status"], names)

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(demand row, site) of every walk within the standard."""
        a = self.arrays
        row = np.repeat(np.arange(len(self.weight)), np.diff(a["indptr"]))
        within = a["minutes"] <= a["minutes_required"][row] + MINUTES_TOLERANCE
        return row[within], np.asarray(a["indices"])[within]

    def times_covered(self, sites: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Per demand row: by how many of the masked sites it is covered."""
        row, site = self.pairs
        return np.bincount(row[sites[site]], minlength=len(self.weight))


def check_folder(folder: str | Path) -> Report:
    """Check every claim of a plan folder. Raises `OutputError` when it cannot be read."""
    stored = read_folder(Path(folder))
    report = Report()
    try:
        _check_arrays(stored, report)
        if not report.failed:
            _check_sites(stored, report)
            _check_counts(stored, report)
            _check_tables(stored, report)
            _check_bound(stored, report)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        report.claim("the folder's files fit together", False, f"{type(error).__name__}: {error}")
    return report


def rebuild(folder: str | Path, report: Report) -> None:
    """Redo reach from the OSM file that the scenario names, and hold the stored matrix to it.

    Raises `OutputError` or `NetworkError` when folder or file cannot be read.
    """
    # only this needs the streets; a plain check stays light
    from servicecircle.network import read_osm  # noqa: PLC0415
    from servicecircle.plan import sha256  # noqa: PLC0415
    from servicecircle.reach import travel_times  # noqa: PLC0415
    from servicecircle.snapping import Streets, snap  # noqa: PLC0415

    stored = read_folder(Path(folder))
    a, part = stored.arrays, stored.scenario["network"]
    osm = Path(folder) / part["osm"]
    network = read_osm(osm, island_share=part["island_share"])
    report.claim("the OSM file is the one that was planned on", sha256(osm) == part["sha256"])
    streets, reach = Streets(network), {"max_snap_m": part["max_snap_m"]}
    demand = snap(streets, stored.demand["lng"], stored.demand["lat"], **reach)
    sites = snap(streets, a["site_lng"], a["site_lat"], **reach)
    cutoff = max(30.0, float(a["minutes_required"].max()))
    times = travel_times(network, demand, sites, speed_kmh=part["speed_kmh"], cutoff=cutoff)
    same = np.array_equal(times.indptr, a["indptr"]) and np.array_equal(times.indices, a["indices"])
    report.claim("the same walks are within the cutoff", same)
    if same:
        report.claim(
            "the same minutes", np.allclose(times.minutes, a["minutes"], rtol=0, atol=1e-6)
        )
    snapped = np.array_equal(demand.found, np.asarray(stored.demand["snapped"], bool))
    report.claim("the same demand points are snapped", snapped)
    report.equal("unsnapped_sites", stored.said["unsnapped_sites"], int((~sites.found).sum()))
    far = stored.weight[demand.gap > 100.0].sum() / max(stored.weight.sum(), 1e-300)
    report.equal("far_weight_share", stored.said["far_weight_share"], far)
    islands = {"count": network.islands, "metres": network.island_metres}
    report.equal("islands", str(stored.said["islands"]), str(islands))


# --- reading --------------------------------------------------------------------------------------


def read_folder(folder: Path) -> Stored:
    """Read a plan folder's files. Raises `OutputError` that names the file that fails."""
    name = "plan.json"
    try:
        said = json.loads((folder / name).read_text(encoding="utf-8"))
        if not isinstance(said, dict) or not str(said.get("schema")).startswith("servicecircle-"):
            raise ValueError("no servicecircle plan")
        name = "scenario.toml"
        scenario = tomllib.loads((folder / name).read_text(encoding="utf-8"))
        name = "stations.csv"
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            stations = [dict(row) for row in csv.DictReader(file)]
        name = "demand.parquet"
        demand = _read_parquet(folder / name)
        name = "certificate.npz"
        with np.load(folder / name, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        return Stored(said, scenario.get("question", {}), scenario, stations, demand, arrays)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise OutputError(
            f"{folder / name}：读不了（{error}）。请确认这是完整的规划结果文件夹。",
            f"{folder / name}: cannot be read ({error}). Is this a complete plan folder?",
        ) from error


def _read_parquet(path: Path) -> dict[str, NDArray[Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 (slow to import, needed only here)

    table = pq.read_table(path)
    return {
        name: np.asarray(table.column(name).to_pandas(), dtype=None) for name in table.column_names
    }


# --- the claims -----------------------------------------------------------------------------------


def _check_arrays(stored: Stored, report: Report) -> None:
    """The certificate's arrays have the right shapes and sane numbers."""
    a = stored.arrays
    n, m = len(a["demand_id"]), len(a["site_id"])
    indptr, indices, minutes = a["indptr"], a["indices"], a["minutes"]
    sound = len(indptr) == n + 1 and indptr[0] == 0 and indptr[-1] == len(indices) == len(minutes)
    sound = sound and np.all(np.diff(indptr) >= 0) and np.all((indices >= 0) & (indices < m))
    report.claim("the stored matrix is sound", sound)
    if not sound:
        return
    row = np.repeat(np.arange(n), np.diff(indptr))
    report.claim("no pair is stored twice", len(np.unique(row * m + indices)) == len(indices))
    report.claim(
        "minutes are finite and not negative", np.all(np.isfinite(minutes) & (minutes >= 0))
    )
    rows = all(len(a[k]) == n for k in ("weight", "minutes_required", "multipliers"))
    columns = all(len(a[k]) == m for k in ("status", "cost", "chosen"))
    report.claim("one number per demand point and per site", rows and columns)
    weight = np.asarray(a["weight"])
    report.claim("weights are finite and not negative", np.all(np.isfinite(weight) & (weight >= 0)))
    for what, ids in (("demand", a["demand_id"]), ("site", a["site_id"])):
        report.claim(f"{what} ids are unique", len(np.unique(ids)) == len(ids))


def _check_sites(stored: Stored, report: Report) -> None:
    """The chosen sites are allowed, as many as asked, and cost what is said."""
    a, q, said, chosen = stored.arrays, stored.question, stored.said, stored.chosen
    new = chosen & ~stored.status("existing")
    report.claim(
        "chosen is what the certificate says", said["chosen"] == list(a["site_id"][chosen])
    )
    report.claim(
        "new_sites are the chosen that are new", said["new_sites"] == list(a["site_id"][new])
    )
    known = stored.status("existing", "required", "candidate", "forbidden")
    report.claim("every site has a known status", np.all(known))
    report.claim("existing stations stay open", np.all(chosen[stored.status("existing")]))
    report.claim("required sites are chosen", np.all(chosen[stored.status("required")]))
    report.claim("no forbidden site is chosen", not np.any(chosen & stored.status("forbidden")))
    if "new_sites" in q:
        report.claim("no more new sites than asked", new.sum() <= q["new_sites"])
    cost = float(a["cost"][new].sum()) if new.any() else None
    report.equal("cost", said["cost"], None if cost is None or np.isnan(cost) else cost)
    if "budget" in q:
        spent = 0.0 if cost is None else cost
        report.claim("the budget is kept", spent <= allowance(float(q["budget"])), f"{spent}")
    report.equal("model", said["model"], q["model"])
    report.equal("minutes", said["minutes"], q["minutes"])


def _check_counts(stored: Stored, report: Report) -> None:
    """Every figure of coverage, recounted from the matrix."""
    said, weight = stored.said, stored.weight
    times = stored.times_covered(stored.chosen)
    reachable = stored.times_covered(~stored.status("forbidden")) > 0
    snapped = np.asarray(stored.demand["snapped"], bool)
    total = weight.sum()

    def share(points: NDArray[np.bool_]) -> float:
        return float(weight[points].sum() / total) if total > 0 else 0.0

    before = stored.times_covered(stored.status("existing")) > 0
    counted = {
        "covered_weight": weight[times > 0].sum(),
        "total_weight": total,
        "covered_share": share(times > 0),
        "covered_share_before": share(before),
        "covered_points": int((times > 0).sum()),
        "total_points": len(weight),
        "cross_covered_share": share(times >= 2),
        "unreachable_weight": weight[snapped & ~reachable].sum(),
        "unsnapped_demand": int((~snapped).sum()),
    }
    for name, value in counted.items():
        report.equal(name, said[name], value)
    _check_districts(stored, report, times > 0)


def _check_districts(stored: Stored, report: Report, covered: NDArray[np.bool_]) -> None:
    home, site_home = stored.demand["district"], stored.arrays["site_district"]
    named = [row["district"] for row in stored.said["districts"]]
    report.claim("every district is listed once", len(set(named)) == len(named))
    report.claim("no district is left out", set(home) <= set(named))
    for row in stored.said["districts"]:
        inside = home == row["district"]
        weight = stored.weight[inside].sum()
        share = stored.weight[inside & covered].sum() / weight if weight > 0 else None
        report.equal(f"covered_share of district “{row['district']}”", row["covered_share"], share)
        count = int((stored.chosen & (site_home == row["district"])).sum())
        report.equal(f"stations of district “{row['district']}”", row["stations"], count)


def _check_tables(stored: Stored, report: Report) -> None:
    """``stations.csv`` and ``demand.parquet`` say the same as the matrix."""
    a, chosen = stored.arrays, stored.chosen
    ids = [_unguarded(row["site_id"]) for row in stored.stations]
    report.claim("stations.csv lists the chosen sites", ids == list(a["site_id"][chosen]))
    if ids == list(a["site_id"][chosen]):
        _check_stations(stored, report)
    d, times = stored.demand, stored.times_covered(chosen)
    report.claim(
        "demand.parquet has every demand point", list(d["demand_id"]) == list(a["demand_id"])
    )
    for name in ("weight", "minutes_required"):
        report.claim(f"demand.parquet: {name}", np.array_equal(np.asarray(d[name], float), a[name]))
    report.claim(
        "demand.parquet: covered", np.array_equal(np.asarray(d["covered"], bool), times > 0)
    )
    report.claim("demand.parquet: times_covered", np.array_equal(d["times_covered"], times))
    minutes, near = _nearest(stored)
    theirs = np.asarray(d["minutes"], float)
    same = np.isclose(theirs, minutes, rtol=0, atol=1e-9) | (np.isnan(theirs) & np.isnan(minutes))
    report.claim("demand.parquet: minutes to the nearest open station", np.all(same))
    site = [None if not isinstance(s, str) else s for s in d["site_id"]]
    report.claim("demand.parquet: the nearest open station", site == near)


def _check_stations(stored: Stored, report: Report) -> None:
    row, site = stored.pairs
    times = stored.times_covered(stored.chosen)
    columns = np.flatnonzero(stored.chosen)
    every = np.bincount(site, stored.weight[row], len(stored.chosen))[columns]
    alone = times[row] == 1
    only = np.bincount(site[alone], stored.weight[row][alone], len(stored.chosen))[columns]
    new = ~stored.status("existing")[columns]

    def numbers(name: str) -> NDArray[np.float64]:
        return np.array([float(r[name]) if r[name] else np.nan for r in stored.stations])

    def agree(name: str, counted: NDArray[Any]) -> bool:
        return bool(np.allclose(numbers(name), counted, rtol=1e-9, atol=1e-6))

    report.claim("stations.csv: covers_weight", agree("covers_weight", every))
    report.claim("stations.csv: only_covers_weight", agree("only_covers_weight", only))
    for name in ("lng", "lat"):
        same = np.allclose(numbers(name), stored.arrays[f"site_{name}"][columns], rtol=0, atol=1e-9)
        report.claim(f"stations.csv: {name}", same)
    flags = [r["new"] == "true" for r in stored.stations]
    report.claim("stations.csv: new", np.array_equal(flags, new))
    cost = stored.arrays["cost"][columns]
    same = np.allclose(numbers("cost"), cost, equal_nan=True, rtol=1e-12, atol=0)
    report.claim("stations.csv: cost", same)


def _nearest(stored: Stored) -> tuple[NDArray[np.float64], list[str | None]]:
    """Per demand row: minutes to, and id of, the nearest open station (ties: the first site)."""
    a, n = stored.arrays, len(stored.weight)
    row = np.repeat(np.arange(n), np.diff(a["indptr"]))
    keep = stored.chosen[a["indices"]]
    row, site, minutes = row[keep], a["indices"][keep], a["minutes"][keep]
    order = np.lexsort([site, minutes, row])
    first_row, first = np.unique(row[order], return_index=True)
    best = np.full(n, np.nan)
    best[first_row] = minutes[order][first]
    near: list[str | None] = [None] * n
    for r, s in zip(first_row, site[order][first], strict=True):
        near[r] = str(a["site_id"][s])
    return best, near


def _check_bound(stored: Stored, report: Report) -> None:
    """Objective, bound and gap; whether the stored proof carries the stated bound."""
    said = stored.said
    objective = _objective(stored)
    report.equal("objective", said["objective"], objective)
    gap = abs(said["bound"] - objective) / max(abs(objective), 1e-9)
    report.equal("gap", said["gap"], gap)
    report.equal("proven", bool(said["proven"]), bool(gap <= PROVEN_GAP))
    better = said["bound"] - objective if said["model"] == "mclp" else objective - said["bound"]
    report.claim("the bound is on the right side", better >= -1e-6 * max(abs(objective), 1.0))
    if said["model"] == "partial_cover":
        target = target_weight(stored.weight, float(stored.question["share"]))
        covered = stored.weight[stored.times_covered(stored.chosen) > 0].sum()
        report.claim("the share asked for is covered", covered >= target)
    if said["model"] == "lscp":
        able = stored.times_covered(~stored.status("forbidden")) > 0
        covered = stored.times_covered(stored.chosen) > 0
        report.claim("all that can be covered is covered", np.array_equal(able, covered))
    report.claim("proof is of a known kind", said["proof"] in ("multipliers", "tree", "solver"))
    if said["proof"] == "solver":
        report.solver_only = True
        return
    bound = _recomputed_bound(stored)
    report.equal("bound, recomputed from the certificate", said["bound"], bound)


def _objective(stored: Stored) -> float:
    new = stored.chosen & ~stored.status("existing")
    if stored.said["model"] == "mclp":
        return float(stored.weight[stored.times_covered(stored.chosen) > 0].sum())
    if stored.question["minimise"] == "cost":
        return float(stored.arrays["cost"][new].sum())
    return float(new.sum())


def _recomputed_bound(stored: Stored) -> float:
    a, q, model = stored.arrays, stored.question, stored.said["model"]
    rows = np.arange(len(stored.weight))
    if model == "lscp":  # the question is put to the rows that can be covered at all
        rows = np.flatnonzero(stored.times_covered(~stored.status("forbidden")) > 0)
    row, site = stored.pairs
    place = np.full(len(stored.weight), -1)
    place[rows] = np.arange(len(rows))
    keep = place[row] >= 0
    counts = np.bincount(place[row[keep]], minlength=len(rows))
    by_cost = q["minimise"] == "cost" or "budget" in q
    leaves = {k: v for k, v in a.items() if k.startswith(("leaf_", "table_"))}
    if "table_group" in leaves:
        leaves["table_group"] = leaves["table_group"][rows]
    if stored.said["proof"] == "multipliers":
        leaves = {}
    return certified_bound(
        model,
        indptr=np.concatenate([[0], np.cumsum(counts)]),
        indices=site[keep],
        weight=stored.weight[rows],
        cost=_costs(stored) if by_cost else None,
        fixed=stored.status("existing"),
        required=stored.status("required"),
        forbidden=stored.status("forbidden"),
        sites=q.get("new_sites"),
        budget=q.get("budget"),
        share=q.get("share"),
        multipliers=a["multipliers"][rows],
        share_multiplier=float(a["share_multiplier"]),
        budget_multiplier=float(a["budget_multiplier"]),
        **leaves,
    )


def _costs(stored: Stored) -> NDArray[np.float64]:
    """What sites cost: nothing for those that stand already or are never opened."""
    cost = np.array(stored.arrays["cost"], float)
    cost[stored.status("existing", "forbidden")] = 0.0
    return cost


def _unguarded(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@", "\t", "\r") else text


def summary(claims: Iterable[tuple[str, bool, str]]) -> str:
    """Claims as lines: a mark, what was checked, and what was found where it does not hold."""
    return "\n".join(
        f"{'✓' if holds else '✗'} {what}" + (f": {found}" if found and not holds else "")
        for what, holds, found in claims
    )
