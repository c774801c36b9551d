"""The one door: what the models are handed, checked once and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.locate.arguments import (
    amount,
    at_least_zero,
    check_kinds,
    check_targets,
    count,
    mask,
    numbers,
    seed_number,
)
from servicecircle.locate.certificate import Facts, facts, is_whole, target_weight
from servicecircle.locate.levels import expand
from servicecircle.locate.selection import Model
from servicecircle.locate.watch import Callback


@dataclass(frozen=True, eq=False)
class Question:
    """A checked covering question; ``covers`` is CSR, sorted, without explicit zeros."""

    model: Model
    covers: sp.csr_matrix
    weight: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    sites: int | None
    budget: float | None
    share: float | None
    fixed: NDArray[np.bool_]
    required: NDArray[np.bool_]
    forbidden: NDArray[np.bool_]
    time_limit: float
    gap: float
    seed: int
    callback: Callback | None
    capacity: NDArray[np.float64] | None = None  # the most weight that each site serves

    def arrays(self) -> dict[str, Any]:
        """The question as `certificate.facts` takes it."""
        return {
            "indptr": self.covers.indptr,
            "indices": self.covers.indices,
            "weight": self.weight,
            "cost": self.cost,
            "fixed": self.fixed,
            "required": self.required,
            "forbidden": self.forbidden,
            "sites": self.sites,
            "budget": self.budget,
            "share": self.share,
        }

    def facts(self) -> Facts:
        """The question's numbers in the form that bounds need."""
        return facts(self.model, **self.arrays())

    @property
    def whole(self) -> bool:
        """Whether the objective can only be a whole number."""
        if self.model == "mclp":
            limits = np.zeros(0) if self.capacity is None else self.capacity
            return is_whole(self.weight) and is_whole(limits[np.isfinite(limits)])
        return self.cost is None or is_whole(self.cost[~(self.fixed | self.forbidden)])


def ask(
    model: Model,
    covers: Any,
    weight: ArrayLike | None,
    *,
    cost: ArrayLike | None,
    sites: int | None = None,
    budget: float | None = None,
    share: float | None = None,
    fixed: Sequence[int],
    required: Sequence[int],
    forbidden: Sequence[int],
    time_limit: float,
    gap: float,
    seed: int,
    callback: Callback | None,
    credit: Any = None,
    capacity: ArrayLike | None = None,
) -> Question:
    """A question that is complete and free of contradictions.

    With ``credit`` its rows are the levels of `levels.expand`.

    Raises ValueError for wrong shapes, types and indices, QuestionError for what cannot be asked.
    """
    matrix = _matrix(covers)
    rows, columns = matrix.shape
    weights = numbers(np.ones(rows) if weight is None else weight, rows, "weight")
    if credit is not None:
        _check_no_capacity(capacity)
        matrix, weights = _levels(matrix, weights, credit)
    question = Question(
        model=model,
        covers=matrix,
        weight=weights,
        cost=None if cost is None else numbers(cost, columns, "cost"),
        sites=count(sites),
        budget=amount(budget, "budget"),
        share=amount(share, "share"),
        fixed=mask(fixed, columns, "fixed"),
        required=mask(required, columns, "required"),
        forbidden=mask(forbidden, columns, "forbidden"),
        time_limit=at_least_zero(time_limit, "time_limit"),
        gap=at_least_zero(gap, "gap"),
        seed=seed_number(seed),
        callback=callback,
        capacity=None if capacity is None else _limits(capacity, columns),
    )
    check_kinds(question)
    check_targets(question)
    if model == "mclp":
        _check_candidates(question)
    else:
        _check_attainable(question)
    return question


def _matrix(covers: Any) -> sp.csr_matrix:
    """CSR with sorted columns, no duplicates and no explicit zeros; the input stays as it was."""
    if not sp.issparse(covers):
        raise ValueError("covers must be a scipy.sparse matrix, demand × site")
    if covers.ndim != 2 or min(covers.shape) == 0:
        raise ValueError(f"covers must have rows and columns, not the shape {covers.shape}")
    whole = covers.format == "csr" and covers.has_canonical_format
    entries = covers if whole else covers.tocoo()
    data = np.asarray(entries.data)
    if data.dtype.kind not in "biu" and not np.all(np.isfinite(np.asarray(data, np.float64))):
        raise ValueError("covers holds values that are not finite")
    if whole and np.all(data):
        ones = np.ones(len(data), np.int8)  # nothing to tidy up, so nothing large is copied
        return sp.csr_matrix((ones, covers.indices, covers.indptr), shape=covers.shape)
    entries = covers.tocoo()
    true = np.asarray(entries.data).astype(bool)
    where = np.asarray(entries.row)[true], np.asarray(entries.col)[true]
    matrix = sp.csr_matrix((np.ones(len(where[0]), np.int8), where), shape=covers.shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _levels(
    covers: sp.csr_matrix, weight: NDArray[np.float64], credit: Any
) -> tuple[sp.csr_matrix, NDArray[np.float64]]:
    """Coverage and weight of the levels that partial credit makes of the rows."""
    if not sp.issparse(credit):
        raise ValueError("credit must be a scipy.sparse matrix, demand × site")
    if credit.shape != covers.shape:
        raise ValueError(f"credit must have the shape {covers.shape}, not {credit.shape}")
    pairs = sp.csr_matrix(credit, dtype=np.float64, copy=True)
    pairs.sum_duplicates()
    levels = expand(
        covers.indptr,
        covers.indices,
        weight,
        pairs.indptr,
        pairs.indices,
        pairs.data,
        covers.shape[1],
    )
    shape = (len(levels.weight), covers.shape[1])
    ones = np.ones(len(levels.indices), np.int8)
    return sp.csr_matrix((ones, levels.indices, levels.indptr), shape), levels.weight


def _check_no_capacity(capacity: Any) -> None:
    if capacity is not None:
        raise QuestionError(
            "部分得分（随步行时间递减）与站点服务能力上限不能同时使用；请去掉其中之一。",
            "Partial credit beyond the standard and capacities cannot be combined: leave one out.",
        )


def _limits(capacity: ArrayLike, length: int) -> NDArray[np.float64]:
    """Capacities; inf is allowed."""
    try:
        limits = np.array(capacity, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("capacity must be numbers") from error
    if limits.shape != (length,):
        raise ValueError(f"capacity must have the shape ({length},), not {limits.shape}")
    bad = np.flatnonzero(~(limits >= 0))
    if len(bad):
        raise ValueError(f"capacity must not be negative; it is not right at {bad[:5].tolist()}")
    return limits


def _check_candidates(q: Question) -> None:
    """Candidates that cover nothing at all are a mistake in the data, not a question."""
    candidates = ~(q.fixed | q.forbidden)
    if q.sites == 0 or not candidates.any() or candidates[q.covers.indices].any():
        return
    raise QuestionError(
        "没有一个候选站点能覆盖任何需求点；请检查坐标系、步行时限和候选站点表。",
        "No candidate site covers any demand: check the datum, the minutes and the candidates.",
    )


def _check_attainable(q: Question) -> None:
    """Raise InfeasibleError where even all allowed sites together are not enough."""
    allowed = sp.csr_matrix(q.covers[:, ~q.forbidden])
    reached = np.diff(allowed.indptr) > 0
    if q.model == "lscp" and not reached.all():
        rows = np.flatnonzero(~reached)
        raise InfeasibleError(
            f"有 {len(rows)} 个需求点没有任何可选站点能覆盖；"
            "请增加候选站点、放宽时限，或改用覆盖比例。",
            f"No allowed site covers {len(rows)} demand rows: add candidates, allow more minutes, "
            "or ask for a share.",
            rows=rows.tolist(),
        )
    total = float(q.weight.sum())
    reachable = float(q.weight[reached].sum())
    if q.share is not None and reachable < target_weight(q.weight, q.share):
        most = reachable / total
        short, short_en = (
            f"{most:.4%}，达不到 {q.share:.4%}",
            f"{most:.4%}, less than {q.share:.4%}",
        )
        raise InfeasibleError(
            f"所有可选站点合计最多覆盖 {short}。请降低目标、放宽分钟数、增加备选点，"
            "或不设目标（用最少站点覆盖所有能覆盖的）。",
            f"All allowed sites together cover {short_en}. Ask for less, or for more minutes, "
            "bring more candidates, or set no target (the fewest that cover all that can be).",
            attainable=most,
        )
