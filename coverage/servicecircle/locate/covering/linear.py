"""The covering models in HiGHS: a relaxation that is solved again and again, and the whole model.

Columns are the sites, then (not in ``lscp``) the covered share of each row. Arrays go straight in.
"""

from __future__ import annotations

import math
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from servicecircle.locate.covering.core import Core, Floats, Ints
from servicecircle.locate.watch import Watch

THREADS = 1  # one setting for all: HiGHS answers "Not Set" when it changes within a process


def build(core: Core) -> highspy.HighsLp:
    """The relaxation in HiGHS's own form, minimising."""
    f, (rows, n) = core.facts, core.shape
    extra, lower, upper = _side_rows(core)
    has_z = f.model != "lscp"
    body = sp.hstack([core.rows, -sp.identity(rows)]) if has_z else core.rows
    matrix = sp.vstack([body, extra]).tocsc() if extra is not None else body.tocsc()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = matrix.shape[1], matrix.shape[0]
    lp.col_cost_ = (
        np.concatenate([np.zeros(n), -f.weight])
        if f.model == "mclp"
        else np.concatenate([f.cost, np.zeros(matrix.shape[1] - n)])
    )
    lp.col_lower_, lp.col_upper_ = np.zeros(matrix.shape[1]), np.ones(matrix.shape[1])
    lp.row_lower_ = np.concatenate([np.full(rows, 0.0 if has_z else 1.0), lower])
    lp.row_upper_ = np.concatenate([np.full(rows, highspy.kHighsInf), upper])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    return lp


def _side_rows(core: Core) -> tuple[Any, list[float], list[float]]:
    """Count, purse and target as rows with their limits."""
    f, (rows, n) = core.facts, core.shape
    none = np.zeros(rows if f.model != "lscp" else 0)
    lines, lower, upper = [], [], []
    for coefficients, limit in ((np.ones(n), f.count), (f.cost, f.purse)):
        if limit < math.inf:
            lines.append(np.concatenate([coefficients, none]))
            lower.append(-highspy.kHighsInf)
            upper.append(float(limit))
    if f.model == "partial_cover":
        lines.append(np.concatenate([np.zeros(n), f.weight]))
        lower.append(f.target)
        upper.append(highspy.kHighsInf)
    return (sp.csr_matrix(np.array(lines)) if lines else None), lower, upper


def _solver(seed: int, seconds: float) -> highspy.Highs:
    solver = highspy.Highs()
    solver.silent()
    options = {"threads": THREADS, "random_seed": seed, "time_limit": max(0.01, seconds)}
    for name, value in options.items():
        solver.setOptionValue(name, value)
    return solver


def _run(solver: highspy.Highs) -> highspy.HighsModelStatus:
    """Run; once more after a reset where another part of the process set other threads."""
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kNotset:
        highspy.Highs.resetGlobalScheduler(True)
        solver.run()
    return solver.getModelStatus()


class Relaxation:
    """The linear relaxation of a core, kept between solves so that the next one starts warm."""

    def __init__(self, core: Core, seed: int) -> None:
        self.core = core
        self.solver = _solver(seed, 1.0)
        self.solver.setOptionValue("dual_feasibility_tolerance", 1e-9)
        self.solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
        self.solver.passModel(build(core))
        self.columns = np.arange(core.shape[1], dtype=np.int32)

    def solve(
        self, into: Ints, out: Ints, watch: Watch
    ) -> tuple[Floats, float, float, Floats] | None:
        """(λ, μ, σ, y) with some sites fixed, or None where time ran out."""
        n = self.core.shape[1]
        low, high = np.zeros(n), np.ones(n)
        low[into], high[out] = 1.0, 0.0
        self.solver.changeColsBounds(n, self.columns, low, high)
        left = watch.left()
        if left <= 0:
            return None
        # HiGHS counts its time limit over all runs of one solver
        self.solver.setOptionValue("time_limit", self.solver.getRunTime() + left)
        if _run(self.solver) != highspy.HighsModelStatus.kOptimal:
            return None
        solution = self.solver.getSolution()
        duals = np.array(solution.row_dual)
        return self._multipliers(duals, np.array(solution.col_value)[:n])

    def _multipliers(self, duals: Floats, y: Floats) -> tuple[Floats, float, float, Floats]:
        f, rows = self.core.facts, self.core.shape[0]
        lam, more = np.maximum(duals[:rows], 0.0), duals[rows:]
        mu = max(0.0, float(more[-1])) if f.model == "partial_cover" else 0.0
        money = f.model == "mclp" and f.purse < math.inf
        sigma = max(0.0, -float(more[-1])) if money else 0.0
        if f.model == "mclp":
            lam = np.minimum(lam, f.weight)
        elif f.model == "partial_cover":
            lam = np.minimum(lam, mu * f.weight)
        return lam, mu, sigma, y


def solve_whole(
    core: Core,
    start: Ints,
    watch: Watch,
    gap: float,
    seed: int,
) -> tuple[NDArray[np.int64], float] | None:
    """(sites, bound) of the whole-number model by HiGHS; the bound is its word, not a proof.

    ``start`` is a plan to begin with. None where HiGHS has no plan. The bound is in the
    question's sense: the largest covered weight, or the least cost, that it still thinks possible.
    """
    f, n = core.facts, core.shape[1]
    lp = build(core)
    whole = [highspy.HighsVarType.kInteger] * n
    lp.integrality_ = whole + [highspy.HighsVarType.kContinuous] * (lp.num_col_ - n)
    solver = _solver(seed, watch.left())
    _heed(solver, watch)
    solver.setOptionValue("mip_rel_gap", gap)
    solver.setOptionValue("mip_abs_gap", 1e-9)
    solver.passModel(lp)
    _hand_over(solver, core, start)
    _run(solver)
    info, solution = solver.getInfo(), solver.getSolution()
    bound = float(info.mip_dual_bound)
    bound = f.start - bound if f.model == "mclp" else f.start + bound
    if not solution.value_valid or not math.isfinite(bound):
        return None
    return np.flatnonzero(np.array(solution.col_value)[:n] > 0.5), bound


def _heed(solver: highspy.Highs, watch: Watch) -> None:
    """Let Ctrl-C stop the solver."""

    def look(event: Any) -> None:
        if watch.interrupted:
            event.interrupt()

    solver.cbMipInterrupt.subscribe(look)


def _hand_over(solver: highspy.Highs, core: Core, start: Ints) -> None:
    """Give HiGHS a plan to begin with."""
    n = core.shape[1]
    y = np.zeros(n)
    y[start] = 1.0
    values = y
    if core.facts.model != "lscp":
        values = np.concatenate([y, np.minimum(1.0, core.rows @ y)])
    solution = highspy.HighsSolution()
    solution.col_value = values.tolist()
    solver.setSolution(solution)
