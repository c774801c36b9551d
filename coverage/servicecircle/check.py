"""Check a plan folder: every claim counted again from what is stored, with numpy, no solver.

    check             is the certificate sound, do plan.json's figures follow from it, the bound
    ├── plan_schema   is plan.json what its schema allows
    ├── check_tables  demand.parquet, stations.csv, stations.geojson
    └── check_report  claims, and how they are told
    check_streets     --rebuild: walks again from the OSM file
    └── check_inputs  --rebuild: demand, sites and districts again from tables and OSM file

Coverage comes from the stored minutes, the bound from the stored multipliers or leaves
(`locate.certificate`). The check takes the stored walks, weights, costs and statuses as given:
whether they are what the streets and tables say, only ``--rebuild`` can tell. Not checked at all:
``map.html``, and in ``plan.json`` the notes and seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.check_report import MISFITS, Report, summary
from servicecircle.check_tables import check_demand, check_stations
from servicecircle.errors import ScenarioError
from servicecircle.locate.certificate import allowance, certified_bound, target_weight
from servicecircle.plan_schema import misfits, schema
from servicecircle.scenario import make_scenario
from servicecircle.stored_plan import ARRAYS, MINUTES_TOLERANCE, Stored, read_folder

__all__ = ["CUTOFF_MINUTES", "Report", "check_folder", "summary"]

PROVEN_GAP = 1e-6
CUTOFF_MINUTES = 30.0
FAR_GAP_M = 100.0
LEG_SLACK_M = 1e-3  # minutes are stored to far less than a millimetre's walk
STATUSES = ("existing", "required", "candidate", "forbidden")


def check_folder(folder: str | Path) -> Report:
    """Check every claim of a plan folder. Raises `OutputError` when it cannot be read."""
    stored = read_folder(Path(folder))
    report = Report()
    try:
        _check_arrays(stored, report)
        if not report.failed:
            for step in (
                _check_form, _check_inputs, _check_sites, _check_standards, _check_counts,
                _check_districts, check_stations, check_demand, _check_bound,
            ):  # fmt: skip
                step(stored, report)
    except MISFITS as error:
        report.misfit(error)
    return report


# --- is it sound ----------------------------------------------------------------------------------


def _check_arrays(stored: Stored, report: Report) -> None:
    """The certificate's arrays have the right shapes and sane numbers."""
    a = stored.arrays
    indptr, indices = a["indptr"], a["indices"]
    size = {"demand": len(a["demand_id"]), "site": len(a["site_id"]), "pair": len(indices)}
    n, m = size["demand"], size["site"]
    lengths = all(len(a[k]) == size[per] for k, (_, per) in ARRAYS.items() if per in size)
    report.claim("每行一个数", "one number per demand point, site and walk", lengths and n and m)
    sound = len(indptr) == n + 1 and indptr[0] == 0 and indptr[-1] == len(indices)
    sound = sound and np.all(np.diff(indptr) >= 0) and np.all((indices >= 0) & (indices < m))
    report.claim("步行矩阵完好", "the stored matrix is sound", sound)
    if report.failed:
        return
    pairs = stored.rows * m + indices
    report.claim("没有重复的步行", "no walk is stored twice", len(np.unique(pairs)) == len(indices))
    for name in ("minutes", "weight", "gap_m", "site_gap_m"):
        numbers = a[name]
        ok = np.all((numbers >= 0) & (np.isfinite(numbers) | (name in ("gap_m", "site_gap_m"))))
        report.claim(f"{name} 为有限非负数", f"{name} is finite and not negative", ok)
    cost, own, required = a["cost"], a["minutes_own"], a["minutes_required"]
    report.claim(
        "费用非负或未知",
        "costs are not negative",
        np.all(((cost >= 0) & (cost < np.inf)) | np.isnan(cost)),
    )
    ok = np.all(np.isfinite(required) & (required > 0)) and np.all((own > 0) | np.isnan(own))
    report.claim("标准为正数", "standards are above 0", ok)
    for zh, en, ids in (("需求点", "demand", a["demand_id"]), ("站点", "site", a["site_id"])):
        report.claim(f"{zh}编号不重复", f"{en} ids are unique", len(np.unique(ids)) == len(ids))
    report.claim(
        "站点状态都认识", "every site has a known status", np.all(stored.status(*STATUSES))
    )
    _check_walks(stored, report)
    _check_leaves(stored, report)


def _check_walks(stored: Stored, report: Report) -> None:
    """No walk is shorter than its two legs, or longer than the cutoff."""
    a = stored.arrays
    legs = a["gap_m"][stored.rows] + a["site_gap_m"][a["indices"]]
    part = stored.scenario["network"]
    metres = a["minutes"] * float(part.get("leg_speed_kmh", part["speed_kmh"])) * 1000 / 60
    report.claim(
        "步行不短于两端到路的距离",
        "no walk is shorter than its legs off the network",
        np.all(metres >= legs - LEG_SLACK_M),
    )
    cutoff = max(CUTOFF_MINUTES, float(a["minutes_required"].max()))
    within = np.all(a["minutes"] <= cutoff + MINUTES_TOLERANCE)
    report.claim("步行不超过截断时间", "no walk is longer than the cutoff", within)


def _check_leaves(stored: Stored, report: Report) -> None:
    """The tree's arrays point at sites, rows and groups that exist."""
    t = stored.leaves
    if not t:
        return
    ends, (rows, groups) = t["leaf_indptr"], t["table_multipliers"].shape
    sound = len(ends) > 1 and ends[0] == 0 and ends[-1] == len(t["leaf_site"])
    sound = sound and np.all(np.diff(ends) >= 0) and len(t["leaf_value"]) == ends[-1]
    sound = sound and len(t["leaf_row"]) == len(ends) - 1 and np.all(t["leaf_row"] < rows)
    sound = sound and len(t["table_share"]) == len(t["table_budget"]) == rows
    for name, low, high in (
        ("leaf_site", 0, len(stored.chosen)),
        ("leaf_row", -len(stored.chosen), rows),
        ("table_group", -1, groups),
    ):
        sound = sound and np.all((t[name] >= low) & (t[name] < high))
    sound = sound and len(t["table_group"]) == len(stored.weight)
    report.claim("分支树完好", "the stored tree is sound", sound)


# --- the claims -----------------------------------------------------------------------------------


def _check_form(stored: Stored, report: Report) -> None:
    """``plan.json`` is what its schema allows, ``scenario.toml`` a question that can be asked."""
    report.equal("plan.json: plan.schema.json", list(misfits(stored.said, schema())), [])
    try:
        make_scenario(stored.scenario)
    except ScenarioError as error:
        report.claim("scenario.toml", "scenario.toml", False, (error.zh, error.en))


def _check_inputs(stored: Stored, report: Report) -> None:
    """What went in is what the scenario names, in as many rows as were counted."""
    said, scenario = stored.said, stored.scenario
    part, question = scenario["network"], stored.question
    for name, value in (
        ("model", question["model"]),
        ("minutes", question["minutes"]),
        ("speed_kmh", part["speed_kmh"]),
        ("attribution", part["attribution"]),
    ):
        report.equal(name, said[name], value)
    by_role = {entry["role"]: entry for entry in said["inputs"]}
    report.claim(
        "每份输入列一次", "every input is listed once", len(by_role) == len(said["inputs"])
    )
    report.equal("inputs: sha256", by_role["network"]["sha256"], part["sha256"])
    named = _named_inputs(scenario, "districts" in by_role)
    listed = {role: [entry["file"], entry["datum"]] for role, entry in by_role.items()}
    report.equal("inputs: file, datum", listed, named)
    rows = [by_role[k]["rows"] for k in ("existing", "candidates") if k in by_role]
    report.equal("inputs: demand rows", by_role["demand"]["rows"], len(stored.weight))
    report.equal("inputs: site rows", sum(rows), len(stored.chosen))


def _named_inputs(scenario: dict[str, Any], with_districts: bool) -> dict[str, list[str]]:
    """Role → [file, datum]: the scenario's tables; the OSM file for what was derived from it."""
    osm = [Path(scenario["network"]["osm"]).name, "wgs84"]
    derived = {"network", "demand", "candidates"} | ({"districts"} if with_districts else set())
    parts = {**scenario["sites"], **scenario}
    tables = {
        role: [Path(parts[role]["file"]).name, parts[role]["datum"]]
        for role in ("demand", "existing", "candidates", "districts")
        if "file" in parts.get(role, {})
    }
    part = scenario["network"]
    layers = {
        role: [Path(part[role]["file"]).name, part[role]["datum"]]
        for role in ("barriers", "links")
        if "file" in part.get(role, {})
    }
    plain = {role: [Path(part[role]).name, "wgs84"] for role in ("dem", "outline") if role in part}
    return dict.fromkeys(derived, osm) | tables | layers | plain


def _check_sites(stored: Stored, report: Report) -> None:
    """The chosen sites are allowed, as many as asked, and cost what is said."""
    a, q, said, chosen, new = (
        stored.arrays, stored.question, stored.said, stored.chosen, stored.new,
    )  # fmt: skip
    report.equal("chosen", said["chosen"], a["site_id"][chosen].tolist())
    report.equal("new_sites", said["new_sites"], a["site_id"][new].tolist())
    for zh, en, holds in (
        ("已建站点都保留", "existing stations stay open", chosen[stored.status("existing")]),
        ("必选点都已选", "required sites are chosen", chosen[stored.status("required")]),
        ("没有选禁用点", "no forbidden site is chosen", ~chosen[stored.status("forbidden")]),
    ):
        report.claim(zh, en, np.all(holds))
    if "new_sites" in q:
        report.claim("新建不多于所问", "no more new sites than asked", new.sum() <= q["new_sites"])
    cost = float(a["cost"][new].sum())
    report.equal("cost", said["cost"], None if np.isnan(cost) else cost)
    if "budget" in q:
        report.claim("没有超出预算", "the budget is kept", cost <= allowance(float(q["budget"])))


def _check_standards(stored: Stored, report: Report) -> None:
    """Each point's standard: its own, else its district's (which may be the question's)."""
    minutes = {row["district"]: row["minutes"] for row in stored.said["districts"]}
    by_home = np.array([minutes.get(name, np.nan) for name in stored.demand["district"]], float)
    own = stored.arrays["minutes_own"]
    expected = np.where(np.isnan(own), by_home, own)
    report.claim(
        "各点标准出自本点、本区或问题",
        "each point's standard is its own, its district's or the question's",
        np.array_equal(stored.arrays["minutes_required"], expected),
    )
    if "" in minutes:
        report.equal("minutes of district “”", minutes[""], float(stored.question["minutes"]))


def _check_counts(stored: Stored, report: Report) -> None:
    """Every figure of coverage, recounted from the matrix."""
    said, weight, gap = stored.said, stored.weight, stored.arrays["gap_m"]
    times = stored.times_covered(stored.chosen)
    snapped, site_snapped = np.isfinite(gap), np.isfinite(stored.arrays["site_gap_m"])
    total = weight.sum()

    def share(points: NDArray[np.bool_]) -> float:
        return float(weight[points].sum() / total) if total > 0 else 0.0

    counted = {
        "covered_weight": float(weight[times > 0].sum()),
        "total_weight": float(total),
        "covered_share": share(times > 0),
        "covered_share_before": share(stored.times_covered(stored.status("existing")) > 0),
        "covered_points": int((times > 0).sum()),
        "total_points": len(weight),
        "cross_covered_share": share(times >= 2),
        "unreachable_weight": float(weight[snapped & ~stored.reachable].sum()),
        "unsnapped_demand": int((~snapped).sum()),
        "unsnapped_sites": int((~site_snapped).sum()),
        "far_weight_share": share(gap > FAR_GAP_M),
    }
    for name, value in counted.items():
        report.equal(name, said[name], value)
    _check_unit(stored, report)


def _check_unit(stored: Stored, report: Report) -> None:
    """People need head counts or a total; a table without weights counts points."""
    demand, unit = stored.scenario["demand"], stored.said["weight_unit"]
    if "file" in demand:
        ok = unit == "people" or (unit == "points" and bool(np.all(stored.weight == 1)))
    else:
        ok = unit == ("people" if "total_people" in demand else "relative")
    report.claim("weight_unit", "weight_unit", ok)


def _check_districts(stored: Stored, report: Report) -> None:
    home, site_home = stored.demand["district"], stored.arrays["site_district"]
    covered = stored.times_covered(stored.chosen) > 0
    named = [row["district"] for row in stored.said["districts"]]
    report.claim("各区只列一次", "every district is listed once", len(set(named)) == len(named))
    present = set(home) | set(site_home[stored.chosen].tolist())
    report.claim("没有漏掉的区", "no district is left out", present <= set(named))
    for row in stored.said["districts"]:
        inside = home == row["district"]
        weight = stored.weight[inside].sum()
        share = float(stored.weight[inside & covered].sum() / weight) if weight > 0 else None
        count = int((stored.chosen & (site_home == row["district"])).sum())
        where = f"district “{row['district']}”"
        report.equal(f"covered_share of {where}", row["covered_share"], share)
        report.equal(f"stations of {where}", row["stations"], count)


# --- the bound ------------------------------------------------------------------------------------


def _check_bound(stored: Stored, report: Report) -> None:
    """Objective, bound and gap; whether the stored proof carries the stated bound."""
    said, model = stored.said, stored.said["model"]
    objective = _objective(stored)
    report.equal("objective", said["objective"], objective)
    gap = abs(said["bound"] - objective) / max(abs(objective), 1e-9)
    report.equal("gap", said["gap"], gap)
    report.equal("proven", said["proven"], bool(gap <= PROVEN_GAP))
    better = said["bound"] - objective if model == "mclp" else objective - said["bound"]
    slack = 1e-9 * max(abs(objective), abs(said["bound"])) + 1e-12
    report.claim("界在正确的一侧", "the bound is on the right side", better >= -slack)
    covered = stored.times_covered(stored.chosen) > 0
    if model == "partial_cover":
        target = target_weight(stored.weight, float(stored.question["share"]))
        done = float(stored.weight[covered].sum())
        report.claim("达到了所问的覆盖率", "the share asked for is covered", done >= target)
    if model == "lscp":
        same = np.array_equal(stored.reachable, covered)
        report.claim("能覆盖的都覆盖了", "all that can be covered is covered", same)
    by_cost = _by_cost(stored)
    costs = _costs(stored)
    if by_cost:
        report.claim("备选点都有费用", "every site has a cost", not np.isnan(costs).any())
    if said["proof"] == "solver":
        report.solver_only = True
        return
    known = said["proof"] in (("multipliers", "tree") if stored.leaves else ("multipliers",))
    report.claim("证明种类可复算", "the proof is of a kind that is stored", known)
    bound = _recomputed_bound(stored, costs if by_cost else None)
    report.equal("bound", said["bound"], bound)


def _objective(stored: Stored) -> float:
    if stored.said["model"] == "mclp":
        return float(stored.weight[stored.times_covered(stored.chosen) > 0].sum())
    if stored.question["minimise"] == "cost":
        return float(stored.arrays["cost"][stored.new].sum())
    return float(stored.new.sum())


def _by_cost(stored: Stored) -> bool:
    return stored.question["minimise"] == "cost" or "budget" in stored.question


def _costs(stored: Stored) -> NDArray[np.float64]:
    """What sites cost: nothing for those that stand already or are never opened."""
    cost = np.array(stored.arrays["cost"], float)
    cost[stored.status("existing", "forbidden")] = 0.0
    return cost


def _recomputed_bound(stored: Stored, cost: NDArray[np.float64] | None) -> float:
    a, q, model = stored.arrays, stored.question, stored.said["model"]
    n = len(stored.weight)
    # lscp is put to the rows that can be covered at all
    rows = np.flatnonzero(stored.reachable) if model == "lscp" else np.arange(n)
    row, site = stored.pairs
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    keep = place[row] >= 0
    counts = np.bincount(place[row[keep]], minlength=len(rows))
    leaves = {}
    if stored.said["proof"] == "tree":
        leaves = {**stored.leaves, "table_group": stored.leaves["table_group"][rows]}
    return certified_bound(
        model,
        indptr=np.concatenate([[0], np.cumsum(counts)]),
        indices=site[keep],
        weight=stored.weight[rows],
        cost=cost,
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
