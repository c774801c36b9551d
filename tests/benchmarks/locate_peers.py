"""spopt's answer to a made question, by CBC or HiGHS through PuLP; model building included.

Runs in workers only. spopt takes dense matrices; it and PuLP call an answer "Optimal" also when the
time was up, so that PuLP's ``sol_status`` is asked whether there is a proof.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import pulp
import scipy.sparse as sp
from spopt.locate import LSCP, MCLP, PCenter, PMedian

from benchmarks.instances import Question, load
from benchmarks.locate_ours import objective

GRACE_S = 20.0  # what a solver may take beyond its limit


class TimeUpError(Exception):
    """The time for building or solving is up."""


def run(path: str, model: str, p: int | None, solver: str, limit_s: float) -> dict[str, Any]:
    """Build spopt's model and solve it to proven optimality within the limit.

    ``stage`` is ``building`` when the time was up before the solver was called, ``over`` when the
    solver did not keep its limit, ``none`` when it had no plan, ``plan`` when it had one without
    proof, and ``proven``.
    """
    question = load(path)
    costs = dense(question)
    start = time.perf_counter()
    try:
        built = _in_time(lambda: build(model, costs, question.weight, p), limit_s)
    except TimeUpError:
        return {"seconds": time.perf_counter() - start, "stage": "building"}
    building = time.perf_counter() - start
    stage = "plan"
    try:
        left = max(limit_s - building, 1.0)
        _in_time(lambda: built.solve(_solver(solver, left), results=False), left + GRACE_S)
    except RuntimeError:  # spopt's word for any status but "Optimal"
        stage = "none"
    except TimeUpError:
        stage = "over"
    found = {"seconds": time.perf_counter() - start, "building": building, "stage": stage}
    if stage != "plan":
        return found
    if built.problem.sol_status == pulp.LpSolutionOptimal:
        found["stage"] = "proven"
    chosen = [j for j, variable in enumerate(built.fac_vars) if (variable.value() or 0) > 0.5]
    called = pulp.LpStatus[built.problem.status]
    return {**found, "called": called, "objective": objective(model, question, chosen)}


def dense(question: Question) -> Any:
    """The matrix that spopt takes: distances, or 0 and 1 for covered and not."""
    data = question.data
    return 1.0 - data.toarray() if sp.issparse(data) else data


def build(model: str, costs: Any, weight: Any, p: int | None) -> Any:
    """spopt's model of the question."""
    if model == "mclp":
        return MCLP.from_cost_matrix(costs, weight, service_radius=0.5, p_facilities=p)
    if model == "lscp":
        return LSCP.from_cost_matrix(costs, service_radius=0.5)
    if model == "p_median":
        return PMedian.from_cost_matrix(costs, weight, p_facilities=p)
    return PCenter.from_cost_matrix(costs, p_facilities=p)


def _solver(name: str, limit_s: float) -> Any:
    """PuLP's interface; HiGHS would stop at a gap of 1e-4 otherwise."""
    if name == "CBC":
        return pulp.PULP_CBC_CMD(msg=False, timeLimit=limit_s)
    return pulp.HiGHS(msg=False, timeLimit=limit_s, gapRel=0.0)


def _in_time(call: Any, limit_s: float) -> Any:
    """What a call returns; raises `TimeUpError` in it when the time is up."""

    def stop(number: int, frame: Any) -> None:
        raise TimeUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
