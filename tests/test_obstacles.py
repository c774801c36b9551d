"""Legs around obstacles: reading them out of OSM, and snapping that respects them.

The judge is shapely over all streets: every street cut at the obstacles, every piece's nearest
place, the nearest of those whose leg (5 cm off at both ends) meets no obstacle.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pytest
import shapely
from osmium.osm.mutable import Relation
from pyproj import Geod

from conftest import ROOT
from servicecircle.errors import NetworkError, ScenarioError
from servicecircle.legs import OpenLegs, leg_effect, snap_around
from servicecircle.obstacles import KINDS, read_obstacles
from servicecircle.snapping import Snapped, Streets, snap
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import read_osm
from towns import WALK, write_osm

GEOD = Geod(ellps="WGS84")
M = 1 / 111_319.490793  # degrees per metre, near the equator to within 1 %
TOUCH_M = 0.05
WORLD = (-180.0, -90.0, 180.0, 90.0)


# --- helpers --------------------------------------------------------------------------------------


def town(path: Path, *streets: Sequence[tuple[float, float]]) -> Streets:
    """Streets through places in metres around (0, 0); shared places are junctions."""
    places = list(dict.fromkeys(place for street in streets for place in street))
    nodes = {i + 1: (x * M, y * M) for i, (x, y) in enumerate(places)}
    ways = {
        100 + i: ([places.index(place) + 1 for place in street], WALK)
        for i, street in enumerate(streets)
    }
    return Streets(read_osm(write_osm(path, nodes, ways), island_share=0.0))


def table(*shapes: shapely.Geometry) -> gpd.GeoDataFrame:
    """Obstacles drawn in the same metres."""
    drawn = [shapely.transform(shape, lambda xy: xy * M) for shape in shapes]
    geometry = gpd.GeoSeries(drawn, crs="EPSG:4326")
    return gpd.GeoDataFrame({"kind": ["water"] * len(drawn)}, geometry=geometry, crs="EPSG:4326")


def around(
    streets: Streets, obstacles: gpd.GeoDataFrame, *points: tuple[float, float], m: float = 500.0
) -> Snapped:
    x, y = np.array(points, float).reshape(-1, 2).T * M
    return snap_around(OpenLegs(streets, obstacles), x, y, max_snap_m=m)


def feet(snapped: Snapped) -> list[tuple[float, float]]:
    return [(x / M, y / M) for x, y in zip(snapped.lng, snapped.lat, strict=True)]


def same(a: Snapped, b: Snapped) -> bool:
    return all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name), equal_nan=True)
        for f in dataclasses.fields(Snapped)
    )


class Judge:
    """Brute force in the network's plane."""

    def __init__(
        self, network: WalkNetwork, obstacles: gpd.GeoDataFrame, view: Sequence[float] = WORLD
    ) -> None:
        """``view`` (degrees) holds every street that matters."""

        def flat(shape: shapely.Geometry) -> shapely.Geometry:
            to = network.plane.transform
            return shapely.transform(shape, lambda xy: np.column_stack(to(*xy.T)))

        self.plane = network.plane
        shapes = [flat(shape) for shape in obstacles.geometry]
        self.stops = shapely.union_all(shapes)
        lines = [s.boundary if s.geom_type.endswith("Polygon") else s for s in shapes]
        lines = shapely.union_all(lines)
        xy = np.column_stack(network.plane.transform(network.vertex_lng, network.vertex_lat))
        edge = np.repeat(np.arange(network.n_edges), np.diff(network.vertex_start))
        degrees = np.column_stack([network.vertex_lng, network.vertex_lat])
        low, high = (pick(degrees, np.roll(degrees, -1, axis=0)) for pick in (np.fmin, np.fmax))
        seen = (high >= view[:2]).all(axis=1) & (low <= view[2:]).all(axis=1)
        begin = np.flatnonzero((network.vertex_way >= 0) & ~network.edge_island[edge] & seen)
        streets = shapely.linestrings(np.stack([xy[begin], xy[begin + 1]], axis=1))
        shapely.prepare(lines)
        cut = shapely.intersects(streets, lines)
        pieces, whole = list(streets[~cut]), list(np.flatnonzero(~cut))
        for i in np.flatnonzero(cut):
            rest = shapely.difference(streets[i], lines)
            # a street along a bank has nothing beside it, and stays whole
            found = [streets[i]] if rest.is_empty else list(shapely.get_parts(rest))
            pieces += found
            whole += [i] * len(found)
        self.pieces, self.whole, self.streets = np.array(pieces, object), np.array(whole), streets
        self.ends = degrees[begin], degrees[begin + 1]
        self.index = shapely.STRtree(self.pieces)
        shapely.prepare(self.stops)

    def free(self, legs: np.ndarray) -> np.ndarray:
        start, end = shapely.get_coordinates(legs).reshape(-1, 2, 2).transpose(1, 0, 2)
        length = np.hypot(*(end - start).T)
        free = length <= 2 * TOUCH_M
        step = (end - start)[~free] * (TOUCH_M / length[~free])[:, None]
        inner = shapely.linestrings(np.stack([start[~free] + step, end[~free] - step], axis=1))
        free[~free] = ~shapely.intersects(inner, self.stops)
        return free

    def gap(self, lng: float, lat: float, max_m: float) -> float:
        point = shapely.Point(*self.plane.transform(lng, lat))
        near = self.index.query(point, predicate="dwithin", distance=max_m + 5)
        legs = shapely.shortest_line(point, self.pieces[near])
        free = self.free(legs) if len(legs) else np.zeros(0, bool)
        if not free.any():
            return np.inf
        best = np.flatnonzero(free)[np.argmin(shapely.length(legs[free]))]
        foot, street = shapely.get_point(legs[best], 1), self.whole[near[best]]
        # streets are straight in degrees, which over a kilometre makes some centimetres
        t = shapely.line_locate_point(self.streets[street], foot, normalized=True)
        a, b = (end[street] for end in self.ends)
        gap = GEOD.inv(lng, lat, *(a + t * (b - a)))[2]
        return gap if gap <= max_m else np.inf

    def require(self, found: Snapped, lng: np.ndarray, lat: np.ndarray, max_m: float) -> None:
        """The same gap to 1 mm at every point, and a foot on a street that can be reached."""
        gaps = np.array([self.gap(*place, max_m) for place in zip(lng, lat, strict=True)])
        assert np.array_equal(np.isinf(gaps), np.isinf(found.gap))
        reached = found.found
        np.testing.assert_allclose(found.gap[reached], gaps[reached], atol=0.001, rtol=0)
        p = np.column_stack(self.plane.transform(lng[reached], lat[reached]))
        f = np.column_stack(self.plane.transform(found.lng[reached], found.lat[reached]))
        assert self.free(shapely.linestrings(np.stack([p, f], axis=1))).all()
        _, off = self.index.query_nearest(shapely.points(f), return_distance=True)
        assert off.max(initial=0.0) < TOUCH_M


# --- against the judge ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_random_towns(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.uniform(-400, 400, (30, 2))
    near = np.argsort(((places[:, None] - places[None]) ** 2).sum(axis=2))
    links = [(tuple(places[i]), tuple(places[j])) for i in range(30) for j in near[i, 1:4]]
    streets = town(tmp_path / "town.osm.pbf", *links)
    lines = [
        shapely.LineString(rng.uniform(-350, 350, 2) + rng.uniform(-90, 90, (n, 2)).cumsum(axis=0))
        for n in rng.integers(2, 6, 7)
    ]
    ponds = [
        shapely.Point(*rng.uniform(-350, 350, 2)).buffer(60, 4)
        - shapely.Point(*rng.uniform(-350, 350, 2)).buffer(90, 3)
        for _ in range(5)  # some overlap
    ]
    ring = shapely.Point(*rng.uniform(-300, 300, 2))  # water around an island
    obstacles = table(
        *lines, *(p for p in ponds if not p.is_empty), ring.buffer(90) - ring.buffer(60)
    )
    lng, lat = rng.uniform(-600, 600, (2, 250)) * M
    max_m = float(rng.choice([80, 300, 500]))
    found = snap_around(OpenLegs(streets, obstacles), lng, lat, max_snap_m=max_m)
    plain = snap(streets, lng, lat, max_snap_m=max_m)
    Judge(streets.network, obstacles).require(found, lng, lat, max_m)
    assert (plain.found & ~found.found).any()
    assert (plain.found & found.found & (found.gap > plain.gap + 1)).any()


def real(path: Path, kinds: Sequence[str], seed: int, count: int) -> tuple[int, int]:
    """Judge points strewn along the obstacles of a real file; how many moved, how many fell off."""
    rng = np.random.default_rng(seed)
    streets, obstacles = Streets(read_osm(path)), read_obstacles(path, kinds)
    west, south, east, north = streets.network.bounds
    middle = np.array([(west + east) / 2, (south + north) / 2])
    view = shapely.box(*(middle - 0.04), *(middle + 0.04))  # a big city's middle
    view = shapely.intersection(view, shapely.box(west, south, east, north))
    clipped = obstacles.geometry.intersection(view)
    along = shapely.get_coordinates(shapely.segmentize(clipped.array, 0.0003))
    lng, lat = (along[rng.integers(0, len(along), count)] + rng.normal(0, 0.0008, (count, 2))).T
    found = snap_around(OpenLegs(streets, obstacles), lng, lat, max_snap_m=300)
    near = view.buffer(0.02).bounds
    Judge(streets.network, obstacles, near).require(found, lng, lat, 300)
    plain = snap(streets, lng, lat, max_snap_m=300)
    both = plain.found & found.found
    return int((both & (found.gap > plain.gap)).sum()), int((plain.found & ~found.found).sum())


def test_helsinki(helsinki: Path) -> None:
    moved, lost = real(helsinki, ["water", "railway"], 1, 250)
    assert moved > 20 and lost > 10


def test_porto(porto: Path) -> None:
    moved, _ = real(porto, ["motorway"], 2, 150)
    assert moved > 10


def test_bundled_city_with_all_kinds() -> None:
    moved, lost = real(ROOT / "data" / "hegu.osm.pbf", list(KINDS), 3, 250)
    assert moved > 5 and lost > 10


# --- by hand --------------------------------------------------------------------------------------

LINE = shapely.LineString


def test_without_obstacles_the_answer_is_snaps(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(0, 0), (100, 0), (100, 90)], [(0, 0), (0, 50)])
    rng = np.random.default_rng(0)
    lng, lat = rng.uniform(-300, 300, (2, 500)) * M
    far = table(LINE([(5000, 5000), (6000, 5000)]))
    for obstacles in (table(), far, table(LINE())):
        found = snap_around(OpenLegs(streets, obstacles), lng, lat, max_snap_m=200)
        assert same(found, snap(streets, lng, lat, max_snap_m=200))
    assert len(snap_around(OpenLegs(streets, far), lng[:0], lat[:0])) == 0


def test_a_street_across_the_railway_gives_way_to_one_on_this_side(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-100, 0), (100, 0)], [(-100, 0), (-100, 90), (100, 90)])
    rail = table(LINE([(-90, 10), (200, 10)]))
    found = around(streets, rail, (0, 20), (0, 9))
    assert found.gap == pytest.approx([70, 9], rel=0.01)
    assert found.way.tolist() == [101, 100]


def test_a_level_crossing_is_reached_from_either_side(tmp_path: Path) -> None:
    """The street crosses the railway askew, so the nearest place lies beyond the rails."""
    streets = town(tmp_path / "a.osm", [(-100, -50), (100, 50)])
    rail = table(LINE([(-300, 0), (300, 0)]))
    found = around(streets, rail, (-20, 3), (20, -3), (20, 3), (-20, -3))
    at = np.array(feet(found))
    assert at[:2] == pytest.approx(np.zeros((2, 2)), abs=0.02)  # the crossing itself
    assert found.gap[:2] == pytest.approx([np.hypot(20, 3)] * 2, rel=0.01)
    assert (at[2:, 1] * [1, -1] > 1).all()  # on this side, the ordinary nearest place
    assert same(found.take(np.array([2, 3])), around(streets, table(), (20, 3), (-20, -3)))
    assert found.offset[:2] == pytest.approx([np.hypot(100, 50)] * 2, rel=0.01)


def test_on_the_railway_itself_both_sides_are_near(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-50, 10), (50, 10)], [(-50, -12), (50, -12)])
    rail = table(LINE([(-50, 0), (50, 0)]))
    found = around(streets, rail, (0, 0), (0, -0.04), (0, -0.06))
    assert found.gap == pytest.approx([10, 10.04, 11.94], rel=0.01)
    assert found.way.tolist() == [100, 100, 101]


def test_bank_and_bridge(tmp_path: Path) -> None:
    """A bridge over a river 60 m wide, a quay along its south bank."""
    streets = town(
        tmp_path / "a.osm", [(0, -100), (0, -30), (0, 30), (0, 100)], [(-80, -30), (0, -30)]
    )
    river = table(shapely.box(-1000, -30, 1000, 30))
    points = [(-20, -50), (-20, -30), (30, -30), (30, 31), (5, 0), (0, 0), (-20, 40), (20, 29)]
    found = around(streets, river, *points)
    at = np.array(feet(found))
    assert at[0] == pytest.approx([0, -50], abs=0.5) or at[0] == pytest.approx([-20, -30], abs=0.5)
    assert found.gap[1] == pytest.approx(0, abs=0.01)  # on the quay
    assert found.found[2] == False or at[2][1] <= -29.9  # noqa: E712 (never onto the bridge)
    assert at[3] == pytest.approx([0, 31], abs=0.5)
    assert not found.found[4] and not found.found[7]  # in the river
    assert np.isinf(found.gap[4])
    assert found.gap[5] == pytest.approx(0, abs=0.01)  # on the bridge
    assert at[6] == pytest.approx([0, 40], abs=0.5)


def test_from_the_bank_no_leg_leads_over_the_water(tmp_path: Path) -> None:
    """Between two banks a leg crosses no shore, and yet runs in water."""
    streets = town(tmp_path / "a.osm", [(-80, 30), (80, 30)], [(-80, -200), (80, -200)])
    river = shapely.box(-1000, -30, 1000, 30)
    for drawn in ([river], [river, river.reverse()]):  # twice, and the other way round
        found = around(streets, table(*drawn), (0, -30), (0, -30.04), (0, -31), (0, -29.97))
        assert found.way.tolist() == [101] * 4


def test_an_island_with_streets(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-20, 0), (20, 0)], [(-300, 0), (-300, 300)])
    lake = shapely.Point(0, 0).buffer(200)
    ring = table(lake - shapely.Point(0, 0).buffer(50))
    found = around(streets, ring, (0, 30), (0, 100), (-210, 0), (-290, 10))
    assert found.way.tolist() == [100, -1, 101, 101]
    far = around(streets, ring, (210, 0))
    assert not far.found[0]  # the lake lies between


def test_no_leg_slips_through_a_corner(tmp_path: Path) -> None:
    """Legs go exactly through the bends of the obstacle, between its segments."""
    streets = town(tmp_path / "a.osm", [(-200, 0), (200, 0)])
    bends = np.column_stack([np.arange(-300, 301, 10), np.where(np.arange(61) % 2, 20, 25)])
    found = around(streets, table(LINE(bends)), *((x, 40) for x in range(-150, 151, 10)))
    assert not found.found.any()


def test_a_line_without_length_is_a_post(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-200, 0), (200, 0)], [(-200, 0), (-200, 90), (200, 90)])
    post = table(LINE([(0, 20), (0, 20)]))
    found = around(streets, post, (0, 40), (1, 40))
    assert found.way.tolist() == [101, 100]


def test_nowhere_and_far_away(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-50, 10), (50, 10)])
    legs = OpenLegs(streets, table(LINE([(-50, 0), (50, 0)])))
    lng, lat = (
        np.array([np.nan, 0.0, np.inf, 1e3 * M, 0.0]),
        np.array([0.0, np.nan, 0.0, 0.0, 50.0]),
    )
    assert not snap_around(legs, lng, lat).found.any()


def test_ties_go_to_the_smallest_way(tmp_path: Path) -> None:
    streets = town(
        tmp_path / "a.osm", [(60, -50), (60, 50)], [(-60, -50), (-60, 50)], [(-50, 20), (50, 20)]
    )
    rail = table(LINE([(-55, 10), (55, 10)]))
    assert around(streets, rail, (0, 0)).way.tolist() == [100]


def test_three_dimensions_and_another_crs(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-50, 10), (50, 10)])
    flat = table(LINE([(-50, 5), (50, 5)]), shapely.box(0, 0, 1, 1))
    deep = flat.assign(geometry=shapely.force_3d(flat.geometry.array, 7.0)).to_crs("EPSG:3857")
    points = [(0, 0), (60, 0), (0.5, 0.5)]
    a, b = around(streets, flat, *points), around(streets, deep, *points)
    assert np.array_equal(a.edge, b.edge)
    np.testing.assert_allclose(a.gap, b.gap, atol=0.001)


# --- reading --------------------------------------------------------------------------------------


def write_lines(path: Path, *tags: dict[str, str]) -> Path:
    """One line of 100 m per dict of tags, 50 m apart, beside a street."""
    nodes, ways = {1: (0.0, 0.0), 2: (100 * M, 0.0)}, {1: ([1, 2], WALK)}
    for i, one in enumerate(tags):
        a = 10 + 2 * i
        nodes |= {a: (0.0, (i + 1) * 50 * M), a + 1: (100 * M, (i + 1) * 50 * M)}
        ways[a] = ([a, a + 1], one)
    return write_osm(path, nodes, ways)


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("railway", {"railway": "rail"}),
        ("railway", {"railway": "light_rail", "tunnel": "no"}),
        ("railway", {"railway": "subway"}),
        ("railway", {"railway": "rail", "layer": "-1"}),
        ("water", {"waterway": "river"}),
        ("water", {"waterway": "canal"}),
        ("water", {"natural": "coastline"}),
        ("motorway", {"highway": "motorway"}),
        ("motorway", {"highway": "motorway_link", "bridge": "no"}),
        ("motorway", {"highway": "trunk", "motorroad": "yes"}),
    ],
)
def test_what_stops_walkers(tmp_path: Path, kind: str, tags: dict[str, str]) -> None:
    path = write_lines(tmp_path / "a.osm.pbf", tags)
    assert read_obstacles(path, list(KINDS))["kind"].tolist() == [kind]
    assert read_obstacles(path, [kind])["kind"].tolist() == [kind]
    assert len(read_obstacles(path, set(KINDS) - {kind})) == 0


@pytest.mark.parametrize(
    "tags",
    [
        {"railway": "tram"},
        {"railway": "abandoned"},
        {"railway": "platform"},
        {"railway": "rail", "tunnel": "yes"},
        {"railway": "rail", "bridge": "viaduct"},
        {"railway": "rail", "covered": "yes"},
        {"railway": "rail", "disused": "yes"},
        {"railway": "subway", "layer": "-2"},
        {"railway": "light_rail", "embedded_rails": "tram"},
        {"waterway": "stream"},
        {"waterway": "ditch"},
        {"waterway": "river", "tunnel": "culvert"},
        {"waterway": "canal", "bridge": "aqueduct"},
        {"highway": "trunk"},
        {"highway": "motorway", "bridge": "yes"},
        {"highway": "motorway", "tunnel": "yes"},
        {"highway": "primary", "motorroad": "no"},
    ],
)
def test_what_does_not(tmp_path: Path, tags: dict[str, str]) -> None:
    found = read_obstacles(write_lines(tmp_path / "a.osm.pbf", tags), list(KINDS))
    assert len(found) == 0 and found.crs == "EPSG:4326" and list(found) == ["kind", "geometry"]


def test_ponds_are_no_obstacle_but_a_river_in_pieces_is(tmp_path: Path) -> None:
    """A pond of 900 m², and two of 600 m² that share a side."""
    corners = [(0, 0), (30, 0), (30, 30), (0, 30), (100, 0), (130, 0), (130, 20), (100, 20),
               (130, 40), (100, 40)]  # fmt: skip
    nodes = {i + 1: (x * M, y * M) for i, (x, y) in enumerate(corners)}
    ways = {
        1: ([1, 2, 3, 4, 1], {"natural": "water"}),
        2: ([5, 6, 7, 8, 5], {"natural": "water"}),
        3: ([8, 7, 9, 10, 8], {"waterway": "riverbank"}),
    }
    found = read_obstacles(write_osm(tmp_path / "a.osm.pbf", nodes, ways), ["water"])
    assert len(found) == 1
    assert found.geometry.iloc[0].bounds == pytest.approx((100 * M, 0, 130 * M, 40 * M), abs=1e-7)


def test_a_lake_with_an_island(tmp_path: Path) -> None:
    path = tmp_path / "lake.osm.pbf"
    corners = [
        (0, 0),
        (300, 0),
        (300, 300),
        (0, 300),
        (100, 100),
        (200, 100),
        (200, 200),
        (100, 200),
    ]
    source = write_osm(
        tmp_path / "ways.osm.pbf",
        {i + 1: (x * M, y * M) for i, (x, y) in enumerate(corners)},
        {1: ([1, 2, 3, 4, 1], {}), 2: ([5, 6, 7, 8, 5], {})},
    )
    with osmium.SimpleWriter(str(path)) as writer:
        for thing in osmium.FileProcessor(str(source)):
            writer.add(thing)
        members = [("w", 1, "outer"), ("w", 2, "inner")]
        tags = {"type": "multipolygon", "natural": "water"}
        writer.add_relation(Relation(id=1, members=members, tags=tags, version=1))
    lake = read_obstacles(path, ["water", "railway"]).geometry.iloc[0]
    assert not lake.contains(shapely.Point(150 * M, 150 * M))
    assert lake.contains(shapely.Point(50 * M, 50 * M))


def test_a_line_that_the_extract_cuts(tmp_path: Path) -> None:
    nodes = {i: (i * 100 * M, 0.0) for i in (1, 2, 4, 5, 7)}
    ways = {1: ([1, 2, 3, 4, 5, 6, 7], {"railway": "rail"})}
    found = read_obstacles(write_osm(tmp_path / "a.osm.pbf", nodes, ways), ["railway"])
    assert [len(line.coords) for line in found.geometry] == [2, 2]


def test_no_kinds_no_rows(helsinki: Path) -> None:
    assert len(read_obstacles(helsinki, [])) == 0


def test_refusals(tmp_path: Path, helsinki: Path) -> None:
    with pytest.raises(ScenarioError, match="motorway"):
        read_obstacles(helsinki, ["highway"])
    with pytest.raises(NetworkError, match="no such OSM file"):
        read_obstacles(tmp_path / "absent.osm.pbf", ["water"])
    cut = tmp_path / "截断.osm.pbf"
    cut.write_bytes(helsinki.read_bytes()[:-4000])
    with pytest.raises(NetworkError, match="cannot be read"):
        read_obstacles(cut, ["water"])


# --- what it changes ------------------------------------------------------------------------------


def test_effect_is_counted(tmp_path: Path) -> None:
    streets = town(tmp_path / "a.osm", [(-100, 0), (100, 0)], [(-100, 0), (-100, 90), (100, 90)])
    obstacles = table(LINE([(-90, 10), (200, 10)]), shapely.box(300, 40, 360, 60))
    points = np.array([(0, 20), (0, 9), (330, 50), (5000, 0)]) * M
    before = snap(streets, *points.T)
    after = snap_around(OpenLegs(streets, obstacles), *points.T)
    covered = np.array([True, True, True, False]), np.array([False, True, False, False])
    notes = leg_effect(
        before, after, before.take(np.array([1])), after.take(np.array([1])),
        covered=covered, weight=np.array([1.0, 2.0, 4.0, 1.0]),
    )  # fmt: skip
    demand, sites, share = (en for _, en in notes)
    assert "of 4 demand points, 1 meet the streets elsewhere, and 1 reach none" in demand
    assert "of 1 sites, 0 meet" in sites
    assert "from 87.50% to 25.00% (-62.50 percentage points)" in share
    assert "由 87.50% 变为 25.00%（-62.50 个百分点）" in notes[2][0]
    assert len(leg_effect(before, after, before, after)) == 2
    nobody = leg_effect(before, after, before, after, covered=covered, weight=np.zeros(4))
    assert "from 0.00% to 0.00%" in nobody[2][1]
