"""Line layers: networkx on the layer's own ends as judge, crossings by exact fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from shapely.geometry import LineString, MultiLineString, Point, Polygon

from conftest import shared_file
from judge import osmnx_walk_rules
from servicecircle.errors import InputError, NetworkError
from servicecircle.reach import travel_times
from servicecircle.snapping import Streets, snap
from servicecircle.streets import unnoded
from servicecircle.streets.line_layer import network_from_lines, read_lines
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import read_osm
from servicecircle.streets.unnoded import find_unnoded

GEOD = Geod(ellps="WGS84")
UTM = "EPSG:32650"
EAST, NORTH = 500_000.0, 3_400_000.0  # a place near Wuhan, in UTM


def there(line) -> LineString:
    return LineString([(EAST + x, NORTH + y) for x, y, *_ in line])


def layer(*lines, crs=UTM, **columns) -> gpd.GeoDataFrame:
    """Lines by metres east and north of a place."""
    shapes = [there(line) if isinstance(line, list) else line for line in lines]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=crs)


def said(network: WalkNetwork, word: str) -> str:
    """The one note (English) with a word in it."""
    (note,) = [en for _, en in network.notes if word in en]
    return note


# --- the judge: one networkx edge per line, ends rounded to the millimetre ------------------------


def judged(lines: gpd.GeoDataFrame) -> nx.MultiGraph:
    to_degrees = Transformer.from_crs(lines.crs, 4326, always_xy=True)
    graph = nx.MultiGraph()
    for line in lines.geometry:
        vertices = [(p[0], p[1]) for p in line.coords]
        metres = GEOD.line_length(*to_degrees.transform(*np.array(vertices).T))
        u, v = ((round(x, 3), round(y, 3)) for x, y in (vertices[0], vertices[-1]))
        if metres > 0:
            graph.add_edge(u, v, m=metres)
    return graph


def junction_of(network: WalkNetwork, crs) -> dict[tuple[float, float], int]:
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(
        network.junction_lng, network.junction_lat
    )
    return {(round(a, 3), round(b, 3)): i for i, (a, b) in enumerate(zip(x, y, strict=True))}


def same_distances(network: WalkNetwork, graph: nx.MultiGraph, crs, sources: int) -> int:
    """Compare distances between junctions; return how many were compared."""
    number = junction_of(network, crs)
    ours = nx.MultiGraph()
    ours.add_nodes_from(range(network.n_junctions))
    for u, v, m in zip(network.edge_u, network.edge_v, network.edge_length, strict=True):
        ours.add_edge(int(u), int(v), m=float(m))
    compared = 0
    picked = np.random.default_rng(7).permutation(sorted(set(number) & set(graph)))[:sources]
    for start in map(tuple, picked):
        theirs = nx.single_source_dijkstra_path_length(graph, start, weight="m")
        mine = nx.single_source_dijkstra_path_length(ours, number[start], weight="m")
        reached = {number[n]: d for n, d in theirs.items() if n in number}
        assert set(mine) == set(reached)
        assert all(abs(mine[i] - d) < 1e-3 for i, d in reached.items())
        compared += len(reached)
    return compared


def test_wuhan_is_as_long_and_as_far_as_networkx_says():
    path = shared_file("data/wuhan_streets.parquet")
    network = read_lines(path)
    table = gpd.read_parquet(path)
    (refused,) = [rule for key, rule in osmnx_walk_rules() if key == "highway" and rule is not None]
    walkable = table[[refused.search(kind) is None for kind in table["highway"]]]
    once = ~pd.Series(
        [min(tuple(g.coords), tuple(g.coords)[::-1]) for g in walkable.geometry]
    ).duplicated()
    graph = judged(walkable[once.to_numpy()])
    assert len(graph.edges) > 80_000
    assert network.length == pytest.approx(sum(m for *_, m in graph.edges(data="m")), abs=1e-3)
    assert network.lost_m == network.gained_m == 0
    metres = [graph.subgraph(part).size("m") for part in nx.connected_components(graph)]
    assert network.islands == sum(m < 0.01 * max(metres) for m in metres)
    assert same_distances(network, graph, table.crs, 3) > 10_000
    assert "crossings have no common end" in said(network, "crossings")
    assert "Gaode" in said(network, "Gaode")


def test_a_grid_of_lines_that_end_at_every_crossing_is_a_grid():
    n = 6
    h = [[(i * 100, j * 80), (i * 100 + 100, j * 80)] for i in range(n) for j in range(n + 1)]
    v = [[(i * 100, j * 80), (i * 100 + 7, j * 80 + 40), (i * 100, j * 80 + 80)]
         for i in range(n + 1) for j in range(n)]  # fmt: skip
    streets = layer(*h, *v)
    network = network_from_lines(streets)
    graph = judged(streets)
    assert network.n_junctions == (n + 1) ** 2 - 4  # the corners are no junctions
    assert same_distances(network, graph, UTM, 9) == 9 * network.n_junctions
    assert "no unnoded crossing" in said(network, "joined only")
    assert "no highway column" in said(network, "highway column")


@st.composite
def tangles(draw):
    """Lines over a lattice: shared ends, rings, repetitions, crossings."""
    spot = st.tuples(st.integers(0, 4), st.integers(0, 4))
    lines = draw(st.lists(st.lists(spot, min_size=2, max_size=4), min_size=1, max_size=9))
    return [[(x * 60.0, y * 60.0) for x, y in line] for line in lines]


@settings(deadline=None, max_examples=80)
@given(tangles())
def test_random_lines_are_as_far_apart_as_networkx_says(tangle):
    streets = layer(*tangle)
    drawn = {min(tuple(line), tuple(line[::-1])): i for i, line in enumerate(tangle)}
    graph = judged(streets.iloc[sorted(drawn.values())])
    if not graph:
        with pytest.raises(NetworkError, match="no usable line"):
            network_from_lines(streets)
        return
    network = network_from_lines(streets)
    metres = sum(m for *_, m in graph.edges(data="m"))
    assert network.length == pytest.approx(metres, abs=1e-6)
    same_distances(network, graph, UTM, 4)


# --- joining --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "joined"), [(0.0004, True), (0.002, False), (0.0, True)])
def test_ends_join_when_they_agree_to_the_millimetre(apart, joined):
    network = network_from_lines(layer([(0, 0), (100, 0)], [(100 + apart, 0), (200, 0)]))
    assert network.n_edges == (1 if joined else 2)


def test_inner_vertices_join_nothing():
    streets = layer([(0, 0), (100, 0), (200, 0)], [(100, 0), (100, 90)], [(0, 5), (0, 0)])
    network = network_from_lines(streets)
    assert network.n_edges == 2
    note = said(network, "joined only")
    assert "1 line ends lie on another line, and 0 crossings" in note
    lng, lat = Transformer.from_crs(UTM, 4326, always_xy=True).transform(EAST + 100, NORTH)
    assert f"({lng:.6f}, {lat:.6f})" in note


def test_lines_on_other_levels_are_no_mistakes():
    cross = [(0, 0), (100, 0)], [(50, -50), (50, 50)]
    for columns in ({"bridge": ["yes", None]}, {"tunnel": ["no", "yes"]}, {"layer": [None, 1.0]}):
        assert "no unnoded" in said(network_from_lines(layer(*cross, **columns)), "joined only")
    for columns in ({"bridge": ["no", None]}, {"layer": ["0", None]}, {"layer": [2, 2]}):
        assert "1 crossings" in said(network_from_lines(layer(*cross, **columns)), "joined only")


def test_rings_copies_multi_lines_and_heights():
    ring = [(0, 0), (50, 0), (50, 50), (0, 0)]
    both = MultiLineString([there([(0, 0), (-70, 0)]), there([(-70, 0), (-70, 9)])])
    high = LineString([(EAST - 70, NORTH + 9, 50.0), (EAST - 90, NORTH + 9, 80.0)])
    network = network_from_lines(layer(ring, ring[::-1], both, high, [(1, 1), (1, 1)]))
    plane = 100 + np.hypot(50, 50) + 70 + 9 + 20
    assert network.length == pytest.approx(plane, rel=5e-4)  # the scale of UTM is 0.9996
    assert network.n_edges == 2 and network.islands == 0
    note = said(network, "left out")
    assert "1 of no length, 1 repeat another line" in note
    assert sorted(network.ways.index) == [1, 3, 4]
    along = network.vertex_way == 3
    assert sorted(network.vertex_segment[along]) == [0, 1]  # one way, numbered on


def test_what_is_no_line_is_counted():
    box = Polygon([(EAST, NORTH), (EAST + 1, NORTH), (EAST, NORTH + 1)])
    nan = LineString([(EAST, NORTH), (np.nan, NORTH)])
    streets = layer([(0, 0), (9, 0)], None, LineString(), Point(EAST, NORTH), box, nan)
    note = said(network_from_lines(streets), "left out")
    assert "2 without a geometry, 2 are points or polygons, 1 with coordinates" in note


# --- tags -----------------------------------------------------------------------------------------


def row_of_lines(n: int) -> list[list[tuple[float, float]]]:
    return [[(i * 100, 0), (i * 100 + 100, 0)] for i in range(n)]


@pytest.mark.parametrize(
    "kinds",
    [
        ["['residential', 'footway']", "['motorway', 'primary']", "steps"],
        [["residential", "footway"], ["motorway", "primary"], ["steps"]],
        [np.array(["residential", "footway"]), np.array(["motorway", "primary"]), "steps"],
        ["['residential' 'footway']", '["motorway", "primary"]', "steps"],
    ],
)
def test_a_street_of_several_kinds_is_as_walkable_as_its_worst_part(kinds):
    network = network_from_lines(layer(*row_of_lines(3), highway=pd.Series(kinds, dtype=object)))
    assert network.ways["highway"].to_dict() == {1: "residential;footway", 3: "steps"}
    assert "1 not walkable (filter osmnx)" in said(network, "left out")


def test_filters_directions_and_length_gained_and_lost():
    streets = layer(
        *row_of_lines(4),
        highway=["cycleway", "residential", "trunk", "footway"],
        foot=["yes", None, None, None],
        oneway_foo=[None, "yes", None, "-1"],  # as a Shapefile cuts oneway:foot
        name=["东湖绿道", None, "二环线", None],
    )
    plain = network_from_lines(streets)
    assert sorted(plain.ways.index) == [2, 3, 4] and plain.gained_m == plain.lost_m == 0
    china = network_from_lines(streets, walk_filter="china")
    assert sorted(china.ways.index) == [1, 2, 4]
    one = GEOD.line_length(*plain_degrees(streets, 0))
    two = GEOD.line_length(*plain_degrees(streets, 2))
    assert china.gained_m == pytest.approx(one, abs=1e-6)
    assert china.lost_m == pytest.approx(two, abs=1e-6)
    way = plain.vertex_way[plain.vertex_start[:-1]]
    free = {int(w): (f, b) for w, f, b in zip(way, plain.edge_forward, plain.edge_backward,
                                              strict=True)}  # fmt: skip
    assert free == {2: (True, False), 3: (True, True), 4: (False, True)}


def plain_degrees(streets, i):
    line = shapely.get_coordinates(streets.geometry.iloc[i])
    return Transformer.from_crs(streets.crs, 4326, always_xy=True).transform(*line.T)


def test_copies_may_be_walked_as_any_of_them():
    line = [(0, 0), (100, 0)]
    for second, ways in ((line[::-1], (True, True)), (line, (True, False))):
        streets = layer(line, second, highway=["path"] * 2, **{"oneway:foot": ["yes"] * 2})
        network = network_from_lines(streets)
        assert network.n_edges == 1
        ours = network.edge_forward[0], network.edge_backward[0]
        if network.junction_lng[network.edge_u[0]] > network.junction_lng[network.edge_v[0]]:
            ours = ours[::-1]
        assert ours == ways


def test_columns_of_geofabrik_and_of_gdal():
    streets = layer(*row_of_lines(2), fclass=["footway", "motorway"], osm_id=["77", "78"],
                    bridge=["T", "F"])  # fmt: skip
    network = network_from_lines(streets)
    assert network.ways.loc[77, ["highway", "bridge"]].tolist() == ["footway", "yes"]
    assert len(network.ways) == 1
    streets = layer(
        *row_of_lines(3),
        highway=["path", "path", None],
        other_tags=['"foot"=>"no","a\\"b"=>"c"', '"surface"=>"gravel"', None],
    )
    network = network_from_lines(streets)
    assert network.ways["surface"].to_dict() == {2: "gravel"}


@pytest.mark.parametrize(
    ("ids", "ways"),
    [
        ([8, 9], [8, 9]),
        (["8", "[9, 4]"], [4, 8]),
        ([8.0, [12, 9]], [8, 9]),
        ([8, None], [1, 2]),
        (["w8", "w9"], [1, 2]),
        ([-8, 9], [1, 2]),
        ([2**70, 9], [1, 2]),
    ],
)
def test_way_ids_where_all_are_whole_numbers(ids, ways):
    streets = layer(*row_of_lines(2), osmid=pd.Series(ids, dtype=object))
    assert sorted(network_from_lines(streets).ways.index) == ways


def test_a_network_for_cars_is_said():
    assert "for cars" in said(network_from_lines(layer(*row_of_lines(2), highway=["primary"] * 2)),
                              "cars")  # fmt: skip
    kinds = ["primary", "['primary', 'footway']"]
    notes = network_from_lines(layer(*row_of_lines(2), highway=kinds)).notes
    assert not [en for _, en in notes if "cars" in en]


# --- crossings: judged by exact fractions ---------------------------------------------------------


def on(p, a, b) -> bool:
    """Whether p lies on the straight bit a–b."""
    cross = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    inside = min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(
        a[1], b[1]
    )
    return cross == 0 and inside


def meeting(a, b, c, d):
    """The one common point of two straight bits, None, or "many"."""
    r, s = (b[0] - a[0], b[1] - a[1]), (d[0] - c[0], d[1] - c[1])
    det = r[0] * s[1] - r[1] * s[0]
    if det == 0:
        shared = {p for p in (a, b) if on(p, c, d)} | {p for p in (c, d) if on(p, a, b)}
        return None if not shared else (shared.pop() if len(shared) == 1 else "many")
    t = Fraction((c[0] - a[0]) * s[1] - (c[1] - a[1]) * s[0], det)
    u = Fraction((c[0] - a[0]) * r[1] - (c[1] - a[1]) * r[0], det)
    return (a[0] + t * r[0], a[1] + t * r[1]) if 0 <= t <= 1 and 0 <= u <= 1 else None


def by_fractions(lines, levels):
    """(ends on other lines, crossings) as sets of places; None where lines lie upon each other."""
    at_ends, crossings = set(), set()
    for (one, i), (other, j) in itertools.permutations(zip(lines, levels, strict=True), 2):
        if i != j:
            continue
        for end in (one[0], one[-1]):
            if end not in (other[0], other[-1]) and any(
                on(end, *bit) for bit in itertools.pairwise(other)
            ):
                at_ends.add(end)
        for bit, bob in itertools.product(itertools.pairwise(one), itertools.pairwise(other)):
            place = meeting(*bit, *bob)
            if place == "many":
                return None
            if place is not None and place not in (one[0], one[-1], other[0], other[-1]):
                crossings.add(place)
    return at_ends, crossings


@st.composite
def levelled(draw):
    spot = st.tuples(st.integers(0, 9), st.integers(0, 9))
    line = st.lists(spot, min_size=2, max_size=3).filter(
        lambda line: all(a != b for a, b in itertools.pairwise(line))
    )
    lines = draw(st.lists(line, min_size=1, max_size=8))
    return lines, [draw(st.integers(0, 1)) for _ in lines]


@settings(deadline=None, max_examples=300)
@given(levelled())
def test_unnoded_crossings_are_those_of_exact_arithmetic(drawn):
    lines, level = drawn
    truth = by_fractions(lines, level)
    ends = [end for line in lines for end in (line[0], line[-1])]
    places = sorted(set(ends))
    number = np.array([places.index(end) for end in ends]).reshape(-1, 2)
    shapes = np.array([LineString(line) for line in lines])
    found = find_unnoded(shapes, number, np.array(places, float), np.array(level), 1e-6)
    assert found.complete
    if truth is None:
        return
    for ours, theirs in zip((found.at_ends, found.at_crossings), truth, strict=True):
        assert {(round(x, 5), round(y, 5)) for x, y in ours} == {
            (round(float(x), 5), round(float(y), 5)) for x, y in theirs
        }
        assert len(ours) == len(theirs)


def test_lines_upon_each_other_count_once():
    streets = layer([(0, 0), (100, 0)], [(20, 0), (50, 0), (80, 0)])
    note = said(network_from_lines(streets), "joined only")
    assert "2 line ends lie on another line, and 1 crossings" in note


def test_counting_ends_where_there_are_too_many(monkeypatch):
    streets = layer(
        *([(i, -9), (i, 99)] for i in range(20)), *([(-9, i), (99, i)] for i in range(20))
    )
    assert "and 400 crossings" in said(network_from_lines(streets), "joined only")
    monkeypatch.setattr(unnoded, "MAX_PLACES", 50)
    monkeypatch.setattr(unnoded, "_BLOCK", 5)
    assert "and 100 or more crossings" in said(network_from_lines(streets), "joined only")


# --- round trip -----------------------------------------------------------------------------------


def exported(network: WalkNetwork) -> gpd.GeoDataFrame:
    """A network's edges as a layer, with the tags of their first ways."""
    bounds = itertools.pairwise(network.vertex_start)
    xy = np.column_stack([network.vertex_lng, network.vertex_lat])
    lines = [LineString(xy[a:b]) for a, b in bounds]
    way = network.vertex_way[network.vertex_start[:-1]]
    tags = network.ways.loc[way].reset_index().rename(columns={"way": "osmid"})
    tags["oneway:foot"] = np.select(
        [~network.edge_backward, ~network.edge_forward], ["yes", "-1"], default=""
    )
    return gpd.GeoDataFrame(tags, geometry=lines, crs=4326)


@pytest.mark.parametrize("suffix", ["gpkg", "parquet", "fgb", "geojson", "shp"])
def test_an_osm_city_exported_and_read_back_has_the_same_times(helsinki, tmp_path, suffix):
    ours = read_osm(helsinki)
    path = tmp_path / f"街道 网络.{suffix}"
    table = exported(ours)
    if suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_file(path)
    theirs = read_lines(path)
    copy = pd.Series([min(g.coords[:], g.coords[::-1]) for g in table.geometry]).duplicated()
    once = ours.length - ours.edge_length[copy.to_numpy()].sum()  # a way may be mapped twice
    assert theirs.length == pytest.approx(once, abs=0.01)
    assert theirs.islands == ours.islands
    rng = np.random.default_rng(3)
    west, south, east, north = ours.bounds
    points = np.column_stack([rng.uniform(west, east, 150), rng.uniform(south, north, 150)])
    a, b = (walked(network, points) for network in (ours, theirs))
    assert (np.isfinite(a) == np.isfinite(b)).all() and np.isfinite(a).sum() > 1000
    near = np.isfinite(a)
    assert np.abs(a[near] - b[near]).max() * 4000 / 60 < 0.01  # metres


def walked(network: WalkNetwork, points: np.ndarray) -> np.ndarray:
    """Dense minutes between points, inf where there is none within 15."""
    streets = Streets(network)
    feet = snap(streets, *points.T)
    reached = travel_times(network, feet, feet, cutoff=15)
    dense = np.full((len(points), len(points)), np.inf)
    dense[reached.rows, reached.indices] = reached.minutes
    return dense


# --- files and layers that cannot be used ---------------------------------------------------------


def refused(match: str, streets, **how) -> None:
    with pytest.raises(NetworkError, match=match):
        network_from_lines(streets, **how)


def test_layers_that_cannot_be_used_say_how_to_mend_it():
    line = [(0, 0), (100, 0)]
    refused("no usable line in the layer. Use", layer())
    refused("2 are points or polygons", layer(Point(EAST, NORTH), Point(EAST, NORTH)))
    refused("no usable line", layer(line, crs=UTM).iloc[:0])
    refused("none of 1 lines is walkable.*motorway", layer(line, highway=["motorway"]))
    refused("no CRS", layer(line, crs=None))
    refused("geometry column", pd.DataFrame({"highway": ["path"]}))
    refused("geometry column", gpd.GeoDataFrame({"highway": ["path"]}))
    refused("does not lead to longitude", layer(line, crs='LOCAL_CS["x",UNIT["metre",1]]'))
    refused("does not lead to longitude", layer(line, crs="EPSG:4978"))  # geocentric


def test_coordinates_that_do_not_fit_the_crs_say_so():
    degrees = LineString([(114.3, 30.5), (114.31, 30.5)])
    swapped = LineString([(30.5, 114.3), (30.5, 114.31)])
    urumqi = LineString([(43.8, 87.6), (43.8, 87.61)])  # lat before lng, yet within ±90
    far = LineString([(1e300, 1e300), (1e12, 0)])
    refused("look like degrees", layer(degrees))
    refused("lat before lng", layer(swapped, crs=4326))
    refused("lat before lng", layer(urumqi, crs=4326))
    refused("outside its range.*500000", layer([(0, 0), (9, 0)], crs=4326))
    refused("outside its range", layer(far))
    refused("no usable line.*no numbers", layer(LineString([(np.nan, 0), (np.inf, 1)])))
    network = network_from_lines(layer([(0, 0), (9, 0)], far))
    assert "1 with coordinates" in said(network, "left out")


def test_old_datums_are_said():
    assert "Xian 1980" in said(network_from_lines(layer(
        LineString([(114.3, 30.5), (114.31, 30.5)]), crs=4610)), "Xian")  # fmt: skip


def test_feet_and_degrees_join_within_a_millimetre():
    feet = 2263  # New York, US survey feet
    a = [(984_000.0, 195_000.0), (984_300.0, 195_000.0)]
    for apart, edges in ((0.001, 1), (0.02, 2)):
        b = [(984_300.0 + apart, 195_000.0), (984_500.0, 195_000.0)]
        assert network_from_lines(layer(LineString(a), LineString(b), crs=feet)).n_edges == edges
    for apart, edges in ((3e-9, 1), (3e-8, 2)):
        a, b = [(8.0, 50.0), (8.01, 50.0)], [(8.01 + apart, 50.0), (8.02, 50.0)]
        assert network_from_lines(layer(LineString(a), LineString(b), crs=4326)).n_edges == edges


def test_the_layer_is_not_changed():
    streets = layer([(0, 0), (9, 0)], [(9, 0), (0, 0)], highway=["path", "['path', 'steps']"])
    before = streets.copy(deep=True)
    network_from_lines(streets)
    pd.testing.assert_frame_equal(streets, before)


def test_the_only_layer_of_lines_is_taken(tmp_path):
    path = tmp_path / "武汉 路网.gpkg"
    layer(Point(EAST, NORTH)).to_file(path, layer="公交站")
    with pytest.raises(NetworkError, match=r"no layer of lines.*公交站"):
        read_lines(path)
    layer([(0, 0), (100, 0)]).to_file(path, layer="道路")
    assert read_lines(path).length == pytest.approx(100, rel=1e-3)
    layer([(0, 0), (300, 0)]).to_file(path, layer="规划道路")
    with pytest.raises(NetworkError, match="2 layers of lines: “道路”, “规划道路”"):
        read_lines(path)
    assert read_lines(path, layer="规划道路").length == pytest.approx(300, rel=1e-3)
    with pytest.raises(InputError, match="No sheet or layer “铁路”"):
        read_lines(path, layer="铁路")


def test_files_that_are_no_layers_say_so(tmp_path):
    def fails(match: str) -> None:
        with pytest.raises(InputError, match=match):
            read_lines(path)

    for suffix in ("gpkg", "shp", "parquet", "geojson", "fgb"):
        path = tmp_path / f"路.{suffix}"
        fails("No such file")
        path.write_bytes(b"")
        fails("empty")
        path.write_bytes(b"not a layer at all, just some words" * 20)
        fails("路")
    path = tmp_path / "路网.zip"
    fails("unzip")
    path = tmp_path / "表.parquet"
    pd.DataFrame({"highway": ["path"]}).to_parquet(path)
    fails("no geometry")
    path = tmp_path / "线.shp"
    layer([(0, 0), (100, 0)]).to_file(path)
    path.with_suffix(".prj").unlink()
    fails("needs its .prj")


@pytest.mark.parametrize("suffix", ["gpkg", "parquet", "geojson", "fgb", "shp"])
def test_damaged_files_never_end_in_a_traceback(tmp_path, suffix):
    whole = tmp_path / f"好.{suffix}"
    streets = layer(*row_of_lines(40), highway=["path"] * 40).to_crs(4326)
    streets.to_parquet(whole) if suffix == "parquet" else streets.to_file(whole)
    data = whole.read_bytes()
    rng = np.random.default_rng(5)
    outcomes = set()
    for i in range(60):
        bad = bytearray(data[: rng.integers(len(data))] if i % 2 else data)
        for at in rng.integers(0, max(1, len(bad)), 1 + i % 7):
            bad[at : at + 1] = rng.bytes(1)
        path = tmp_path / f"坏{i}.{suffix}"
        path.write_bytes(bad)
        for beside in (".shx", ".dbf", ".prj"):
            if suffix == "shp":
                path.with_suffix(beside).write_bytes(whole.with_suffix(beside).read_bytes())
        try:
            read_lines(path)
            outcomes.add("read")
        except InputError as error:
            outcomes.add("refused")
            assert "\n" in str(error)
    assert "refused" in outcomes
