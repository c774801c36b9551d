"""Our answer to a made question: seconds, memory, trace; recounted, and its bound recomputed.

Runs in workers only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import BenchmarkError
from benchmarks.instances import Question, load, make
from benchmarks.worker import forget_peak, peak_mb
from servicecircle import locate
from servicecircle.locate import Selection
from servicecircle.locate.certificate import certified_bound
from servicecircle.locate.distance.certificate import p_center_bound, p_median_bound

GAPS = (0.03, 0.02, 0.01, 0.001)
WITHIN = 2  # sites between plan and bound
CALLBACK = Callable[[float, float, float, float], None]
Trace = list[list[float]]


def solve(model: str, question: Question, p: int | None, **options: Any) -> Selection:
    """The selection of a model, by its public function."""
    data, weight = question.data, question.weight
    if model == "lscp":
        return locate.lscp(data, **options)
    if model == "p_center":
        return locate.p_center(data, p, **options)
    return getattr(locate, model)(data, weight, p, **options)


def warm_up(model: str) -> dict[str, Any]:
    """Call the compiled code on questions of no size, some of which need a tree."""
    kind = "road" if model in ("p_median", "p_center") else "U"
    for seed in range(3):
        solve(model, make(kind, 40, 600, 6_000.0, seed, model == "lscp"), 5, time_limit=5.0)
    return {}


def run(path: str, model: str, p: int | None, limit_s: float, loaded: bool) -> dict[str, Any]:
    """Answer once; ``loaded`` calls the compiled code before."""
    question = load(path)
    if loaded:
        warm_up(model)
    held = forget_peak()
    trace: Trace = []
    start = time.perf_counter()

    def note(_: float, objective: float, bound: float, gap: float) -> None:
        trace.append([time.perf_counter() - start, objective, bound, gap])

    found = solve(model, question, p, time_limit=limit_s, callback=note)
    seconds = time.perf_counter() - start
    beyond_mb = peak_mb() - held
    trace.append([seconds, found.objective, found.bound, found.gap])
    start = time.perf_counter()
    check(model, question, p, found)
    return {
        "seconds": seconds,
        "beyond_mb": beyond_mb,
        "milestones": milestones(trace, found),
        "check_s": time.perf_counter() - start,
        "trace": thinned(trace),
        "answer": {
            "objective": found.objective,
            "bound": found.bound,
            "gap": found.gap,
            "proven": found.proven,
            "proof": found.proof,
            "method": found.method,
            "stopped": found.stopped,
        },
        "sizes": {"pairs": question.pairs, "rows": len(question.weight)},
    }


def milestones(trace: Trace, found: Selection) -> dict[str, float]:
    """Seconds to the first plan, the first bound, each gap, and the proof; inf where never."""

    def first(reached: Callable[[float, float, float], bool]) -> float:
        return next((t for t, *state in trace if reached(*state)), math.inf)

    checkable = found.proven and found.proof != "solver"
    return {
        "plan": first(lambda objective, bound, gap: math.isfinite(objective)),
        "plan and bound": first(lambda objective, bound, gap: math.isfinite(gap)),
        **{f"gap < {g:.1%}": first(lambda o, b, gap, g=g: gap < g) for g in GAPS},
        "within 2": first(lambda objective, bound, gap: abs(objective - bound) <= WITHIN + 1e-9),
        "proven": trace[-1][0] if checkable else math.inf,
    }


def thinned(trace: Trace) -> Trace:
    """The trace without what says nothing new."""
    kept: Trace = []
    for entry in trace:
        if math.isfinite(entry[3]) and (not kept or entry[1:] != kept[-1][1:]):
            kept.append(entry)
    return kept if kept and kept[-1][0] == trace[-1][0] else [*kept, trace[-1]]


# --- judged by numpy ------------------------------------------------------------------------------


def objective(model: str, question: Question, chosen: Any) -> float:
    """The objective of a plan counted anew; raises `BenchmarkError` where it leaves rows open."""
    chosen = np.asarray(chosen, np.int64)
    data, weight = question.data, question.weight
    if model in ("p_median", "p_center"):
        nearest = data[:, chosen].min(axis=1)
        return float(nearest.max() if model == "p_center" else weight @ nearest)
    open_sites = np.zeros(data.shape[1], bool)
    open_sites[chosen] = True
    covered = np.diff(data.indptr) > 0
    hits = open_sites[data.indices]
    covered[covered] = np.logical_or.reduceat(hits, data.indptr[:-1][covered])
    if model == "mclp":
        return float(weight[covered].sum())
    if not covered.all():
        raise BenchmarkError(f"{(~covered).sum()} rows are left uncovered")
    return float(len(chosen))


def check(model: str, question: Question, p: int | None, found: Selection) -> None:
    """Raise `BenchmarkError` unless plan and bound are what they are said to be."""
    if p is not None and len(found.chosen) > p:
        raise BenchmarkError(f"{len(found.chosen)} sites, but {p} were allowed")
    counted = objective(model, question, found.chosen)
    if not math.isclose(counted, found.objective, rel_tol=1e-9):
        raise BenchmarkError(f"the plan is worth {counted}, not {found.objective}")
    if found.proof == "solver":
        return
    proved = bound_of(model, question, p, found)
    over = (found.bound - proved) * (-1 if model == "mclp" else 1)  # claimed beyond what is proved
    if over > 1e-6 * abs(proved):
        raise BenchmarkError(f"the certificate proves {proved}, not {found.bound}")


def bound_of(model: str, question: Question, p: int | None, found: Selection) -> float:
    """The bound that the certificate proves, by the rooms that import numpy alone."""
    data, nowhere = question.data, np.zeros(question.data.shape[1], bool)
    claim = {
        "multipliers": found.multipliers,
        "budget_multiplier": found.budget_multiplier,
        **({} if found.leaves is None else found.leaves.arrays()),
        **{"fixed": nowhere, "required": nowhere, "forbidden": nowhere},
        **{"sites": p, "cost": None, "budget": None},
    }
    if model == "p_median":
        return p_median_bound(distance=data, weight=question.weight, **claim)
    if model == "p_center":
        return p_center_bound(distance=data, radius=found.bound, **claim)
    weight = None if model == "lscp" else question.weight
    return certified_bound(model, indptr=data.indptr, indices=data.indices, weight=weight, **claim)
