"""The door of the distance models: what they are handed, checked once and brought into one form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
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
from servicecircle.locate.certificate import allowance
from servicecircle.locate.watch import Callback


@dataclass(frozen=True, eq=False)
class DistanceQuestion:
    """A checked question; ``distance`` is demand × site, inf where there is no way."""

    model: Literal["p_median", "p_center"]
    distance: NDArray[np.float64]
    weight: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    sites: int | None
    budget: float | None
    fixed: NDArray[np.bool_]
    required: NDArray[np.bool_]
    forbidden: NDArray[np.bool_]
    time_limit: float
    gap: float
    seed: int
    callback: Callback | None

    def arrays(self) -> dict[str, Any]:
        """The question as `distance.certificate.facts` takes it."""
        return {
            "distance": self.distance,
            "weight": self.weight,
            "cost": self.cost,
            "fixed": self.fixed,
            "required": self.required,
            "forbidden": self.forbidden,
            "sites": self.sites,
            "budget": self.budget,
        }

    @property
    def openable(self) -> NDArray[np.bool_]:
        """The sites of which some may be open in an allowed plan, the fixed ones included."""
        sure = self.fixed | self.required
        if self.sites is not None and self.sites <= int(self.required.sum()):
            return sure
        able = ~self.forbidden
        if self.budget is not None and self.cost is not None:
            purse = allowance(self.budget) - float(self.cost[self.required].sum())
            able = able & (self.cost <= purse)
        return np.asarray(able | sure)


def ask(
    model: Literal["p_median", "p_center"],
    distance: ArrayLike,
    weight: ArrayLike | None,
    *,
    cost: ArrayLike | None,
    sites: int | None,
    budget: float | None,
    fixed: Sequence[int],
    required: Sequence[int],
    forbidden: Sequence[int],
    time_limit: float,
    gap: float,
    seed: int,
    callback: Callback | None,
) -> DistanceQuestion:
    """A question that is complete and free of contradictions.

    Raises ValueError for wrong shapes, types and indices, QuestionError for what cannot be
    asked, InfeasibleError (``rows``) for demand rows that no allowed site reaches.
    """
    matrix = _distances(distance)
    rows, columns = matrix.shape
    question = DistanceQuestion(
        model=model,
        distance=matrix,
        weight=numbers(np.ones(rows) if weight is None else weight, rows, "weight"),
        cost=None if cost is None else numbers(cost, columns, "cost"),
        sites=count(sites),
        budget=amount(budget, "budget"),
        fixed=mask(fixed, columns, "fixed"),
        required=mask(required, columns, "required"),
        forbidden=mask(forbidden, columns, "forbidden"),
        time_limit=at_least_zero(time_limit, "time_limit"),
        gap=at_least_zero(gap, "gap"),
        seed=seed_number(seed),
        callback=callback,
    )
    _check_limits(question)
    _check_stations(question)
    _check_reach(question)
    return question


def _distances(distance: ArrayLike) -> NDArray[np.float64]:
    """Dense floats, demand × site; the input stays as it was."""
    try:
        matrix = np.ascontiguousarray(distance, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("distance must be a dense array of numbers, demand × site") from error
    if matrix.ndim != 2 or min(matrix.shape) == 0:
        raise ValueError(f"distance must have rows and columns, not the shape {matrix.shape}")
    if not matrix.min() >= 0:  # NaN compares as false
        row, column = (int(x) for x in np.argwhere(~(matrix >= 0))[0])
        raise ValueError(
            f"distance must be 0 or more (inf where there is no way); it is "
            f"{matrix[row, column]} at row {row}, column {column}"
        )
    return matrix


def _check_limits(q: DistanceQuestion) -> None:
    if q.sites is None and q.budget is None:
        raise ValueError(f"{q.model} needs sites or a budget")
    if q.model == "p_center" and q.sites is not None and q.budget is not None:
        raise ValueError("p_center takes sites or a budget, not both")
    check_kinds(q)
    check_targets(q)


def _check_stations(q: DistanceQuestion) -> None:
    if not q.openable.any():
        raise QuestionError(
            "没有任何站点可以开放：既无现有站点，也不能新增；请增加新增数量或候选站点。",
            "No station may be open: there is no existing one, and none may be added. Allow new "
            "ones, or bring candidates.",
        )


def _check_reach(q: DistanceQuestion) -> None:
    """Raise InfeasibleError where rows are out of reach of every site that may be open."""
    nearest = q.distance[:, q.openable].min(axis=1)
    lost = np.flatnonzero((nearest == math.inf) & ((q.weight > 0) | (q.model == "p_center")))
    if len(lost):
        raise InfeasibleError(
            f"有 {len(lost)} 个需求点没有任何可开放的站点能够到达；"
            "请增加候选站点或新增数量，或去掉这些需求点。",
            f"No station that may be open can be reached from {len(lost)} demand rows: bring "
            "candidates, allow more stations, or leave these rows out.",
            rows=lost.tolist(),
        )
