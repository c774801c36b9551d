"""p-median and p-center: a town solved by hand, every subset of small ones, HiGHS on larger ones.

The certificates of all of them are recomputed by numpy alone; tampered ones prove less.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest

from distance_cases import MODELS, DistanceCase, random_case, towns
from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.locate import Selection, p_center, p_median
from servicecircle.locate.distance import center, median, median_bound, median_core, median_tree
from servicecircle.locate.distance import certificate as distance_certificate
from servicecircle.locate.watch import Watch

INF = np.inf

# Four quarters along a street with 1, 4, 2 and 3 people; three stations could stand at 0, 30 and
# 60 minutes' walk from its beginning, the quarters are at 0, 20, 40 and 60.
#   one: at 30, 30 + 40 + 20 + 90 = 180 (at 0: 0 + 80 + 80 + 180 = 340; at 60: 60 + 160 + 40 = 260)
#   two: at 30 and 60, 30 + 40 + 20 + 0 = 90 (at 0 and 60: 80 + 40 = 120; at 0 and 30: 150)
# The farthest quarter: one at 30, 30 minutes; two at 0 and 60, 20; all three, 10.
STREET = np.abs(np.array([0.0, 20, 40, 60])[:, None] - np.array([0.0, 30, 60])[None])
PEOPLE = [1, 4, 2, 3]


def test_the_street_solved_by_hand() -> None:
    one, two = p_median(STREET, PEOPLE, 1), p_median(STREET, PEOPLE, 2)
    assert (one.chosen.tolist(), one.objective, one.bound, one.proven) == ([1], 180, 180, True)
    assert (two.chosen.tolist(), two.objective, two.bound, two.proven) == ([1, 2], 90, 90, True)
    far = [p_center(STREET, p) for p in (1, 2, 3, 9)]
    assert [x.objective for x in far] == [30, 20, 10, 10]
    assert [x.bound for x in far] == [30, 20, 10, 10]
    assert far[1].chosen.tolist() == [0, 2]


def test_existing_required_and_forbidden_sites() -> None:
    assert p_median(STREET, PEOPLE, 1, fixed=[1]).chosen.tolist() == [1, 2]
    assert p_median(STREET, PEOPLE, 1, required=[0]).objective == 340
    assert p_median(STREET, PEOPLE, 1, forbidden=[1]).objective == 260
    none = p_median(STREET, PEOPLE, 0, fixed=[1])
    assert (none.chosen.tolist(), none.objective, none.proven) == ([1], 180, True)
    assert p_center(STREET, 1, fixed=[0]).objective == 20
    assert p_center(STREET, 0, fixed=[0]).objective == 60
    assert p_center(STREET, 1, required=[0]).objective == 60
    assert p_center(STREET, 1, forbidden=[1]).objective == 60


def test_money() -> None:
    cost = [2, 5, 2]
    bought = p_median(STREET, PEOPLE, cost=cost, budget=4)
    assert (bought.chosen.tolist(), bought.objective, bought.proven) == ([0, 2], 120, True)
    assert p_median(STREET, PEOPLE, 1, cost=cost, budget=5).objective == 180
    assert p_median(STREET, PEOPLE, 1, cost=cost, budget=4).objective == 260
    assert p_center(STREET, cost=cost, budget=5).objective == 20
    assert p_center(STREET, cost=cost, budget=3).objective == 60


@pytest.mark.parametrize("model", MODELS)
def test_every_subset(model: str) -> None:
    seen = _against_brute_force(model, range(500))
    assert seen["multipliers"] > 200
    assert seen["infeasible"] > 20


@pytest.mark.parametrize("model", MODELS)
def test_every_subset_by_trees(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With poor multipliers at the root and no local search, the tree does the work."""
    monkeypatch.setattr(median, "ROOT_STEPS", 0)
    monkeypatch.setattr(median_tree, "PROBE_STEPS", 2)
    monkeypatch.setattr(median_tree, "NODE_STEPS", 0)
    monkeypatch.setattr(median, "_local_search", lambda *_: None)
    seen = _against_brute_force(model, range(1000, 1200), rows=30, sites=11)
    assert seen["tree"] > (40 if model == "p_median" else -1)


def test_every_subset_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(median_core, "PIECE", 3)
    monkeypatch.setattr(median_bound, "PIECE", 1)
    _against_brute_force("p_median", range(2000, 2060))


def _against_brute_force(model: str, seeds: range, **size: int) -> Counter[str]:
    """Hold objective, bound and certificate to the best of all subsets; count the proofs."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        case = random_case(model, seed, **size)
        best = case.best()
        try:
            found = case.solve()
        except InfeasibleError as error:
            assert best is None, seed
            _names_the_lost(case, error)
            seen["infeasible"] += 1
            continue
        except QuestionError:
            seen["question"] += 1
            continue
        assert best is not None, seed
        assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed
        assert found.proven, (seed, found)
        assert found.stopped == "proof"
        _holds(case, found, best)
        seen[found.proof] += 1
    return seen


def _names_the_lost(case: DistanceCase, error: InfeasibleError) -> None:
    """The rows it lists are those that no site reaches; without rows it is the number of sites."""
    for row in error.rows:
        taken = case.distance[row, np.setdiff1d(np.arange(case.distance.shape[1]), case.forbidden)]
        alone = case.sites == len(case.required) or case.budget is not None
        assert np.isinf(taken).all() or alone


def _holds(case: DistanceCase, found: Selection, best: float) -> None:
    """The plan is allowed and worth what it says; its certificate proves what it says."""
    new = np.setdiff1d(found.chosen, case.fixed)
    assert np.isin(case.fixed, found.chosen).all()
    assert np.isin(case.required, new).all()
    assert not np.isin(case.forbidden, new).any()
    assert case.value(new) == pytest.approx(found.objective, rel=1e-12, abs=1e-12)
    certified, slack = case.certified(found), 1e-9 * max(1.0, abs(best))
    if found.proof != "solver":
        assert certified >= found.bound - slack
    assert max(certified, found.bound) <= best + slack


@pytest.mark.parametrize("seed", range(3))
def test_highs_on_the_plain_model_agrees(seed: int) -> None:
    distance, weight = towns(np.random.default_rng(seed), 25, 120)
    found = p_median(distance, weight, 4)
    assert found.proven
    assert found.objective == pytest.approx(_plain_p_median(distance, weight, 4))
    farthest = p_center(distance, 4)
    assert farthest.proven
    assert farthest.objective == pytest.approx(_plain_p_center(distance, 4))


def _model(distance: np.ndarray, sites: int) -> tuple[highspy.Highs, list, list]:
    """Site variables y and assignments x as the textbook writes them."""
    h = highspy.Highs()
    h.silent()
    h.setOptionValue("threads", 1)
    h.setOptionValue("mip_rel_gap", 0.0)
    y = [h.addBinary() for _ in range(distance.shape[1])]
    x = [[h.addVariable(0, 1) for _ in y] for _ in distance]
    for row in x:
        h.addConstr(h.qsum(row) == 1)
        for share, site in zip(row, y, strict=True):
            h.addConstr(share <= site)
    h.addConstr(h.qsum(y) <= sites)
    return h, y, x


def _plain_p_median(distance: np.ndarray, weight: np.ndarray, sites: int) -> float:
    h, _, x = _model(distance, sites)
    costs = weight[:, None] * distance
    h.minimize(
        h.qsum(
            float(c) * s for r, t in zip(costs, x, strict=True) for c, s in zip(r, t, strict=True)
        )
    )
    return float(h.getObjectiveValue())


def _plain_p_center(distance: np.ndarray, sites: int) -> float:
    h, _, x = _model(distance, sites)
    radius = h.addVariable(0, 1e6)
    for row, shares in zip(distance, x, strict=True):
        h.addConstr(h.qsum(float(d) * s for d, s in zip(row, shares, strict=True)) <= radius)
    for row in x:  # fractional assignments would mix distances
        for share in row:
            h.setInteger(share)
    h.minimize(radius)
    return float(h.getObjectiveValue())


def _town_case(model: str, sites: int = 60, rows: int = 700) -> DistanceCase:
    distance, weight = towns(np.random.default_rng(11), sites, rows)
    distance[distance > 55] = INF
    kinds = {"fixed": np.array([0]), "required": np.array([1]), "forbidden": np.array([2])}
    return DistanceCase(model, distance, weight, None, 7, None, **kinds)


@pytest.mark.parametrize("model", MODELS)
def test_a_plan_and_an_honest_bound_without_any_time(model: str) -> None:
    case = _town_case(model)
    hurried, best = case.solve(time_limit=0), case.solve()
    assert best.proven
    assert hurried.stopped == "time"
    _holds(case, hurried, best.objective)
    _holds(case, best, best.objective)
    assert hurried.gap == abs(hurried.bound - hurried.objective) / hurried.objective


def test_a_tree_that_was_cut_short_is_an_honest_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(median, "NODE_LIMIT", 3)
    monkeypatch.setattr(median, "ROOT_STEPS", 0)
    monkeypatch.setattr(median_tree, "NODE_STEPS", 50)
    monkeypatch.setattr(median, "_local_search", lambda *_: None)
    cut = Counter[str]()
    for seed in range(80):
        case = random_case("p_median", seed, rows=60, sites=12)
        try:
            found = case.solve()
        except QuestionError:
            continue
        best = case.best()
        assert best is not None
        _holds(case, found, best)
        cut[found.stopped] += found.proof == "tree"
    assert cut["work"] > 3


@pytest.mark.parametrize("model", MODELS)
def test_the_same_input_and_seed_give_the_same_plan(model: str) -> None:
    case = _town_case(model)
    before = case.distance.copy()
    one, two = case.solve(seed=5), case.solve(seed=5)
    assert one.proven
    assert one.chosen.tolist() == two.chosen.tolist()
    assert (one.bound, one.method) == (two.bound, two.method)
    np.testing.assert_array_equal(one.multipliers, two.multipliers)
    np.testing.assert_array_equal(case.distance, before)


@pytest.mark.parametrize("model", MODELS)
def test_a_gap_ends_the_search_early_and_is_kept(model: str) -> None:
    found = _town_case(model).solve(gap=0.3)
    assert found.gap <= 0.3
    assert found.stopped in ("gap", "proof")


@pytest.mark.parametrize("model", MODELS)
def test_one_more_site_is_never_farther(model: str) -> None:
    case = _town_case(model)
    found = [replace(case, sites=p).solve().objective for p in range(5, 12)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("model", MODELS)
def test_progress_is_told(model: str) -> None:
    told: list[tuple[float, ...]] = []
    found = _town_case(model).solve(callback=lambda *news: told.append(news))
    assert told[-1][1:] == (found.objective, found.bound, found.gap)
    assert [news[0] for news in told] == sorted(news[0] for news in told)
    assert all(bound <= best for _, best, bound, _ in told)


@pytest.mark.parametrize("model", MODELS)
def test_ctrl_c_returns_the_best_plan_so_far(model: str) -> None:
    """At the first sign of progress a real SIGINT; then the handler of before is back."""
    case, sent = _town_case(model), []
    handler = signal.getsignal(signal.SIGINT)

    def stop(*_: float) -> None:
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    found = case.solve(callback=stop)
    assert (found.stopped, found.proven) == ("interrupt", False)
    assert signal.getsignal(signal.SIGINT) is handler
    _holds(case, found, case.solve().objective)


@pytest.mark.parametrize("model", MODELS)
def test_a_callback_may_stop_the_run(model: str) -> None:
    def stop(*_: float) -> None:
        raise KeyboardInterrupt

    assert _town_case(model).solve(callback=stop).stopped == "interrupt"


def test_ctrl_c_within_a_cover_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """p-center asks set covers; an interrupt in one of them ends the whole run."""
    inner = center.cover_search.solve

    def interrupted(question: Any, *, watch: Watch) -> Selection:
        assert watch.within is not None
        watch.within.interrupt()
        return inner(question, watch=watch)

    monkeypatch.setattr(center.cover_search, "solve", interrupted)
    found = _town_case("p_center").solve()
    assert (found.stopped, found.proven) == ("interrupt", False)
    assert found.bound <= found.objective


# ------------------------------------------------------------------ certificates


@pytest.mark.parametrize("seed", range(150))
def test_any_multipliers_give_a_valid_bound(seed: int) -> None:
    case, g = random_case("p_median", seed), np.random.default_rng(seed)
    best = case.best()
    if best is None:
        return
    for scale in (0.3, 1.0, 5.0, 1e6):
        v = g.random(len(case.weight)) * scale * 3
        bound = distance_certificate.certified_bound(
            "p_median",
            multipliers=v,
            budget_multiplier=float(g.random() * 3) if case.budget is not None else 0.0,
            **case.question(),
        )
        assert bound <= best + 1e-9 * max(1.0, best)


@pytest.mark.parametrize("seed", range(150))
def test_any_cover_multipliers_give_a_valid_radius(seed: int) -> None:
    case, g = random_case("p_center", seed), np.random.default_rng(seed)
    best = case.best()
    if best is None:
        return
    for radius in np.unique(case.distance[np.isfinite(case.distance)]):
        lam = g.random(len(case.distance)) * g.choice([0.2, 1, 3])
        given = {"radius": float(radius), "multipliers": lam, **case.question()}
        assert distance_certificate.certified_bound("p_center", **given) <= best
    # a radius beyond the best plan is never granted, whatever is stored
    found = case.solve()
    for radius in (best * 1.0001, best + 1.0):
        assert case.certified(found, radius=radius) <= best


def _trees(monkeypatch: pytest.MonkeyPatch, count: int) -> list[tuple[DistanceCase, Selection]]:
    """Questions whose proof is a tree."""
    monkeypatch.setattr(median, "ROOT_STEPS", 200)
    monkeypatch.setattr(median, "_local_search", lambda *_: None)
    found = []
    for seed in range(600):
        case = random_case("p_median", seed, rows=40, sites=11)
        try:
            selection = case.solve()
        except QuestionError:
            continue
        if selection.proof == "tree":
            found.append((case, selection))
        if len(found) == count:
            break
    return found


def test_a_tree_with_a_leaf_missing_or_a_site_flipped_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trees = _trees(monkeypatch, 15)
    assert len(trees) == 15
    for case, selection in trees:
        leaves = selection.leaves
        assert leaves is not None
        for gone in range(len(leaves.row)):
            keep = np.ones(len(leaves.site), bool)
            keep[leaves.indptr[gone] : leaves.indptr[gone + 1]] = False
            size = np.delete(np.diff(leaves.indptr), gone)
            less = replace(
                leaves,
                indptr=np.concatenate([[0], np.cumsum(size)]),
                site=leaves.site[keep],
                value=leaves.value[keep],
                row=np.delete(leaves.row, gone),
            )
            with pytest.raises(ValueError, match="split"):
                case.certified(replace(selection, leaves=less))
        for at in range(len(leaves.site)):
            value = leaves.value.copy()
            value[at] = 1 - value[at]
            with pytest.raises(ValueError, match="split"):
                case.certified(replace(selection, leaves=replace(leaves, value=value)))


def test_tampered_trees_prove_nothing_false(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scaled, swapped or shuffled multipliers and false dominations: never above the optimum."""
    weaker = 0
    for case, selection in _trees(monkeypatch, 25):
        leaves, best = selection.leaves, case.best()
        assert leaves is not None
        assert best is not None
        g = np.random.default_rng(1)
        for scale in (0.5, 0.9, 1.1, 3.0):
            scaled = replace(leaves, multipliers=leaves.multipliers * scale)
            bound = case.certified(replace(selection, leaves=scaled))
            assert bound <= best + 1e-9 * max(1.0, best)
            weaker += bound < selection.bound * (1 - 1e-9)
        rows = g.integers(0, len(leaves.multipliers), len(leaves.row))
        mixed = replace(leaves, row=np.where(leaves.row >= 0, rows, leaves.row))
        assert case.certified(replace(selection, leaves=mixed)) <= best + 1e-9 * max(1.0, best)
        for leaf in range(len(leaves.row)):
            row = leaves.row.copy()
            row[leaf] = -1 - int(g.integers(case.distance.shape[1]))
            try:
                bound = case.certified(replace(selection, leaves=replace(leaves, row=row)))
            except ValueError:
                weaker += 1
            else:
                assert bound <= best + 1e-9 * max(1.0, best)
    assert weaker > 20


def test_a_changed_weight_or_distance_changes_the_bound() -> None:
    case = _town_case("p_median")
    found = case.solve()
    heavier, nearer = case.weight.copy(), case.distance.copy()
    heavier[5] *= 0.5
    nearer[:, int(found.chosen[-1])] *= 0.5
    assert case.certified(found, weight=heavier) < found.bound * (1 - 1e-6)
    assert case.certified(found, distance=nearer) < found.bound * (1 - 1e-6)
    assert case.certified(found, sites=8) < found.bound
    far = replace(case, model="p_center")
    farthest = far.solve()
    closer = np.minimum(far.distance, farthest.bound * 0.5)
    assert far.certified(farthest) == farthest.bound
    assert far.certified(farthest, sites=9) < farthest.bound
    assert far.certified(farthest, distance=closer) < farthest.bound


@pytest.mark.parametrize("bad", [np.nan, INF, -1.0])
def test_multipliers_out_of_range_are_refused(bad: float) -> None:
    for model in MODELS:
        case = _town_case(model)
        found = case.solve()
        spoilt = found.multipliers.copy()
        spoilt[3] = bad
        with pytest.raises(ValueError, match="finite and not negative"):
            case.certified(replace(found, multipliers=spoilt, leaves=None))


def test_the_certificate_needs_numpy_alone() -> None:
    code = (
        "import sys\nfrom servicecircle.locate.distance import certificate\n"
        "heavy = {'numba', 'scipy', 'highspy', 'pandas', 'shapely'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------ what cannot be asked


def test_rows_out_of_reach_are_listed() -> None:
    lost = STREET.copy()
    lost[[1, 3]] = INF
    with pytest.raises(InfeasibleError) as median_error:
        p_median(lost, PEOPLE, 2)
    assert median_error.value.rows == (1, 3)
    with pytest.raises(InfeasibleError) as center_error:
        p_center(lost, 2)
    assert center_error.value.rows == (1, 3)
    assert p_median(lost, [1, 0, 2, 0], 1).objective == 50, "nobody lives there: at 30, 30 + 20"


def test_too_few_sites_to_reach_everybody() -> None:
    apart = np.where(np.eye(4, dtype=bool), 1.0, INF)
    cost = [1.0, 2.0, 3.0, 4.0]
    for solve in (lambda **x: p_median(apart, PEOPLE, **x), lambda **x: p_center(apart, **x)):
        with pytest.raises(InfeasibleError, match="at least 4 new stations, 3 are allowed"):
            solve(sites=3)
        with pytest.raises(InfeasibleError, match="costs at least 10, the budget is 9"):
            solve(budget=9, cost=cost)
        assert solve(sites=4).objective in (10, 1)
        assert solve(budget=10, cost=cost).proven
    # either alone would do: three sites for all, and two for 3; but not two sites for 2.5
    mixed = np.array([[1.0, INF, 1.0], [INF, 1.0, 1.0]])
    with pytest.raises(InfeasibleError):
        p_median(mixed, [1, 1], 1, cost=[1, 1, 3], budget=2)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_may_be_open(model: str) -> None:
    def ask(**options: object) -> Selection:
        if model == "p_median":
            return p_median(STREET, PEOPLE, **options)
        return p_center(STREET, **options)

    with pytest.raises(QuestionError, match="No station may be open"):
        ask(sites=0)
    with pytest.raises(QuestionError, match="No station may be open"):
        ask(sites=2, forbidden=[0, 1, 2])
    with pytest.raises(QuestionError, match="buys no site"):
        ask(budget=1, cost=[2, 2, 2])
    with pytest.raises(QuestionError, match="required"):
        ask(sites=1, required=[0, 1])
    with pytest.raises(QuestionError, match="below 0"):
        ask(sites=-1)
    with pytest.raises(ValueError, match="sites or a budget"):
        ask()
    with pytest.raises(ValueError, match="needs the cost"):
        ask(budget=3)
    with pytest.raises(ValueError, match="two of"):
        ask(sites=1, fixed=[0], forbidden=[0])
    with pytest.raises(ValueError, match="outside"):
        ask(sites=1, fixed=[3])


def test_p_center_takes_sites_or_a_budget() -> None:
    with pytest.raises(ValueError, match="not both"):
        p_center(STREET, 1, cost=[1, 1, 1], budget=2)


@pytest.mark.parametrize(
    ("distance", "message"),
    [
        (np.zeros(3), "rows and columns"),
        (np.zeros((0, 3)), "rows and columns"),
        (np.zeros((4, 0)), "rows and columns"),
        ([["a", "b"]], "dense array of numbers"),
        (np.array([[1.0, np.nan], [0, 1], [1, 1], [1, 1]]), "nan at row 0, column 1"),
        (np.array([[1.0, 0], [0, 1], [1, -2], [1, 1]]), "-2.0 at row 2, column 1"),
    ],
)
def test_bad_distances_are_refused(distance: object, message: str) -> None:
    with pytest.raises(ValueError, match="distance must"):
        p_center(distance, 1)
    with pytest.raises(ValueError, match=message):
        p_median(distance, PEOPLE, 1)


@pytest.mark.parametrize("weight", [[1, 2, 3], [1, 2, 3, -1], [1, 2, 3, np.nan], ["a"] * 4])
def test_bad_weights_are_refused(weight: object) -> None:
    with pytest.raises(ValueError, match="weight must"):
        p_median(STREET, weight, 1)


def test_odd_questions() -> None:
    nobody = p_median(STREET, [0, 0, 0, 0], 2)
    assert (nobody.objective, nobody.proven, len(nobody.chosen)) == (0, True, 1)
    assert p_median(np.zeros((4, 3)), PEOPLE, 1).objective == 0
    assert p_center(np.zeros((4, 3)), 1).objective == 0
    assert p_median([[7.0]], [2], 1).objective == 14
    assert p_center([[7.0]], 1).bound == 7
    same = np.full((5, 4), 3.0)
    assert p_median(same, np.ones(5), 4).objective == 15
    assert p_center(same, 2).chosen.size >= 1
    tiny, huge = p_median(STREET * 1e-9, PEOPLE, 2), p_median(STREET * 1e9, PEOPLE, 2)
    assert tiny.proven
    assert huge.proven
    assert huge.objective == pytest.approx(90e9)
    whole = p_median(STREET.astype(int), PEOPLE, 2)
    assert whole.objective == 90
