"""Barriers and links: networkx on the uncontracted streets, cut by plain shapely, as judge."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from judge import GEOD, Judge
from servicecircle.errors import NetworkError, TableError
from servicecircle.reach import travel_times
from servicecircle.snapping import Streets, snap
from servicecircle.streets.changes import apply_changes
from servicecircle.streets.osm_file import read_osm
from towns import WALK, line_town, metres_east, write_osm

METRES_PER_MINUTE = 4000 / 60
NORTH = 1 / 110_574.2757  # degrees of latitude that make a metre on the equator


def layer(*shapes, **columns):
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs="EPSG:4326")


def box(west, south, east, north):
    """A rectangle on the equator, in metres."""
    return shapely.box(metres_east(west), south * NORTH, metres_east(east), north * NORTH)


def line(*places):
    """A line on the equator, in metres."""
    return shapely.LineString([(metres_east(x), y * NORTH) for x, y in places])


def places_of(*places):
    return np.array([(metres_east(x), y * NORTH) for x, y in places], float)


def metres(network, start, goal, cutoff=30.0):
    """Walking metres start × goal, inf where there is no walk."""
    streets = Streets(network)
    a, b = (snap(streets, *np.asarray(p, float).reshape(-1, 2).T) for p in (start, goal))
    times = travel_times(network, a, b, cutoff=cutoff)
    out = np.full((times.n_demand, times.n_sites), np.inf)
    out[times.rows, times.indices] = times.minutes * METRES_PER_MINUTE
    return out


def one_walk(network, start, goal):
    return float(metres(network, places_of(start), places_of(goal))[0, 0])


def town(path, nodes, ways):
    """Streets on the equator; nodes in metres, ways as node lists or (node list, tags)."""
    degrees = {i: (metres_east(x), y * NORTH) for i, (x, y) in nodes.items()}
    tagged = {i: way if isinstance(way, tuple) else (way, WALK) for i, way in ways.items()}
    return read_osm(write_osm(path, degrees, tagged))


# --- the judge ------------------------------------------------------------------------------------


def judge_without(judge, polygons):
    """The judge's segments less each polygon, segment by segment, by shapely's difference."""
    segments, where = list(judge.segments), dict(judge.where)
    for polygon in polygons:
        lines = shapely.linestrings([[where[s[0]], where[s[1]]] for s in segments])
        meets = shapely.intersects(lines, polygon)
        left = []
        for segment, drawn, meeting in zip(segments, lines, meets, strict=True):
            if not meeting:
                left.append(segment)
                continue
            a, b, *rest = segment
            for part in shapely.get_parts(drawn.difference(polygon)):
                if part.is_empty:
                    continue
                ends = []
                for place in (part.coords[0], part.coords[-1]):
                    at = [node for node in (a, b) if where[node] == place]
                    ends.append(at[0] if at else ("cut", len(where)))
                    where[ends[-1]] = place
                left.append((*ends, *rest))
        segments = left
    return segments, where


def judge_with(segments, where, links):
    """Segments with links: each end to the nearest segment, found by trying all of them."""
    segments, where = list(segments), dict(where)
    plane = Judge(segments, where).plane if segments else None
    for number, link in enumerate(links):
        nodes = [("link", *place) for place in link.coords]
        where.update({node: node[1:] for node in nodes})
        feet = []
        for end in (nodes[0], nodes[-1]):
            streets = [i for i, s in enumerate(segments) if s[2] > 0]
            a, b = (
                np.column_stack(
                    plane.transform(*np.array([where[segments[i][k]] for i in streets]).T)
                )
                for k in (0, 1)
            )
            along, p = b - a, np.array(plane.transform(*where[end]))
            t = np.clip(((p - a) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12), 0, 1)
            gap = np.hypot(*(a + t[:, None] * along - p).T)
            near = int(np.argmin(gap))
            assert gap[near] <= 25
            bit, t = streets[near], float(t[near])
            u, v, *rest = segments[bit]
            length = np.hypot(*along[near])
            if min(t, 1 - t) * length <= 0.5:
                feet.append(u if t < 0.5 else v)
                continue
            foot = ("foot", len(where))
            where[foot] = tuple(np.array(where[u]) * (1 - t) + np.array(where[v]) * t)
            segments[bit : bit + 1] = [(u, foot, *rest), (foot, v, *rest)]
            feet.append(foot)
        for k, (u, v) in enumerate(itertools.pairwise([feet[0], *nodes, feet[1]])):
            if u != v:
                segments.append((u, v, -2 - number, k, True, True))
    return segments, where


def same_walks(network, segments, where, points, limit=2000.0):
    """Every walk between the points is as long as the judge says, to 1 mm."""
    judge = Judge(segments, where)
    judge.place({f"p{i}": tuple(p) for i, p in enumerate(points)})
    ours = metres(network, points, points)
    found = 0
    for site in range(len(points)):
        theirs = judge.metres_to(f"p{site}", limit)
        for i in range(len(points)):
            expected = theirs.get(f"p{i}", np.inf)
            if min(expected, ours[i, site]) > limit - 0.01:
                continue  # at the limit one may say yes and the other no
            assert ours[i, site] == pytest.approx(expected, abs=1e-3)
            found += i != site
    return found


def random_town(path, rng):
    """A jittered grid with gaps, one-way walks, a loop and a parallel street, 100 m apart."""
    n = 5
    nodes = {
        i * n + j + 1: (100 * i + rng.uniform(-30, 30), 100 * j + rng.uniform(-30, 30))
        for i in range(n)
        for j in range(n)
    }
    ways, way = {}, 10
    for i, j in itertools.product(range(n), range(n)):
        here = i * n + j + 1
        for there in ([here + 1] if j + 1 < n else []) + ([here + n] if i + 1 < n else []):
            way += 1
            kind = rng.choice(["plain", "plain", "plain", "gap", "one", "against"])
            if kind != "gap":
                tag = {"one": {"oneway:foot": "yes"}, "against": {"oneway:foot": "-1"}}
                ways[way] = ([here, there], {**WALK, **tag.get(kind, {})})
    corner, x, y = n * n + 1, *nodes[13]
    nodes |= {corner: (x + 40, y + 20), corner + 1: (x + 40, y - 20)}
    ways[1] = ([13, corner, corner + 1, 13], WALK)  # a loop
    ways[2] = ([13, corner, 18], WALK)  # beside the street 13-18, if there is one
    return town(path, nodes, ways), nodes


def random_barrier(rng, low, high):
    """A star, sometimes with a hole, in degrees within a box of (lng, lat)."""
    k = int(rng.integers(4, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, k)) + rng.uniform(0, 0.01)
    reach = rng.uniform(0.08, 0.3) * (np.asarray(high) - low)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * rng.uniform(0.6, 1, (k, 1))
    centre = rng.uniform(low, high)
    star = shapely.Polygon(centre + ring * reach).buffer(0)
    hole = shapely.Point(centre).buffer(0.4 * reach.min())
    return star.difference(hole) if rng.random() < 0.4 else star


def random_link(rng, segments, where):
    """From near one street to near another, perhaps with a bend."""
    ends = []
    for i in rng.integers(0, len(segments), 2):
        a, b = (np.array(where[node]) for node in segments[i][:2])
        ends.append(a + rng.uniform() * (b - a) + rng.uniform(-8, 8, 2) * NORTH)
    bend = [np.mean(ends, axis=0) + rng.uniform(-60, 60, 2) * NORTH] * int(rng.integers(0, 2))
    return shapely.LineString([ends[0], *bend, ends[1]])


def junctions(network, rng, count):
    """Places of some junctions that are no island and no link's own vertex."""
    ends = np.unique(
        np.concatenate([network.edge_u, network.edge_v])[np.tile(~network.edge_island, 2)]
    )
    some = rng.choice(ends, min(count, len(ends)), replace=False)
    return np.column_stack([network.junction_lng, network.junction_lat])[some]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_towns_walk_as_the_judge_says(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("town") / "t.osm"
    network, _ = random_town(path, rng)
    low, high = places_of((-30, -30), (430, 430))
    barriers = [random_barrier(rng, low, high) for _ in range(rng.integers(0, 4))]
    barriers = [b for b in barriers if not b.is_empty]
    segments, where = judge_without(Judge.read(path), barriers)
    links = [random_link(rng, segments, where) for _ in range(rng.integers(0, 4))]
    segments, where = judge_with(segments, where, links)
    changed = apply_changes(network, barriers=layer(*barriers), links=layer(*links))
    total = sum(GEOD.inv(*where[s[0]], *where[s[1]])[2] for s in segments)
    assert changed.network.length == pytest.approx(total, abs=1e-3)
    assert network.length - changed.removed_m + changed.added_m == pytest.approx(total, abs=1e-3)
    nodes = sorted({n for s in segments for n in s[:2]}, key=str)
    points = np.array([where[nodes[i]] for i in rng.permutation(len(nodes))[:15]])
    if len(points):
        same_walks(changed.network, segments, where, points)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_helsinki_walks_as_the_judge_says(helsinki, seed):
    rng = np.random.default_rng(seed)
    network = read_osm(helsinki)
    west, south, east, north = network.bounds
    middle = np.array([(west + east) / 2, (south + north) / 2])
    half = np.array([east - west, north - south]) / 4
    barriers = [random_barrier(rng, middle - half, middle + half) for _ in range(3)]
    segments, where = judge_without(Judge.read(helsinki), barriers)
    links = []
    for _ in range(4):
        link = random_link(rng, segments, where)
        if GEOD.geometry_length(link) < 1500:
            links.append(link)
    segments, where = judge_with(segments, where, links)
    changed = apply_changes(network, barriers=layer(*barriers), links=layer(*links))
    assert changed.removed_m > 500
    points = junctions(changed.network, rng, 60)
    assert same_walks(changed.network, segments, where, points) > 300


def test_junctions_ways_and_untouched_streets_stay(helsinki):
    network = read_osm(helsinki)
    west, south, east, north = network.bounds
    middle = ((west + east) / 2, (south + north) / 2)
    hole = shapely.Point(middle).buffer((east - west) / 10)
    changed = apply_changes(network, barriers=layer(hole)).network
    far = [
        {
            tuple(sorted((int(n.vertex_id[s]), int(n.vertex_id[e - 1])))): round(m, 6)
            for s, e, m in zip(n.vertex_start[:-1], n.vertex_start[1:], n.edge_length, strict=True)
            if n.vertex_lng[s:e].max() < middle[0] - (east - west) / 5
        }
        for n in (network, changed)
    ]
    assert far[0] == far[1] and len(far[0]) > 20
    old = set(network.vertex_id.tolist())
    assert all(node < 0 or node in old for node in changed.vertex_id.tolist())
    assert len(set(changed.junction_id.tolist())) == changed.n_junctions
    for name in ("source", "date", "missing_nodes", "cut_ways", "gained_m", "lost_m", "crs"):
        assert getattr(changed, name) == getattr(network, name)
    assert np.array_equal(changed.signal_nodes, network.signal_nodes)
    assert changed.ways.equals(network.ways)
    # every segment keeps its way and number
    whole = {(int(w), int(s)) for w, s in zip(network.vertex_way, network.vertex_segment)}  # noqa: B905
    left = {(int(w), int(s)) for w, s in zip(changed.vertex_way, changed.vertex_segment)}  # noqa: B905
    assert left <= whole


def test_without_changes_it_is_the_very_same_network(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    for empty in (None, layer()):
        changed = apply_changes(network, barriers=empty, links=empty)
        assert changed.network is network and changed.notes == ()


def test_the_given_network_is_not_changed(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    copies = {
        f.name: value.copy()
        for f in fields(network)
        if isinstance(value := getattr(network, f.name), np.ndarray)
    }
    ways = network.ways.copy()
    apply_changes(
        network,
        barriers=layer(box(100, -10, 200, 10)),
        links=layer(line((50, 5), (250, 5))),
    )
    for name, value in copies.items():
        assert np.array_equal(getattr(network, name), value)
    assert network.ways.equals(ways)


def test_efforts_are_set_after_changes(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    sloped = replace(
        network, vertex_forward=network.vertex_offset, vertex_backward=network.vertex_offset
    )
    with pytest.raises(ValueError, match="before efforts"):
        apply_changes(sloped, barriers=layer(box(0, -1, 5, 1)))


# --- barriers -------------------------------------------------------------------------------------


def test_a_street_is_cut_at_the_boundary(tmp_path):
    """A street of 1 km less 100 m to 250 m: 100 m and 750 m, two dead ends with new ids."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    changed = apply_changes(network, barriers=layer(box(100, -10, 250, 10)))
    assert changed.removed_m == pytest.approx(150, abs=0.02)
    assert sorted(changed.network.edge_length) == pytest.approx([100, 750], abs=0.02)
    assert sorted(changed.network.junction_id) == [-2, -1, 1, 3]
    ends = changed.network.junction_lng[changed.network.junction_id < 0]
    assert sorted(ends) == pytest.approx([metres_east(100), metres_east(250)], abs=1e-13)
    assert changed.barriers == 1 and changed.links == 0
    assert "150" in changed.notes[0][0] and "150" in changed.notes[0][1]


def test_a_station_that_is_cut_off_is_out_of_reach(tmp_path):
    """Both halves stay large enough to be no island, and nobody walks from one to the other."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    changed = apply_changes(network, barriers=layer(box(400, -10, 450, 10))).network
    assert one_walk(network, (0, 0), (1000, 0)) == pytest.approx(1000, abs=0.02)
    assert one_walk(changed, (0, 0), (1000, 0)) == np.inf
    assert one_walk(changed, (0, 0), (390, 0)) == pytest.approx(390, abs=0.02)


def test_what_is_cut_off_and_small_becomes_an_island(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    changed = apply_changes(network, barriers=layer(box(20, -10, 40, 10)), island_share=0.05)
    assert changed.network.islands == 1
    assert changed.new_island_m == pytest.approx(20, abs=0.02)
    assert any("孤岛" in zh and "20" in zh for zh, _ in changed.notes)


def test_touching_or_following_the_boundary_is_not_entering(tmp_path):
    """Streets along a side, to a corner, ending on a side, and between two barriers stay."""
    nodes = {
        1: (0, 0), 2: (100, 0), 3: (200, 0), 4: (300, 0),  # along the lower side, 2-3 of it
        5: (50, 150), 6: (100, 100), 7: (50, 100),  # 5-6 meets the corner (100, 100)
        8: (200, 50), 9: (260, 50),  # ends on the right side
    }  # fmt: skip
    network = town(tmp_path / "t.osm", nodes, {1: [1, 2, 3, 4], 2: [5, 6, 7], 3: [8, 9]})
    degrees = {
        node: (x, y)
        for node, x, y in zip(
            network.vertex_id, network.vertex_lng, network.vertex_lat, strict=True
        )
    }
    (west, south), north = degrees[2], degrees[6][1]
    east = degrees[3][0]
    above = shapely.box(west, south, east, north)
    below = shapely.box(west, south - 0.001, east, south)
    for barriers in (layer(above), layer(above, below)):
        changed = apply_changes(network, barriers=barriers)
        assert changed.network is network and changed.removed_m == 0
        assert changed.barriers == 0 and "没有碰到" in changed.notes[0][0]


def test_along_a_slanted_side_to_within_rounding(tmp_path):
    """The street has a vertex on the barrier's side that floats put now inside, now outside."""
    rng = np.random.default_rng(0)
    for east, north in rng.integers(1_000, 9_000, (12, 2)):
        third = {1: (0.0, 0.0), 2: (east / 1e7, north / 1e7), 3: (3 * east / 1e7, 3 * north / 1e7)}
        network = read_osm(write_osm(tmp_path / "t.osm", third, {1: ([1, 2, 3], WALK)}))
        begin, end = ((n.junction_lng[i], n.junction_lat[i]) for n in [network] for i in (0, 1))
        for corner in ((0.01, 0.0), (0.0, 0.01)):
            barrier = shapely.Polygon([begin, end, corner])
            assert apply_changes(network, barriers=layer(barrier)).removed_m == 0


def test_along_the_side_and_then_inside(tmp_path):
    """A barrier in the shape of an L: a straight street follows its side, then enters it."""
    network = read_osm(line_town(tmp_path / "t.osm", [1000]))
    shape = [(100, 0), (300, 0), (300, -50), (600, -50), (600, 80), (100, 80)]
    barrier = shapely.Polygon([(metres_east(x), y * NORTH) for x, y in shape])
    changed = apply_changes(network, barriers=layer(barrier))
    assert changed.removed_m == pytest.approx(300, abs=0.02)
    assert sorted(changed.network.edge_length) == pytest.approx([300, 400], abs=0.02)


def test_a_courtyard_stays_walkable(tmp_path):
    """A barrier from 100 to 400 m with a hole from 200 to 300 m: what lies in the hole stays."""
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    barrier = box(100, -50, 400, 50).difference(box(200, -20, 300, 20))
    changed = apply_changes(network, barriers=layer(barrier), island_share=0)
    assert changed.removed_m == pytest.approx(200, abs=0.02)
    assert one_walk(changed.network, (210, 0), (290, 0)) == pytest.approx(80, abs=0.02)
    assert one_walk(changed.network, (210, 0), (90, 0)) == np.inf


def test_overlapping_barriers_are_counted_once(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    both = layer(box(100, -10, 250, 10), box(200, -20, 320, 20), box(210, -5, 220, 5))
    changed = apply_changes(network, barriers=both)
    assert changed.removed_m == pytest.approx(220, abs=0.02)
    assert changed.barriers == 3


def test_one_way_streets_stay_one_way(tmp_path):
    for value, against in (("yes", False), ("-1", True)):
        path = line_town(tmp_path / "t.osm", [300, 700], **{"oneway:foot": value})
        changed = apply_changes(read_osm(path), barriers=layer(box(400, -9, 450, 9))).network
        for a, b in ((50, 350), (500, 900)):
            there, back = (b, a) if against else (a, b)
            assert one_walk(changed, (there, 0), (back, 0)) == pytest.approx(abs(b - a), abs=0.02)
            assert one_walk(changed, (back, 0), (there, 0)) == np.inf


def test_loops_and_parallel_streets(tmp_path):
    """A ring cut once is a line; of two parallel streets the free one remains."""
    ring = {1: (0, 0), 2: (100, 0), 3: (100, 100), 4: (0, 100)}
    network = town(tmp_path / "ring.osm", ring, {1: [1, 2, 3, 4, 1]})
    changed = apply_changes(network, barriers=layer(box(40, -10, 60, 10))).network
    assert changed.n_edges == 1 and changed.edge_u[0] != changed.edge_v[0]
    assert one_walk(changed, (40, 0), (60, 0)) == pytest.approx(380, abs=0.05)
    nodes = {1: (0, 0), 2: (200, 0), 3: (100, 50), 4: (-50, 0), 5: (250, 0)}
    two = town(tmp_path / "two.osm", nodes, {1: [4, 1, 2, 5], 2: [1, 3, 2]})
    changed = apply_changes(two, barriers=layer(box(90, -10, 110, 10))).network
    around = 50 + 2 * np.hypot(100, 50) + 50
    assert one_walk(changed, (-50, 0), (250, 0)) == pytest.approx(around, abs=0.05)


def test_bridges_pass_only_where_the_barrier_lets_them(tmp_path):
    nodes = {1: (0, 0), 2: (100, 0), 3: (200, 0), 4: (300, 0), 5: (100, 50), 6: (200, 50)}
    ways = {
        1: [1, 2],
        2: ([2, 3], {**WALK, "bridge": "yes"}),
        3: [3, 4],
        4: [2, 5],
        5: ([5, 6], {**WALK, "bridge": "no"}),
        6: [6, 3],
    }
    network = town(tmp_path / "t.osm", nodes, ways)
    river = box(120, -100, 180, 100)
    closed = apply_changes(network, barriers=layer(river))
    crossing = apply_changes(network, barriers=layer(river, bridges=[True]))
    assert closed.removed_m == pytest.approx(120, abs=0.02)
    assert crossing.removed_m == pytest.approx(60, abs=0.02)
    assert one_walk(crossing.network, (0, 0), (300, 0)) == pytest.approx(300, abs=0.02)
    both = layer(river, river, bridges=[True, False])  # one that bars them is enough
    assert apply_changes(network, barriers=both).removed_m == pytest.approx(120, abs=0.02)


def test_a_barrier_over_everything_and_one_over_nothing(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    with pytest.raises(NetworkError, match="全部步行道路"):
        apply_changes(network, barriers=layer(box(-10, -10, 1010, 10)))
    idle = apply_changes(network, barriers=layer(box(0, 20, 50, 40), name=["<工地>"]))
    assert idle.network is network
    assert len(idle.notes) == 1 and "<工地>" in idle.notes[0][0]


def test_streets_without_length_inside_and_outside(tmp_path):
    """Two nodes in one place: a segment of 0 m goes with its neighbours."""
    nodes = {1: (0, 0), 2: (100, 0), 3: (100, 0), 4: (300, 0)}
    network = town(tmp_path / "t.osm", nodes, {1: [1, 2, 3, 4]})
    inside = apply_changes(network, barriers=layer(box(90, -5, 120, 5)))
    assert inside.removed_m == pytest.approx(30, abs=0.02)
    assert not {2, 3} & set(inside.network.vertex_id.tolist())
    outside = apply_changes(network, barriers=layer(box(150, -5, 200, 5))).network
    assert one_walk(outside, (0, 0), (150, 0)) == pytest.approx(150, abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        line((0, 0), (1, 1)),
        shapely.Polygon(),
        shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
    ],
)
def test_only_valid_polygons_bar(tmp_path, wrong):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    with pytest.raises(ValueError, match="polygons are wanted"):
        apply_changes(network, barriers=layer(wrong))


def test_barriers_in_another_crs(tmp_path):
    network = read_osm(line_town(tmp_path / "t.osm", [300, 700]))
    barrier = layer(box(100, -10, 250, 10))
    projected = apply_changes(network, barriers=barrier.to_crs("EPSG:3857"))
    assert projected.removed_m == pytest.approx(150, abs=0.02)


# --- links ----------------------------------------------------------------------------------------


def two_streets(path, **ways):
    """Two streets of 400 m, 100 m apart, not connected: ends 1, 3 and 4, 6; middles 2 and 5."""
    nodes = {1: (0, 0), 2: (200, 0), 3: (400, 0), 4: (0, 100), 5: (200, 100), 6: (400, 100)}
    return town(path, nodes, {1: [1, 2, 3], 2: [4, 5, 6]})


def test_a_footbridge_by_hand(tmp_path):
    """From (100, 10) to (100, 95): legs of 10 m and 5 m, a way of 100 m in all."""
    network = two_streets(tmp_path / "t.osm")
    bridge = layer(line((100, 10), (100, 95)), name=["人行天桥"], bridge=[True])
    changed = apply_changes(network, links=bridge)
    assert changed.added_m == pytest.approx(100, abs=0.02)
    assert one_walk(network, (0, 0), (0, 100)) == np.inf
    assert one_walk(changed.network, (0, 0), (0, 100)) == pytest.approx(300, abs=0.02)
    assert one_walk(changed.network, (90, 0), (110, 100)) == pytest.approx(120, abs=0.02)
    way = changed.network.ways.loc[-2]
    assert (way["highway"], way["bridge"], way["name"]) == ("footway", "yes", "人行天桥")
    assert set(changed.network.vertex_way[changed.network.vertex_way < -1]) == {-2}
    assert "100" in changed.notes[0][0] and changed.links == 1


def test_one_can_start_on_a_link(tmp_path):
    network = two_streets(tmp_path / "t.osm")
    changed = apply_changes(network, links=layer(line((100, 10), (100, 95)))).network
    snapped = snap(Streets(changed), *places_of((104, 50)).T)
    assert snapped.way.tolist() == [-2]
    assert one_walk(changed, (104, 50), (0, 0)) == pytest.approx(4 + 50 + 100, abs=0.05)


@pytest.mark.parametrize(("value", "there", "back"), [("yes", 1, 0), ("-1", 0, 1), ("", 1, 1)])
def test_links_may_be_one_way(tmp_path, value, there, back):
    network = two_streets(tmp_path / "t.osm")
    link = layer(line((100, 10), (100, 95)), **{"oneway:foot": [value]})
    changed = apply_changes(network, links=link).network
    assert np.isfinite(one_walk(changed, (100, 0), (100, 100))) == there
    assert np.isfinite(one_walk(changed, (100, 100), (100, 0))) == back


def test_feet_close_by_are_one_and_vertices_are_taken(tmp_path):
    """Feet at 100 and 100.3 m are one, at 130 m another; within 0.5 m of node 2 it is node 2."""
    network = two_streets(tmp_path / "t.osm")
    same = apply_changes(
        network, links=layer(line((100, 0), (100, 100)), line((100.3, 1), (130, 100)))
    ).network
    assert (same.junction_lat == 0).sum() == 3  # two ends, one foot
    assert one_walk(same, (100, 100), (130, 100)) == pytest.approx(30, abs=0.02)
    apart = apply_changes(
        network, links=layer(line((100, 0), (100, 100)), line((130, 1), (130, 100)))
    ).network
    assert (apart.junction_lat == 0).sum() == 4
    at_node = apply_changes(network, links=layer(line((200.4, 0), (199.7, 100)))).network
    assert {2, 5} <= set(at_node.junction_id.tolist())


def test_a_link_from_dead_end_to_dead_end(tmp_path):
    network = two_streets(tmp_path / "t.osm")
    changed = apply_changes(network, links=layer(line((400, 0), (400, 100)))).network
    assert one_walk(changed, (300, 0), (300, 100)) == pytest.approx(300, abs=0.05)
    assert changed.n_edges == 1  # degree two all along


def test_a_link_passes_over_what_it_crosses(tmp_path):
    """Neither streets nor links that cross without a shared vertex join."""
    nodes = {1: (0, 0), 2: (400, 0), 3: (0, 50), 4: (400, 50), 5: (0, 100), 6: (400, 100)}
    network = town(tmp_path / "t.osm", nodes, {1: [1, 2], 2: [3, 4], 3: [5, 6]})
    over = apply_changes(network, links=layer(line((100, 0), (100, 50), (100, 100)))).network
    assert one_walk(over, (100, 0), (100, 100)) == pytest.approx(100, abs=0.02)
    assert one_walk(over, (100, 0), (90, 50)) == np.inf
    crossing = layer(line((100, 0), (200, 100)), line((200, 50), (90, 95)))
    assert one_walk(apply_changes(network, links=crossing).network, (100, 0), (200, 50)) == (
        pytest.approx(np.hypot(100, 100) + 100 + np.hypot(110, 45) + 10, abs=20)
    )


def test_links_meet_at_shared_vertices(tmp_path):
    """A chain of two over a river meets in mid-air; a third ends at a bend of the first."""
    network = two_streets(tmp_path / "t.osm")
    chain = layer(line((50, 0), (100, 50)), line((100, 50), (50, 100)))
    walk = 2 * np.hypot(50, 50)
    assert one_walk(apply_changes(network, links=chain).network, (50, 0), (50, 100)) == (
        pytest.approx(walk, abs=0.02)
    )
    spur = layer(line((50, 0), (100, 50), (50, 100)), line((100, 50), (300, 50), (300, 100)))
    changed = apply_changes(network, links=spur).network
    assert one_walk(changed, (50, 0), (300, 100)) == pytest.approx(
        np.hypot(50, 50) + 200 + 50, abs=0.02
    )


def test_links_of_several_parts(tmp_path):
    """Parts that continue each other are one line; separate ones are joined each on its own."""
    network = two_streets(tmp_path / "t.osm")
    parts = [line((100, 0), (100, 15)), line((100, 15), (100, 100)), line((300, 0), (300, 100))]
    changed = apply_changes(network, links=layer(shapely.MultiLineString(parts)))
    assert changed.links == 1 and changed.added_m == pytest.approx(200, abs=0.05)
    assert one_walk(changed.network, (300, 0), (300, 100)) == pytest.approx(100, abs=0.02)
    ids = changed.network.ways.index[changed.network.ways.index < 0]
    assert sorted(ids) == [-3, -2]


def test_a_link_may_save_an_island_and_cross_a_closed_river(tmp_path):
    nodes = {1: (0, 0), 2: (2000, 0), 3: (100, 100), 4: (115, 100)}
    network = town(tmp_path / "t.osm", nodes, {1: [1, 2], 2: [3, 4]})
    assert network.islands == 1
    changed = apply_changes(
        network,
        barriers=layer(box(-50, 20, 500, 80)),
        links=layer(line((105, 0), (105, 100)), bridge=[True]),
    )
    assert changed.network.islands == 0
    assert changed.freed_m == pytest.approx(15, abs=0.02)
    assert one_walk(changed.network, (105, 0), (105, 100)) == pytest.approx(100, abs=0.02)


@pytest.mark.parametrize(
    ("link", "end", "distance"),
    [
        (line((100, 40), (100, 100)), "起点", "40.0"),
        (line((100, 0), (100, 70)), "终点", "30.0"),
        (line((9000, 0), (9000, 50)), "起点", "8600"),
    ],
)
def test_a_link_too_far_from_any_street(tmp_path, link, end, distance):
    network = two_streets(tmp_path / "t.osm")
    layer_of_one = layer(link, name=["新桥"])
    layer_of_one.attrs["file"] = "links.geojson"
    with pytest.raises(TableError) as error:
        apply_changes(network, links=layer_of_one)
    for word in ("links.geojson", "新桥", end, distance):
        assert word in error.value.zh
    assert "begins" in error.value.en or "ends" in error.value.en
    if distance != "8600":
        assert apply_changes(network, links=layer_of_one, join_m=45).links == 1


def test_a_chain_that_meets_no_street_is_refused(tmp_path):
    network = two_streets(tmp_path / "t.osm")
    ring = layer(line((50, 50), (100, 50), (100, 60)), line((100, 60), (50, 50)))
    with pytest.raises(TableError, match="起点离最近"):
        apply_changes(network, links=ring)


@pytest.mark.parametrize(
    "nothing",
    [
        line((100, 50), (100, 50)),
        shapely.MultiLineString([line((1, 0), (1, 50)), line((5, 5), (5, 5))]),
    ],
)
def test_a_link_without_length_is_refused(tmp_path, nothing):
    network = two_streets(tmp_path / "t.osm")
    with pytest.raises(TableError, match="没有长度"):
        apply_changes(network, links=layer(nothing))


def test_a_link_onto_its_own_foot_changes_no_walk(tmp_path):
    network = two_streets(tmp_path / "t.osm")
    changed = apply_changes(network, links=layer(line((100, 3), (100, 9)))).network
    points = places_of((0, 0), (100, 0), (400, 0), (0, 100))
    before = metres(network, points, points)
    assert metres(changed, points, points) == pytest.approx(before, abs=1e-6)


# --- laws -----------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_applied_twice_equals_applied_at_once(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("town") / "t.osm"
    network, _ = random_town(path, rng)
    low, high = places_of((-30, -30), (430, 430))
    barriers = [random_barrier(rng, low, high) for _ in range(2)]
    segments, where = judge_without(Judge.read(path), barriers)
    links = [random_link(rng, segments, where) for _ in range(3)]
    corner = links[0].coords[0]  # shared, so that they meet there
    links[2] = shapely.LineString([corner, *links[2].coords[1:]])
    at_once = apply_changes(network, barriers=layer(*barriers), links=layer(*links), island_share=0)
    step = network
    for barrier in barriers:
        step = apply_changes(step, barriers=layer(barrier), island_share=0).network
    for link in links:
        step = apply_changes(step, links=layer(link), island_share=0).network
    assert step.length == pytest.approx(at_once.network.length, abs=1e-3)
    assert step.n_junctions == at_once.network.n_junctions
    assert len(set(step.vertex_way[step.vertex_way < -1])) == 3
    points = junctions(at_once.network, rng, 20)
    one, other = (metres(n, points, points) for n in (at_once.network, step))
    assert np.array_equal(np.isfinite(one), np.isfinite(other))
    assert one == pytest.approx(other, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_links_only_shorten_and_barriers_only_lengthen(tmp_path_factory, seed):
    """Between junctions that stay, whose snapping is the junction itself in either network."""
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("town") / "t.osm"
    network, _ = random_town(path, rng)
    a, b = junctions(network, rng, 2)
    linked = apply_changes(network, links=layer(shapely.LineString([a, b]))).network
    points = junctions(network, rng, 15)
    before, after = metres(network, points, points), metres(linked, points, points)
    assert (after <= before + 1e-6).all()
    low, high = places_of((-30, -30), (430, 430))
    barrier = random_barrier(rng, low, high)
    barred = apply_changes(network, barriers=layer(barrier), island_share=0).network
    kept = np.column_stack([network.junction_lng, network.junction_lat])
    kept = kept[np.isin(network.junction_id, barred.vertex_id)]
    whole = metres(replace(network, edge_island=np.zeros(network.n_edges, bool)), kept, kept)
    assert (metres(barred, kept, kept) >= whole - 1e-3).all()
