"""Stations of limited capacity: by hand, every subset of small questions, HiGHS on larger ones."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import highspy
import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import Case, random_case
from servicecircle.errors import QuestionError
from servicecircle.locate import Selection, mclp
from servicecircle.locate.capacity import bounds as capacity_bounds
from servicecircle.locate.capacity import search as capacity_room
from servicecircle.locate.capacity.certificate import certified_bound, served_weight
from servicecircle.locate.capacity.core import Plan, local_search, make_capacitated
from servicecircle.locate.covering.question import ask
from servicecircle.locate.watch import Watch

# Four quarters in a row with 6, 4, 4 and 6 people; site 0 reaches quarters 0 and 1, site 1 reaches
# 1 and 2, site 2 reaches 2 and 3, and each serves 7 people at most. One: 7 by any, so site 0. Two:
# 14 by any two: 0 and 1 (0 serves 6 + 1, 1 serves 3 + 4). Three: 6 + 1, 3 + 3, 1 + 6 = 20.
ROW = sp.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool))
PEOPLE = [6, 4, 4, 6]


def test_the_quarters_by_hand() -> None:
    for sites, served in enumerate((0, 7, 14, 20, 20)):
        found = mclp(ROW, PEOPLE, sites, capacity=[7, 7, 7])
        assert (found.objective, found.bound, found.proven) == (served, served, True)
        assert len(found.chosen) == min(sites, 3)
    assert mclp(ROW, PEOPLE, 1, capacity=[7, 7, 7]).chosen.tolist() == [0]
    # a station of 3 stands in the middle: with it, 7 + 3 by one more, and 6 + 4 + 3 beside inf
    standing = {"fixed": [1], "capacity": [7, 3, np.inf]}
    assert mclp(ROW, PEOPLE, 1, **standing).chosen.tolist() == [1, 2]
    assert mclp(ROW, PEOPLE, 1, **standing).objective == 13
    assert mclp(ROW, PEOPLE, 1, fixed=[1], capacity=[7, 3, 7]).objective == 10


def test_the_flow_by_hand() -> None:
    found = mclp(ROW, PEOPLE, 3, capacity=[7, 7, 7])
    assert found.flow is not None
    flow = sp.csr_array((found.flow, ROW.indices, ROW.indptr), ROW.shape).toarray()
    assert flow.sum(axis=1).tolist() == [6, 4, 4, 6]
    assert flow.sum(axis=0).max() <= 7
    assert np.array_equal(flow, np.rint(flow)), "whole people, where all is whole"


def most_served(case: Case, capacity: np.ndarray, sites: Any) -> float:
    """The maximum flow, by networkx."""
    graph = nx.DiGraph()
    graph.add_nodes_from("st")
    for j in sites:
        limit = {} if np.isinf(capacity[j]) else {"capacity": float(capacity[j])}
        graph.add_edge("s", ("site", j), **limit)
        for i in np.flatnonzero(case.covers[:, j]):
            graph.add_edge(("site", j), ("row", i))
    for i, weight in enumerate(case.weight):
        graph.add_edge(("row", i), "t", capacity=float(weight))
    return float(nx.maximum_flow_value(graph, "s", "t"))


def best_of_all(case: Case, capacity: np.ndarray) -> float:
    taken = np.concatenate(list(case.kinds.values())).astype(int)
    free = np.setdiff1d(np.arange(case.covers.shape[1]), taken)
    price = np.ones(case.covers.shape[1]) if case.cost is None else case.cost
    best = -np.inf
    for size in range(len(free) + 1):
        for some in combinations(free, size):
            new = np.array([*case.required, *some], int)
            if case.sites is not None and len(new) > case.sites:
                continue
            if case.budget is not None and price[new].sum() > case.budget + 1e-9:
                continue
            best = max(best, most_served(case, capacity, [*case.fixed, *new]))
    return best


def random_capacity(case: Case, seed: int) -> np.ndarray:
    """Whole ones with zeros, shares of what is covered, some without limit, none with any."""
    g, n = np.random.default_rng([seed, 77]), case.covers.shape[1]
    load = case.covers.T @ case.weight
    return [
        g.integers(0, 8, n) * 1.0,
        load * g.random(n),
        np.where(g.random(n) < 0.4, np.inf, g.integers(0, 6, n) * 1.0),
        np.full(n, np.inf),
    ][int(g.integers(4))]


def certified(case: Case, capacity: Any, found: Selection) -> float:
    leaves = {} if found.leaves is None else found.leaves.arrays()
    return certified_bound(
        capacity=np.asarray(capacity, float),
        multipliers=found.multipliers,
        share_multiplier=found.share_multiplier,
        budget_multiplier=found.budget_multiplier,
        **leaves,
        **case.question(),
    )


def served(case: Case, capacity: Any, found: Selection) -> float:
    covers = sp.csr_array(case.covers)
    assert found.flow is not None
    return served_weight(
        found.flow,
        indptr=covers.indptr,
        indices=covers.indices,
        weight=case.weight,
        capacity=np.asarray(capacity, float),
        is_open=np.isin(np.arange(covers.shape[1]), found.chosen),
    )


def holds(case: Case, capacity: np.ndarray, found: Selection, best: float) -> None:
    """The plan is allowed and serves what it says; its certificate proves what it says."""
    new = np.setdiff1d(found.chosen, case.fixed)
    assert np.isin(case.fixed, found.chosen).all()
    assert np.isin(case.required, new).all()
    assert not np.isin(case.forbidden, new).any()
    assert case.sites is None or len(new) <= case.sites
    if case.budget is not None and case.cost is not None:
        assert case.cost[new].sum() <= case.budget + 1e-9
    slack = 1e-9 * max(1.0, best)
    assert abs(served(case, capacity, found) - found.objective) <= slack
    assert abs(certified(case, capacity, found) - found.bound) <= slack
    assert found.objective <= best + slack
    assert found.bound >= best - slack


def against_brute_force(cases: Iterable[tuple[Case, np.ndarray]]) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed, (case, capacity) in enumerate(cases):
        try:
            found = case.solve(capacity=capacity)
        except QuestionError:
            seen["question"] += 1
            continue
        best = best_of_all(case, capacity)
        assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed
        assert found.proven, seed
        holds(case, capacity, found, best)
        seen[found.proof] += 1
    return seen


def awkward(seeds: range) -> Iterator[tuple[Case, np.ndarray]]:
    for seed in seeds:
        case = random_case("mclp", seed)
        yield case, random_capacity(case, seed)


def test_every_subset() -> None:
    seen = against_brute_force(awkward(range(250)))
    assert seen["multipliers"] > 100
    assert seen["tree"] > 3
    assert seen["solver"] == 0


def test_every_subset_by_the_volume_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_bounds, "SIMPLEX_PAIRS", 0)
    seen = against_brute_force(awkward(range(1000, 1150)))
    assert seen["multipliers"] > 60
    assert seen["tree"] > 1


@pytest.mark.parametrize("pairs", [0, 3_000])  # nodes by the volume algorithm, and by simplex
def test_every_subset_by_trees(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without local search, and with more to decide, the tree does the work."""
    monkeypatch.setattr(capacity_bounds, "SIMPLEX_PAIRS", pairs)
    monkeypatch.setattr(capacity_room.Search, "local_search", lambda *_: None)
    assert against_brute_force(crowded(range(24)))["tree"] > 8


def crowded(seeds: range) -> Iterator[tuple[Case, np.ndarray]]:
    """Small towns in which many stations want the same people; a count, a budget, or both."""
    for seed in seeds:
        g = np.random.default_rng([seed, 9])
        case, capacity = town(seed, 9, 25, float(g.choice([0.8, 1.2])), near=0.35)
        cost = g.integers(1, 6, 9) * 1.0
        kind = g.choice(4, 9, p=[0.82, 0.06, 0.06, 0.06])
        yield (
            replace(
                case,
                sites=int(g.integers(3, 5)) if seed % 3 else None,
                budget=float(cost[kind == 2].sum() + 9) if seed % 3 != 1 else None,
                cost=cost if seed % 3 != 1 else None,
                fixed=np.flatnonzero(kind == 1),
                required=np.flatnonzero(kind == 2),
                forbidden=np.flatnonzero(kind == 3),
            ),
            capacity if seed % 2 else capacity * 0.3719,
        )


def test_a_tree_that_was_cut_short_is_an_honest_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_room, "NODE_LIMIT", 3)
    monkeypatch.setattr(capacity_room.Search, "local_search", lambda *_: None)
    cut = 0
    for case, capacity in crowded(range(100, 130)):
        try:
            found = case.solve(capacity=capacity)
        except QuestionError:
            continue
        holds(case, capacity, found, best_of_all(case, capacity))
        cut += not found.proven
    assert cut > 0


def town(
    seed: int, sites: int, rows: int, share: float, near: float = 0.18
) -> tuple[Case, np.ndarray]:
    """A town whose stations have room for about ``share`` of the people around them."""
    g = np.random.default_rng(seed)
    places, homes = g.random((sites, 2)), g.random((rows, 2))
    covers = np.linalg.norm(homes[:, None] - places[None], axis=2) < near
    people = g.integers(1, 50, rows).astype(float)
    none = np.zeros(0, int)
    case = Case("mclp", covers, people, None, 5, None, None, none, none, none)
    return case, np.rint(share * (covers.T @ people) * g.uniform(0.5, 1.5, sites))


@pytest.mark.parametrize("seed", range(4))
def test_the_kept_flow_is_a_largest_one(seed: int) -> None:
    """Sites open and close at random; after each step networkx starts from nothing."""
    case, capacity = town(seed, 14, 120, 0.6)
    if seed % 2:
        capacity, case = capacity * 0.37, replace(case, weight=case.weight * 0.1)
    core = core_of(case, capacity)
    g, plan = np.random.default_rng(seed), Plan(core)
    plan.state[9][2] = 99  # as many places as there are sites
    for _ in range(60):
        site = int(g.integers(core.shape[1]))
        if plan.state[3][site]:
            plan.close(site)
        else:
            plan.open([site])
        expected = most_served(case, capacity, core.sites[plan.sites])
        assert plan.served == pytest.approx(expected, rel=1e-11, abs=1e-9)
        carried = plan.state[0]
        assert carried.min() >= 0
        assert carried.sum() == pytest.approx(plan.served, rel=1e-11, abs=1e-9)


def core_of(case: Case, capacity: np.ndarray) -> Any:
    question = ask(
        "mclp",
        sp.csr_array(case.covers),
        case.weight,
        cost=None,
        sites=case.sites,
        fixed=[],
        required=[],
        forbidden=[],
        time_limit=1.0,
        gap=0.0,
        seed=0,
        callback=None,
        capacity=capacity,
    )
    return make_capacitated(question)


def test_swaps_are_never_worse_than_greedy() -> None:
    for seed in range(5):
        core = core_of(*town(seed, 30, 300, 0.4))
        greedy = Plan(core)
        greedy.fill()
        sites, value = local_search(core, greedy.sites, 1e6, 1, Watch())
        assert value >= greedy.served
        assert Plan(core, sites).served == pytest.approx(value, rel=1e-12)
        assert len(sites) <= 5


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_highs_on_the_plain_model_agrees(share: float) -> None:
    case, capacity = town(2, 25, 150, share)
    found = case.solve(capacity=capacity)
    assert found.proven
    h = highspy.Highs()
    h.silent()
    h.setOptionValue("threads", 1)
    h.setOptionValue("mip_rel_gap", 0.0)
    y = [h.addBinary() for _ in range(25)]
    x = {(int(i), int(j)): h.addVariable(0, case.weight[i]) for i, j in np.argwhere(case.covers)}
    for i in range(150):
        mine = [x[i, int(j)] for j in np.flatnonzero(case.covers[i])]
        if mine:
            h.addConstr(h.qsum(mine) <= float(case.weight[i]))
    for j in range(25):
        mine = [x[int(i), j] for i in np.flatnonzero(case.covers[:, j])]
        h.addConstr(h.qsum(mine) <= float(capacity[j]) * y[j])
    h.addConstr(h.qsum(y) <= 5)
    h.maximize(h.qsum(x.values()))
    assert found.objective == pytest.approx(float(h.getObjectiveValue()), rel=1e-7)


def test_without_limits_it_is_the_plain_question() -> None:
    case, _ = town(3, 40, 400, 1.0)
    plain = case.solve()
    for capacity in (np.full(40, np.inf), case.covers.T @ case.weight):
        found = case.solve(capacity=capacity)
        assert found.chosen.tolist() == plain.chosen.tolist()
        assert (found.objective, found.bound) == (plain.objective, plain.bound)
        holds(case, capacity, found, plain.objective)


def test_more_room_is_never_worse() -> None:
    case, capacity = town(4, 30, 300, 0.3)
    reached = [case.solve(capacity=capacity * times).objective for times in (0, 0.5, 1, 2, 8)]
    assert reached[0] == 0
    assert reached == sorted(reached)
    assert reached[-1] <= case.solve().objective


def test_tampered_certificates_and_flows_are_refused() -> None:
    case, capacity = town(5, 30, 300, 0.8, near=0.25)
    found = case.solve(capacity=capacity)
    assert found.proven
    assert found.leaves is not None, "this town needs a tree"
    holds(case, capacity, found, found.objective)
    leaves = found.leaves

    def tampered(**changed: np.ndarray) -> float:
        return certified(case, capacity, replace(found, leaves=replace(leaves, **changed)))

    with pytest.raises(ValueError, match="larger than the weight"):
        tampered(multipliers=leaves.multipliers * 1.5)
    with pytest.raises(ValueError, match="not negative"):
        tampered(multipliers=-leaves.multipliers)
    with pytest.raises(ValueError, match="split"):
        tampered(value=1 - leaves.value[:1].repeat(len(leaves.value)))
    with pytest.raises(ValueError, match="not there"):
        tampered(row=leaves.row + len(leaves.multipliers))
    with pytest.raises(ValueError, match="not there"):
        tampered(row=-1 - leaves.row)
    with pytest.raises(ValueError, match="not alike"):
        tampered(group=np.roll(leaves.group, 1))
    assert tampered(multipliers=leaves.multipliers * 0.5) > found.bound
    # more room at one station: the same certificate proves less
    assert certified(case, capacity * 2, found) > found.bound

    assert found.flow is not None
    busy = int(np.argmax(found.flow))
    closed = np.isin(sp.csr_array(case.covers).indices, found.chosen, invert=True)
    for change, what in (
        (np.where(np.arange(len(found.flow)) == busy, found.flow + 1, found.flow), "a row|a site"),
        (np.where(closed, 1.0, found.flow), "closed"),
        (-found.flow, "from 0 up"),
        (found.flow[:-1], "from 0 up"),
        (found.flow * np.nan, "from 0 up"),
    ):
        with pytest.raises(ValueError, match=what):
            served(case, capacity, replace(found, flow=change))


def test_a_plan_and_an_honest_bound_without_any_time() -> None:
    case, capacity = town(6, 60, 900, 0.4)
    best = case.solve(capacity=capacity)
    hurried = case.solve(capacity=capacity, time_limit=0)
    assert best.proven
    assert (hurried.stopped, hurried.proven) == ("time", False)
    for found in (best, hurried):
        holds(case, capacity, found, best.objective)


def test_ctrl_c_returns_the_best_plan_so_far() -> None:
    case, capacity = town(6, 60, 900, 0.4)
    best = case.solve(capacity=capacity)
    handler = signal.getsignal(signal.SIGINT)

    def stop(*_: float) -> None:
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    sent: list[bool] = []
    found = case.solve(capacity=capacity, callback=stop)
    assert (found.stopped, found.proven) == ("interrupt", False)
    assert signal.getsignal(signal.SIGINT) is handler
    holds(case, capacity, found, best.objective)


def test_progress_gap_and_the_same_plan_again() -> None:
    case, capacity = town(7, 50, 600, 0.4)
    told: list[tuple[float, ...]] = []
    one = case.solve(capacity=capacity, seed=3, callback=lambda *news: told.append(news))
    two = case.solve(capacity=capacity, seed=3)
    assert one.proven
    assert told[-1][1:] == (one.objective, one.bound, one.gap)
    assert one.chosen.tolist() == two.chosen.tolist()
    assert one.bound == two.bound
    np.testing.assert_array_equal(one.multipliers, two.multipliers)
    np.testing.assert_array_equal(one.flow, two.flow)
    assert case.solve(capacity=capacity, gap=0.3).gap <= 0.3


@pytest.mark.parametrize("capacity", [[7, 7], [7, -1, 7], [7, np.nan, 7], list("abc"), 7])
def test_capacities_that_are_none_are_refused(capacity: Any) -> None:
    with pytest.raises(ValueError, match="capacity"):
        mclp(ROW, PEOPLE, 1, capacity=capacity)


def test_nothing_to_serve_and_no_room() -> None:
    none = mclp(ROW, [0, 0, 0, 0], 2, capacity=[1, 1, 1])
    assert (none.objective, none.bound, none.chosen.tolist()) == (0, 0, [])
    full = mclp(ROW, PEOPLE, 2, capacity=[0, 0, 0])
    assert (full.objective, full.bound, full.chosen.tolist()) == (0, 0, [])
    some = mclp(ROW, PEOPLE, 2, required=[1], capacity=[0, 0, 0])
    assert (some.objective, some.bound, some.chosen.tolist()) == (0, 0, [1])
