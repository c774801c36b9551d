"""Reading OSM: formats, the walk filter, contraction, cut ways, islands, damaged files."""

from __future__ import annotations

import bz2
import gzip

import networkx as nx
import numpy as np
import osmium
import pytest

from conftest import shared_file
from judge import osmnx_walk_rules
from servicecircle.errors import NetworkError
from servicecircle.streets.osm_file import read_osm
from servicecircle.streets.street_graph import network_from_graph
from servicecircle.streets.walk_filter import OSMNX
from towns import WALK, line_town, metres_east, write_osm


def same_network(a, b):
    assert np.array_equal(a.junction_id, b.junction_id)
    assert np.array_equal(a.vertex_id, b.vertex_id)
    assert np.array_equal(a.edge_length, b.edge_length)
    assert a.ways.equals(b.ways)


def test_every_format_gives_the_same_network(tmp_path):
    path = line_town(tmp_path / "t.osm", [300, 700], name="河谷路")
    plain = read_osm(path)
    (tmp_path / "t.osm.gz").write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "t.osm.bz2").write_bytes(bz2.compress(path.read_bytes()))
    line_town(tmp_path / "t.osm.pbf", [300, 700], name="河谷路")
    for suffix in ("osm.gz", "osm.bz2", "osm.pbf"):
        same_network(plain, read_osm(tmp_path / f"t.{suffix}"))
    assert plain.ways.loc[10, "name"] == "河谷路"
    assert plain.ways.loc[10, "highway"] == "residential"


# --- the walk filter ------------------------------------------------------------------------------


def test_the_filter_is_osmnx_word_for_word():
    theirs = {key: rule.pattern for key, rule in osmnx_walk_rules() if rule is not None}
    assert theirs == {rule.key: rule.pattern for rule in OSMNX.refuses}


@pytest.mark.parametrize(
    ("tags", "walkable"),
    [
        ({"highway": "residential"}, True),
        ({"highway": "steps"}, True),
        ({"highway": "service"}, True),  # "services" (a rest area) is refused, "service" is not
        ({"highway": "trunk"}, True),
        ({"highway": "motorway"}, False),
        ({"highway": "motorway_link"}, False),
        ({"highway": "cycleway"}, False),
        ({"highway": "cycleway", "foot": "yes"}, False),
        ({"highway": "residential", "foot": "unknown"}, False),  # contains "no": as in OSMnx
        ({"highway": "residential", "access": "private"}, False),
        ({"highway": "residential", "access": "no"}, True),
        ({"highway": "residential", "sidewalk:left": "separate"}, False),
        ({"highway": "service", "service": "private"}, False),
        ({"highway": "pedestrian", "area": "yes"}, False),
        ({"railway": "rail"}, False),
    ],
)
def test_walkable(tags, walkable):
    assert OSMNX.allows(tags) is walkable


def test_cars_one_way_does_not_bind_walkers():
    assert OSMNX.directions({"oneway": "yes"}) == (True, True)


# --- contraction ----------------------------------------------------------------------------------


def test_two_ways_that_meet_end_to_end_are_one_edge(tmp_path):
    """Ways 1 (A-B) and 2 (B-C): B has degree two, so one edge A-C that remembers both ways."""
    nodes = {1: (0, 0), 2: (metres_east(300), 0), 3: (metres_east(1000), 0)}
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, {1: ([1, 2], WALK), 2: ([3, 2], WALK)}))
    assert network.n_edges == 1
    assert sorted(network.vertex_way[network.vertex_way > 0]) == [1, 2]
    assert network.edge_length[0] == pytest.approx(1000, abs=0.02)


def test_a_change_of_direction_is_a_junction(tmp_path):
    nodes = {1: (0, 0), 2: (metres_east(300), 0), 3: (metres_east(1000), 0)}
    one_way = {**WALK, "oneway:foot": "yes"}
    path = write_osm(tmp_path / "t.osm", nodes, {1: ([1, 2], WALK), 2: ([2, 3], one_way)})
    assert read_osm(path).n_edges == 2


def test_two_one_way_streets_in_line_are_one_edge_against_each_other_two(tmp_path):
    nodes = {1: (0, 0), 2: (metres_east(300), 0), 3: (metres_east(1000), 0)}
    one_way = {**WALK, "oneway:foot": "yes"}
    line = write_osm(tmp_path / "a.osm", nodes, {1: ([1, 2], one_way), 2: ([2, 3], one_way)})
    against = write_osm(tmp_path / "b.osm", nodes, {1: ([1, 2], one_way), 2: ([3, 2], one_way)})
    assert read_osm(line).n_edges == 1
    assert read_osm(against).n_edges == 2


def test_rings_loops_parallel_edges_and_repeated_nodes(tmp_path):
    """A ring without junction, a lollipop, two parallel streets, a node named twice in a row."""
    r = 0.001
    nodes = {
        1: (0, 0), 2: (r, 0), 3: (r, r),  # ring 1-2-3-1
        4: (5 * r, 0), 5: (6 * r, 0), 6: (7 * r, r), 7: (7 * r, -r),  # stick 4-5, loop 5-6-7-5
        8: (10 * r, 0), 9: (12 * r, 0), 10: (11 * r, r), 11: (13 * r, 0), 12: (9 * r, 0),
    }  # fmt: skip
    ways = {
        1: ([1, 2, 2, 3, 1], WALK),
        2: ([4, 5, 6, 7, 5], WALK),
        3: ([12, 8, 9, 11], WALK),
        4: ([8, 10, 9], WALK),
    }
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, ways), island_share=0)
    loops = network.edge_u == network.edge_v
    assert loops.sum() == 2  # the ring, and the head of the lollipop
    assert network.n_edges == 7  # ring; stick and loop; 12-8, 8-9 twice, 9-11
    sides = np.flatnonzero(~loops & (network.edge_length > 1))
    pairs = [frozenset((network.edge_u[e], network.edge_v[e])) for e in sides]
    assert len(pairs) - len(set(pairs)) == 1  # one pair of junctions is linked twice


def test_a_cut_way_breaks_at_the_missing_node(tmp_path):
    """Way 1-2-3-4-5 without node 3: two pieces 1-2 and 4-5, segments numbered as in the way."""
    x = [metres_east(100 * i) for i in range(6)]
    nodes = {i: (x[i], 0) for i in (1, 2, 4, 5)}
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, {1: ([1, 2, 3, 4, 5], WALK)}))
    assert network.length == pytest.approx(200, abs=0.02)
    assert sorted(network.vertex_segment[network.vertex_segment >= 0]) == [0, 3]


def test_lengths_are_ellipsoidal(tmp_path):
    """One degree of latitude at the equator is 110,574 m on WGS-84 (a sphere says 111,195)."""
    path = write_osm(tmp_path / "t.osm", {1: (0, 0), 2: (0, 1)}, {1: ([1, 2], WALK)})
    assert read_osm(path).length == pytest.approx(110_574.39, abs=0.1)


def test_islands_are_those_below_the_share(tmp_path):
    """Components of 10 km, 150 m and 50 m; at 1 % only the 50 m are an island."""
    nodes = {
        1: (0, 0), 2: (metres_east(10_000), 0),
        3: (0, 0.01), 4: (metres_east(150), 0.01),
        5: (0, 0.02), 6: (metres_east(50), 0.02),
    }  # fmt: skip
    ways = {1: ([1, 2], WALK), 2: ([3, 4], WALK), 3: ([5, 6], WALK)}
    path = write_osm(tmp_path / "t.osm", nodes, ways)
    network = read_osm(path)
    assert (network.islands, round(network.island_metres)) == (1, 50)
    assert read_osm(path, island_share=0.02).islands == 2
    assert read_osm(path, island_share=0).islands == 0


def test_the_date_comes_from_the_header(porto):
    assert read_osm(porto).date == "2015-06-06T00:23:02Z"


def test_chinese_names_and_tags_are_kept():
    network = read_osm(shared_file("data/beijing_campus.osm"))
    assert any("路" in name for name in network.ways["name"])
    assert set(network.vertex_way[network.vertex_way > 0]) <= set(network.ways.index)


# --- damaged and wrong files ----------------------------------------------------------------------


def test_missing_empty_and_wrong_files_say_so(tmp_path, porto):
    with pytest.raises(NetworkError, match="no such OSM file"):
        read_osm(tmp_path / "nowhere.osm.pbf")
    empty = tmp_path / "empty.osm.pbf"
    empty.touch()
    with pytest.raises(NetworkError, match="0 bytes"):
        read_osm(empty)
    short = tmp_path / "short.osm.pbf"
    short.write_bytes(porto.read_bytes()[:1_000_000])
    with pytest.raises(NetworkError, match="download it again"):
        read_osm(short)
    (tmp_path / "city.shp").write_text("x")
    with pytest.raises(NetworkError, match="not an OSM file"):
        read_osm(tmp_path / "city.shp")
    (tmp_path / "text.osm").write_text("no xml")
    with pytest.raises(NetworkError, match="cannot be read"):
        read_osm(tmp_path / "text.osm")


def test_nothing_to_walk_on_says_so(tmp_path):
    path = line_town(tmp_path / "t.osm", [300], highway="motorway")
    with pytest.raises(NetworkError, match="no walkable way"):
        read_osm(path)


def test_a_file_of_ways_without_nodes_says_so(tmp_path):
    with osmium.SimpleWriter(str(tmp_path / "t.osm.pbf")) as writer:
        writer.add_way(osmium.osm.mutable.Way(id=1, nodes=[1, 2], tags=WALK, version=1))
    with pytest.raises(NetworkError, match="osmium sort"):
        read_osm(tmp_path / "t.osm.pbf")


def test_graphs_that_cannot_be_used_say_so():
    graph = nx.MultiDiGraph(crs="EPSG:32649")
    graph.add_edge(1, 2)
    with pytest.raises(NetworkError, match="projected"):
        network_from_graph(graph)
    graph.graph["crs"] = "EPSG:4326"
    with pytest.raises(NetworkError, match="needs x"):
        network_from_graph(graph)
    with pytest.raises(NetworkError, match="no walkable way"):
        network_from_graph(nx.MultiDiGraph(crs="EPSG:4326"))
