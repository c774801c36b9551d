"""The cache: it changes nothing but the time, and nothing that happens to it changes an answer."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest

from plans import demand_row, site_row, write_scenario
from servicecircle import cache, walking
from servicecircle.plan import make_plan
from servicecircle.scenario import load_scenario
from servicecircle.streets.osm_file import read_osm
from servicecircle.walking import Walking, pack_network, unpack_network


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "缓存"))
    return tmp_path / "缓存" / "computed"


@pytest.fixture
def town(tmp_path):
    return write_scenario(
        tmp_path / "town",
        demand=[demand_row(f"D{i}", 700 * i, 10 + i) for i in range(8)],
        candidates=[site_row(f"C{i}", 1000 * i) for i in range(6)],
        new_sites=2,
    )


def answer(path, **options):
    plan = make_plan(load_scenario(path), **options)
    times = plan.times
    return (
        plan.selection.chosen.tolist(), plan.covered_share, times.indptr.tolist(),
        times.indices.tolist(), times.minutes.tolist(), plan.network.length,
    )  # fmt: skip


def test_the_second_plan_reads_no_street_and_walks_nowhere(town, empty_cache, monkeypatch):
    first = answer(town)
    kinds = {p.name.split("-")[0] for p in empty_cache.iterdir()}
    assert kinds == {"network", "feet", "times", "districts"}

    def refused(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(walking, "read_streets", refused)
    monkeypatch.setattr(walking, "travel_times", refused)
    monkeypatch.setattr(walking, "snap", refused)
    assert answer(town) == first
    with pytest.raises(AssertionError, match="computed again"):
        answer(town, cached=False)


def test_without_the_cache_nothing_is_kept(town, empty_cache):
    answer(town, cached=False)
    assert not empty_cache.exists()


def test_another_question_about_the_same_streets_takes_the_same_walks(town, empty_cache):
    answer(town)
    before = {p.name for p in empty_cache.iterdir()}
    scenario = load_scenario(town)
    other = scenario.question.model_copy(update={"minutes": 9.0, "new_sites": 3})
    make_plan(scenario.model_copy(update={"question": other}))
    assert {p.name for p in empty_cache.iterdir()} == before


@pytest.mark.parametrize(
    "change",
    [
        {"speed_kmh": 5.0},
        {"leg_speed_kmh": 3.0},
        {"walk_filter": "china"},
        {"island_share": 0.5},
        {"max_snap_m": 100.0},
        {"steps_factor": 2.0},
        {"profile": "ebike", "speed_kmh": 15.0},
    ],
)
def test_every_setting_that_counts_has_its_own_walks(town, empty_cache, change):
    scenario = load_scenario(town)
    part = scenario.network.model_copy(update=change)
    changed = scenario.model_copy(update={"network": part})
    make_plan(scenario)
    cached, fresh = make_plan(changed), make_plan(changed, cached=False)
    assert np.array_equal(cached.times.minutes, fresh.times.minutes)
    assert np.array_equal(cached.times.indices, fresh.times.indices)
    assert cached.network.length == fresh.network.length


def test_the_same_name_with_other_streets_is_another_city(town, empty_cache, tmp_path):
    short = answer(town)
    again = write_scenario(
        tmp_path / "town",
        demand=[demand_row(f"D{i}", 700 * i, 10 + i) for i in range(8)],
        candidates=[site_row(f"C{i}", 1000 * i) for i in range(6)],
        length=12_000.0,
        new_sites=2,
    )
    assert answer(again)[-1] == pytest.approx(2 * short[-1], rel=1e-3)


@pytest.mark.parametrize(
    "harm",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b"nothing of the sort",
        lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 255]) + b[len(b) // 2 + 1 :],
    ],
    ids=["cut short", "empty", "something else", "one byte flipped"],
)
def test_a_damaged_cache_is_thrown_away_and_said(town, empty_cache, harm):
    first = answer(town)
    for path in empty_cache.iterdir():
        path.write_bytes(harm(path.read_bytes()))
    plan = make_plan(load_scenario(town))
    said = [zh for zh, _ in plan.notes if "缓存文件" in zh]
    assert len(said) >= 2  # streets and walks
    assert answer(town) == first
    assert not [zh for zh, _ in make_plan(load_scenario(town)).notes if "缓存文件" in zh]


def test_an_entry_with_the_wrong_content_is_thrown_away(town, empty_cache):
    first = answer(town)
    for path in empty_cache.iterdir():
        np.savez(path, something=np.arange(3))
    assert answer(town) == first


def test_a_cache_that_is_a_file_is_said(town, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "file"))
    plan = make_plan(load_scenario(town))
    assert any("缓存写不进" in zh for zh, _ in plan.notes)


def _plan(path):
    return answer(path)


def test_many_processes_at_once(town, empty_cache):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        answers = pool.map(_plan, [town] * 6)
    assert all(a == answers[0] for a in answers)
    assert not [p for p in empty_cache.iterdir() if p.suffix != ".npz"]


def test_the_oldest_go_when_it_grows_too_big(empty_cache, monkeypatch):
    monkeypatch.setattr(cache, "MAX_BYTES", 25_000)
    notes = []
    made = []

    def entry(number):
        def make():
            made.append(number)
            return np.full(1000, float(number))

        return cache.remembered(
            "n", cache.key_of(number), make, lambda a: {"a": a}, lambda d: d["a"], notes
        )

    for number in (1, 2, 3):
        entry(number)
        path = next(p for p in empty_cache.iterdir() if cache.key_of(number) in p.name)
        os.utime(path, (number, number))
    entry(1)  # used again: the second is now the oldest
    entry(4)
    assert made == [1, 2, 3, 4]
    entry(1)
    assert made == [1, 2, 3, 4]
    entry(2)
    assert made == [1, 2, 3, 4, 2] and notes == []


def test_keys_tell_apart_what_differs():
    a = np.arange(6.0)
    keys = [
        cache.key_of(a), cache.key_of(a.reshape(2, 3)), cache.key_of(a.astype(np.float32)),
        cache.key_of(a[:5]), cache.key_of(a, 1), cache.key_of(a, "1"), cache.key_of(a, 1.5),
        cache.key_of("ab", "c"), cache.key_of("a", "bc"), cache.key_of(None), cache.key_of([None]),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert cache.key_of(a, {"x": 1, "y": 2}) == cache.key_of(a.copy(), {"y": 2, "x": 1})


def test_a_network_comes_back_as_it_went(helsinki):
    network = read_osm(helsinki)
    back = unpack_network(pack_network(network))
    for name, value in vars(network).items():
        other = getattr(back, name)
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, other) and value.dtype == other.dtype
        elif name == "ways":
            assert value.equals(other) and value.index.name == other.index.name
        else:
            assert value == other


def test_walking_fresh_touches_no_cache(town, empty_cache):
    assert Walking(load_scenario(town), fresh=True).network.length > 0
    assert not empty_cache.exists()
