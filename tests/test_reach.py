"""Walking times: towns solved by hand, and networkx on the split, uncontracted graph as judge."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import osmium
import osmnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge import Judge
from servicecircle.reach import travel_times
from servicecircle.snapping import Streets, snap
from servicecircle.streets.osm_file import read_osm
from servicecircle.streets.street_graph import network_from_graph
from servicecircle.streets.walk_filter import OSMNX
from towns import WALK, line_town, metres_east, write_osm

METRES_PER_MINUTE = 4000 / 60


def walks(network, demand, sites, **options):
    """Travel times between two lists of (lng, lat)."""
    streets = Streets(network)
    d, s = (snap(streets, *np.array(points, float).reshape(-1, 2).T) for points in (demand, sites))
    return travel_times(network, d, s, **options)


def dense(times):
    """Minutes as a full matrix, inf where absent."""
    out = np.full((times.n_demand, times.n_sites), np.inf)
    out[times.rows, times.indices] = times.minutes
    return out


# --- towns solved by hand -------------------------------------------------------------------------


def test_one_street_by_hand(tmp_path):
    """A(0) -- B(300 m) -- C(1000 m); demand at A, site at C: 1000 m = 15 min at 4 km/h."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    assert network.n_edges == 1 and network.n_junctions == 2  # B is contracted
    assert network.edge_length[0] == pytest.approx(1000, abs=0.02)  # OSM keeps 7 decimals
    times = walks(network, [(0, 0)], [(metres_east(1000), 0)])
    assert times.minutes == pytest.approx([15.0], abs=1e-3)


def test_both_legs_count(tmp_path):
    """Demand 40 m north of A, site 60 m south of C: 1000 + 100 m = 16.5 min."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    north = 40 / 110_574.2757
    times = walks(network, [(0, north)], [(metres_east(1000), -60 / 110_574.2757)])
    assert times.minutes == pytest.approx([16.5], abs=1e-3)


def test_same_edge_goes_directly_along_it(tmp_path):
    """Both on one edge, at 400 and 500 m: 100 m, not 400 + 500 or 600 + 500 by the ends."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    times = walks(network, [(metres_east(400), 0)], [(metres_east(500), 0)])
    assert times.minutes * METRES_PER_MINUTE == pytest.approx([100], abs=0.03)


def test_same_edge_may_be_shorter_the_other_way_round(tmp_path):
    """A long detour edge (1 km out, 1 km back) between two junctions 10 m apart.

    Points at 50 m and 1950 m of the detour: around by its ends 50 + 10 + 50 m, not 1900 m.
    """
    ten, far = metres_east(10), 1000 / 110_574.2757
    nodes = {1: (0, 0), 2: (ten, 0), 3: (0, far), 4: (ten, far), 5: (-ten, 0), 6: (2 * ten, 0)}
    ways = {1: ([5, 1, 2, 6], WALK), 2: ([1, 3, 4, 2], WALK)}
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, ways))
    y = 50 / 110_574.2757
    times = walks(network, [(0, y)], [(ten, y)])
    assert times.minutes * METRES_PER_MINUTE == pytest.approx([110], abs=0.05)


def test_zero_minutes_is_a_pair(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    place = (metres_east(300), 0.0)
    times = walks(network, [place], [place])
    assert len(times.minutes) == 1 and times.minutes[0] == pytest.approx(0, abs=1e-9)
    assert times.within(15).nnz == 1


def test_one_way_for_walkers_binds(tmp_path):
    """``oneway:foot=yes`` from A to C: demand at A reaches a site at C, not the other way."""
    path = line_town(tmp_path / "t.osm", [300, 700], **{"oneway:foot": "yes"})
    network = read_osm(path)
    a, c = (0.0, 0.0), (metres_east(1000), 0.0)
    assert len(walks(network, [a], [c]).minutes) == 1
    assert len(walks(network, [c], [a]).minutes) == 0
    middle, further = (metres_east(400), 0.0), (metres_east(500), 0.0)
    assert len(walks(network, [middle], [further]).minutes) == 1
    assert len(walks(network, [further], [middle]).minutes) == 0


@pytest.mark.parametrize(
    ("tags", "there", "back"),
    [
        ({"oneway": "yes"}, 1, 1),
        ({"oneway:foot": "-1"}, 0, 1),
        ({"oneway:foot": "reverse"}, 0, 1),
        ({"oneway:foot": "1"}, 1, 0),
        ({"foot:backward": "no"}, 1, 0),
    ],
)
def test_directions(tmp_path, tags, there, back):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700], **tags))
    a, c = (0.0, 0.0), (metres_east(1000), 0.0)
    assert len(walks(network, [a], [c]).minutes) == there
    assert len(walks(network, [c], [a]).minutes) == back


def test_standard_is_inclusive_and_per_point(tmp_path):
    """Exactly 15 minutes is covered; the standard is one number per demand point."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    end = metres_east(1000)
    times = walks(network, [(0, 0), (0, 0)], [(end, 0)])
    exact = times.minutes[0]
    assert times.within(exact).nnz == 2
    assert times.within(exact - 1e-5).nnz == 0
    assert times.within([exact - 1, exact]).toarray().tolist() == [[False], [True]]
    with pytest.raises(ValueError, match="beyond the cutoff"):
        times.within(31)


def test_nearest_takes_only_open_sites(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    sites = [(metres_east(m), 0) for m in (900, 100, 500)]
    times = walks(network, [(0, 0)], sites)
    assert times.nearest([0, 1, 2])[0].tolist() == [1]
    assert times.nearest([0, 2])[0].tolist() == [2]
    site, minutes = times.nearest([])
    assert site.tolist() == [-1] and np.isinf(minutes[0])


def test_far_points_are_not_snapped(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    far = snap(Streets(network), [0.0, 0.0], [0.004, 0.005])  # 442 m, 553 m
    assert far.found.tolist() == [True, False]
    assert np.isinf(far.gap[1]) and far.edge[1] == -1


def test_tie_goes_to_the_smallest_way(tmp_path):
    """A point midway between two parallel streets belongs to the smaller way id."""
    y, x = 100 / 110_574.2757, metres_east(500)
    nodes = {1: (0, -y), 2: (x, -y), 3: (0, y), 4: (x, y)}
    ways = {77: ([1, 2], WALK), 5: ([3, 4], WALK), 90: ([1, 3], WALK)}
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, ways))
    assert snap(Streets(network), [x / 2], [0.0]).way.tolist() == [5]


def test_a_point_beside_an_island_goes_to_the_street_that_stays(tmp_path):
    """A 20 m footway apart from a 10 km street is an island: counted, and not snapped to."""
    nodes = {1: (0, 0), 2: (metres_east(10_000), 0), 3: (0, 0.001), 4: (metres_east(20), 0.001)}
    ways = {1: ([1, 2], WALK), 2: ([3, 4], {"highway": "footway"})}
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, ways))
    assert network.islands == 1
    assert network.island_metres == pytest.approx(20, abs=0.01)
    assert snap(Streets(network), [0.0], [0.001]).way.tolist() == [1]


# --- the judge ------------------------------------------------------------------------------------


def random_points(network, n, seed, *, spread=0.0008, middle=1.0):
    """Points near streets, (lng, lat) rows, out of the ``middle`` part of the extract's width."""
    rng = np.random.default_rng(seed)
    west, south, east, north = network.bounds
    off_x = np.abs(network.vertex_lng - (west + east) / 2) / (east - west)
    off_y = np.abs(network.vertex_lat - (south + north) / 2) / (north - south)
    at = rng.choice(np.flatnonzero(np.maximum(off_x, off_y) <= middle / 2), n)
    place = np.column_stack([network.vertex_lng[at], network.vertex_lat[at]])
    return place + rng.normal(0, spread, place.shape)


def compare_with_judge(path, *, demand, sites, minutes, seed, middle=1.0):
    network = read_osm(path)
    streets = Streets(network)
    d = random_points(network, demand, seed, middle=middle)
    s = random_points(network, sites, seed + 1, middle=middle)
    snapped_d, snapped_s = snap(streets, *d.T), snap(streets, *s.T)
    times = travel_times(network, snapped_d, snapped_s, cutoff=minutes)
    judge = Judge.read(path)
    assert judge.island_count == network.islands
    keep_d, keep_s = np.flatnonzero(snapped_d.found), np.flatnonzero(snapped_s.found)
    points = {f"d{i}": tuple(d[i]) for i in keep_d} | {f"s{j}": tuple(s[j]) for j in keep_s}
    judge.place(points)
    ours = dense(times) * METRES_PER_MINUTE
    pairs = 0
    for j in keep_s:
        metres = judge.metres_to(f"s{j}", minutes * METRES_PER_MINUTE)
        theirs = np.array([metres.get(f"d{i}", np.inf) for i in keep_d])
        mine = ours[keep_d, j]
        both = np.isfinite(theirs) & np.isfinite(mine)
        assert np.abs(theirs[both] - mine[both]).max(initial=0) < 0.1
        one = np.isfinite(theirs) != np.isfinite(mine)  # only right at the cutoff may they differ
        edge = np.where(np.isfinite(theirs), theirs, mine)[one]
        assert (np.abs(edge - minutes * METRES_PER_MINUTE) < 0.1).all()
        pairs += int(both.sum())
    return pairs


def test_helsinki_all_pairs(helsinki):
    assert compare_with_judge(helsinki, demand=250, sites=150, minutes=5, seed=3) > 2000


def test_porto_pairs(porto):
    assert compare_with_judge(porto, demand=1000, sites=40, minutes=30, seed=5, middle=0.2) > 1000


def test_saopaulo_pairs(saopaulo):
    assert compare_with_judge(saopaulo, demand=400, sites=40, minutes=30, seed=7) > 1000


def walkable_xml(source, target):
    """Only the walkable ways of an OSM file, as the XML that OSMnx reads."""
    present = {node.id for node in osmium.FileProcessor(str(source), osmium.osm.NODE)}
    ways = []
    for way in osmium.FileProcessor(str(source), osmium.osm.WAY):
        tags = dict(way.tags)
        if not OSMNX.allows(tags):
            continue
        assert OSMNX.directions(tags) == (True, True), "OSMnx drops foot directions"
        runs = itertools.groupby((n.ref for n in way.nodes), key=present.__contains__)
        whole = [list(refs) for there, refs in runs if there]  # OSMnx refuses cut ways
        ways += [(way.id * 100 + i, refs, tags) for i, refs in enumerate(whole) if len(refs) > 1]
    used = {ref for _, refs, _ in ways for ref in refs}
    with osmium.SimpleWriter(str(target), overwrite=True) as writer:
        for node in osmium.FileProcessor(str(source), osmium.osm.NODE):
            if node.id in used:
                writer.add_node(node)
        for i, refs, tags in ways:
            writer.add_way(osmium.osm.mutable.Way(id=i, nodes=refs, tags=tags, version=1))
    return target


@pytest.mark.parametrize("simplify", [False, True])
def test_osmnx_graph_gives_the_same_times(helsinki, tmp_path, simplify):
    xml = walkable_xml(helsinki, tmp_path / "walk.osm")
    graph = osmnx.graph_from_xml(xml, bidirectional=True, simplify=simplify, retain_all=True)
    size = (graph.number_of_nodes(), graph.number_of_edges())
    ours, theirs = read_osm(helsinki), network_from_graph(graph)
    assert size == (graph.number_of_nodes(), graph.number_of_edges())
    # simplifying, OSMnx keeps one of two edges that run side by side between the same nodes,
    # and loses rings without a junction
    assert theirs.length == pytest.approx(ours.length, rel=2e-4 if simplify else 1e-9)
    assert ours.islands - theirs.islands in ((0, 1) if simplify else (0,))
    d, s = same_feet(ours, theirs, 150, 1), same_feet(ours, theirs, 80, 2)
    a = dense(walks(ours, d, s, cutoff=5)) * METRES_PER_MINUTE
    b = dense(walks(theirs, d, s, cutoff=5)) * METRES_PER_MINUTE
    assert (np.isfinite(a) == np.isfinite(b)).all()
    finite = np.isfinite(a)
    assert finite.sum() > 500
    assert np.abs(a[finite] - b[finite]).max() < 0.1


def same_feet(ours, theirs, n, seed):
    """Random points that both networks snap alike.

    OSMnx does not say which segment of a way an edge is, so that true ties may be settled
    otherwise; what is left out here is shown to be such a tie.
    """
    points = random_points(ours, n, seed)
    a, b = (snap(Streets(network), *points.T) for network in (ours, theirs))
    same = np.hypot(a.lng - b.lng, a.lat - b.lat) < 1e-7
    assert np.abs(a.gap - b.gap).max() < 0.0015
    assert same.mean() > 0.95
    return points[same]


# --- properties -----------------------------------------------------------------------------------


@st.composite
def small_graphs(draw):
    """A random street graph: node places on a 5 × 5 lattice, ways as node runs."""
    n = draw(st.integers(4, 12))
    cells = draw(st.lists(st.integers(0, 24), min_size=n, max_size=n, unique=True))
    nodes = {i + 1: (0.001 * (c % 5), 0.001 * (c // 5)) for i, c in enumerate(cells)}
    run = st.lists(st.sampled_from(sorted(nodes)), min_size=2, max_size=6)
    runs = draw(st.lists(run, min_size=2, max_size=6))
    runs = [r for r in runs if len(set(r)) > 1]
    runs.append(sorted(nodes))  # so that something is always walkable
    directions = [draw(st.sampled_from(["no", "yes", "-1"])) for _ in runs]
    ways = {
        i + 1: (r, {**WALK, "oneway:foot": way})
        for i, (r, way) in enumerate(zip(runs, directions, strict=True))
    }
    places = st.tuples(st.floats(-0.0005, 0.0045), st.floats(-0.0005, 0.0045))
    return nodes, ways, draw(st.lists(places, min_size=1, max_size=6))


@settings(max_examples=60, deadline=None)
@given(small_graphs())
def test_random_graphs_agree_with_the_judge(tmp_path_factory, town):
    nodes, ways, places = town
    path = write_osm(tmp_path_factory.mktemp("town") / "t.osm", nodes, ways)
    network = read_osm(path)
    places = np.array(places)[snap(Streets(network), *np.array(places).T).found]
    ours = dense(walks(network, places, places, cutoff=60)) * METRES_PER_MINUTE
    judge = Judge.read(path)
    judge.place({f"p{i}": p for i, p in enumerate(places)})
    for j in range(len(places)):
        metres = judge.metres_to(f"p{j}", 4000)
        theirs = np.array([metres.get(f"p{i}", np.inf) for i in range(len(places))])
        assert (np.isfinite(theirs) == np.isfinite(ours[:, j])).all()
        finite = np.isfinite(theirs)
        assert np.abs(theirs[finite] - ours[finite, j]).max() < 0.1


@settings(max_examples=30, deadline=None)
@given(small_graphs(), st.data())
def test_one_more_link_never_lengthens_a_walk(tmp_path_factory, town, data):
    """Snapping held fixed: the points stand on nodes that both networks keep as junctions."""
    nodes, ways, _ = town
    folder = tmp_path_factory.mktemp("town")
    # a stub at every node, so that all are junctions and the places stay where they are
    stubs = {100 + i: (x, y + 0.0001) for i, (x, y) in nodes.items()}
    extra = {100 + i: ([i, 100 + i], WALK) for i in nodes}
    u, v = data.draw(st.lists(st.sampled_from(sorted(nodes)), min_size=2, max_size=2, unique=True))
    before = read_osm(write_osm(folder / "a.osm", nodes | stubs, ways | extra))
    after = read_osm(
        write_osm(folder / "b.osm", nodes | stubs, ways | extra | {900: ([u, v], WALK)})
    )
    ends = [stubs[100 + i] for i in nodes]  # dead ends: nothing else is as near
    a, b = (dense(walks(n, ends, ends, cutoff=60)) for n in (before, after))
    assert (b <= a + 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(small_graphs())
def test_a_longer_cutoff_is_a_superset(tmp_path_factory, town):
    nodes, ways, places = town
    network = read_osm(write_osm(tmp_path_factory.mktemp("town") / "t.osm", nodes, ways))
    short = dense(walks(network, places, places, cutoff=5))
    long = dense(walks(network, places, places, cutoff=30))
    finite = np.isfinite(short)
    assert (long[finite] == short[finite]).all()
    assert (long[~finite] > 5).all()


def test_contraction_is_exact(helsinki):
    """Distances between junctions equal those of the uncontracted graph, to 1 mm."""
    network = read_osm(helsinki)
    judge = Judge.read(helsinki)
    judge.place({})
    contracted = nx.Graph()
    for u, v, m in zip(network.edge_u, network.edge_v, network.edge_length, strict=True):
        if not contracted.has_edge(u, v) or contracted.edges[u, v]["m"] > m:
            contracted.add_edge(u, v, m=m)
    rng = np.random.default_rng(0)
    for start in rng.choice(network.n_junctions, 5, replace=False):
        ours = nx.single_source_dijkstra_path_length(contracted, start, weight="m")
        theirs = nx.single_source_dijkstra_path_length(
            judge.graph, int(network.junction_id[start]), weight="m"
        )
        for node, metres in ours.items():
            assert theirs[int(network.junction_id[node])] == pytest.approx(metres, abs=1e-3)
