"""Objective, bound and gap of a plan folder, counted again for every model, with numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.check_report import Report
from servicecircle.locate import certificate
from servicecircle.locate.capacity import certificate as capacity_certificate
from servicecircle.locate.certificate import target_weight
from servicecircle.locate.distance import certificate as distance_certificate
from servicecircle.locate.levels import credited_weight
from servicecircle.stored_plan import Stored

PROVEN_GAP = 1e-6

Floats = NDArray[np.float64]


def check_bound(stored: Stored, report: Report) -> None:
    """Objective, bound and gap; whether the stored proof carries the stated bound."""
    said, model = stored.said, stored.said["model"]
    if stored.question.get("capacities"):
        known = not np.isnan(_capacity(stored)).any()
        report.claim("站点都有容量", "every site has a capacity", known)
    objective = _objective(stored)
    report.equal("objective", said["objective"], objective)
    gap = abs(said["bound"] - objective) / max(abs(objective), 1e-9)
    report.equal("gap", said["gap"], gap)
    report.equal("proven", said["proven"], bool(gap <= PROVEN_GAP))
    if said.get("stopped") == "proof":
        report.claim("stopped", "stopped", said["proven"])
    better = said["bound"] - objective if model == "mclp" else objective - said["bound"]
    slack = 1e-9 * max(abs(objective), abs(said["bound"])) + 1e-12
    report.claim("界在正确的一侧", "the bound is on the right side", better >= -slack)
    _check_target(stored, report)
    by_cost = stored.question["minimise"] == "cost" or "budget" in stored.question
    costs = _costs(stored)
    if by_cost:
        report.claim("备选点都有费用", "every site has a cost", not np.isnan(costs).any())
    if said["proof"] == "solver":
        report.solver_only = True
        return
    known = said["proof"] in (("multipliers", "tree") if stored.leaves else ("multipliers",))
    report.claim("证明种类可复算", "the proof is of a kind that is stored", known)
    _check_carried(said, _recomputed_bound(stored, costs if by_cost else None), report)


def _check_carried(said: dict[str, Any], counted: float, report: Report) -> None:
    """The stated bound is the one that the proof carries.

    It may be weaker by what counts as no gap: a search closes parts of its tree when they are so
    near the best plan, and states that instead of each part's own bound.
    """
    weaker = said["bound"] - counted if said["model"] == "mclp" else counted - said["bound"]
    nothing = PROVEN_GAP * abs(said["objective"])
    report.equal("bound", said["bound"], said["bound"] if 0 < weaker <= nothing else counted)


def _check_target(stored: Stored, report: Report) -> None:
    """What the model had to reach is reached."""
    covered = stored.times_covered(stored.chosen) > 0
    if stored.said["model"] == "partial_cover":
        target = target_weight(stored.weight, float(stored.question["share"]))
        done = float(stored.weight[covered].sum())
        report.claim("达到了所问的覆盖率", "the share asked for is covered", done >= target)
    if stored.said["model"] == "lscp":
        same = np.array_equal(stored.reachable, covered)
        report.claim("能覆盖的都覆盖了", "all that can be covered is covered", same)


# --- the objective --------------------------------------------------------------------------------


def _objective(stored: Stored) -> float:
    q, model = stored.question, stored.said["model"]
    if model in ("p_median", "p_center"):
        return _minutes(stored)
    if model == "mclp":
        if "decay_to_minutes" in q:
            return credited_weight(stored.levels, stored.chosen)
        if q.get("capacities"):
            return _served(stored)
        return float(stored.weight[stored.times_covered(stored.chosen) > 0].sum())
    if q["minimise"] == "cost":
        return float(stored.arrays["cost"][stored.new].sum())
    return float(stored.new.sum())


def _minutes(stored: Stored) -> float:
    """The mean, or the most, minutes to the nearest open station; inf where one has none."""
    rows = stored.asked_for
    nearest = stored.distance[rows][:, stored.chosen].min(axis=1, initial=np.inf)
    if stored.said["model"] == "p_center":
        return float(nearest.max())
    return float(stored.weight[rows] @ nearest / stored.weight[rows].sum())


def _served(stored: Stored) -> float:
    """The weight that the stored flow serves; ValueError where it is none that may be."""
    indptr, indices = stored.covers
    return capacity_certificate.served_weight(
        stored.arrays["flow"],
        indptr=indptr,
        indices=indices,
        weight=stored.weight,
        capacity=_capacity(stored),
        is_open=stored.chosen,
    )


def _capacity(stored: Stored) -> Floats:
    """What each site can serve; nothing where it may not be open."""
    return np.where(stored.status("forbidden"), 0.0, stored.arrays["capacity"])


def _costs(stored: Stored) -> Floats:
    """What sites cost: nothing for those that stand already or are never opened."""
    cost = np.array(stored.arrays["cost"], float)
    cost[stored.status("existing", "forbidden")] = 0.0
    return cost


# --- the bound ------------------------------------------------------------------------------------


def _recomputed_bound(stored: Stored, cost: Floats | None) -> float:
    model, q = stored.said["model"], stored.question
    if model in ("p_median", "p_center"):
        return _bound_of_minutes(stored, cost)
    if q.get("capacities"):
        indptr, indices = stored.covers
        proof = _proof(stored, np.arange(len(stored.weight)))
        del proof["share_multiplier"]
        return capacity_certificate.certified_bound(
            indptr=indptr, indices=indices, weight=stored.weight, capacity=_capacity(stored),
            **_question(stored, cost), **proof,
        )  # fmt: skip
    if "decay_to_minutes" in q:
        levels = stored.levels
        return certificate.certified_bound(
            model, indptr=levels.indptr, indices=levels.indices, weight=levels.weight,
            **_question(stored, cost), **_proof(stored, np.arange(len(levels.weight))),
        )  # fmt: skip
    # lscp is put to the rows that can be covered at all
    rows = np.flatnonzero(stored.reachable) if model == "lscp" else np.arange(len(stored.weight))
    indptr, indices = _of_rows(*stored.covers, rows)
    return certificate.certified_bound(
        model, indptr=indptr, indices=indices, weight=stored.weight[rows], share=q.get("share"),
        **_question(stored, cost), **_proof(stored, rows),
    )  # fmt: skip


def _bound_of_minutes(stored: Stored, cost: Floats | None) -> float:
    """As the objective: the mean of p_median, whose proof is of the sum; the most of p_center."""
    rows, question = stored.asked_for, _question(stored, cost)
    distance, proof = stored.distance[rows], _proof(stored, rows)
    if stored.said["model"] == "p_center":
        return distance_certificate.certified_bound(
            "p_center", radius=float(stored.said["bound"]), distance=distance, **question, **proof
        )
    weight = stored.weight[rows]
    del proof["share_multiplier"]
    total = distance_certificate.certified_bound(
        "p_median", distance=distance, weight=weight, **question, **proof
    )
    return total / float(weight.sum())


def _question(stored: Stored, cost: Floats | None) -> dict[str, Any]:
    q = stored.question
    return {
        "cost": cost,
        "fixed": stored.status("existing"),
        "required": stored.status("required"),
        "forbidden": stored.status("forbidden"),
        "sites": q.get("new_sites"),
        "budget": q.get("budget"),
    }


def _proof(stored: Stored, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Multipliers of some rows of the proof, and the tree's leaves where the proof is a tree."""
    a, leaves = stored.arrays, {}
    if stored.said["proof"] == "tree":
        leaves = {**stored.leaves, "table_group": stored.leaves["table_group"][rows]}
    return {
        "multipliers": a["multipliers"][rows],
        "share_multiplier": float(a["share_multiplier"]),
        "budget_multiplier": float(a["budget_multiplier"]),
        **leaves,
    }


def _of_rows(
    indptr: NDArray[np.int64], indices: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Some rows (ascending) of a CSR matrix."""
    counts = np.diff(indptr)
    kept = np.zeros(len(counts), bool)
    kept[rows] = True
    return np.concatenate([[0], np.cumsum(counts[rows])]), indices[np.repeat(kept, counts)]
