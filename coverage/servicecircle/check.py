"""Check a plan folder: every claim counted again from what is stored, with numpy, no solver.

    check             is the certificate sound, do plan.json's figures follow from it
    ├── plan_schema   is plan.json what its schema allows
    ├── check_bound   objective, bound and gap of every model
    ├── check_tables  demand.parquet, stations.csv, stations.geojson
    └── check_report  claims, and how they are told
    check_streets     --rebuild: walks again from the OSM file
    └── check_inputs  --rebuild: demand, sites and districts again from tables and OSM file

Coverage comes from the stored minutes, the bound from the stored multipliers or leaves
(`locate.certificate`, and its like for other models). The check takes the stored walks, weights,
costs, capacities and statuses as given: whether they are what the streets and tables say, only
``--rebuild`` can tell. Not checked at all: ``map.html``, and in ``plan.json`` notes and seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.check_bound import check_bound
from servicecircle.check_report import MISFITS, Report, summary
from servicecircle.check_tables import check_demand, check_stations
from servicecircle.errors import ScenarioError
from servicecircle.locate.certificate import allowance
from servicecircle.plan_schema import misfits, schema
from servicecircle.scenario import make_scenario
from servicecircle.stored_plan import (
    ARRAYS,
    FAR_ARRAYS,
    FLOW_ARRAYS,
    MINUTES_TOLERANCE,
    Stored,
    read_folder,
)

__all__ = ["CUTOFF_MINUTES", "Report", "check_folder", "summary"]

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
                _check_districts, check_stations, check_demand, check_bound,
            ):  # fmt: skip
                step(stored, report)
    except MISFITS as error:
        report.misfit(error)
    return report


# --- is it sound ----------------------------------------------------------------------------------


def _check_arrays(stored: Stored, report: Report) -> None:
    """The certificate's arrays have the right shapes and sane numbers."""
    a = stored.arrays
    q, indptr, indices = stored.question, a["indptr"], a["indices"]
    wanted = {**ARRAYS, **(FAR_ARRAYS if _by_distance(stored) else {})}
    wanted |= FLOW_ARRAYS if q.get("capacities") else {}
    report.claim(
        "证书里有这个模型要用的数组", "the certificate holds the arrays of its model",
        a.keys() == wanted.keys(),
    )  # fmt: skip
    if report.failed:
        return
    size = {"demand": len(a["demand_id"]), "site": len(a["site_id"]), "pair": len(indices)}
    size["far"] = len(a.get("beyond_indices", ()))
    n, m = size["demand"], size["site"]
    lengths = all(len(a[k]) == size[per] for k, (_, per) in wanted.items() if per in size)
    report.claim("每行一个数", "one number per demand point, site and walk", lengths and n and m)
    sound = _is_sound(indptr, indices, n, m)
    if _by_distance(stored):
        sound = sound and _is_sound(a["beyond_indptr"], a["beyond_indices"], n, m)
    report.claim("步行矩阵完好", "the stored matrix is sound", sound)
    if report.failed:
        return
    pairs = _all_pairs(stored)
    report.claim("没有重复的步行", "no walk is stored twice", len(np.unique(pairs)) == len(pairs))
    for name in (
        "minutes",
        "weight",
        "gap_m",
        "site_gap_m",
        *(["beyond_minutes"] if size["far"] else []),
    ):
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
    if report.failed:
        return
    _check_walks(stored, report)
    proof = len(a["multipliers"]) == stored.proof_rows
    report.claim("每行一个乘子", "one multiplier per row of the proof", proof)
    _check_leaves(stored, report)


def _by_distance(stored: Stored) -> bool:
    return stored.question["model"] in ("p_median", "p_center")


def _is_sound(indptr: NDArray[np.int64], indices: NDArray[np.int64], n: int, m: int) -> bool:
    """Whether CSR arrays hold a matrix of n rows and m columns."""
    ends = len(indptr) == n + 1 and indptr[0] == 0 and indptr[-1] == len(indices)
    return bool(ends and np.all(np.diff(indptr) >= 0) and np.all((indices >= 0) & (indices < m)))


def _all_pairs(stored: Stored) -> NDArray[np.int64]:
    """One number per stored walk, those beyond the cutoff included."""
    a, m = stored.arrays, len(stored.chosen)
    pairs = stored.rows * m + a["indices"]
    if not _by_distance(stored):
        return pairs
    far = np.repeat(np.arange(len(stored.weight)), np.diff(a["beyond_indptr"]))
    return np.concatenate([pairs, far * m + a["beyond_indices"]])


def _check_walks(stored: Stored, report: Report) -> None:
    """No walk is shorter than its two legs; within the cutoff, or beyond it, as it is stored."""
    a = stored.arrays
    cutoff = max(
        CUTOFF_MINUTES,
        float(a["minutes_required"].max()),
        float(stored.question.get("decay_to_minutes", 0)),
    )
    within = np.all(a["minutes"] <= cutoff + MINUTES_TOLERANCE)
    walks = [(stored.rows, a["indices"], a["minutes"])]
    if _by_distance(stored):
        far = np.repeat(np.arange(len(stored.weight)), np.diff(a["beyond_indptr"]))
        walks.append((far, a["beyond_indices"], a["beyond_minutes"]))
        within = within and np.all(a["beyond_minutes"] > cutoff)
    report.claim("步行不超过截断时间", "no walk is longer than the cutoff", within)
    part = stored.scenario["network"]
    metres = float(part.get("leg_speed_kmh", part["speed_kmh"])) * 1000 / 60
    report.claim(
        "步行不短于两端到路的距离",
        "no walk is shorter than its legs off the network",
        all(
            np.all(minutes * metres >= a["gap_m"][row] + a["site_gap_m"][site] - LEG_SLACK_M)
            for row, site, minutes in walks
        ),
    )


def _check_leaves(stored: Stored, report: Report) -> None:
    """Multipliers are numbers; the tree's arrays point at sites, rows and groups that exist."""
    a, t = stored.arrays, stored.leaves
    prices = [a[name] for name in ("multipliers", "share_multiplier", "budget_multiplier")]
    prices += [t[name] for name in ("table_multipliers", "table_share", "table_budget") if t]
    finite = all(np.all(np.isfinite(price)) for price in prices)
    report.claim("乘子为有限数", "multipliers are finite", finite)
    if not t:
        return
    ends, (rows, groups) = t["leaf_indptr"], t["table_multipliers"].shape
    sound = len(ends) > 1 and ends[0] == 0 and ends[-1] == len(t["leaf_site"])
    sound = sound and np.all(np.diff(ends) >= 0) and len(t["leaf_value"]) == ends[-1]
    sound = sound and len(t["leaf_row"]) == len(ends) - 1 and np.all(t["leaf_row"] < rows)
    sound = sound and len(t["table_share"]) == len(t["table_budget"]) == rows
    for name, low, high in (
        ("leaf_site", 0, len(stored.chosen) + 1),  # or how much of a path is repeated
        ("leaf_row", -len(stored.chosen), rows),
        ("table_group", -1, groups),
    ):
        sound = sound and np.all((t[name] >= low) & (t[name] < high))
    sound = sound and len(t["table_group"]) == stored.proof_rows
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
