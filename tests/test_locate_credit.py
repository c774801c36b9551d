"""Partial credit beyond the standard: by hand, every subset of small questions, HiGHS on larger."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import combinations
from typing import Any

import highspy
import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import Case, random_case
from servicecircle.errors import QuestionError
from servicecircle.locate import Selection, mclp
from servicecircle.locate.certificate import certified_bound
from servicecircle.locate.levels import Levels, credited_weight, decay, expand

# Three quarters with 10, 8 and 6 people. Site 0 covers quarter 0 and half of 1; site 1 half of 0,
# and 1; site 2 a quarter of 0 and of 1, and 2.
#   one site:   0: 10 + 4 = 14      1: 5 + 8 = 13      2: 2.5 + 2 + 6 = 10.5
#   two sites:  0, 1: 18            0, 2: 10 + 4 + 6 = 20                 1, 2: 5 + 8 + 6 = 19
COVERS = sp.csr_array(np.eye(3))
CREDIT = sp.csr_array(np.array([[0, 0.5, 0.25], [0.5, 0, 0.25], [0, 0, 0]]))
PEOPLE = [10.0, 8.0, 6.0]


def levels_of(covers: Any, weight: Any, credit: Any) -> Levels:
    a, c = sp.csr_array(covers), sp.csr_array(credit)
    weight = np.asarray(weight, float)
    return expand(a.indptr, a.indices, weight, c.indptr, c.indices, c.data, a.shape[1])


def test_the_quarters_by_hand() -> None:
    one = mclp(COVERS, PEOPLE, 1, credit=CREDIT)
    two = mclp(COVERS, PEOPLE, 2, credit=CREDIT)
    assert (one.chosen.tolist(), one.objective, one.proven) == ([0], 14, True)
    assert (two.chosen.tolist(), two.objective, two.proven) == ([0, 2], 20, True)


def test_the_levels_by_hand() -> None:
    levels = levels_of(COVERS, PEOPLE, CREDIT)
    assert levels.row.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert levels.credit.tolist() == [1, 0.5, 0.25, 1, 0.5, 0.25, 1]
    assert levels.weight.tolist() == [5, 2.5, 2.5, 4, 2, 2, 6]
    parts = np.split(levels.indices, levels.indptr[1:-1])
    assert [part.tolist() for part in parts] == [
        [0],
        [0, 1],
        [0, 1, 2],
        [1],
        [0, 1],
        [0, 1, 2],
        [2],
    ]
    assert credited_weight(levels, np.array([True, False, False])) == 14


@pytest.mark.parametrize("seed", range(60))
def test_levels_against_the_definition(seed: int) -> None:
    g = np.random.default_rng(seed)
    m, n = int(g.integers(1, 9)), int(g.integers(1, 7))
    covers = g.random((m, n)) < 0.2
    credit = g.choice([0.1, 0.3, 1 / 3, 0.7, 1.0], (m, n)) * (g.random((m, n)) < g.random())
    weight = g.choice([0.0, 0.1, 3.0, 1e9], m)
    levels = levels_of(covers, weight, credit)
    best = np.maximum(covers, credit)
    assert np.bincount(levels.row, minlength=m).min() >= 1, "every row has a level"
    assert np.all(np.diff(levels.row) >= 0)
    assert np.all(levels.weight >= 0)
    for row in range(m):
        mine = np.flatnonzero(levels.row == row)
        steps = sorted(set(best[row][best[row] > 0]), reverse=True)
        assert levels.credit[mine].tolist() == (steps or [0.0])
        whole = weight[row] * (steps[0] if steps else 1.0)
        assert levels.weight[mine].sum() == pytest.approx(whole, rel=1e-15)
        for level in mine[: len(steps)]:
            at = levels.indices[levels.indptr[level] : levels.indptr[level + 1]]
            assert at.tolist() == np.flatnonzero(best[row] >= levels.credit[level]).tolist()
    is_open = g.random(n) < 0.5
    expected = float((weight * best[:, is_open].max(axis=1, initial=0)).sum())
    assert credited_weight(levels, is_open) == pytest.approx(expected, rel=1e-12)


def test_whole_weights_times_credits_stay_whole() -> None:
    levels = levels_of(np.zeros((1, 3)), [30.0], [[0.1, 0.2, 0.3]])
    assert levels.weight.tolist() == [3, 3, 3]


def full_credit(case: Case, credit: np.ndarray) -> np.ndarray:
    return np.maximum(credit, case.covers)


def best_of_all(case: Case, credit: np.ndarray) -> float:
    taken = np.concatenate(list(case.kinds.values())).astype(int)
    free = np.setdiff1d(np.arange(case.covers.shape[1]), taken)
    price = np.ones(len(case.covers.T)) if case.cost is None else case.cost
    best = -np.inf
    for size in range(len(free) + 1):
        for some in combinations(free, size):
            new = np.array([*case.required, *some], int)
            if case.sites is not None and len(new) > case.sites:
                continue
            if case.budget is not None and price[new].sum() > case.budget + 1e-9:
                continue
            given = full_credit(case, credit)[:, [*case.fixed, *new]].max(axis=1, initial=0)
            best = max(best, float((case.weight * given).sum()))
    return best


def certified(case: Case, credit: Any, found: Selection) -> float:
    levels = levels_of(case.covers, case.weight, credit)
    question = {
        **case.question(),
        "indptr": levels.indptr,
        "indices": levels.indices,
        "weight": levels.weight,
    }
    leaves = {} if found.leaves is None else found.leaves.arrays()
    return certified_bound(
        "mclp",
        multipliers=found.multipliers,
        budget_multiplier=found.budget_multiplier,
        **leaves,
        **question,
    )


def test_every_subset() -> None:
    seen: Counter[str] = Counter()
    for seed in range(250):
        case, g = random_case("mclp", seed), np.random.default_rng([seed, 5])
        kinds = [0.25, 0.5, 0.75, 1.0] if seed % 2 else np.round(g.random(5), 3) + 1e-3
        some = g.random(case.covers.shape) < 0.4
        credit = np.minimum(1.0, g.choice(kinds, case.covers.shape)) * some
        try:
            found = case.solve(credit=sp.csr_array(credit))
        except QuestionError:
            seen["question"] += 1
            continue
        best = best_of_all(case, credit)
        assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12), seed
        assert found.proven, seed
        assert certified(case, credit, found) == pytest.approx(found.bound, rel=1e-9, abs=1e-12)
        levels = levels_of(case.covers, case.weight, credit)
        is_open = np.isin(np.arange(case.covers.shape[1]), found.chosen)
        assert credited_weight(levels, is_open) == pytest.approx(found.objective, rel=1e-12)
        seen[found.proof] += 1
    assert seen["multipliers"] > 100
    assert seen["tree"] > 5
    assert seen["question"] < 100


def town(seed: int, sites: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minutes, people, and credits from 15 minutes to none at 30."""
    g = np.random.default_rng(seed)
    places, homes = g.random((sites, 2)) * 60, g.random((rows, 2)) * 60
    minutes = np.linalg.norm(homes[:, None] - places[None], axis=2)
    return minutes, g.integers(1, 50, rows).astype(float), decay(minutes, 15, 30)


def test_highs_on_the_textbook_model_agrees() -> None:
    """One variable per pair: a row is credited by at most one open site."""
    minutes, people, credit = town(4, 25, 150)
    found = mclp(sp.csr_array(minutes <= 15), people, 4, credit=sp.csr_array(credit))
    assert found.proven
    h = highspy.Highs()
    h.silent()
    h.setOptionValue("threads", 1)
    h.setOptionValue("mip_rel_gap", 0.0)
    y = [h.addBinary() for _ in range(25)]
    total: Any = 0
    for i, row in enumerate(credit):
        x = {int(j): h.addVariable(0, 1) for j in np.flatnonzero(row)}
        for j, share in x.items():
            h.addConstr(share <= y[j])
            total += float(people[i] * row[j]) * share
        if x:
            h.addConstr(h.qsum(x.values()) <= 1)
    h.addConstr(h.qsum(y) <= 4)
    h.maximize(total)
    assert found.objective == pytest.approx(float(h.getObjectiveValue()), rel=1e-9)


def test_a_tampered_certificate_proves_less_or_nothing() -> None:
    minutes, people, credit = town(1, 30, 300)
    covers = minutes <= 15
    found = mclp(sp.csr_array(covers), people, 4, credit=sp.csr_array(credit))
    none = np.zeros(0, int)
    case = Case("mclp", covers, people, None, 4, None, None, none, none, none)
    assert certified(case, credit, found) == pytest.approx(found.bound, rel=1e-9)
    if found.leaves is None:
        found.multipliers[:] *= 2
    else:
        found.leaves.multipliers[:] *= 2
    with pytest.raises(ValueError, match="larger than the weight"):
        certified(case, credit, found)


def test_no_credit_is_the_plain_question() -> None:
    minutes, people, _ = town(2, 30, 300)
    covers = sp.csr_array(minutes <= 15)
    plain, none = (
        mclp(covers, people, 5),
        mclp(covers, people, 5, credit=sp.csr_array(covers.shape)),
    )
    assert none.chosen.tolist() == plain.chosen.tolist()
    assert (none.objective, none.bound) == (plain.objective, plain.bound)


def test_more_credit_is_never_worse_and_no_time_is_honest() -> None:
    minutes, people, credit = town(3, 40, 400)
    covers = sp.csr_array(minutes <= 15)
    plain = mclp(covers, people, 5)
    found = mclp(covers, people, 5, credit=sp.csr_array(credit))
    hurried = mclp(covers, people, 5, credit=sp.csr_array(credit), time_limit=0)
    assert plain.objective <= found.objective
    assert hurried.objective <= found.objective <= hurried.bound * (1 + 1e-9)


def test_decay_falls_in_stairs_that_stay_below_the_line() -> None:
    assert decay([0, 15, 15.5, 16, 16.1, 29, 29.5, 30, 99, np.inf], 15, 30) == pytest.approx(
        np.array([15, 15, 14, 14, 13, 1, 0, 0, 0, 0]) / 15
    )
    minutes = np.linspace(0, 40, 4001)
    for step in (0.5, 1.0, 4.0, 100.0):
        stairs = decay(minutes, 15, 30, step)
        line = np.clip((30 - minutes) / 15, 0, 1)
        assert np.all(stairs <= line + 1e-9)
        assert np.all(np.diff(stairs) <= 0)
        assert np.all(line - stairs <= min(1.0, step / 15) + 1e-9)
        assert len(set(stairs)) <= np.ceil(15 / step) + 1
    assert decay([[5.0, 20.0]], 15, 30).shape == (1, 2)
    # a step that binary numbers cannot hold: 15.3 is on the third stair, not on the fourth
    assert decay(15 + 0.1 * 3, 15, 16, 0.1) == pytest.approx(0.7)


@pytest.mark.parametrize("bad", [(15, 15, 1), (15, 10, 1), (-1, 5, 1), (5, 9, 0), (5, np.inf, 1)])
def test_decay_refuses_what_is_no_decay(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="standard"):
        decay([1.0], *bad)
    with pytest.raises(ValueError, match="NaN"):
        decay([np.nan], 5, 9)


@pytest.mark.parametrize(
    "credit",
    [
        CREDIT.toarray(),
        sp.csr_array((3, 2)),
        sp.csr_array(np.full((3, 3), 1.1)),
        sp.csr_array(np.full((3, 3), -0.1)),
        sp.csr_array(np.full((3, 3), np.nan)),
        sp.coo_array(([0.6, 0.6], ([0, 0], [0, 0])), shape=(3, 3)),  # added up: 1.2
    ],
)
def test_credits_that_are_none_are_refused(credit: Any) -> None:
    with pytest.raises(ValueError, match="credit"):
        mclp(COVERS, PEOPLE, 1, credit=credit)


def test_credit_and_capacity_together_are_refused_in_both_languages() -> None:
    with pytest.raises(QuestionError) as error:
        mclp(COVERS, PEOPLE, 1, credit=CREDIT, capacity=[1, 1, 1])
    assert error.value.text("zh") != error.value.text("en")


def test_inputs_stay_as_they_were() -> None:
    credit = sp.coo_array(([0.5, 0.25, 0.25], ([0, 1, 1], [1, 0, 0])), shape=(3, 3))
    before = credit.copy()
    found = mclp(COVERS, PEOPLE, 1, credit=credit)
    assert (found.chosen.tolist(), found.objective) == ([0], 14)
    np.testing.assert_array_equal(credit.data, before.data)


def test_the_room_of_levels_imports_numpy_alone() -> None:
    code = (
        "import sys; import servicecircle.locate.levels, servicecircle.locate.capacity.certificate;"
        "print(sorted({'scipy', 'numba', 'highspy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
