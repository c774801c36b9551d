"""The best distinct plans, against the list of all plans that trying every subset gives."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import Case, random_case
from servicecircle.errors import QuestionError
from servicecircle.locate import Selection, alternatives, mclp, mclp_alternatives
from servicecircle.locate.covering import bounds, solve

# Five quarters in a row, four sites of two neighbouring quarters each (see test_locate.py): two
# sites cover 16 (1 and 3), 15 (0 and 3), 14 (0 and 2), 13 (2 and 3), 12 (0 and 1) or 10 (1 and 2).
ROW = sp.csr_array(
    np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=bool)
)
PEOPLE = [4, 3, 5, 2, 6]


def _find(case: Case, **options: Any) -> list[Selection]:
    given = {"cost": case.cost, "budget": case.budget, **case.kinds, **options}
    return mclp_alternatives(sp.csr_array(case.covers), case.weight, case.sites, **given)


def _all_plans(case: Case) -> dict[frozenset[int], float]:
    """Every allowed plan without a needless site, by its new sites, with what it covers."""
    taken = np.concatenate(list(case.kinds.values())).astype(int)
    free = np.setdiff1d(np.arange(case.covers.shape[1]), taken).tolist()
    plans: dict[frozenset[int], float] = {}
    for size in range(len(free) + 1):
        for some in combinations(free, size):
            new = [*case.required.tolist(), *some]
            value = case.value(np.array(new, int))
            if value is None or any(_needless(case, new, site) for site in some):
                continue
            plans[frozenset(new)] = value
    return plans


def _needless(case: Case, new: list[int], site: int) -> bool:
    others = [*case.fixed.tolist(), *[j for j in new if j != site]]
    lost = case.covers[:, site] & ~case.covers[:, others].any(axis=1)
    return not np.any(case.weight[lost] > 0)


def _hold(case: Case, found: list[Selection], plans: dict[frozenset[int], float]) -> Counter[str]:
    """Distinct plans in order, and bounds that every other plan and every certificate keep."""
    names = [frozenset(np.setdiff1d(f.chosen, case.fixed).tolist()) for f in found]
    assert len(set(names)) == len(names)
    for one, two in pairwise(found):
        assert one.objective >= two.objective
        assert one.bound >= two.bound
    for k, (name, selection) in enumerate(zip(names, found, strict=True)):
        assert plans[name] == pytest.approx(selection.objective, rel=1e-12, abs=1e-12)
        others = [value for other, value in plans.items() if other not in names[:k]]
        assert selection.bound >= max(others) * (1 - 1e-9)
        assert selection.proven == (selection.gap <= 1e-6)
    _certified(case, found, plans, set(names))
    return Counter("leaves" for part in found[0].rest if "leaf_site" in part.arrays())


def _certified(
    case: Case, found: list[Selection], plans: dict[frozenset[int], float], names: set[Any]
) -> None:
    """The parts hold all plans that are not listed, and prove the bounds with numpy alone."""
    first, rest = found[0], found[0].rest
    assert first.bound == pytest.approx(max(case.certified(first), first.objective), rel=1e-9)
    for name in plans.keys() - names:
        assert any(name >= set(p.required) and not name & set(p.forbidden) for p in rest), name
    for part in rest:
        here = replace(case, required=part.required, forbidden=part.forbidden)
        own = replace(first, **_own(part))
        if part.proof != "solver":
            assert here.certified(own) == pytest.approx(part.bound, rel=1e-9, abs=1e-12)
    most = max((part.bound for part in rest), default=0.0)
    for selection in found[1:]:
        assert selection.rest is rest
        assert selection.bound == max(selection.objective, min(first.bound, most))


def _own(part: alternatives.Part) -> dict[str, Any]:
    arrays = part.arrays()
    leaves = None
    if "leaf_site" in arrays:
        names = ("leaf_indptr", "leaf_site", "leaf_value", "leaf_row")
        tables = ("table_group", "table_multipliers", "table_share", "table_budget")
        leaves = alternatives.Leaves(*(arrays[name] for name in (*names, *tables)))
    mine = {"multipliers": arrays["multipliers"], "leaves": leaves}
    return {**mine, "budget_multiplier": arrays["budget_multiplier"]}


def _brute_force(seeds: range, **size: int) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        case = random_case("mclp", seed, **size)
        count, within = 1 + seed % 11, (0.0, 0.05, 0.3, 1.0)[seed // 11 % 4]
        try:
            found = _find(case, count=count, within=within)
        except QuestionError:
            with pytest.raises(QuestionError):
                case.solve()
            seen["question"] += 1
            continue
        plans = _all_plans(case)
        seen += _hold(case, found, plans)
        best = max(plans.values())
        enough = sorted(v for v in plans.values() if v >= best * (1 - within) - 1e-12)[::-1]
        assert [f.objective for f in found] == pytest.approx(enough[:count], rel=1e-9), seed
        assert all(f.proven and f.stopped == "proof" for f in found), seed
        seen["short"] += len(found) < count
        seen["plans"] += len(found)
    return seen


def test_the_row_by_hand() -> None:
    found = mclp_alternatives(ROW, PEOPLE, 2, count=5, within=0.25)
    assert [f.chosen.tolist() for f in found] == [[1, 3], [0, 3], [0, 2], [2, 3], [0, 1]]
    assert [f.objective for f in found] == [16, 15, 14, 13, 12]
    assert [f.bound for f in found] == [16, 15, 14, 13, 12]
    assert [f.objective for f in mclp_alternatives(ROW, PEOPLE, 2, within=0.1)] == [16, 15]
    assert [f.objective for f in mclp_alternatives(ROW, PEOPLE, 2, count=1)] == [16]


def test_needless_sites_make_no_other_plan() -> None:
    # Three sites cover all 20 people, with 0, 1, 3 or 0, 2, 3; the fourth never adds anything.
    found = mclp_alternatives(ROW, PEOPLE, 4, count=9, within=0.0)
    assert sorted(f.chosen.tolist() for f in found) == [[0, 1, 3], [0, 2, 3]]
    # A required site may be needless: it is no choice.
    kept = mclp_alternatives(ROW, PEOPLE, 4, count=9, within=0.0, required=[1])
    assert sorted(f.chosen.tolist() for f in kept) == [[0, 1, 3]]
    twins = mclp_alternatives(sp.csr_array(np.ones((1, 3), bool)), [2.0], 2, count=9)
    assert sorted(f.chosen.tolist() for f in twins) == [[0], [1], [2]]


def test_every_subset() -> None:
    seen = _brute_force(range(400))
    assert seen["plans"] > 550
    assert seen["short"] > 50
    assert seen["question"] > 0


def test_every_subset_without_the_simplex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SIMPLEX_ENTRIES", 0)
    monkeypatch.setattr(alternatives, "SIMPLEX_ENTRIES", 0)
    assert _brute_force(range(1000, 1100))["plans"] > 120


def test_every_subset_by_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternatives, "SIMPLEX_ENTRIES", 0)
    monkeypatch.setattr(solve, "improve", lambda core, start, *_: start)
    monkeypatch.setattr(solve, "_local_search", lambda *_: None)
    assert _brute_force(range(2000, 2060), rows=40, sites=10)["leaves"] > 3


def _scattered(seed: int, sites: int, rows: int) -> tuple[sp.csr_array, np.ndarray]:
    g = np.random.default_rng(seed)
    places, people = g.random((sites, 2)), g.random((rows, 2))
    distance = np.linalg.norm(people[:, None] - places[None], axis=2)
    return sp.csr_array(distance < 0.15), g.integers(1, 50, rows).astype(float)


def _case(covers: sp.csr_array, weight: np.ndarray, sites: int, **kinds: list[int]) -> Case:
    return Case(
        model="mclp",
        covers=covers.toarray(),
        weight=weight,
        cost=None,
        sites=sites,
        budget=None,
        share=None,
        **{name: np.array(kinds.get(name, []), int) for name in ("fixed", "required", "forbidden")},
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_plan_of_a_larger_town(seed: int) -> None:
    covers, weight = _scattered(seed, 20, 300)
    case = _case(covers, weight, 4, fixed=[0], required=[1], forbidden=[2])
    plans = _all_plans(case)
    found = _find(case, count=15, within=0.2)
    _hold(case, found, plans)
    assert [f.objective for f in found] == sorted(plans.values())[::-1][:15]


def test_rows_that_only_add_up_to_whole_weights() -> None:
    covers = sp.csr_array(sp.vstack([_scattered(5, 14, 60)[0]] * 2))
    case = _case(covers, np.full(120, 0.5), 4)
    _hold(case, _find(case, within=0.3), _all_plans(case))


@pytest.mark.parametrize("seed", range(12))
def test_partial_credit(seed: int) -> None:
    """A row gets the best credit of any open site; each site has to add some."""
    g = np.random.default_rng(seed)
    covers = g.random((10, 7)) < 0.25
    share = np.round(g.random((10, 7)), 1) * (g.random((10, 7)) < 0.4)
    weight, best = g.integers(0, 5, 10) * 1.0, np.maximum(covers, share)
    values = {}
    for size in range(4):
        for some in combinations(range(7), size):
            worth = _credited(best, weight, some)
            fewer = [_credited(best, weight, set(some) - {j}) for j in some]
            if all(worth > less + 1e-12 for less in fewer):
                values[some] = worth
    found = mclp_alternatives(
        sp.csr_array(covers), weight, 3, credit=sp.csr_array(share), count=12, within=0.5
    )
    enough = [v for v in sorted(values.values())[::-1] if v >= max(values.values()) / 2 - 1e-12]
    assert [f.objective for f in found] == pytest.approx(enough[:12])
    assert [values[tuple(f.chosen.tolist())] for f in found] == pytest.approx(enough[:12])
    assert all(f.proven for f in found)


def _credited(best: np.ndarray, weight: np.ndarray, some: Any) -> float:
    return float((weight * best[:, sorted(some)].max(axis=1, initial=0.0)).sum())


def test_the_same_input_and_seed_give_the_same_plans() -> None:
    covers, weight = _scattered(3, 60, 700)
    one, two = (mclp_alternatives(covers, weight, 7, seed=5) for _ in range(2))
    assert [a.chosen.tolist() for a in one] == [b.chosen.tolist() for b in two]
    assert [a.bound for a in one] == [b.bound for b in two]
    assert len(one) == 5
    assert one[0].objective == mclp(covers, weight, 7).objective


def test_plans_and_honest_bounds_without_any_time() -> None:
    covers, weight = _scattered(7, 18, 300)
    case = _case(covers, weight, 5)
    found = _find(case, time_limit=0)
    _hold(case, found, _all_plans(case))
    assert found[0].stopped == ("proof" if found[0].proven else "time")
    hard, people = _scattered(7, 100, 1500)
    hurried = mclp_alternatives(hard, people, 12, time_limit=0)
    assert [f.stopped for f in hurried] == ["time"]


def test_with_a_gap_the_bounds_say_what_may_be_missing() -> None:
    for seed in range(10):
        covers, weight = _scattered(seed, 14, 200)
        case = _case(covers, weight, 4)
        _hold(case, _find(case, gap=0.1, within=0.2, count=6), _all_plans(case))


def test_plans_found_too_early_to_be_listed_lie_in_a_part() -> None:
    for seed in (485, 620, 690, 718):  # each loses such a plan where it is only crossed off
        case = random_case("mclp", seed)
        _hold(case, _find(case, gap=0.3, within=0.03, count=3), _all_plans(case))


def test_progress_counts_the_plans() -> None:
    covers, weight = _scattered(2, 60, 700)
    told: list[tuple[Any, ...]] = []
    mclp_alternatives(covers, weight, 8, callback=lambda *news: told.append(news))
    assert {news[0] for news in told} <= set(range(5))
    assert [news[:2] for news in told] == sorted(news[:2] for news in told)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("how", ["signal", "raise"])
def test_ctrl_c_returns_the_plans_so_far(
    how: str, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternatives, "SIMPLEX_ENTRIES", 0)  # each part by a search that tells
    covers, weight = _scattered(11, 16, 200)
    case = _case(covers, weight, 4)
    handler = signal.getsignal(signal.SIGINT)
    sent: list[bool] = []

    def stop(plans: int, *_: float) -> None:
        if plans == after and not sent:
            sent.append(True)
            if how == "raise":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)

    found = _find(case, callback=stop, count=8, within=0.5)
    assert sent
    assert signal.getsignal(signal.SIGINT) is handler
    assert 1 <= len(found) < 8
    assert found[-1].stopped in ("interrupt", "proof")
    _hold(case, found, _all_plans(case))


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (ValueError, {"count": 1.5}),
        (ValueError, {"count": True}),
        (QuestionError, {"count": 0}),
        (ValueError, {"within": "1"}),
        (ValueError, {"within": np.nan}),
        (QuestionError, {"within": -0.1}),
        (QuestionError, {"within": 1.1}),
        (ValueError, {"sites": None}),
        (ValueError, {"weight": [1]}),
        (QuestionError, {"sites": -1}),
    ],
)
def test_what_cannot_be_asked(error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error):
        mclp_alternatives(**{"covers": ROW, "weight": PEOPLE, "sites": 2, **options})


def test_nothing_to_choose() -> None:
    none = mclp_alternatives(ROW, PEOPLE, 0, fixed=[0])
    assert [(f.chosen.tolist(), f.objective, f.proven) for f in none] == [([0], 7, True)]
    no_people = mclp_alternatives(ROW, np.zeros(5), 2)
    assert [(f.chosen.tolist(), f.objective) for f in no_people] == [([], 0)]
