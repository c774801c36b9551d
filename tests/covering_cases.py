"""Small random covering questions, their answers by trying every subset, and certificate checks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from servicecircle.locate import Selection, lscp, mclp, partial_cover
from servicecircle.locate.certificate import certified_bound

MODELS = ("mclp", "lscp", "partial_cover")


@dataclass
class Case:
    """One covering question; ``covers`` is dense here, so that nothing can hide in a format."""

    model: str
    covers: NDArray[np.bool_]
    weight: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    sites: int | None
    budget: float | None
    share: float | None
    fixed: NDArray[np.int64]
    required: NDArray[np.int64]
    forbidden: NDArray[np.int64]

    @property
    def kinds(self) -> dict[str, NDArray[np.int64]]:
        return {"fixed": self.fixed, "required": self.required, "forbidden": self.forbidden}

    def solve(self, **options: Any) -> Selection:
        covers, options = sp.csr_array(self.covers), {"cost": self.cost, **self.kinds, **options}
        if self.model == "mclp":
            return mclp(covers, self.weight, self.sites, budget=self.budget, **options)
        if self.model == "lscp":
            return lscp(covers, **options)
        assert self.share is not None
        return partial_cover(covers, self.weight, self.share, **options)

    def question(self) -> dict[str, Any]:
        """What `certificate.facts` takes."""
        covers = sp.csr_array(self.covers)
        masks = {
            name: np.isin(np.arange(covers.shape[1]), list(kind))
            for name, kind in self.kinds.items()
        }
        return {
            "indptr": covers.indptr,
            "indices": covers.indices,
            "weight": self.weight,
            "cost": self.cost,
            "sites": self.sites,
            "budget": self.budget,
            "share": self.share,
            **masks,
        }

    def certified(self, found: Selection) -> float:
        """The bound that the stored certificate proves, by numpy alone."""
        leaves = {} if found.leaves is None else found.leaves.arrays()
        return certified_bound(
            self.model,
            multipliers=found.multipliers,
            share_multiplier=found.share_multiplier,
            budget_multiplier=found.budget_multiplier,
            **leaves,
            **self.question(),
        )

    def value(self, new: NDArray[np.int64]) -> float | None:
        """The objective of opening ``new``; None where that is not allowed or not enough."""
        open_sites = np.concatenate([self.fixed, new]).astype(int)
        covered = self.covers[:, open_sites].any(axis=1)
        weight = float(self.weight[covered].sum())
        price = np.ones(self.covers.shape[1]) if self.cost is None else self.cost
        if self.model == "mclp":
            if self.sites is not None and len(new) > self.sites:
                return None
            over = self.budget is not None and price[new].sum() > self.budget + 1e-9
            return None if over else weight
        if self.model == "lscp" and not covered.all():
            return None
        if self.share is not None and weight < self.share * self.weight.sum() * (1 - 1e-9):
            return None
        return float(price[new].sum())

    def best(self) -> float | None:
        """The best objective of all, by trying every subset; None where nothing is enough."""
        taken = np.concatenate(list(self.kinds.values())).astype(int)
        free = np.setdiff1d(np.arange(self.covers.shape[1]), taken)
        values = [
            self.value(np.concatenate([self.required, some]).astype(int))
            for size in range(len(free) + 1)
            for some in combinations(free, size)
        ]
        able = [value for value in values if value is not None]
        return (max if self.model == "mclp" else min)(able, default=None)


def random_case(model: str, seed: int, *, rows: int = 14, sites: int = 9) -> Case:
    """A question with all that can be awkward: ties, zeros, duplicates, empty rows and columns."""
    g = np.random.default_rng([seed, MODELS.index(model)])
    m, n = int(g.integers(1, rows)), int(g.integers(1, sites))
    covers = g.random((m, n)) < g.choice([0.15, 0.25, 0.45] if model != "lscp" else [0.3, 0.5])
    if n > 2 and g.random() < 0.3:
        covers[:, 1] = covers[:, 0]
    if m > 2 and g.random() < 0.4:
        covers[1] = covers[0]
    if model == "lscp" and g.random() < 0.9:
        covers[~covers.any(axis=1), int(g.integers(n))] = True
    weight = g.integers(0, 5, m) * 1.0 if g.random() < 0.6 else g.random(m) * (g.random(m) < 0.8)
    cost = g.integers(0, 4, n) * 1.0 if g.random() < 0.5 else np.round(g.random(n), 2)
    kind = g.choice(4, n, p=[0.76, 0.08, 0.08, 0.08])
    limit = int(g.integers(3)) if model == "mclp" else -1  # count, budget, or both
    return Case(
        model=model,
        covers=covers,
        weight=weight,
        cost=cost if limit > 0 or (limit < 0 and g.random() < 0.6) else None,
        sites=int(g.integers(0, n + 2)) if limit in (0, 2) else None,
        budget=float(np.round(g.random() * cost.sum(), 2)) if limit > 0 else None,
        share=float(g.choice([0.3, 0.5, 0.8, 1.0])) if model == "partial_cover" else None,
        fixed=np.flatnonzero(kind == 1),
        required=np.flatnonzero(kind == 2),
        forbidden=np.flatnonzero(kind == 3),
    )
