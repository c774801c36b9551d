"""The arguments that all models share: checked once, with an error that says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from servicecircle.errors import QuestionError
from servicecircle.locate.certificate import allowance


class Asked(Protocol):
    """What a question of any model says about its sites and limits."""

    @property
    def model(self) -> str:
        """Which one is asked."""

    @property
    def cost(self) -> NDArray[np.float64] | None:
        """One number per site."""

    @property
    def sites(self) -> int | None:
        """The most new sites."""

    @property
    def budget(self) -> float | None:
        """The most to spend on them."""

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Mask of existing sites."""

    @property
    def required(self) -> NDArray[np.bool_]:
        """Mask of sites to be opened."""

    @property
    def forbidden(self) -> NDArray[np.bool_]:
        """Mask of sites never opened."""


def numbers(values: ArrayLike, length: int, name: str) -> NDArray[np.float64]:
    """One finite number >= 0 per row or site, as float64."""
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers") from error
    if array.shape != (length,):
        raise ValueError(f"{name} must have the shape ({length},), not {array.shape}")
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        raise ValueError(f"{name} must be finite and not negative; it is not at {bad[:5].tolist()}")
    return array


def count(sites: int | None) -> int | None:
    """The most new sites, or None for any number."""
    if sites is None:
        return None
    if isinstance(sites, bool) or not isinstance(sites, (int, np.integer)):
        raise ValueError(f"sites must be a whole number, not {sites!r}")
    if sites < 0:
        raise QuestionError(
            f"新增站点数不能为负数（现为 {sites}）。",
            f"The number of new sites is {sites}, below 0.",
        )
    return int(sites)


def amount(value: float | None, name: str) -> float | None:
    """A budget or a share in its range, or None."""
    if value is None:
        return None
    number = _float(value, name)
    if math.isnan(number) or (name == "budget" and math.isinf(number)):
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    if name == "budget" and number < 0:
        raise QuestionError(
            f"预算不能为负数（现为 {number:g}）。", f"The budget is {number:g}, below 0."
        )
    if name == "share" and not 0 < number <= 1:
        raise QuestionError(
            f"覆盖比例须大于 0 且不超过 1（现为 {number:g}）。",
            f"The share to cover must be above 0 and at most 1, not {number:g}.",
        )
    return number


def _float(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name} must be a number, not {value!r}")
    return float(value)


def at_least_zero(value: float, name: str) -> float:
    """A number from 0 up, inf included."""
    number = _float(value, name)
    if math.isnan(number) or number < 0:
        raise ValueError(f"{name} must be a number from 0 up, not {value!r}")
    return number


def seed_number(seed: int) -> int:
    """A seed from 0 to 2**31 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**31:
        raise ValueError(f"seed must be a whole number from 0 to 2**31 - 1, not {seed!r}")
    return int(seed)


def mask(columns: Sequence[int], length: int, name: str) -> NDArray[np.bool_]:
    """The sites of a list of indices, as a mask."""
    index = np.asarray(columns)
    found = np.zeros(length, bool)
    if index.size == 0:
        return found
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise ValueError(f"{name} must be a list of column indices, not {index.dtype}")
    if index.min() < 0 or index.max() >= length:
        raise ValueError(f"{name} has an index outside 0..{length - 1}")
    found[index] = True
    return found


def check_kinds(q: Asked) -> None:
    """No site may be of two kinds."""
    kinds = q.fixed.astype(int) + q.required + q.forbidden
    if np.any(kinds > 1):
        twice = np.flatnonzero(kinds > 1)[:5].tolist()
        raise ValueError(f"sites {twice} are in two of fixed, required and forbidden")


def check_targets(q: Asked) -> None:
    """What is asked for must be asked completely, and allow the required sites."""
    if q.model == "mclp" and q.sites is None and q.budget is None:
        raise ValueError("mclp needs sites, a budget, or both")
    if q.budget is not None and q.cost is None:
        raise ValueError("a budget needs the cost of each site")
    needed = int(q.required.sum())
    if q.sites is not None and needed > q.sites:
        raise QuestionError(
            f"必选站点有 {needed} 个，多于可新增的 {q.sites} 个；请增加新增数量或减少必选站点。",
            f"{needed} sites are required, but only {q.sites} new ones allowed: raise the number, "
            "or require fewer.",
        )
    if q.budget is not None and q.cost is not None:
        _check_budget(q.budget, q.cost, q)


def _check_budget(budget: float, cost: NDArray[np.float64], q: Asked) -> None:
    needed = float(cost[q.required].sum())
    if needed > allowance(budget):
        raise QuestionError(
            f"必选站点共需 {needed:g}，超过预算 {budget:g}；请提高预算或减少必选站点。",
            f"The required sites cost {needed:g}, above the budget of {budget:g}: raise it, or "
            "require fewer.",
        )
    allowed = ~(q.fixed | q.required | q.forbidden)
    if q.required.any() or q.sites == 0 or not allowed.any():
        return
    cheapest = float(cost[allowed].min())
    if cheapest > allowance(budget):
        raise QuestionError(
            f"预算 {budget:g} 不够任何一个候选站点（最便宜的需 {cheapest:g}）；请提高预算。",
            f"The budget of {budget:g} buys no site (the cheapest costs {cheapest:g}): raise it.",
        )
