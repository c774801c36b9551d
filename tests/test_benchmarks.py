"""The benchmarks' machinery: cities are the same every time, tables land in place, checks bite.

The benchmarks are run by hand (`tests/benchmarks/reach_bench.py`); nothing is timed here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import osmium
import pytest

from benchmarks import circles, common, readme, warm_up
from benchmarks.cities import SPACING_M, points, street_grid, write_grid
from benchmarks.common import BenchmarkError, CaseResult, Row
from benchmarks.graphs import digraph, feet_at, mainland
from benchmarks.profiles import own_seconds
from benchmarks.searching import Contest, check_distances, require_same
from servicecircle import read_osm, travel_times
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


def test_the_readme_is_written_between_its_markers_and_only_there(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{readme.BEGIN}\nold\n{readme.END}\n\nafter\n", encoding="utf-8")
    result = CaseResult("reading", [ROW], ["read 1.00 s (100%)"], date="2026-01-02")
    text = readme.section([result, replace(result, date="2026-01-05")])
    for _ in range(2):
        readme.write_section(path, text)
        written = path.read_text(encoding="utf-8")
        assert written.startswith(f"before\n\n{readme.BEGIN}\n| measured")
        assert written.endswith(f"{readme.END}\n\nafter\n") and "old" not in written
    assert written.count(readme.BEGIN) == 1
    assert "| a / b | ≥ 2× | 3.0× | ✓ | 1 s | 3 s | 10 nodes |" in written
    assert "2026-01-02 to 2026-01-05" in written and "data/pictures/reach_growth.png" in written
    path.write_text("no markers", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="markers"):
        readme.write_section(path, text)
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
