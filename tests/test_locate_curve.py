"""The curve of the maximal covering problem: every point against every subset, and `mclp` alone."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import Case, random_case
from servicecircle.errors import QuestionError
from servicecircle.locate import Selection, curve, mclp, mclp_curve
from servicecircle.locate.covering import bounds, linear, solve
from servicecircle.locate.covering import question as question_room
from servicecircle.locate.watch import Watch

# Five quarters in a row, four sites of two neighbouring quarters each (see test_locate.py): one
# site covers 8, two 16, three all 20 people.
ROW = sp.csr_array(
    np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
)
PEOPLE = [4, 3, 5, 2, 6]


def _curve(case: Case, sites: int, **options: Any) -> list[Selection]:
    given = {"cost": case.cost, "budget": case.budget, **case.kinds, **options}
    return mclp_curve(sp.csr_array(case.covers), case.weight, sites, **given)


def _hold(case: Case, points: list[Selection], best: list[float] | None = None) -> None:
    """Every point is allowed, worth and proven as it says; nothing falls along the curve."""
    first = len(case.required)
    for i, found in enumerate(points):
        here = replace(case, sites=first + i)
        new = np.setdiff1d(found.chosen, case.fixed)
        assert np.isin(case.fixed, found.chosen).all()
        assert np.isin(case.required, new).all()
        assert not np.isin(case.forbidden, new).any()
        assert here.value(new) == pytest.approx(found.objective, rel=1e-12, abs=1e-12)
        assert found.gap == abs(found.bound - found.objective) / max(found.objective, 1e-9)
        assert found.proven == (found.gap <= 1e-6)
        certified = here.certified(found)
        if found.proof != "solver":
            assert certified == pytest.approx(found.bound, rel=1e-9, abs=1e-12)
        if best is not None:
            slack = 1e-9 * max(1.0, best[i])
            assert found.objective <= best[i] + slack
            assert min(found.bound, certified) >= best[i] - slack
    for one, two in pairwise(points):
        assert one.objective <= two.objective
        assert one.bound <= two.bound * (1 + 1e-12) + 1e-12


def _brute_force(seeds: range, **size: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        case = random_case("mclp", seed, **size)
        most = case.covers.shape[1] + 2
        try:
            points = _curve(case, most)
        except QuestionError:
            with pytest.raises(QuestionError):
                replace(case, sites=most).solve()
            seen["question"] += 1
            continue
        first = len(case.required)
        assert (
            len(points) == case.covers.shape[1] - len(case.fixed) - len(case.forbidden) - first + 1
        )
        every = [replace(case, sites=first + i).best() for i in range(len(points))]
        best = [value for value in every if value is not None]
        assert len(best) == len(every), seed
        _hold(case, points, best)
        for found, value in zip(points, best, strict=True):
            assert found.proven, seed
            assert found.objective == pytest.approx(value, rel=1e-9, abs=1e-12), seed
            seen[found.proof] += 1
    return seen


def test_the_row_by_hand() -> None:
    points = mclp_curve(ROW, PEOPLE, 9)
    assert [p.objective for p in points] == [0, 8, 16, 20, 20]
    assert [p.bound for p in points] == [0, 8, 16, 20, 20]
    assert all(p.proven for p in points)
    assert points[4].chosen.tolist() == points[3].chosen.tolist()
    assert points[4].method.endswith("from 4 sites on the same plan: all within reach is covered")
    assert [p.objective for p in mclp_curve(ROW, PEOPLE, 2, fixed=[0])] == [7, 15, 20]
    assert [p.objective for p in mclp_curve(ROW, PEOPLE, 2, required=[2])] == [7, 14]


def test_every_subset() -> None:
    seen = _brute_force(range(250))
    assert seen["multipliers"] > 500
    assert seen["tree"] > 0
    assert seen["question"] > 0


def test_every_subset_without_the_simplex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SIMPLEX_ENTRIES", 0)
    monkeypatch.setattr(curve, "SIMPLEX_ENTRIES", 0)
    assert _brute_force(range(1000, 1080))["multipliers"] > 150


def test_every_subset_by_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve, "SIMPLEX_ENTRIES", 0)
    monkeypatch.setattr(solve, "improve", lambda core, start, *_: start)
    monkeypatch.setattr(solve, "_local_search", lambda *_: None)
    assert _brute_force(range(2000, 2060), rows=40, sites=10)["tree"] > 20


def _scattered(seed: int, sites: int, rows: int) -> tuple[sp.csr_array, np.ndarray]:
    g = np.random.default_rng(seed)
    places, people = g.random((sites, 2)), g.random((rows, 2))
    distance = np.linalg.norm(people[:, None] - places[None], axis=2)
    return sp.csr_array(distance < 0.15), g.integers(1, 50, rows).astype(float)


def _case(covers: sp.csr_array, weight: np.ndarray, **kinds: list[int]) -> Case:
    return Case(
        model="mclp",
        covers=covers.toarray(),
        weight=weight,
        cost=None,
        sites=None,
        budget=None,
        share=None,
        **{name: np.array(kinds.get(name, []), int) for name in ("fixed", "required", "forbidden")},
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_that_of_separate_calls(seed: int) -> None:
    covers, weight = _scattered(seed, 60, 700)
    case = _case(covers, weight, fixed=[0], required=[1, 2], forbidden=[3])
    points = _curve(case, 16)
    alone = [replace(case, sites=p).solve() for p in range(2, 17)]
    assert [p.objective for p in points] == [p.objective for p in alone]
    assert all(p.proven for p in points)
    _hold(case, points, [p.objective for p in alone])


def test_rows_that_only_add_up_to_whole_weights() -> None:
    """Halves of identical rows make whole numbers: rounding those bounds could not be checked."""
    covers = sp.csr_array(sp.vstack([_scattered(5, 40, 200)[0]] * 2))
    case = _case(covers, np.full(400, 0.5))
    _hold(case, _curve(case, 12))


def test_a_budget_holds_for_every_point() -> None:
    covers, weight = _scattered(4, 40, 400)
    cost = np.arange(40) % 5 + 1.0
    points = mclp_curve(covers, weight, 12, cost=cost, budget=14)
    for p, found in enumerate(points):
        assert cost[found.chosen].sum() <= 14
        assert found.objective == mclp(covers, weight, p, cost=cost, budget=14).objective
    assert len(points[-1].chosen) < 12, "the budget ends the curve before the number does"


def test_partial_credit_as_in_separate_calls() -> None:
    covers, weight = _scattered(4, 30, 200)
    g = np.random.default_rng(4)
    credit = sp.csr_array(np.where(g.random(covers.shape) < 0.1, g.choice([0.25, 0.5], 30), 0.0))
    points = mclp_curve(covers, weight, 10, credit=credit)
    for p, found in enumerate(points):
        alone = mclp(covers, weight, p, credit=credit)
        assert found.objective == pytest.approx(alone.objective, rel=1e-12)
        assert found.bound == pytest.approx(alone.bound, rel=1e-12)
        assert found.multipliers.shape == alone.multipliers.shape


def test_the_same_input_and_seed_give_the_same_curve() -> None:
    covers, weight = _scattered(3, 80, 900)
    one, two = mclp_curve(covers, weight, 12, seed=5), mclp_curve(covers, weight, 12, seed=5)
    for a, b in zip(one, two, strict=True):
        assert (a.chosen.tolist(), a.bound, a.method) == (b.chosen.tolist(), b.bound, b.method)
        np.testing.assert_array_equal(a.multipliers, b.multipliers)


def test_plans_and_honest_bounds_without_any_time() -> None:
    covers, weight = _scattered(7, 100, 1500)
    case = _case(covers, weight, fixed=[0], required=[1], forbidden=[2])
    hurried, best = _curve(case, 14, time_limit=0), _curve(case, 14)
    _hold(case, hurried, [p.objective for p in best])
    assert len(hurried) == len(best) == 14
    assert {p.stopped for p in hurried} == {"proof", "time"}
    assert min(len(p.chosen) - i for i, p in enumerate(hurried)) == 2, "greedy needs no time"


def test_what_is_left_of_the_time_goes_to_those_that_ran_out_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    covers, weight = _scattered(7, 60, 800)
    case = _case(covers, weight)
    asked: list[int] = []
    real = curve.Series.solve

    def first_in_vain(self: Any, number: int, question: Any, seconds: float, *rest: Any) -> Any:
        asked.append(number)
        return real(self, number, question, seconds if asked.count(number) > 1 else 0.0, *rest)

    monkeypatch.setattr(curve.Series, "solve", first_in_vain)
    monkeypatch.setattr(curve, "SIMPLEX_ENTRIES", 0)
    points = _curve(case, 10)
    assert len(asked) > 11
    assert all(p.proven for p in points)
    _hold(case, points, [replace(case, sites=p).solve().objective for p in range(11)])


def test_a_certificate_from_above_and_a_plan_from_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points spoilt by hand are mended from their neighbours, and stay checkable."""
    covers, weight = _scattered(7, 60, 800)
    case = _case(covers, weight)
    whole = _curve(case, 8)
    real = curve._Curve.again

    def spoil(self: Any) -> None:
        real(self)
        loose = {"multipliers": 0 * self.points[4].multipliers, "leaves": None}
        worse = {"chosen": np.zeros(0, np.int64), "objective": 0.0, "proof": "multipliers"}
        bound = float(weight.sum())
        for i in (4, 6):
            self.points[i] = curve.revised(self.points[i], **loose, **worse, bound=bound)

    monkeypatch.setattr(curve._Curve, "again", spoil)
    points = _curve(case, 8)
    _hold(case, points, [p.objective for p in whole])
    assert points[4].objective == points[3].objective
    assert points[4].bound <= points[5].bound


def test_a_gap_ends_each_search_early() -> None:
    covers, weight = _scattered(3, 80, 900)
    assert all(p.gap <= 0.1 for p in mclp_curve(covers, weight, 9, gap=0.1))


def test_progress_names_the_point() -> None:
    covers, weight = _scattered(2, 80, 900)
    told: list[tuple[Any, ...]] = []
    points = mclp_curve(covers, weight, 9, required=[4], callback=lambda *news: told.append(news))
    assert sorted({news[0] for news in told}) == list(range(1, 10))
    last = {news[0]: news[2:] for news in told}
    assert last[9] == (points[-1].objective, points[-1].bound, points[-1].gap)
    assert [news[1] for news in told] == sorted(news[1] for news in told)


@pytest.mark.parametrize("how", ["signal", "raise"])
def test_ctrl_c_returns_the_whole_curve_as_far_as_it_is_known(how: str) -> None:
    covers, weight = _scattered(7, 100, 1500)
    case = _case(covers, weight)
    handler = signal.getsignal(signal.SIGINT)

    def stop(number: int, *_: float) -> None:
        if number == 6 and not sent:
            sent.append(True)
            if how == "raise":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)

    sent: list[bool] = []
    points = _curve(case, 14, callback=stop)
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(points) == 15
    assert all(p.proven for p in points[:6])
    assert points[14].chosen.tolist() == points[6].chosen.tolist()
    assert (points[14].stopped, points[14].proven) == ("interrupt", False)
    _hold(case, points, [p.objective for p in _curve(case, 14)])


def test_ctrl_c_while_a_question_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    covers, weight = _scattered(7, 100, 1500)
    real = curve.Series.solve

    def interrupted(self: Any, number: int, *rest: Any) -> Any:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, number, *rest)

    monkeypatch.setattr(curve.Series, "solve", interrupted)
    points = mclp_curve(covers, weight, 9)
    assert points[2].proven
    assert points[9].stopped == "interrupt"
    assert points[9].chosen.tolist() == points[3].chosen.tolist()


def test_anchors_bound_all_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without time for any point of its own, the anchors' multipliers still bound them."""
    monkeypatch.setattr(curve, "SIMPLEX_ENTRIES", 0)
    covers, weight = _scattered(9, 60, 700)
    case = _case(covers, weight, required=[3])
    best = [p.objective for p in _curve(case, 12)]
    real = curve.Series.solve

    def in_vain(self: Any, number: int, question: Any, _: float, *rest: Any) -> Any:
        return real(self, number, question, 0.0, *rest)

    monkeypatch.setattr(curve.Series, "solve", in_vain)
    monkeypatch.setattr(curve._Curve, "again", lambda self: None)
    with_anchors = _curve(case, 12)
    _hold(case, with_anchors, best)
    monkeypatch.setattr(curve._Curve, "_anchor", lambda self: None)
    without = _curve(case, 12)
    for a, b in zip(with_anchors[4:], without[4:], strict=True):
        assert a.bound < b.bound
    assert with_anchors[-1].gap < 0.05


def test_the_ladder_is_the_relaxation_of_each_number() -> None:
    """Warm from the last number or cold, the relaxation's bound is the same; its plans fit."""
    covers, weight = _scattered(9, 60, 700)
    options = {"fixed": (), "required": (), "forbidden": (), "cost": None, "sites": 15}
    limits = {"time_limit": 60.0, "gap": 0.0, "seed": 0, "callback": None}
    question = question_room.ask("mclp", covers, weight, **options, **limits)
    ladder = curve._Ladder(question)
    assert ladder.relaxation is not None
    for count in (*range(1, 16), 4, 60):
        step = ladder.step(count, np.array([5]), Watch())
        assert step is not None
        warm = ladder.relaxation.solve(bounds.NOTHING, bounds.NOTHING, Watch())
        core = ladder.limited(count)
        cold = linear.Relaxation(core, 0).solve(bounds.NOTHING, bounds.NOTHING, Watch())
        assert warm is not None and cold is not None
        one, two = bounds.judged(core, warm).bound, bounds.judged(core, cold).bound
        assert one == pytest.approx(two, rel=1e-9)
        assert len(step[0]) <= count
        if step[1] is not None:
            alone = mclp(covers, weight, count)
            assert alone.bound == float(weight[covers[:, step[0]].sum(axis=1) > 0].sum())


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (ValueError, {"sites": None}),
        (ValueError, {"sites": 1.5}),
        (ValueError, {"sites": 2, "budget": 3}),
        (ValueError, {"sites": 2, "weight": [1]}),
        (ValueError, {"sites": 2, "time_limit": -1}),
        (QuestionError, {"sites": -1}),
        (QuestionError, {"sites": 1, "required": [0, 1]}),
        (QuestionError, {"sites": 1, "budget": 0.5, "cost": [1, 2, 3, 4]}),
    ],
)
def test_what_cannot_be_asked(error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error):
        mclp_curve(**{"covers": ROW, "weight": PEOPLE, **options})


def test_no_candidates_at_all() -> None:
    points = mclp_curve(ROW, PEOPLE, 3, fixed=[0], forbidden=[1, 2, 3])
    assert [(p.chosen.tolist(), p.objective, p.proven) for p in points] == [([0], 7, True)]
