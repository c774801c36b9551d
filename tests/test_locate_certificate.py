"""The certificates: valid for any multipliers, readable by numpy alone, and not to be tampered."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from covering_cases import MODELS, Case, random_case
from servicecircle.errors import QuestionError
from servicecircle.locate import Leaves, Selection, certificate
from servicecircle.locate.certificate import (
    REPEAT,
    certified_bound,
    facts,
    round_bound,
    tree_partitions,
    tree_paths,
)
from servicecircle.locate.covering import solve


@pytest.mark.parametrize("model", MODELS)
def test_any_multipliers_give_a_valid_bound(model: str) -> None:
    for seed in range(150):
        case, g = random_case(model, seed), np.random.default_rng(seed)
        best = case.best()
        if best is None:
            continue
        lam = g.random(len(case.weight)) * (case.weight if model == "mclp" else 2.0)
        lam *= g.random(len(lam)) < 0.8
        mu, sigma = float(g.random() * g.choice([0, 0.1, 1])), float(g.random() * 3)
        bound = certified_bound(
            model,
            multipliers=lam,
            share_multiplier=mu if model == "partial_cover" else 0.0,
            budget_multiplier=sigma if case.budget is not None else 0.0,
            **case.question(),
        )
        slack = 1e-9 * max(1.0, abs(best))
        assert bound >= best - slack if model == "mclp" else bound <= best + slack, seed


def _trees(model: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Case, Selection]]:
    """Questions whose proof is a tree."""
    monkeypatch.setattr(solve, "_local_search", lambda *_: None)
    found = []
    for seed in range(400):
        case = random_case(model, seed, rows=40, sites=11)
        try:
            selection = case.solve()
        except QuestionError:
            continue
        if selection.proof == "tree":
            found.append((case, selection))
    return found


@pytest.mark.parametrize("model", MODELS)
def test_a_tree_with_a_leaf_missing_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = _trees(model, monkeypatch)
    assert trees
    for case, selection in trees[:20]:
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


@pytest.mark.parametrize("model", MODELS)
def test_a_false_domination_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any leaf passed off as dominated is refused, unless it is (then the bound still holds)."""
    refused = 0
    for case, selection in _trees(model, monkeypatch)[:20]:
        leaves, best = selection.leaves, case.best()
        assert leaves is not None
        assert best is not None
        for by in range(case.covers.shape[1]):
            row = leaves.row.copy()
            row[-1] = -1 - by
            try:
                bound = case.certified(replace(selection, leaves=replace(leaves, row=row)))
            except ValueError:
                refused += 1
            else:
                assert bound >= best - 1e-9 if case.model == "mclp" else bound <= best + 1e-9
    assert refused


def test_merging_rows_that_differ_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for case, selection in _trees("mclp", monkeypatch)[:10]:
        leaves = selection.leaves
        assert leaves is not None
        group = np.where(leaves.group >= 0, 0, -1)
        with pytest.raises(ValueError, match="merges"):
            case.certified(replace(selection, leaves=replace(leaves, group=group)))
        group = np.full_like(leaves.group, -1)
        with pytest.raises(ValueError, match="leaves rows out"):
            case.certified(replace(selection, leaves=replace(leaves, group=group)))


def test_multipliers_out_of_range_are_refused() -> None:
    covers = np.array([[1, 1, 0], [0, 1, 1]], bool)
    nothing = np.zeros(0, np.int64)
    case = Case(
        "mclp", covers, np.array([3.0, 2.0]), None, 1, None, None, nothing, nothing, nothing
    )
    selection = case.solve()
    assert case.certified(selection) == 5
    for lam in ([3.1, 2.0], [-0.1, 2.0], [np.nan, 2.0], [np.inf, 2.0]):
        with pytest.raises(ValueError, match="multiplier"):
            case.certified(replace(selection, multipliers=np.array(lam)))
    for change in ({"share_multiplier": -1.0}, {"budget_multiplier": -1.0}):
        with pytest.raises(ValueError, match="multiplier"):
            case.certified(replace(selection, **change))


@pytest.mark.parametrize(
    ("paths", "whole"),
    [
        ([[]], True),
        ([[(0, 1)], [(0, 0)]], True),
        ([[(0, 0), (1, 1)], [(0, 1)], [(0, 0), (1, 0)]], True),
        ([], False),
        ([[(0, 1)]], False),
        ([[(0, 1)], [(1, 0)]], False),  # two different sites at one branching
        ([[(0, 1)], [(0, 0)], [(0, 0)]], False),  # twice the same leaf
        ([[(0, 1)], [(0, 0)], []], False),
        ([[(0, 1)], [(0, 0), (0, 1)], [(0, 0), (0, 0)]], False),  # a site fixed twice
        ([[(2, 1)], [(2, 0)]], False),  # site 2 is not free
        ([[(0, 1)], [(0, 2)]], False),
    ],
)
def test_partitions(paths: list[list[tuple[int, int]]], whole: bool) -> None:
    flat = np.array([fixing for path in paths for fixing in path], np.int64).reshape(-1, 2)
    indptr = np.cumsum([0, *map(len, paths)])
    free = np.array([True, True, False])
    assert tree_partitions(free, indptr, flat[:, 0], flat[:, 1]) is whole


def _written_out(leaves: Leaves) -> Leaves:
    """The same tree with every path in full."""
    paths = list(tree_paths(leaves.indptr, leaves.site, leaves.value))
    return replace(
        leaves,
        indptr=np.cumsum([0, *(len(sites) for sites, _ in paths)]),
        site=np.concatenate([sites for sites, _ in paths]),
        value=np.concatenate([values for _, values in paths]),
    )


@pytest.mark.parametrize("model", MODELS)
def test_abridged_paths_say_the_same_as_full_ones(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = 0
    for case, selection in _trees(model, monkeypatch):
        assert selection.leaves is not None
        full = _written_out(selection.leaves)
        assert REPEAT not in full.value
        free = np.ones(case.covers.shape[1], bool)
        assert tree_partitions(free, full.indptr, full.site, full.value)
        assert case.certified(replace(selection, leaves=full)) == case.certified(selection)
        shorter += len(selection.leaves.site) < len(full.site)
    assert shorter or model == "lscp"


def _caterpillar(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tree that decides ``n`` sites one after the other: indptr, site, value."""
    paths = [[(0, 1)], [(0, 0), (1, 1)]]
    paths += [[(i - 1, REPEAT), (i - 1, 0), (i, 1)] for i in range(2, n)]
    paths += [[(n - 1, REPEAT), (n - 1, 0)]]
    flat = np.array([step for path in paths for step in path])
    return np.cumsum([0, *map(len, paths)]), flat[:, 0], flat[:, 1]


def test_thousands_of_fixings_take_thousands_of_entries() -> None:
    n = 3000
    indptr, site, value = _caterpillar(n)
    free = np.ones(n, bool)
    assert len(site) < 3 * n
    assert tree_partitions(free, indptr, site, value, abridged=True)
    assert not tree_partitions(free, indptr, site, value), "only where abridged paths are allowed"
    lengths = [len(sites) for sites, _ in tree_paths(indptr, site, value)]
    assert lengths == [*range(1, n + 1), n]
    g = np.random.default_rng(0)
    for at in g.integers(0, len(site), 40):
        for arrays in (
            (indptr, site, np.where(np.arange(len(site)) == at, (value + 1) % 3, value)),
            (indptr, np.where(np.arange(len(site)) == at, (site + 7) % n, site), value),
        ):
            assert not tree_partitions(free, *arrays, abridged=True)
    for short in (indptr[:-1], indptr[:1]):
        assert not tree_partitions(free, short, site, value, abridged=True)
    closed = free.copy()
    closed[1234] = False
    assert not tree_partitions(closed, indptr, site, value, abridged=True)


@pytest.mark.parametrize("again", [-1, 2, 10**9])
def test_repeating_more_than_there_is_is_refused(again: int) -> None:
    indptr, site, value = np.array([0, 1, 3]), np.array([0, again, 0]), np.array([1, REPEAT, 0])
    assert not tree_partitions(np.ones(3, bool), indptr, site, value, abridged=True)
    with pytest.raises(ValueError, match="repeats"):
        list(tree_paths(indptr, site, value))


@pytest.mark.parametrize("model", MODELS)
def test_domination_over_rows_that_the_path_leaves_open(model: str) -> None:
    """What open sites of the path cover does not count; whatever is accepted still holds."""
    beyond = refused = 0
    for seed in range(300):
        case, g = random_case(model, seed), np.random.default_rng(seed)
        best, question = case.best(), case.question()
        f = facts(model, **question)
        free = np.flatnonzero(f.free)
        if best is None or len(free) < 3:
            continue
        first, site, by = g.permutation(free)[:3]
        lam = g.random(len(case.weight)) * (case.weight if model == "mclp" else 1.0)
        mu = 2.0 if model == "partial_cover" else 0.0
        tree = {
            "leaf_indptr": np.array([0, 1, 3, 5]),
            "leaf_site": np.array([first, first, site, first, site]),
            "leaf_value": np.array([0, 1, 1, 1, 0]),
            "leaf_row": np.array([0, -1 - by, 0]),
            "table_group": np.arange(len(lam)),
            "table_multipliers": lam[None],
            "table_share": np.array([mu]),
            "table_budget": np.zeros(1),
        }
        try:
            bound = certified_bound(model, multipliers=lam, **tree, **question)
        except ValueError:
            refused += 1
            continue
        assert bound >= best - 1e-9 if model == "mclp" else bound <= best + 1e-9, seed
        rows = case.covers & f.open[:, None]
        beyond += not np.all(rows[:, by] >= rows[:, site])
    assert refused
    assert beyond


def test_a_certificate_survives_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, selection = _trees("partial_cover", monkeypatch)[0]
    assert selection.leaves is not None
    arrays = {**selection.leaves.arrays(), "multipliers": selection.multipliers}
    np.savez_compressed(tmp_path / "certificate.npz", **arrays)
    with np.load(tmp_path / "certificate.npz", allow_pickle=False) as file:
        read = {name: file[name] for name in file.files}
    assert certified_bound(case.model, **read, **case.question()) == selection.bound


def test_rounding_follows_the_objective() -> None:
    assert round_bound(10.9999, "mclp", True) == 10
    assert round_bound(10.9999999, "mclp", True) == 11
    assert round_bound(10.0000001, "lscp", True) == 10
    assert round_bound(10.01, "partial_cover", True) == 11
    assert round_bound(10.5, "mclp", False) == 10.5
    assert round_bound(np.inf, "lscp", True) == np.inf


def test_multipliers_are_per_row_of_the_table_handed_in() -> None:
    # rows 0 and 1 are alike, row 2 weighs nothing, nobody can cover row 3, row 4 is covered already
    covers = sp.csr_array(
        np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)
    )
    nothing = np.zeros(0, np.int64)
    weight = np.array([1.0, 3.0, 0.0, 2.0, 5.0])
    fixed = np.array([2])
    case = Case("mclp", covers.toarray(), weight, None, 1, None, None, fixed, nothing, nothing)
    found = case.solve()
    assert found.objective == found.bound == 9
    assert found.multipliers.shape == (5,)
    assert found.multipliers[3] == 2, "weight out of reach must not loosen the bound"
    assert found.multipliers[1] == pytest.approx(3 * found.multipliers[0])


def test_the_certificate_needs_numpy_alone() -> None:
    path = certificate.__file__
    code = (
        "import sys, importlib.util as u;"
        f"s = u.spec_from_file_location('certificate', {path!r}); m = u.module_from_spec(s);"
        "sys.modules['certificate'] = m; s.loader.exec_module(m);"
        "print(sorted({'scipy', 'numba', 'highspy', 'servicecircle'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
