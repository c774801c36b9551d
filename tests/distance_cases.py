"""Small random distance questions, their answers by trying every subset, and certificate checks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.locate import Selection, p_center, p_median
from servicecircle.locate.distance.certificate import certified_bound

MODELS = ("p_median", "p_center")


@dataclass
class DistanceCase:
    """One question; ``sites`` and ``budget`` as the models take them."""

    model: str
    distance: NDArray[np.float64]
    weight: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    sites: int | None
    budget: float | None
    fixed: NDArray[np.int64]
    required: NDArray[np.int64]
    forbidden: NDArray[np.int64]

    @property
    def kinds(self) -> dict[str, NDArray[np.int64]]:
        return {"fixed": self.fixed, "required": self.required, "forbidden": self.forbidden}

    def solve(self, **options: Any) -> Selection:
        options = {"cost": self.cost, "budget": self.budget, **self.kinds, **options}
        if self.model == "p_median":
            return p_median(self.distance, self.weight, self.sites, **options)
        return p_center(self.distance, self.sites, **options)

    def question(self) -> dict[str, Any]:
        """What `distance.certificate.facts` takes."""
        n = self.distance.shape[1]
        masks = {name: np.isin(np.arange(n), list(kind)) for name, kind in self.kinds.items()}
        return {
            "distance": self.distance,
            "weight": self.weight,
            "cost": self.cost,
            "sites": self.sites,
            "budget": self.budget,
            **masks,
        }

    def certified(self, found: Selection, **other: Any) -> float:
        """The bound that the stored certificate proves, by numpy alone."""
        given: dict[str, Any] = {} if found.leaves is None else dict(found.leaves.arrays())
        if self.model == "p_center":
            given["radius"] = found.bound
        given["multipliers"] = found.multipliers
        given["budget_multiplier"] = found.budget_multiplier
        return certified_bound(self.model, **(given | self.question() | other))

    def value(self, new: Any) -> float | None:
        """The objective of opening ``new``; None where that is not allowed or not enough."""
        opened = [*self.fixed, *new]
        over = self.sites is not None and len(new) > self.sites
        if self.budget is not None and self.cost is not None:
            over |= sum(self.cost[j] for j in new) > self.budget + 1e-9
        if over or not opened:
            return None
        total = 0.0
        for i, row in enumerate(self.distance):
            nearest = min(row[j] for j in opened)
            if self.model == "p_center":
                total = max(total, nearest)
            elif self.weight[i] > 0:
                total += self.weight[i] * nearest
        return float(total) if np.isfinite(total) else None

    def best(self) -> float | None:
        """The best objective of all, by trying every subset; None where nothing is enough."""
        taken = np.concatenate(list(self.kinds.values())).astype(int)
        free = np.setdiff1d(np.arange(self.distance.shape[1]), taken)
        values = [
            self.value([*self.required, *some])
            for size in range(len(free) + 1)
            for some in combinations(free, size)
        ]
        return min([value for value in values if value is not None], default=None)


def random_case(model: str, seed: int, *, rows: int = 14, sites: int = 9) -> DistanceCase:
    """A question with all that can be awkward: ties, zeros, duplicates, no way, no metric."""
    g = np.random.default_rng([seed, MODELS.index(model)])
    m, n = int(g.integers(1, rows)), int(g.integers(1, sites))
    kind = g.integers(3)
    if kind == 0:  # few whole numbers: ties, and distances of 0
        distance = g.integers(0, 7, (m, n)).astype(float)
    elif kind == 1:  # no metric at all
        distance = g.random((m, n)) * 10
    else:
        distance = np.linalg.norm(g.random((m, 1, 2)) - g.random((1, n, 2)), axis=2)
    distance[g.random((m, n)) < g.choice([0.0, 0.0, 0.2, 0.6])] = np.inf
    if n > 2 and g.random() < 0.3:
        distance[:, 1] = distance[:, 0]
    if m > 2 and g.random() < 0.4:
        distance[1] = distance[0]
    weight = g.integers(0, 5, m) * 1.0 if g.random() < 0.6 else g.random(m) * (g.random(m) < 0.8)
    cost = g.integers(0, 4, n) * 1.0 if g.random() < 0.5 else np.round(g.random(n), 2)
    role = g.choice(4, n, p=[0.76, 0.08, 0.08, 0.08])
    limit = int(g.integers(3 if model == "p_median" else 2))  # count, budget, or both
    return DistanceCase(
        model=model,
        distance=distance,
        weight=weight,
        cost=cost if limit > 0 or g.random() < 0.3 else None,
        sites=int(g.choice([1, 2, 3, n + 1])) if limit in (0, 2) else None,
        budget=float(np.round(g.random() * cost.sum(), 2)) if limit > 0 else None,
        fixed=np.flatnonzero(role == 1),
        required=np.flatnonzero(role == 2),
        forbidden=np.flatnonzero(role == 3),
    )


def towns(
    g: np.random.Generator, sites: int, rows: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances by streets that are a little crooked, in minutes, and people."""
    where, homes = g.random((sites, 2)), g.random((rows, 2))
    straight = np.linalg.norm(homes[:, None] - where[None], axis=2)
    return straight * 60 * (1 + 0.3 * g.random(straight.shape)), g.integers(1, 50, rows) * 1.0
