"""Questions whose optimum is known by construction, and thousands of small ones tried out whole.

A planted plan comes with planted prices that prove it: each generator first chooses the plan and
the multipliers, and then only makes sites that these multipliers cannot find worth more. So the
optimum is known without any solver, as in the test problems of the OR-Library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from covering_cases import MODELS, random_case
from servicecircle import locate
from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.locate import Selection, lscp, mclp, partial_cover
from servicecircle.locate.certificate import certified_bound
from servicecircle.locate.distance.certificate import certified_bound as distance_bound

SIZES = [(200, 30, 4), (600, 80, 8), (2_000, 200, 12)]  # rows, sites, planted sites
FRESH = 1_000_000  # seeds from here on are used by no other test


@dataclass
class Planted:
    """A question with its optimum. ``covers`` is dense, rows × sites."""

    covers: NDArray[np.bool_]
    weight: NDArray[np.float64]
    cost: NDArray[np.float64]
    optimum: float
    kinds: dict[str, list[int]] = field(default_factory=dict)

    @property
    def matrix(self) -> sp.csr_array:
        return sp.csr_array(self.covers)

    def verify(self, model: str, found: Selection, **question: Any) -> None:
        """The optimum was found, and the stored certificate proves it by numpy alone."""
        assert found.objective == pytest.approx(self.optimum, rel=1e-9)
        assert found.proven and found.stopped == "proof"
        assert found.proof in ("multipliers", "tree")
        n = self.covers.shape[1]
        kinds = {
            kind: np.isin(np.arange(n), self.kinds.get(kind, []))
            for kind in ("fixed", "required", "forbidden")
        }
        certified = certified_bound(
            model,
            indptr=self.matrix.indptr,
            indices=self.matrix.indices,
            multipliers=found.multipliers,
            share_multiplier=found.share_multiplier,
            budget_multiplier=found.budget_multiplier,
            **({} if found.leaves is None else found.leaves.arrays()),
            **kinds,
            **question,
        )
        assert certified == pytest.approx(self.optimum, rel=1e-6)


def _filled(
    g: np.random.Generator, price: NDArray[np.float64], most: float, tries: int
) -> NDArray[np.bool_]:
    """A random set of rows whose prices sum up to at most ``most``."""
    order = g.permutation(len(price))[:tries]
    rows = np.zeros(len(price), bool)
    rows[order[np.cumsum(price[order]) <= most]] = True
    return rows


def _shuffled(g: np.random.Generator, planted: Planted) -> Planted:
    """The same question with rows and sites in another order."""
    rows, sites = (g.permutation(n) for n in planted.covers.shape)
    place = np.argsort(sites)
    return Planted(
        planted.covers[rows][:, sites],
        planted.weight[rows],
        planted.cost[sites],
        planted.optimum,
        {kind: place[which].tolist() for kind, which in planted.kinds.items()},
    )


def _groups(g: np.random.Generator, rows: int, planted: int) -> NDArray[np.int64]:
    """Which planted site covers each row: -1 for none of them; no group is empty."""
    group = g.integers(-1, planted, rows)
    group[:planted] = np.arange(planted)
    return group


# --- the most weight ------------------------------------------------------------------------------


def planted_mclp(seed: int, rows: int, sites: int, p: int, *, priced: bool = False) -> Planted:
    """Σ(w - λ) + the p best columns = what the planted sites cover.

    λ = w where no planted site covers, 0 where two do, anything from 0 to w elsewhere; no other
    site has a larger Σλ (or Σλ per unit of money) than any planted one.
    """
    g = np.random.default_rng([seed, rows])
    group = _groups(g, rows, p)
    covers = np.zeros((rows, sites), bool)
    covers[group >= 0, group[group >= 0]] = True
    covers[g.random((rows, sites)) < 0.02] = True  # some rows have two or more planted sites
    covers[:, p:] = False
    covers[group < 0] = False
    weight = g.integers(0, 100, rows).astype(float)
    lam = np.where(group < 0, weight, np.floor(weight * g.uniform(0.5, 1, rows)))
    lam[covers.sum(axis=1) > 1] = 0
    worth = lam @ covers
    cost = np.ones(sites)
    if priced:
        sigma = 7.0
        cost[:p] = np.floor(worth[:p] / sigma)
        cost[p:] = g.integers(1, int(cost[:p].max()) + 2, sites - p)
    for j in range(p, sites):
        covers[:, j] = _filled(g, lam, sigma * cost[j] if priced else worth[:p].min(), rows)
    covered = covers[:, :p].any(axis=1)
    return Planted(covers, weight, cost, float(weight[covered].sum()), {"planted": list(range(p))})


@pytest.mark.parametrize(("rows", "sites", "p"), SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_mclp_finds_and_proves_the_planted_plan(seed: int, rows: int, sites: int, p: int) -> None:
    case = planted_mclp(seed, rows, sites, p)
    case = _shuffled(np.random.default_rng(seed), case)
    found = mclp(case.matrix, case.weight, p)
    case.kinds.pop("planted")
    case.verify("mclp", found, weight=case.weight, sites=p)


@pytest.mark.parametrize(("rows", "sites", "p"), SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_mclp_under_a_budget(seed: int, rows: int, sites: int, p: int) -> None:
    case = _shuffled(np.random.default_rng(seed), planted_mclp(seed, rows, sites, p, priced=True))
    budget = float(case.cost[case.kinds.pop("planted")].sum())
    found = mclp(case.matrix, case.weight, cost=case.cost, budget=budget)
    case.verify("mclp", found, weight=case.weight, cost=case.cost, budget=budget)


@pytest.mark.parametrize("seed", range(3))
def test_mclp_with_existing_required_and_forbidden_sites(seed: int) -> None:
    # Besides the planted question: a block of rows of an existing site, and a forbidden one that
    # covers everything. Of the planted sites two are required; they count as new ones.
    case, p = planted_mclp(seed, 500, 60, 6), 6
    block = np.zeros((40, 60), bool)
    covers = np.vstack([case.covers, block])
    existing = np.arange(540) >= 500
    covers = np.column_stack([covers, existing, np.ones(540, bool)])
    weight = np.append(case.weight, np.full(40, 3.0))
    wider = Planted(covers, weight, np.ones(62), case.optimum + 120)
    wider.kinds = {"fixed": [60], "required": [0, 1], "forbidden": [61]}
    wider = _shuffled(np.random.default_rng(seed), wider)
    found = mclp(wider.matrix, weight=wider.weight, sites=p, **wider.kinds)
    assert not set(wider.kinds["forbidden"]) & set(found.chosen.tolist())
    assert set(wider.kinds["fixed"] + wider.kinds["required"]) <= set(found.chosen.tolist())
    wider.verify("mclp", found, weight=wider.weight, sites=p)


# --- everyone, or a share, with the fewest --------------------------------------------------------


def planted_cover(seed: int, rows: int, sites: int, k: int, *, priced: bool) -> Planted:
    """Every row covered; Σλ = what the planted sites cost, and no site is worth more than it costs.

    Rows with a price belong to one planted site only; a third of the group's rows share its cost.
    """
    g = np.random.default_rng([seed, rows, 1])
    group = g.integers(0, k, rows)
    group[: 3 * k] = np.repeat(np.arange(k), 3)  # three rows at least, for fractional prices
    cost = np.full(sites, 3.0)
    if priced:
        cost[:k] *= g.integers(1, 9, k)
    lam = np.zeros(rows)
    lam[: 3 * k] = np.repeat(cost[:k] / 3, 3)
    covers = np.zeros((rows, sites), bool)
    covers[np.arange(rows), group] = True
    free = np.flatnonzero(lam == 0)
    covers[free[:, None], np.arange(k)] |= g.random((len(free), k)) < 0.05
    for j in range(k, sites):
        covers[:, j] = _filled(g, lam, 3.0 * g.integers(1, 9) if priced else 3.0, rows // 2)
        if priced:
            cost[j] = np.ceil(lam @ covers[:, j]) + g.integers(0, 2)
    return Planted(covers, np.ones(rows), cost, float(cost[:k].sum()))


@pytest.mark.parametrize(("rows", "sites", "k"), SIZES)
@pytest.mark.parametrize("priced", [False, True], ids=["number", "cost"])
def test_lscp_finds_and_proves_the_planted_cover(
    rows: int, sites: int, k: int, priced: bool
) -> None:
    for seed in range(2):
        case = planted_cover(seed, rows, sites, k, priced=priced)
        case = _shuffled(np.random.default_rng(seed), case)
        cost = case.cost if priced else None
        case.optimum = case.optimum if priced else float(k)
        case.verify("lscp", lscp(case.matrix, cost=cost), cost=cost)


def test_lscp_with_existing_required_and_forbidden_sites() -> None:
    # An existing site covers rows of its own, a forbidden one everything; a required site covers
    # a row of its own, so that it adds its one to the optimum.
    case, k = planted_cover(5, 500, 60, 6, priced=False), 6
    own = np.zeros((2, 60), bool)
    covers = np.vstack([case.covers, own])
    rows = np.arange(502)
    covers = np.column_stack([covers, rows == 500, rows == 501, np.ones(502, bool)])
    wider = Planted(covers, np.ones(502), np.ones(63), k + 1.0)
    wider.kinds = {"fixed": [60], "required": [61], "forbidden": [62]}
    wider.verify("lscp", lscp(wider.matrix, **wider.kinds))


def planted_share(seed: int, rows: int, sites: int, k: int) -> tuple[Planted, float]:
    """A share that the planted sites just reach: μT + Σ min(0, λ - μw) + Σ min(0, c - s).

    λ = μw everywhere, and no site covers more than the planted price μ per unit of money allows.
    """
    g = np.random.default_rng([seed, rows, 2])
    group = _groups(g, rows, k)
    weight = g.integers(1, 50, rows).astype(float)
    covers = np.zeros((rows, sites), bool)
    covers[group >= 0, group[group >= 0]] = True
    mu = 1 / 20
    cost = np.ones(sites)
    cost[:k] = mu * (weight @ covers[:, :k])
    for j in range(k, sites):
        covers[:, j] = _filled(g, weight, g.uniform(0.2, 1.2) * cost[:k].mean() / mu, rows)
        cost[j] = np.ceil(mu * (weight @ covers[:, j]))
    reached = float(weight[group >= 0].sum())
    return Planted(covers, weight, cost, float(cost[:k].sum())), reached / float(weight.sum())


@pytest.mark.parametrize(("rows", "sites", "k"), SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_partial_cover_finds_and_proves_the_planted_cover(
    seed: int, rows: int, sites: int, k: int
) -> None:
    case, share = planted_share(seed, rows, sites, k)
    case = _shuffled(np.random.default_rng(seed), case)
    found = partial_cover(case.matrix, case.weight, share, cost=case.cost)
    case.verify("partial_cover", found, weight=case.weight, cost=case.cost, share=share)


# --- distances ------------------------------------------------------------------------------------


@dataclass
class Towns:
    """Towns so far apart that every best plan opens one site in each, the best one there."""

    distance: NDArray[np.float64]
    weight: NDArray[np.float64]
    total: float  # Σ weight · distance of the best sites
    largest: float  # the largest distance to the sites that are best for that


def towns(seed: int, rows: int, sites: int, p: int) -> Towns:
    """Whole metres. A town left without a site pays more than all towns at their worst."""
    g = np.random.default_rng([seed, rows, 3])
    xy_rows, xy_sites = g.uniform(0, 2_000, (rows, 2)), g.uniform(0, 2_000, (sites, 2))
    home, at = np.arange(rows) % p, np.arange(sites) % p
    weight = g.integers(1, 100, rows).astype(float)
    line = np.rint(np.linalg.norm(xy_rows[:, None] - xy_sites[None], axis=2))
    away = np.abs(home[:, None] - at[None]) * 3_000.0 * weight.sum()
    distance = line + away
    total, largest = 0.0, 0.0
    for town in range(p):
        inside = line[np.ix_(home == town, at == town)]
        total += float((weight[home == town] @ inside).min())
        largest = max(largest, float(inside.max(axis=0).min()))
    rows_order, sites_order = g.permutation(rows), g.permutation(sites)
    return Towns(distance[rows_order][:, sites_order], weight[rows_order], total, largest)


def _plain(sites: int) -> dict[str, Any]:
    kinds = {kind: np.zeros(sites, bool) for kind in ("fixed", "required", "forbidden")}
    return {**kinds, "cost": None, "budget": None}


def _proof(found: Selection) -> dict[str, Any]:
    assert found.proven and found.proof in ("multipliers", "tree")
    leaves = {} if found.leaves is None else found.leaves.arrays()
    return {
        "multipliers": found.multipliers,
        "budget_multiplier": found.budget_multiplier,
        **leaves,
    }


@pytest.mark.parametrize(("rows", "sites", "p"), SIZES)
def test_p_median_of_far_towns(rows: int, sites: int, p: int) -> None:
    case = towns(1, rows, sites, p)
    found = locate.p_median(case.distance, case.weight, p)
    assert found.objective == pytest.approx(case.total, rel=1e-12)
    proved = distance_bound(
        "p_median",
        distance=case.distance,
        weight=case.weight,
        sites=p,
        **_proof(found),
        **_plain(sites),
    )
    assert proved == pytest.approx(case.total, rel=1e-6)


@pytest.mark.parametrize(("rows", "sites", "p"), SIZES)
def test_p_center_of_far_towns(rows: int, sites: int, p: int) -> None:
    case = towns(2, rows, sites, p)
    found = locate.p_center(case.distance, p)
    assert found.objective == case.largest
    proved = distance_bound(
        "p_center",
        distance=case.distance,
        radius=found.bound,
        sites=p,
        **_proof(found),
        **_plain(sites),
    )
    assert proved == case.largest


# --- thousands of small ones ----------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_small_questions_of_each_model_against_every_subset(
    model: str, part: int
) -> None:
    solved, seed = 0, FRESH * (part + 1)
    while solved < 250:
        seed += 1
        case = random_case(model, seed, rows=12, sites=8)
        best = case.best()
        try:
            found = case.solve()
        except InfeasibleError:
            assert best is None, seed
            continue
        except QuestionError:
            continue  # a contradiction in the question; test_locate.py looks at each kind
        assert found.objective == pytest.approx(best, abs=1e-9), seed
        assert found.proven and found.proof != "solver", seed
        assert case.value(np.setdiff1d(found.chosen, case.fixed)) == pytest.approx(best), seed
        assert case.certified(found) == pytest.approx(best, abs=1e-6), seed
        solved += 1
    assert seed < FRESH * (part + 1) + 1_000  # most questions can be answered
