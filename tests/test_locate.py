"""The covering models: a town solved by hand, every subset of small ones, HiGHS on larger ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

import highspy
import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import MODELS, Case, random_case
from servicecircle import locate
from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.locate import lscp, mclp, partial_cover
from servicecircle.locate.covering import bounds, solve

# Five quarters in a row with 4, 3, 5, 2 and 6 people; four sites, each reaching two neighbours:
#   site 0: quarters 0, 1 (7 people)   site 1: 1, 2 (8)   site 2: 2, 3 (7)   site 3: 3, 4 (8)
# One site: 1 or 3, 8 people; ties go to the smaller index. Two sites: 1 and 3, 16 people (0 and 3
# give 15). All five quarters: 0 for quarter 0, 3 for quarter 4, and 1 or 2 for quarter 2: three.
# 80 % of 20 people are 16: two sites, 1 and 3.
ROW = sp.csr_array(
    np.array(
        [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]],
        dtype=bool,
    )
)
PEOPLE = [4, 3, 5, 2, 6]


def test_the_town_solved_by_hand() -> None:
    one, two = mclp(ROW, PEOPLE, 1), mclp(ROW, PEOPLE, 2)
    assert (one.chosen.tolist(), one.objective) == ([1], 8)
    assert (two.chosen.tolist(), two.objective, two.bound, two.proven) == ([1, 3], 16, 16, True)
    everyone, most = lscp(ROW), partial_cover(ROW, PEOPLE, 0.8)
    assert (everyone.objective, everyone.proven) == (3, True)
    assert set(everyone.chosen.tolist()) >= {0, 3}
    assert (most.chosen.tolist(), most.objective, most.proven) == ([1, 3], 2, True)


def test_existing_required_and_forbidden_sites() -> None:
    # With site 1 standing, one more: 3 adds 8 people. Required 2 uses up the one: 5 + 3 + 2 = 10.
    assert mclp(ROW, PEOPLE, 1, fixed=[1]).chosen.tolist() == [1, 3]
    assert mclp(ROW, PEOPLE, 1, fixed=[1], required=[2]).objective == 10
    assert mclp(ROW, PEOPLE, 1, forbidden=[1, 3]).objective == 7
    assert lscp(ROW, fixed=[0, 3]).objective == 1
    assert lscp(ROW, required=[1, 2]).objective == 4


def test_money() -> None:
    # 10 buy site 3 (8 people), or 0 and 2 together (14); everything costs 5 + 9 + 5 + 10 = 29.
    cost = [5, 9, 5, 10]
    bought = mclp(ROW, PEOPLE, cost=cost, budget=10)
    assert (bought.chosen.tolist(), bought.objective, bought.proven) == ([0, 2], 14, True)
    assert mclp(ROW, PEOPLE, 1, cost=cost, budget=10).objective == 8
    assert lscp(ROW, cost=cost).objective == 20  # 0, 2 and 3; site 1 is dearer than 2


def test_more_sites_than_candidates_and_none_at_all() -> None:
    assert mclp(ROW, PEOPLE, 99).objective == 20
    assert len(mclp(ROW, PEOPLE, 99).chosen) == 3, "a fourth site would add nothing"
    none = mclp(ROW, PEOPLE, 0, fixed=[0])
    assert (none.chosen.tolist(), none.objective, none.proven) == ([0], 7, True)


@pytest.mark.parametrize("model", MODELS)
def test_every_subset(model: str) -> None:
    seen = _against_brute_force(model, range(300))
    assert seen["multipliers"] > 100
    assert seen["tree"] + (model == "lscp") > 0


@pytest.mark.parametrize("model", MODELS)
def test_every_subset_by_the_interior_point(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SIMPLEX_ENTRIES", 0)
    _against_brute_force(model, range(1000, 1100))


def test_every_subset_by_column_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SIMPLEX_ENTRIES", 0)
    monkeypatch.setattr(bounds, "WHOLE_SITES", 0)
    _against_brute_force("mclp", range(5000, 5300), rows=40, sites=11)


@pytest.mark.parametrize("model", MODELS)
def test_every_subset_by_subgradient_steps(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SIMPLEX_ENTRIES", 0)
    monkeypatch.setattr(bounds, "DENSE_SITES", 0)
    _against_brute_force(model, range(2000, 2100))


@pytest.mark.parametrize("entries", [0, 10_000])  # nodes by interior point, and by simplex
@pytest.mark.parametrize("model", MODELS)
def test_every_subset_by_trees(model: str, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the simplest multipliers at the root and no local search, the tree does the work."""
    monkeypatch.setattr(bounds, "SIMPLEX_ENTRIES", entries)
    monkeypatch.setattr(solve, "improve", lambda core, start, *_: start)
    monkeypatch.setattr(solve, "_local_search", lambda *_: None)
    assert _against_brute_force(model, range(4000, 4300), rows=40, sites=11)["tree"] > 5


@pytest.mark.parametrize("model", MODELS)
def test_highs_takes_over_when_the_tree_may_not_grow(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve, "NODE_LIMIT", 1)
    monkeypatch.setattr(solve, "_local_search", lambda *_: None)
    seen = _against_brute_force(model, range(3000, 3100), rows=30, sites=10)
    assert seen["solver"] + (model == "lscp") > 0


def _against_brute_force(model: str, seeds: range, **size: int) -> Counter[str]:
    """Hold objective, bound and certificate to the best of all subsets; count the proofs."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        case = random_case(model, seed, **size)
        best = case.best()
        try:
            found = case.solve()
        except InfeasibleError:
            assert best is None, seed
            seen["infeasible"] += 1
            continue
        except QuestionError:
            seen["question"] += 1
            continue
        assert best is not None, seed
        assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed
        assert found.proven, seed
        _holds(case, found, best)
        seen[found.proof] += 1
    return seen


def _holds(case: Case, found: locate.Selection, best: float) -> None:
    """The plan is allowed and worth what it says; its certificate proves what it says."""
    new = np.setdiff1d(found.chosen, case.fixed)
    assert np.isin(case.fixed, found.chosen).all()
    assert np.isin(case.required, new).all()
    assert not np.isin(case.forbidden, new).any()
    assert case.value(new) == pytest.approx(found.objective, rel=1e-12, abs=1e-12)
    certified, slack = case.certified(found), 1e-9 * max(1.0, abs(best))
    if found.proof != "solver":
        assert certified == pytest.approx(found.bound, rel=1e-9, abs=1e-12)
    for bound in (certified, found.bound):
        assert bound >= best - slack if case.model == "mclp" else bound <= best + slack


@pytest.mark.parametrize("seed", range(4))
def test_highs_on_the_plain_model_agrees(seed: int) -> None:
    g = np.random.default_rng(seed)
    covers, weight = _scattered(g, 60, 500)
    found = mclp(covers, weight, 8)
    assert found.proven
    assert found.objective == pytest.approx(_plain_mclp(covers, weight, 8))
    cheap = lscp(covers, cost=np.arange(1, 61) % 7 + 1)
    assert cheap.proven
    assert cheap.objective == pytest.approx(_plain_lscp(covers, np.arange(1, 61) % 7 + 1))


def _scattered(g: np.random.Generator, sites: int, rows: int) -> tuple[sp.csr_array, np.ndarray]:
    places, people = g.random((sites, 2)), g.random((rows, 2))
    distance = np.linalg.norm(people[:, None] - places[None], axis=2)
    near = (distance < 0.15) | (distance == distance.min(axis=1, keepdims=True))
    return sp.csr_array(near), g.integers(1, 50, rows).astype(float)


def _plain_mclp(covers: sp.csr_array, weight: np.ndarray, sites: int) -> float:
    """The model as the textbook writes it, row by row, without any merging."""
    h = _highs()
    y = [h.addBinary() for _ in range(covers.shape[1])]
    z = [h.addVariable(0, 1) for _ in range(covers.shape[0])]
    for i in range(covers.shape[0]):
        h.addConstr(h.qsum(y[j] for j in covers[[i]].indices) >= z[i])
    h.addConstr(h.qsum(y) <= sites)
    h.maximize(h.qsum(float(w) * z_i for w, z_i in zip(weight, z, strict=True)))
    return float(h.getObjectiveValue())


def _plain_lscp(covers: sp.csr_array, cost: np.ndarray) -> float:
    h = _highs()
    y = [h.addBinary() for _ in range(covers.shape[1])]
    for i in range(covers.shape[0]):
        h.addConstr(h.qsum(y[j] for j in covers[[i]].indices) >= 1)
    h.minimize(h.qsum(float(c) * y_j for c, y_j in zip(cost, y, strict=True)))
    return float(h.getObjectiveValue())


def _highs() -> highspy.Highs:
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", 0.0)
    return solver


def _large_case(model: str, covers: sp.csr_array, weight: np.ndarray) -> Case:
    return Case(
        model=model,
        covers=covers.toarray(),
        weight=weight,
        cost=None,
        sites=12 if model == "mclp" else None,
        budget=None,
        share=0.9 if model == "partial_cover" else None,
        fixed=np.array([0]),
        required=np.array([1]),
        forbidden=np.array([2]),
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_plan_and_an_honest_bound_without_any_time(model: str) -> None:
    g = np.random.default_rng(7)
    covers, weight = _scattered(g, 120, 1500)
    case = _large_case(model, covers, weight)
    hurried, best = case.solve(time_limit=0), case.solve()
    _holds(case, hurried, best.objective)
    _holds(case, best, best.objective)
    assert best.proven
    assert hurried.gap == abs(hurried.bound - hurried.objective) / hurried.objective


@pytest.mark.parametrize("model", MODELS)
def test_a_tree_that_was_cut_short_is_an_honest_proof(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve, "NODE_LIMIT", 3)
    monkeypatch.setattr(solve, "HANDOVER_ENTRIES", 0)
    monkeypatch.setattr(solve, "improve", lambda core, start, *_: start)
    monkeypatch.setattr(solve, "_local_search", lambda *_: None)
    cut = 0
    for seed in range(40):
        case = random_case(model, seed, rows=60, sites=12)
        try:
            found = case.solve()
        except QuestionError:
            continue
        best = case.best()
        assert best is not None
        _holds(case, found, best)
        cut += not found.proven
    assert cut + (model == "lscp") > 0


def test_the_same_input_and_seed_give_the_same_plan() -> None:
    covers, weight = _scattered(np.random.default_rng(3), 80, 900)
    one, two = mclp(covers, weight, 9, seed=5), mclp(covers, weight, 9, seed=5)
    assert one.proven
    assert one.chosen.tolist() == two.chosen.tolist()
    assert one.bound == two.bound
    np.testing.assert_array_equal(one.multipliers, two.multipliers)


def test_a_gap_ends_the_search_early_and_is_kept() -> None:
    covers, weight = _scattered(np.random.default_rng(3), 80, 900)
    assert mclp(covers, weight, 9, gap=0.2).gap <= 0.2


def test_one_more_site_never_covers_less() -> None:
    covers, weight = _scattered(np.random.default_rng(1), 40, 300)
    reached = [mclp(covers, weight, p).objective for p in range(6)]
    assert reached == sorted(reached)


def test_progress_is_told() -> None:
    covers, weight = _scattered(np.random.default_rng(2), 80, 900)
    told: list[tuple[float, ...]] = []
    found = mclp(covers, weight, 9, callback=lambda *news: told.append(news))
    assert told
    assert told[-1][1:] == (found.objective, found.bound, found.gap)
    assert [news[0] for news in told] == sorted(news[0] for news in told)


@pytest.mark.parametrize("model", MODELS)
def test_ctrl_c_returns_the_best_plan_so_far(model: str) -> None:
    """At the first sign of progress a real SIGINT; then the handler of before is back."""
    g = np.random.default_rng(7)
    covers, weight = _scattered(g, 120, 1500)
    case = _large_case(model, covers, weight)
    handler = signal.getsignal(signal.SIGINT)

    def stop(*_: float) -> None:
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    sent: list[bool] = []
    found = case.solve(callback=stop)
    assert (found.stopped, found.proven) == ("interrupt", False)
    assert signal.getsignal(signal.SIGINT) is handler
    _holds(case, found, case.solve().objective)


def test_a_second_ctrl_c_ends_at_once() -> None:
    covers, weight = _scattered(np.random.default_rng(7), 120, 1500)

    def stop(*_: float) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    raised = []
    before = signal.signal(signal.SIGINT, lambda *_: raised.append(True))
    try:
        mclp(covers, weight, 12, callback=stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert raised


def test_a_callback_may_stop_the_run() -> None:
    def stop(*_: float) -> None:
        raise KeyboardInterrupt

    covers, weight = _scattered(np.random.default_rng(7), 120, 1500)
    assert mclp(covers, weight, 12, callback=stop).stopped == "interrupt"


def test_formats_duplicates_and_zeros_are_no_different() -> None:
    # site 0 is listed twice for row 0; the last entry is an explicit zero, and covers nothing
    data, where = [1, 1, 1, 0], ([0, 0, 1, 1], [0, 0, 1, 0])
    messy = sp.coo_matrix((data, where), shape=(2, 2))
    for covers in (messy, sp.csc_array(messy), sp.lil_matrix(messy), messy.astype(bool)):
        before = covers.copy()
        found = mclp(covers, [1.0, 2.0], 1)
        assert (found.chosen.tolist(), found.objective) == ([1], 2)
        assert (covers != before).nnz == 0


def test_infeasible_questions_say_what_is_missing() -> None:
    with pytest.raises(InfeasibleError) as rows:
        lscp(ROW, forbidden=[0, 3])
    assert rows.value.rows == (0, 4)
    with pytest.raises(InfeasibleError) as share:
        partial_cover(ROW, PEOPLE, 0.9, forbidden=[0])
    assert share.value.attainable == pytest.approx(16 / 20)
    assert partial_cover(ROW, PEOPLE, 0.8, forbidden=[0]).objective == 2


@pytest.mark.parametrize(
    "options",
    [
        {"sites": -1},
        {"sites": 1, "required": [0, 1]},
        {"budget": 3, "cost": [1, 2, 3, 4], "required": [3]},
        {"budget": 0.5, "cost": [1, 2, 3, 4]},
        {"budget": -1, "cost": [1, 2, 3, 4]},
        {"sites": 1, "weight": [1, 1], "covers": sp.csr_array((2, 3))},
    ],
)
def test_contradictions_are_told_in_both_languages(options: dict) -> None:
    arguments = {"covers": ROW, "weight": PEOPLE, **options}
    with pytest.raises(QuestionError) as error:
        mclp(**arguments)
    assert error.value.text("zh") != error.value.text("en")


@pytest.mark.parametrize("share", [0, -0.1, 1.01])
def test_a_share_is_above_0_and_at_most_1(share: float) -> None:
    with pytest.raises(QuestionError):
        partial_cover(ROW, PEOPLE, share)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sites": 1.5},
        {"sites": True},
        {"sites": 1, "covers": ROW.toarray()},
        {"sites": 1, "covers": sp.csr_array((0, 4))},
        {"sites": 1, "weight": PEOPLE[:4]},
        {"sites": 1, "weight": [1, 2, 3, 4, -5]},
        {"sites": 1, "weight": [1, 2, 3, 4, np.nan]},
        {"sites": 1, "weight": list("abcde")},
        {"budget": 3},
        {"budget": np.nan, "cost": [1, 2, 3, 4]},
        {"budget": 3, "cost": [1, 2, 3]},
        {"budget": 3, "cost": [1, 2, 3, np.inf]},
        {"sites": 1, "fixed": [4]},
        {"sites": 1, "fixed": [-1]},
        {"sites": 1, "fixed": [0.0]},
        {"sites": 1, "fixed": [True, False, False, True]},
        {"sites": 1, "fixed": [0], "required": [0]},
        {"sites": 1, "required": [1], "forbidden": [1]},
        {"sites": 1, "time_limit": -1},
        {"sites": 1, "time_limit": np.nan},
        {"sites": 1, "gap": -0.1},
        {"sites": 1, "seed": -1},
        {"sites": 1, "seed": 0.5},
    ],
)
def test_wrong_shapes_types_and_indices_are_refused(options: dict) -> None:
    arguments = {"covers": ROW, "weight": PEOPLE, **options}
    with pytest.raises(ValueError, match=r"."):
        mclp(**arguments)


def test_the_public_names() -> None:
    assert set(locate.__all__) == {
        "Leaves",
        "Selection",
        "lscp",
        "mclp",
        "mclp_alternatives",
        "mclp_curve",
        "p_center",
        "p_median",
        "partial_cover",
    }


def test_no_spatial_library_is_imported() -> None:
    code = (
        "import sys; import servicecircle.locate;"
        "bad = {'geopandas', 'shapely', 'pyproj', 'osmium', 'networkx', 'pandas', 'osmnx'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
