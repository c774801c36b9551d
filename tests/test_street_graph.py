"""Street graphs and GraphML: OSMnx's own loader and OSM files as judges; odd and hostile graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import osmnx
import pytest
import shapely
from pyproj import Geod

from servicecircle.errors import NetworkError
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import read_osm
from servicecircle.streets.street_graph import network_from_graph, read_graphml
from towns import WALK, write_osm

GEOD = Geod(ellps="WGS84")


def same_network(a: WalkNetwork, b: WalkNetwork) -> None:
    assert np.array_equal(a.junction_id, b.junction_id)
    assert np.array_equal(a.vertex_id, b.vertex_id)
    assert np.array_equal(a.vertex_way, b.vertex_way)
    assert np.array_equal(a.edge_length, b.edge_length)
    assert np.array_equal(a.signal_nodes, b.signal_nodes)
    assert a.ways.equals(b.ways)
    assert a.notes == b.notes


def said(network: WalkNetwork, word: str) -> bool:
    return any(word in en for _, en in network.notes)


def town(tmp_path):
    """A block with a bent street, a loop, a cul-de-sac, two names and a traffic light."""
    nodes = {
        1: (114.30, 30.5), 2: (114.31, 30.5), 3: (114.31, 30.51), 4: (114.30, 30.51),
        5: (114.305, 30.503), 6: (114.32, 30.5), 7: (114.32, 30.502), 8: (114.322, 30.5),
    }  # fmt: skip
    ways = {
        11: ([1, 2], {**WALK, "name": "中山路"}),
        12: ([2, 3, 4, 1], {"highway": "footway"}),
        13: ([1, 5, 3], {"highway": "path", "name": "江边步道"}),
        14: ([2, 6], WALK),
        15: ([6, 7, 8, 6], {"highway": "service"}),
    }
    return write_osm(tmp_path / "小镇.osm", nodes, ways)


@pytest.fixture
def graph(tmp_path):
    return osmnx.graph_from_xml(town(tmp_path), bidirectional=True, simplify=True, retain_all=True)


def test_a_saved_graph_reads_back_as_the_same_network(graph, tmp_path):
    path = tmp_path / "街道图.graphml"
    osmnx.save_graphml(graph, path)
    ours = read_graphml(path)
    same_network(ours, network_from_graph(graph))
    same_network(ours, network_from_graph(osmnx.load_graphml(path)))
    assert ours.source == str(path)
    assert ours.length == pytest.approx(read_osm(tmp_path / "小镇.osm").length, abs=1e-6)
    assert ours.ways.loc[13, "name"] == "江边步道"
    osmnx.save_graphml(graph, path, gephi=True, encoding="utf-16")
    assert read_graphml(path).length == pytest.approx(ours.length, abs=1e-9)


def test_a_graph_saved_by_networkx_will_do(graph, tmp_path):
    plain = nx.MultiDiGraph(crs="EPSG:4326")
    plain.add_nodes_from((n, {"x": d["x"], "y": d["y"]}) for n, d in graph.nodes(data=True))
    plain.add_edges_from(
        (u, v, {"geometry": d["geometry"].wkt if "geometry" in d else f"LINESTRING ({at(graph, u)}"
                f", {at(graph, v)})", "osmid": str(d["osmid"])})
        for u, v, d in graph.edges(data=True)
    )  # fmt: skip
    path = tmp_path / "g.graphml"
    nx.write_graphml(plain, path)  # typed numbers, which OSMnx's loader cannot read
    assert read_graphml(path).length == pytest.approx(network_from_graph(graph).length, abs=1e-9)


def at(graph, node) -> str:
    return f"{graph.nodes[node]['x']} {graph.nodes[node]['y']}"


def test_what_osmnx_drops_is_said(graph, tmp_path):
    network = network_from_graph(graph)
    assert said(network, "no walking directions") and said(network, "simplified by OSMnx")
    assert not said(network, "for cars")
    whole = osmnx.graph_from_xml(tmp_path / "小镇.osm", bidirectional=True, simplify=False)
    assert not said(network_from_graph(whole), "simplified by OSMnx")
    roads = nx.MultiDiGraph(graph)
    roads.remove_edges_from(
        [e for *e, kind in graph.edges(keys=True, data="highway") if kind in ("footway", "path")]
    )
    assert said(network_from_graph(roads), "for cars")


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
@pytest.mark.parametrize("name", [str, lambda n: f"n{n}", lambda n: (n, "a"), lambda n: -n, float])
def test_any_networkx_graph_with_places_will_do(kind, name):
    """Whatever the nodes are called: a square with a bent side, drawn against the edge."""
    square = {1: (0, 0), 2: (0.01, 0), 3: (0.01, 0.01), 4: (0, 0.01)}
    graph = kind()
    graph.add_nodes_from((name(n), {"x": x, "y": str(y)}) for n, (x, y) in square.items())
    bend = shapely.LineString([square[2], (0.005, -0.004), square[1]])
    graph.add_edge(name(1), name(2), geometry=bend)
    for u, v in ((2, 3), (3, 4), (4, 1), (1, 3)):
        graph.add_edge(name(u), name(v))
    network = network_from_graph(graph)
    lines = [bend.coords, *([square[u], square[v]] for u, v in ((2, 3), (3, 4), (4, 1), (1, 3)))]
    metres = sum(GEOD.line_length(*np.array(line).T) for line in lines)
    assert network.length == pytest.approx(metres, abs=1e-6)
    assert (network.n_junctions, network.n_edges) == (2, 3)
    assert len(network.ways) == 5  # numbered, where there is no osmid
    assert said(network, "one edge between two nodes") != graph.is_multigraph()
    if name(2) == "2" or name(2) == -2:
        assert set(network.junction_id) == {int(name(1)), int(name(3))}


def test_nodes_that_share_a_place_are_not_joined():
    graph = nx.MultiGraph()
    for n, x in enumerate((0.0, 0.01, 0.01, 0.02, 0.0, 0.01)):
        graph.add_node(n, x=x, y=0.0)
    graph.add_edges_from([(0, 1), (2, 3), (4, 5)], osmid=7)
    network = network_from_graph(graph)
    assert network.n_edges == 3  # also the two with the same way and places


def test_loops_and_parallel_edges():
    graph = nx.MultiDiGraph()
    graph.add_node(1, x=0.0, y=0.0)
    graph.add_node(2, x=0.01, y=0.0, highway="traffic_signals")
    ring = shapely.LineString([(0, 0), (-0.01, 0), (-0.01, 0.01), (0, 0)])
    bow = shapely.LineString([(0, 0), (0.005, 0.003), (0.01, 0)])
    graph.add_edge(1, 1, osmid=5)  # a loop without a shape has no length
    graph.add_edge(1, 1, osmid=[9, 6], geometry=ring)
    graph.add_edge(1, 1, osmid=[6, 9], geometry=shapely.reverse(ring))  # the same, the other way
    graph.add_edge(1, 2, osmid="way/3")
    graph.add_edge(1, 2, osmid=8, geometry=bow)
    graph.add_edge(2, 1, osmid=8, geometry=shapely.reverse(bow))
    network = network_from_graph(graph)
    lines = [ring.coords, bow.coords, [(0, 0), (0.01, 0)]]
    metres = sum(GEOD.line_length(*np.array(line).T) for line in lines)
    assert network.length == pytest.approx(metres, abs=1e-6)
    assert network.n_edges == 2  # the ring; the bow and the straight way make another
    assert sorted(network.ways.index) == [6, 8, 9]  # a nameless edge comes after the largest id
    assert said(network, "1 edges lead from a node to itself")
    assert network.signal_nodes.tolist() == [2]


def test_graphs_that_cannot_be_used_say_so():
    def fails(match: str, **change) -> None:
        graph = nx.MultiDiGraph(crs=change.pop("crs", "EPSG:4326"))
        graph.add_node(1, x=114.3, y=30.5)
        graph.add_node(2, x=114.31, y=30.5)
        graph.nodes[2].update(change.pop("node", {}))
        graph.add_edge(1, 2, **change)
        with pytest.raises(NetworkError, match=match):
            network_from_graph(graph)

    fails("projected", crs="EPSG:32650")
    fails("node 2 of .* has no coordinates", node={"x": None})
    fails("node 2 of .* has no coordinates", node={"y": "north"})
    fails("not in degrees", node={"x": 500000.0})
    fails("not in degrees", node={"x": float("nan")})
    fails("no LineString", geometry=shapely.Point(1, 2))
    fails("no LineString", geometry="LINESTRING (1")
    fails("geometry that is not in degrees",
          geometry=shapely.LineString([(114.3, 30.5), (5e5, 1e6), (114.31, 30.5)]))  # fmt: skip


def test_files_that_are_no_graphs_say_so(graph, tmp_path):
    path = tmp_path / "坏.graphml"
    with pytest.raises(NetworkError, match="no such GraphML"):
        read_graphml(path)
    osmnx.save_graphml(graph, path)
    text = path.read_text(encoding="utf-8")
    node = text.index("<node id=")
    for bad in (
        "",
        "words",
        "<html></html>",
        text[: len(text) // 2],
        text.replace("graphml.graphdrawing.org", "example.org"),
        text[:node] + "<hyperedge/>" + text[node:],
        text.replace("30.5", "north"),
    ):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(NetworkError) as caught:
            read_graphml(path)
        assert caught.value.zh and caught.value.en


def test_entities_are_refused_before_they_expand(tmp_path):
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    path = tmp_path / "bomb.graphml"
    path.write_text(f'<!DOCTYPE g [<!ENTITY e0 "x">{levels}]><graphml>&e11;</graphml>')
    with pytest.raises(NetworkError, match="DOCTYPE"):
        read_graphml(path)
