"""The benchmarks' machinery: cities are the same every time, tables land in place, checks bite.

The benchmarks are run by hand (`tests/benchmarks/reach_bench.py`, `locate_bench.py`); nothing is
timed here.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import osmium
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from benchmarks import (
    circles,
    common,
    instances,
    locate_bench,
    locate_ours,
    locate_picture,
    locate_table,
    readme,
    warm_up,
)
from benchmarks.cities import SPACING_M, points, street_grid, write_grid
from benchmarks.common import BenchmarkError, CaseResult, Row
from benchmarks.graphs import digraph, feet_at, mainland
from benchmarks.locate_table import ASKED, LOADED, OURS
from benchmarks.profiles import own_seconds
from benchmarks.searching import Contest, check_distances, require_same
from conftest import needs_peer
from servicecircle import locate, read_osm, travel_times
from towns import line_town

ROW = Row("a | b", "≥ 2×", "3.0×", True, "1 s", "3 s", "10 nodes")


# --- made cities ----------------------------------------------------------------------------------


def test_the_same_arguments_make_the_same_city(tmp_path: Path) -> None:
    one, other = (street_grid(3_000, bends=2.7, seed=7) for _ in range(2))
    assert np.array_equal(one.lng, other.lng) and np.array_equal(one.lat, other.lat)
    assert [w.tolist() for w in one.ways] == [w.tolist() for w in other.ways]
    assert not np.array_equal(one.lng[:100], street_grid(3_000, bends=2.7, seed=8).lng[:100])
    drawn, again = points(one, 50, 5), points(other, 50, 5)
    assert all(np.array_equal(drawn[name], again[name]) for name in ("demand", "sites"))
    for name, grid in (("one", one), ("other", other)):
        write_grid(tmp_path / f"{name}.osm", grid)
    assert (tmp_path / "one.osm").read_bytes() == (tmp_path / "other.osm").read_bytes()


@pytest.mark.parametrize("bends", [0.0, 1.0, 2.7])
def test_a_city_has_the_size_asked_for_and_its_ways_follow_the_grid(bends: float) -> None:
    grid = street_grid(20_000, bends=bends)
    assert len(grid.lng) == pytest.approx(20_000, rel=0.03)
    used = np.unique(np.concatenate(grid.ways))
    assert used.max() < len(grid.lng)
    assert len(used) > 0.98 * len(grid.lng)  # a junction may lose all four links
    for way in grid.ways:
        assert len(way) >= 2 and len(np.unique(way)) == len(way)


def test_a_written_city_reads_as_one_network(tmp_path: Path) -> None:
    grid = street_grid(5_000, bends=2.0)
    write_grid(tmp_path / "city.osm.pbf", grid)
    held = [o.id for o in osmium.FileProcessor(str(tmp_path / "city.osm.pbf")) if o.is_node()]
    assert held == list(range(1, len(grid.lng) + 1))
    network = read_osm(tmp_path / "city.osm.pbf")
    links = 2 * round(grid.metres / SPACING_M) * (round(grid.metres / SPACING_M) + 1)
    assert network.length == pytest.approx(links * 0.9 * SPACING_M, rel=0.1)
    assert network.length - network.island_metres > 0.98 * network.length


# --- the same graph for everybody -----------------------------------------------------------------


def test_feet_on_junctions_walk_as_the_graph_does(tmp_path: Path) -> None:
    write_grid(tmp_path / "city.osm.pbf", street_grid(900, bends=0.5))
    network = read_osm(tmp_path / "city.osm.pbf")
    every, sources = np.arange(network.n_junctions), mainland(network)[:7]
    times = travel_times(network, feet_at(network, every), feet_at(network, sources), cutoff=10.0)
    reach = 10.0 * common.METRES_PER_MINUTE
    expected = {
        (i, node): metres
        for i, source in enumerate(sources.tolist())
        for node, metres in nx.single_source_dijkstra_path_length(
            digraph(network), source, cutoff=reach, weight="m"
        ).items()
    }
    keys = zip(times.indices.tolist(), times.rows.tolist(), strict=True)
    metres = (times.minutes * common.METRES_PER_MINUTE).tolist()
    assert dict(zip(keys, metres, strict=True)) == pytest.approx(expected, abs=1e-6)
    assert len(expected) > 300


def test_distances_that_differ_stop_the_run() -> None:
    one = {(0, 1): 100.0, (0, 2): 999.99995}
    assert require_same(one, {(0, 1): 100.00005}, 1000.0, 1e-4) == pytest.approx(5e-5)
    with pytest.raises(BenchmarkError, match="differ"):
        require_same(one, {**one, (0, 1): 100.001}, 1000.0, 1e-4)
    with pytest.raises(BenchmarkError, match="pair"):
        require_same(one, {(0, 2): 999.99995}, 1000.0, 1e-4)


def test_a_contender_on_another_graph_is_found_out(tmp_path: Path) -> None:
    write_grid(tmp_path / "city.osm.pbf", street_grid(2_000))
    contest = Contest(str(tmp_path / "city.osm.pbf"))
    graph = digraph(contest.network)
    assert "distances compared" in check_distances(contest, graph, None)
    source = int(contest.sources[0])
    neighbour = next(iter(graph[source]))
    graph.edges[source, neighbour]["m"] += 0.01
    with pytest.raises(BenchmarkError):
        check_distances(contest, graph, None)


def test_the_recipe_covers_a_street_and_no_more(tmp_path: Path) -> None:
    network = read_osm(line_town(tmp_path / "town.osm", [400.0]))
    graph, crs = circles.osmnx_like(network)
    # a strip of 25 m to both sides, a disc of 50 m at each end, and their overlap once
    overlap = 25 * (50**2 - 25**2) ** 0.5 + 50**2 * np.pi / 6
    expected = 400 * 50 + 2 * (np.pi * 50**2 - overlap)
    assert circles.recipe(graph, 0, crs).area == pytest.approx(expected, rel=0.01)


# --- workers, medians, README ---------------------------------------------------------------------


def test_a_worker_answers_and_tells_its_memory(tmp_path: Path) -> None:
    path = tmp_path / "grid.osm"
    answer = common.measure("cities:make_grid", path, 50_000, 1.0, imports=["numpy"])
    assert path.stat().st_size > 1e6
    assert 10 < answer["baseline_mb"] < answer["peak_mb"]
    assert common.own_mb(answer) == answer["peak_mb"] - answer["baseline_mb"]


def test_a_failing_worker_stops_the_run_with_its_last_words() -> None:
    with pytest.raises(BenchmarkError, match="nonsense has not been measured"):
        common.measure("common:load_result", "nonsense")


def test_warming_up_touches_every_kernel() -> None:
    answer = warm_up.compile_all()
    assert answer["pairs"] > 0 and answer["circles"] == 3


def test_a_profile_names_where_the_time_goes() -> None:
    found = own_seconds(lambda: sorted(range(200_000), key=lambda i: -i), shown=2)
    assert list(found)[-1] == "the rest" and len(found) == 3
    assert any("sorted" in name for name in found)


def test_contenders_take_turns_and_medians_are_taken() -> None:
    calls: list[str] = []

    def contender(name: str, *seconds: float):
        left = iter(seconds)

        def run() -> dict:
            calls.append(name)
            return {"seconds": next(left), "steps": {"read": 1.0}, "sizes": "x"}

        return run

    found = common.in_turn({"a": contender("a", 9, 1, 2), "b": contender("b", 4, 6, 5)})
    assert calls == ["a", "b"] * 3
    assert found["a"] == {"seconds": 2, "steps": {"read": 1.0}, "sizes": "x"}
    assert found["b"]["seconds"] == 5


def test_a_contender_that_takes_long_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 50, 50, 51, 60, 61, 70, 71])
    monkeypatch.setattr(common.time, "perf_counter", lambda: next(clock))
    calls: list[str] = []
    runs = {
        name: (lambda name=name: calls.append(name) or {"seconds": len(calls)})
        for name in ("slow", "fast")
    }
    common.in_turn(runs, once_above_s=30)
    assert calls == ["slow", "fast", "fast", "fast"]


def test_a_worker_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    finish, start = common._finish, time.monotonic()
    monkeypatch.setattr(common, "_finish", lambda _, env, limit_s: finish(sleeper, env, limit_s))
    with pytest.raises(common.OverTimeError, match="longer than"):
        common.measure("cities:make_grid", "/dev/null", 4, 1.0, limit_s=1)
    assert time.monotonic() - start < 300


@pytest.mark.parametrize("section", [readme.REACH, readme.LOCATE], ids=lambda one: one.name)
def test_the_readme_is_written_between_its_markers_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: readme.Section
) -> None:
    monkeypatch.setenv("SERVICECIRCLE_BENCHMARKS", str(tmp_path / "work"))
    drawn, shown = common.work_folder() / section.picture.name, tmp_path / section.picture.name
    drawn.write_bytes(b"picture")
    assert section.picture.parent == readme.ROOT / "data" / "pictures"
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    section = replace(section, picture=shown)
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{section.begin}\nold\n{section.end}\n\nafter\n", encoding="utf-8")
    result = CaseResult("reading", [ROW], ["read 1.00 s (100%)"], date="2026-01-02")
    for _ in range(2):
        section.write(path, [result, replace(result, date="2026-01-05")])
        written = path.read_text(encoding="utf-8")
        assert written.startswith(f"before\n\n{section.begin}\n| measured")
        assert written.endswith(f"{section.end}\n\nafter\n") and "old" not in written
    assert written.count(section.begin) == 1
    assert "| a / b | ≥ 2× | 3.0× | ✓ | 1 s | 3 s | 10 nodes |" in written
    assert "2026-01-02 to 2026-01-05" in written and f"({section.picture.name})" in written
    assert shown.read_bytes() == b"picture"
    path.write_text("no markers", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="markers"):
        section.write(path, [result])
    assert path.read_text(encoding="utf-8") == "no markers"


def test_results_are_kept_and_a_missing_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICECIRCLE_BENCHMARKS", str(tmp_path / "work"))
    result = CaseResult("growth", [ROW], ["a line"])
    result.save()
    assert common.load_result("growth") == result
    with pytest.raises(BenchmarkError, match="city"):
        common.load_result("city")


# --- the optimizer's questions --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["U", "C", "road"])
def test_the_same_arguments_make_the_same_question(kind: str, tmp_path: Path) -> None:
    what = kind, 40, 700, 6_000.0, 3, False
    path = tmp_path / "question.npz"
    instances.keep(str(path), *what)
    one, kept = instances.make(*what), instances.load(str(path))
    other = instances.make(kind, 40, 700, 6_000.0, 4, False)
    for again in (instances.make(*what), kept):
        assert np.array_equal(again.weight, one.weight)
        assert np.array_equal(_array(again), _array(one)) and again.pairs == one.pairs
    assert not np.array_equal(_array(one), _array(other))
    assert one.weight.min() >= 1 and one.weight.max() <= 99
    assert np.array_equal(one.weight, np.rint(one.weight))


def _array(question: instances.Question) -> Any:
    return question.data.toarray() if sp.issparse(question.data) else question.data


def test_covers_are_the_pairs_within_the_radius(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "CHUNK", 64)  # several pieces, the last one smaller
    drawn = instances.city(30, 500, 5)
    for xy in (drawn.sites, drawn.demand):
        assert xy.min() >= 0 and xy.max() <= instances.CITY_M
    found = instances.covers(drawn)
    assert np.array_equal(found.toarray(), cdist(drawn.demand, drawn.sites) <= 1_200)
    assert found.dtype == bool and found.indices.dtype == np.int32 and found.has_sorted_indices
    every = instances.make("C", 30, 500, 0.0, 5, True)
    assert np.all(np.diff(every.data.indptr) > 0) and len(every.weight) == every.data.shape[0]


def test_roads_are_longer_than_the_straight_line_and_reach_everybody() -> None:
    distance, weight = instances.roads(20, 200, 7)
    assert distance.shape == (200, 20) and len(weight) == 200
    assert np.isfinite(distance).all() and np.array_equal(distance, np.rint(distance))
    sites = instances.city(20, 500, 7).sites
    # from one site to another over any demand point, never shorter than the straight line
    over = (distance[:, :, None] + distance[:, None, :]).min(axis=0)
    assert np.all(over[~np.eye(20, dtype=bool)] >= cdist(sites, sites)[~np.eye(20, dtype=bool)])


@pytest.mark.parametrize("name", ["mclp-U-100", "lscp-C-500", "p-median-100", "p-center-100"])
def test_our_answer_is_measured_recounted_and_its_bound_recomputed(
    name: str, tmp_path: Path
) -> None:
    asked = ASKED[name].smaller()
    path = tmp_path / "question.npz"
    instances.keep(str(path), *asked.made_of)
    answer = locate_ours.run(str(path), asked.model, asked.p, 20.0, False)
    assert answer["answer"]["proven"] and answer["milestones"]["proven"] == answer["seconds"]
    steps = answer["milestones"]
    assert steps["plan"] <= steps["plan and bound"] <= steps["gap < 1.0%"] <= answer["seconds"]
    assert answer["trace"][-1][3] <= 1e-6
    rows = locate_table.rows(asked, {OURS: answer, **_peers_of(asked, answer)})
    assert len(rows) == len(asked.goals) and "proven" in rows[0].ours
    assert "building 0.4 s" in rows[0].peer and "still building" in rows[0].peer
    for goal in asked.goals:  # every milestone has its name
        assert goal.unit != "s" or goal.what in steps
    assert str(answer["check_s"])[:1].isdigit() and locate_table.lines(asked, {OURS: answer})


def _peers_of(asked: locate_table.Asked, ours: dict[str, Any]) -> dict[str, Any]:
    proven = {"seconds": 9.0, "building": 0.4, "stage": "proven", "called": "Optimal"}
    return {
        "CBC": {**proven, "objective": ours["answer"]["objective"]},
        "HiGHS": {"seconds": 60.0, "stage": "building"},
    }


def test_a_wrong_plan_or_bound_stops_the_run() -> None:
    question = instances.make("U", 20, 300, 5_000.0, 1, False)
    found = locate.mclp(question.data, question.weight, 3)
    locate_ours.check("mclp", question, 3, found)
    wrong = {
        "worth": replace(found, objective=found.objective + 1),
        "allowed": replace(found, chosen=np.arange(4)),
        "proves": replace(found, multipliers=np.zeros(300)),
    }
    for words, selection in wrong.items():
        with pytest.raises(BenchmarkError, match=words):
            locate_ours.check("mclp", question, 3, selection)
    with pytest.raises(BenchmarkError, match="uncovered"):
        locate_ours.objective("lscp", instances.make("U", 20, 300, 5_000.0, 1, True), [0])


def test_answers_that_contradict_each_other_stop_the_run() -> None:
    asked = ASKED["mclp-C-100"]
    ours = {"objective": 100.0, "bound": 110.0, "proven": False}

    def compare(objective: float, stage: str) -> None:
        peer = {"seconds": 1.0, "stage": stage, "objective": objective}
        locate_bench.compare(asked, {OURS: {"answer": ours}, "CBC": peer})

    compare(105, "proven")
    compare(20, "plan")
    with pytest.raises(BenchmarkError, match="passes our bound"):
        compare(111, "plan")
    with pytest.raises(BenchmarkError, match="beaten"):
        compare(99, "proven")


def test_what_was_not_reached_reads_so() -> None:
    asked = ASKED["mclp-C-100"]
    answer = {"objective": 90.0, "bound": 100.0, "gap": 1 / 9, "proven": False,
              "proof": "multipliers", "method": "greedy + swap", "stopped": "time"}  # fmt: skip
    steps = dict.fromkeys(("plan", "plan and bound", "proven"), math.inf)
    ours = {"seconds": 60.0, "answer": answer, "milestones": steps, "beyond_mb": 2_000.0,
            "sizes": {"rows": 7, "pairs": 9}, "check_s": 0.1}  # fmt: skip
    peer = {"seconds": 120.0, "building": 30.0, "stage": "plan", "called": "Optimal",
            "objective": 45.0}  # fmt: skip
    found = {OURS: ours, LOADED: ours, "CBC": peer, "HiGHS": {"seconds": 180.0, "stage": "over"}}
    first, second = locate_table.rows(asked, found)
    assert first.met is False and second.met is False
    assert first.reached == "2× (60 s), not both proven"
    assert "called “Optimal”, 50.0% from our plan" in first.peer
    assert "HiGHS: no answer, ended after 180 s" in first.peer
    assert first.ours == "90, bound 100 (multipliers), gap 11.11% after 60 s"
    large = ASKED["mclp-C-1000"]
    table = locate_table.rows(large, {OURS: {**ours, "milestones": dict.fromkeys(
        (goal.what for goal in large.goals), math.inf)}})  # fmt: skip
    assert [row.met for row in table] == [False] * 4
    assert table[0].reached == "not in 60 s" and table[3].reached == "2,000 MB"
    assert "8 GB" in table[0].peer


def test_the_gap_is_drawn(tmp_path: Path) -> None:
    needs_peer("matplotlib")
    lines = {"one": [[0.1, 0.5], [1.0, 0.0]], "two": [[0.2, 2.0], [30.0, 0.01]]}
    locate_picture.draw({"MCLP": lines, "LSCP": lines}, str(tmp_path / "gap.png"))
    assert (tmp_path / "gap.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PuLP speaks of its next version
@pytest.mark.parametrize("solver", ["CBC", "HiGHS"])
@pytest.mark.parametrize("name", ["mclp-U-100", "lscp-C-500", "p-median-100", "p-center-100"])
def test_a_peer_finds_what_we_find(solver: str, name: str, tmp_path: Path) -> None:
    needs_peer("spopt")
    from benchmarks import locate_peers  # noqa: PLC0415

    asked = ASKED[name].smaller()
    path = tmp_path / "question.npz"
    model, p = asked.model, asked.p and 3
    kind = "road" if asked.kind == "road" else asked.kind
    instances.keep(str(path), kind, 12, 60, 5_000.0, 1, model == "lscp")
    ours = locate_ours.run(str(path), model, p, 20.0, False)
    peer = locate_peers.run(str(path), model, p, solver, 60.0)
    assert peer["stage"] == "proven"
    assert peer["objective"] == pytest.approx(ours["answer"]["objective"])
    assert locate_peers.run(str(path), model, p, solver, 1e-4)["stage"] == "building"
