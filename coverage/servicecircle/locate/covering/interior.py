"""Multipliers by an interior-point method on the sites × sites system.

The linear relaxation has a column per site (y) and per row (z, not in ``lscp``):
``min c·x``, ``By - z >= 0`` (``By >= 1`` in ``lscp``), ``0 <= x <= 1``, and at most two more rows
for count, budget or target. In Newton's equations the rows eliminate to a diagonal, so that only
a dense system of the size of the sites is left, whatever the number of rows. Mehrotra's
predictor-corrector; the row duals of every iterate are multipliers with a valid bound of their
own, so an early stop only costs quality.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.linalg as la
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.covering.core import Core
from servicecircle.locate.watch import Watch

Floats = NDArray[np.float64]
Answer = tuple[Floats, float, float, Floats, float]  # λ, μ, σ, y, and what is missing, relative

STEP = 0.995  # share of the way to the boundary
ITERATIONS = 100


def interior_point(core: Core, watch: Watch, accuracy: float = 1e-9) -> Iterator[Answer]:
    """Every iterate's (λ, μ, σ, y, missing share), until the optimum or the watch's end.

    The last number is the products still to be closed, as a share of the objective.
    """
    model = _Model(core)
    point = model.start()
    for _ in range(ITERATIONS):
        with np.errstate(all="ignore"):  # at the end numbers give out; `_mehrotra` says so
            if watch.over() or not _mehrotra(model, point):
                return
        yield model.multipliers(point)
        if point.measure < accuracy:
            return


class _Model:
    """The relaxation, scaled to weights and costs around one, in ``A x - s = b`` form."""

    def __init__(self, core: Core) -> None:
        f, (rows, n) = core.facts, core.shape
        self.core, self.n, self.rows, self.mclp = core, n, rows, f.model == "mclp"
        self.has_z = f.model != "lscp"
        self.scale = (float(f.weight.max()) if self.mclp else float(f.cost.max())) or 1.0
        self.unit = float(f.weight.max()) if f.model == "partial_cover" else 1.0
        self.b = core.rows
        size = n + rows if self.has_z else n
        self.c = np.zeros(size)
        if self.mclp:
            self.c[n:] = -f.weight / self.scale
        else:
            self.c[:n] = f.cost / self.scale
        extra = []  # (coefficients, right-hand side): coefficients · x >= right-hand side
        self.money = max(1.0, float(f.cost.max()))
        if f.count < n:
            extra.append((self._row(y=-np.ones(n)), -f.count))
        if f.purse < math.inf:
            extra.append((self._row(y=-f.cost / self.money), -f.purse / self.money))
        if f.model == "partial_cover":
            extra.append((self._row(z=f.weight / self.unit), f.target / self.unit))
        self.extra = np.array([a for a, _ in extra]).reshape(len(extra), size)
        cover = np.zeros(rows) if self.has_z else np.ones(rows)
        self.rhs = np.concatenate([cover, [r for _, r in extra]])

    def _row(self, y: Any = 0.0, z: Any = 0.0) -> Floats:
        row = np.zeros(len(self.c))
        row[: self.n] = y
        row[self.n :] = z
        return row

    def times(self, x: Floats) -> Floats:
        """A x."""
        cover = self.b @ x[: self.n] - (x[self.n :] if self.has_z else 0.0)
        return np.concatenate([cover, self.extra @ x])

    def transposed(self, p: Floats) -> Floats:
        """Aᵀ p."""
        cover, more = p[: self.rows], p[self.rows :]
        parts = [self.core.columns.T @ cover] + ([-cover] if self.has_z else [])
        return np.concatenate(parts) + more @ self.extra

    def start(self) -> _Point:
        """An interior point whose duals fit together."""
        n, f = self.n, self.core.facts
        x = np.full(len(self.c), 0.5 if self.mclp else 0.95)
        room = min(f.count / n, f.purse / max(float(f.cost.sum()), 1e-300))
        few = self.rows / max(1, len(self.core.rows.indices))  # about what covers each row once
        x[:n] = min(0.5, 0.8 * room) if self.mclp else min(0.5, 1.2 * few)
        s = np.maximum(self.times(x) - self.rhs, 0.3)
        p = np.full(len(s), 0.3)
        if self.mclp:
            p[: self.rows] = 0.5 * f.weight / self.scale + 1e-3
        else:  # so much that the sites about pay for themselves
            unit = f.weight / self.unit if self.has_z else np.ones(self.rows)
            price = float(self.c[:n].sum()) / max(float((self.core.rows.T @ unit).sum()), 1e-9)
            price = max(price, 1e-6)
            p[: self.rows], p[self.rows :] = price * (unit + 1e-3), 1.5 * price
        reduced = self.c - self.transposed(p)
        return _Point(x, s, p, np.maximum(reduced, 0) + 0.1, np.maximum(-reduced, 0) + 0.1)

    def multipliers(self, point: _Point) -> Answer:
        """The iterate's multipliers in the question's own units."""
        f = self.core.facts
        lam, more = point.p[: self.rows] * self.scale, point.p[self.rows :] * self.scale
        mu = float(more[-1]) / self.unit if f.model == "partial_cover" else 0.0
        sigma = float(more[-1]) / self.money if self.mclp and f.purse < math.inf else 0.0
        if self.mclp:
            lam = np.minimum(lam, f.weight)
        elif self.has_z:
            lam = np.minimum(lam, mu * f.weight)
        return lam, mu, sigma, point.x[: self.n].copy(), point.measure

    def factor(self, point: _Point) -> Callable[[Floats], Floats] | None:
        """A solver of ``(diag + Aᵀ diag(p/s) A) dx = r``, or None where numbers give out."""
        n, rows = self.n, self.rows
        d = point.p / point.s
        diagonal = point.zl / point.x + point.zu / (1 - point.x)
        cover = d[:rows]
        below = diagonal[n:] + cover if self.has_z else None
        pivot = cover if below is None else cover * (diagonal[n:] / below)
        matrix = _normal_matrix(self.b.indptr, self.b.indices, pivot, n)
        matrix[np.diag_indices(n)] += diagonal[:n]
        factor, bad = la.lapack.dpotrf(matrix.T, lower=0, overwrite_a=1, clean=0)
        if bad:
            return None

        def solve(r: Floats) -> Floats:
            if below is None:
                return np.asarray(la.lapack.dpotrs(factor, r, lower=0)[0])
            part = r[n:] / below
            y = la.lapack.dpotrs(factor, r[:n] + self.core.columns.T @ (cover * part), lower=0)[0]
            return np.concatenate([y, part + cover / below * (self.b @ y)])

        if len(self.extra) == 0:
            return solve
        return _bordered(solve, self.extra, d[rows:])


def _bordered(solve: Callable[[Floats], Floats], extra: Floats, d: Floats) -> Any:
    """The solver with the few dense rows added (Sherman, Morrison and Woodbury)."""
    columns = np.array([solve(a) for a in extra])
    small = np.diag(1 / d) + extra @ columns.T

    def full(r: Floats) -> Floats:
        x = solve(r)
        return x - np.linalg.solve(small, extra @ x) @ columns

    return full


class _Point:
    """An iterate: x, slacks s, row duals p, and the duals of the bounds 0 and 1."""

    def __init__(self, x: Floats, s: Floats, p: Floats, zl: Floats, zu: Floats) -> None:
        self.x, self.s, self.p, self.zl, self.zu = x, s, p, zl, zu
        self.measure = math.inf  # sum of the products, as a share of the objective

    def products(self) -> Floats:
        """Complementarity products, all of them."""
        return np.concatenate([self.s * self.p, self.x * self.zl, (1 - self.x) * self.zu])


def _mehrotra(model: _Model, q: _Point) -> bool:
    """One predictor-corrector step, in place; False where it cannot be computed."""
    solve = model.factor(q)
    if solve is None:
        return False
    u = 1 - q.x
    dual = model.c - model.transposed(q.p) - q.zl + q.zu
    primal = model.times(q.x) - q.s - model.rhs

    def direction(cs: Any, cl: Any, cu: Any) -> tuple[Floats, ...]:
        r = -dual + model.transposed((cs - q.p * primal) / q.s) + cl / q.x - cu / u
        dx = solve(r)
        ds = model.times(dx) + primal
        dp = (cs - q.p * ds) / q.s
        return dx, ds, dp, (cl - q.zl * dx) / q.x, (cu + q.zu * dx) / u

    gap = float(q.products().sum())
    size = len(q.s) + 2 * len(q.x)
    dx, ds, dp, dl, du = direction(-q.s * q.p, -q.x * q.zl, -u * q.zu)
    a, b = _length(q, dx, ds), _length_dual(q, dp, dl, du)
    after = float((q.s + a * ds) @ (q.p + b * dp) + (q.x + a * dx) @ (q.zl + b * dl))
    after += float((u - a * dx) @ (q.zu + b * du))
    aim = (max(after, 0.0) / gap) ** 3 * gap / size
    dx, ds, dp, dl, du = direction(
        aim - q.s * q.p - ds * dp, aim - q.x * q.zl - dx * dl, aim - u * q.zu + dx * du
    )
    if not (np.all(np.isfinite(dx)) and np.all(np.isfinite(dp))):
        return False
    a, b = STEP * _length(q, dx, ds), STEP * _length_dual(q, dp, dl, du)
    a, b = min(1.0, a), min(1.0, b)
    q.x, q.s = q.x + a * dx, q.s + a * ds
    q.p, q.zl, q.zu = q.p + b * dp, q.zl + b * dl, q.zu + b * du
    q.measure = float(q.products().sum()) / max(1e-9, abs(float(model.c @ q.x)))
    return bool(max(a, b) > 1e-8)


def _length(q: _Point, dx: Floats, ds: Floats) -> float:
    """The longest primal step that stays inside."""
    return min(_ratio(q.x, dx), _ratio(1 - q.x, -dx), _ratio(q.s, ds), 1 / STEP)


def _length_dual(q: _Point, dp: Floats, dl: Floats, du: Floats) -> float:
    """The longest dual step that stays inside."""
    return min(_ratio(q.p, dp), _ratio(q.zl, dl), _ratio(q.zu, du), 1 / STEP)


def _ratio(value: Floats, change: Floats) -> float:
    falling = change < 0
    return float(np.min(-value[falling] / change[falling], initial=math.inf))


@njit(cache=True, nogil=True)
def _normal_matrix(indptr: Any, indices: Any, d: Any, n: int) -> Any:
    """The lower half of ``Bᵀ diag(d) B``, dense."""
    out = np.zeros((n, n))
    for k in range(len(indptr) - 1):
        for a in range(indptr[k], indptr[k + 1]):
            row = indices[a]
            for b in range(indptr[k], a + 1):
                out[row, indices[b]] += d[k]
    return out
