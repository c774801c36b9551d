"""Reductions: what is closed and forced is so in truth, and the proof on the question's own rows
is as tight as without them."""

from __future__ import annotations

from itertools import combinations

import highspy
import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import Case, random_case
from servicecircle.errors import QuestionError
from servicecircle.locate import lscp
from servicecircle.locate.certificate import facts, leaf_bound
from servicecircle.locate.covering.bounds import Multipliers
from servicecircle.locate.covering.core import Core
from servicecircle.locate.covering.prefix import reductions, unpaid
from servicecircle.locate.covering.reduction import (
    dominated_columns,
    reduce_cover,
    undominated_rows,
)
from servicecircle.locate.covering.row_weighting import RowWeighting
from servicecircle.locate.covering.weighting import greedy_cover, reaches

NOTHING = np.zeros(0, np.int64)


def _covers(g: np.random.Generator, rows: int, sites: int) -> np.ndarray:
    """Coverage with twins among rows and sites, and no empty row."""
    covers = g.random((rows, sites)) < g.choice([0.15, 0.3, 0.5])
    covers[:, g.integers(sites)] = covers[:, g.integers(sites)]
    covers[g.integers(rows)] = covers[g.integers(rows)]
    covers[~covers.any(axis=1), g.integers(sites)] = True
    return covers


def _costs(g: np.random.Generator, sites: int) -> np.ndarray:
    return np.ones(sites) if g.random() < 0.5 else g.integers(0, 4, sites).astype(float)


def _cheapest(covers: np.ndarray, cost: np.ndarray, allowed: list[int]) -> float:
    """The least cost of covering every row with the allowed sites, by trying all subsets."""
    return min(
        (
            float(cost[list(some)].sum())
            for size in range(len(allowed) + 1)
            for some in combinations(allowed, size)
            if covers[:, list(some)].any(axis=1).all()
        ),
        default=np.inf,
    )


@pytest.mark.parametrize("seed", range(120))
def test_rows_and_columns_that_go_are_the_dominated_ones(seed: int) -> None:
    g = np.random.default_rng(seed)
    covers = _covers(g, int(g.integers(1, 25)), int(g.integers(1, 12)))
    cost = _costs(g, covers.shape[1])
    matrix, n = sp.csr_matrix(covers), covers.shape[1]
    order = np.argsort(covers.sum(axis=1), kind="stable")
    keep = undominated_rows(matrix, order)
    for i, row in enumerate(covers):
        within = [k for k in range(len(covers)) if k != i and np.all(row >= covers[k])]
        assert keep[i] or any(keep[k] for k in within)
        strictly = [k for k in within if covers[k].sum() < row.sum()]
        assert not (keep[i] and strictly)
    assert len(np.unique(covers[keep], axis=0)) == keep.sum()

    closed: set[int] = set()
    for site, by in dominated_columns(matrix, cost):
        assert by not in closed | {site}
        assert np.all(covers[:, by] >= covers[:, site])
        assert cost[by] <= cost[site]
        closed.add(site)
    for j, k in combinations(sorted(set(range(n)) - closed), 2):
        for a, b in ((j, k), (k, j)):
            left = covers[:, a].any() and np.all(covers[:, b] >= covers[:, a])
            assert not (left and cost[b] <= cost[a])


@pytest.mark.parametrize("seed", range(150))
def test_what_is_left_is_a_fixpoint_with_the_same_optimum(seed: int) -> None:
    g = np.random.default_rng([1, seed])
    covers = _covers(g, int(g.integers(2, 40)), int(g.integers(2, 12)))
    cost = _costs(g, covers.shape[1])
    found = reduce_cover(sp.csr_matrix(covers), cost)
    closed, forced = [j for j, _ in found.closed], [j for j, _ in found.forced]
    assert len(set(closed + forced)) == len(closed + forced)
    allowed = [j for j in range(covers.shape[1]) if j not in closed]
    best = _cheapest(covers, cost, list(range(covers.shape[1])))
    assert _cheapest(covers, cost, allowed) == best

    # on the rows that carry the proof, all dominations hold outright, whatever came before
    kept = covers[found.rows]
    for i, (site, by) in enumerate(found.closed):
        assert by not in closed[: i + 1]
        assert np.all(kept[:, by] >= kept[:, site])
        assert cost[by] <= cost[site]
    for site, row in found.forced:
        assert row in found.rows
        assert np.flatnonzero(covers[row, allowed]).tolist() == [allowed.index(site)]

    # nothing more can go
    rest = np.setdiff1d(found.rows, [row for _, row in found.forced])
    sites = [j for j in allowed if j not in forced and covers[rest, j].any()]
    small = covers[np.ix_(rest, sites)]
    assert not covers[np.ix_(rest, forced)].any()
    for i, k in combinations(range(len(small)), 2):
        assert not np.all(small[i] >= small[k])
        assert not np.all(small[i] <= small[k])
    for j, k in combinations(range(len(sites)), 2):
        for a, b in ((j, k), (k, j)):
            assert not (np.all(small[:, a] <= small[:, b]) and cost[sites[b]] <= cost[sites[a]])
    if len(small):
        assert small.sum(axis=1).min() > 1
    price = float(cost[forced].sum())
    assert price + _cheapest(small, cost[sites], list(range(len(sites)))) == best


@pytest.mark.parametrize("after", range(6))
def test_reductions_cut_short_are_right_as_far_as_they_got(after: int) -> None:
    for seed in range(40):
        g = np.random.default_rng([2, seed])
        covers = _covers(g, 30, 10)
        cost, looks = _costs(g, 10), iter(range(1000))
        found = reduce_cover(sp.csr_matrix(covers), cost, lambda looks=looks: next(looks) >= after)
        closed = [j for j, _ in found.closed]
        allowed = [j for j in range(10) if j not in closed]
        best = _cheapest(covers, cost, list(range(10)))
        assert _cheapest(covers[found.rows], cost, allowed) == best
        for site, row in found.forced:
            assert np.flatnonzero(covers[row, allowed]).tolist() == [allowed.index(site)]


def _lscp_facts(covers: np.ndarray, cost: np.ndarray):
    nobody = np.zeros(covers.shape[1], bool)
    matrix = sp.csr_matrix(covers)
    return facts(
        "lscp",
        indptr=matrix.indptr,
        indices=matrix.indices,
        cost=cost,
        fixed=nobody,
        required=nobody,
        forbidden=nobody,
    )


@pytest.mark.parametrize("seed", range(100))
def test_lifting_multipliers_loses_nothing(seed: int) -> None:
    """Any multipliers of what is left prove at least as much on the question's own rows."""
    g = np.random.default_rng([3, seed])
    covers = _covers(g, 60, 14)
    question = _lscp_facts(covers, _costs(g, 14))
    reduced = reductions(question, lambda: False)
    core, rest = reduced.prefix.core, reduced.rest
    lam = g.random(rest.shape[0]) * g.choice([0.1, 0.5, 2.0])
    bound = leaf_bound(rest.facts, lam)
    lifted = reduced.lift(Multipliers(lam, 0.0, 0.0, bound, np.zeros(rest.shape[1])))
    assert lifted.bound >= bound - 1e-9
    own = leaf_bound(question, core.lift(lifted.lam, 0.0))
    assert own == pytest.approx(lifted.bound, abs=1e-9)


def test_sites_that_are_paid_too_much_give_it_back() -> None:
    g = np.random.default_rng(5)
    covers = g.random((50, 12)) < 0.3
    covers[~covers.any(axis=1), 0] = True
    core: Core = reductions(_lscp_facts(covers, np.ones(12)), lambda: True).rest
    lam = g.random(core.shape[0])
    mended = unpaid(core, lam)
    assert np.all(mended <= lam)
    assert np.all(core.columns.T @ mended <= 1 + 1e-12)
    assert leaf_bound(core.facts, mended) >= leaf_bound(core.facts, lam)


def _forced_cases() -> list[tuple[Case, object]]:
    cases = []
    for seed in range(300):
        case = random_case("lscp", seed, rows=30, sites=11)
        try:
            cases.append((case, case.solve()))
        except QuestionError:
            continue
    return cases


def test_forced_sites_are_forced_for_the_reason_that_is_given() -> None:
    alone = instead = 0
    for case, found in _forced_cases():
        taken = np.concatenate([case.fixed, case.required, case.forbidden])
        free = np.setdiff1d(np.arange(case.covers.shape[1]), taken)
        best = case.best()
        left_out: set[int] = set()
        for reason in found.forced:
            assert reason.site in found.chosen
            assert reason.site in free
            others = np.setdiff1d(np.flatnonzero(case.covers[reason.row]), [reason.site])
            assert not np.isin(others, np.concatenate([case.fixed, case.required])).any()
            assert tuple(np.intersect1d(others, free)) == reason.instead_of
            left_out |= set(reason.instead_of)
            if reason.instead_of:
                instead += 1
                continue
            alone += 1
            without = case.covers[:, np.setdiff1d(np.arange(case.covers.shape[1]), reason.site)]
            allowed = np.setdiff1d(np.arange(case.covers.shape[1]), case.forbidden)
            assert not case.covers[reason.row, np.setdiff1d(allowed, reason.site)].any(), without
        # sites left out are needless: the best plan does without all of them at once
        assert not left_out & {reason.site for reason in found.forced}
        rest = np.array([j for j in free if j not in left_out], np.int64)
        values = [
            case.value(np.concatenate([case.required, some]).astype(int))
            for size in range(len(rest) + 1)
            for some in combinations(rest, size)
        ]
        assert min(v for v in values if v is not None) == pytest.approx(best)
    assert alone > 50
    assert instead > 50


def test_a_forced_site_of_a_town_solved_by_hand() -> None:
    # site 0 covers all that site 1 covers; then site 0 alone is left for row 1
    covers = sp.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1]], bool))
    found = lscp(covers)
    assert found.chosen.tolist() == [0, 2]
    assert found.proof == "multipliers"
    assert {(r.site, r.row, r.instead_of) for r in found.forced} == {(0, 0, ()), (2, 2, ())}


def _city(g: np.random.Generator, sites: int, rows: int) -> sp.csr_array:
    at, homes = g.random((sites, 2)), g.random((rows, 2))
    near = np.linalg.norm(homes[:, None] - at[None], axis=2) < 0.18
    return sp.csr_array(near[near.any(axis=1)])


@pytest.mark.parametrize("seed", range(4))
def test_highs_on_the_plain_model_agrees(seed: int) -> None:
    g = np.random.default_rng([7, seed])
    covers = _city(g, 90, 1500)
    cost = None if seed % 2 else g.integers(1, 9, 90).astype(float)
    found = lscp(covers, cost=cost)
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    y = [solver.addBinary() for _ in range(90)]
    for i in range(covers.shape[0]):
        row = covers.indices[covers.indptr[i] : covers.indptr[i + 1]]
        solver.addConstr(solver.qsum(y[j] for j in row) >= 1)
    price = np.ones(90) if cost is None else cost
    solver.minimize(solver.qsum(float(c) * v for c, v in zip(price, y, strict=True)))
    assert found.proven
    assert found.proof in ("multipliers", "tree")
    assert found.objective == pytest.approx(solver.getObjectiveValue())
    case = Case(
        "lscp", covers.toarray(), np.ones(covers.shape[0]), cost, None, None, None,
        NOTHING, NOTHING, NOTHING,
    )  # fmt: skip
    assert case.certified(found) == pytest.approx(found.bound)


def test_row_weighting_keeps_plans_that_cover_all() -> None:
    missed = 0
    for seed in range(60):
        g = np.random.default_rng([8, seed])
        covers = _covers(g, 50, 12)
        cost = _costs(g, 12)
        core = reductions(_lscp_facts(covers, cost), lambda: True).rest
        start = greedy_cover(core)
        search = RowWeighting(core, start, seed)
        plans = [search.run(20_000) for _ in range(5)]
        prices = [float(core.facts.cost[plan].sum()) for plan in [start, *plans]]
        assert all(reaches(core, plan) for plan in plans), seed
        assert prices == sorted(prices, reverse=True), seed
        missed += prices[-1] > _cheapest(covers, cost, list(range(12)))
    assert missed < 3
