"""Service circles: for the eye, but they must not lie by more than a cell."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from servicecircle.circles import walk_raster
from servicecircle.circles.isochrones import circles_of_sets, service_circles, station_circles
from servicecircle.circles.junction_walks import Pace, Together
from servicecircle.circles.raster_cells import FINER
from servicecircle.circles.walk_raster import CELL_M, STREET_M, MinutesRaster, WalkRaster
from servicecircle.reach import travel_times
from servicecircle.snapping import Snapped, Streets, snap
from servicecircle.streets.contraction import GEOD, Pieces
from servicecircle.streets.network import WalkNetwork, build_network, way_table
from servicecircle.streets.osm_file import read_osm
from towns import line_town, metres_east, write_osm

City = tuple[WalkNetwork, Streets, Snapped]
WALK = {"highway": "residential"}


@pytest.fixture(scope="module")
def city(helsinki: Path) -> City:
    """Helsinki with three stations."""
    network = read_osm(helsinki)
    streets = Streets(network)
    west, south, east, north = network.bounds
    rng = np.random.default_rng(3)
    lng, lat = rng.uniform(west, east, 40), rng.uniform(south, north, 40)
    feet = snap(streets, lng, lat, max_snap_m=50)
    keep = np.flatnonzero(feet.found)[:3]
    return network, streets, snap(streets, lng[keep], lat[keep])


@pytest.fixture(scope="module")
def big_city(porto: Path) -> City:
    """Porto with stations in twelve places, some metres beside the streets."""
    network = read_osm(porto)
    streets = Streets(network)
    rng = np.random.default_rng(8)
    junction = rng.choice(np.unique(network.edge_u[~network.edge_island]), 12, replace=False)
    lng, lat = network.junction_lng[junction] + 2e-4, network.junction_lat[junction] + 1e-4
    return network, streets, snap(streets, lng, lat)


def in_plane(network: WalkNetwork, shape: shapely.Geometry) -> shapely.Geometry:
    def plane(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(network.plane.transform(xy[:, 0], xy[:, 1]))

    return shapely.transform(shape, plane)


def walk_to_all(raster: WalkRaster, sites: Snapped, cutoff: float, pace: Pace):
    together = Together(raster.network)
    for walks in raster.walks(sites, cutoff, pace):
        for _, walk in walks:
            together.add(walk)
    return together.walk


def minutes_raster(network: WalkNetwork, sites: Snapped, cutoff: float) -> MinutesRaster:
    raster = WalkRaster(Streets(network))
    return raster.minutes(walk_to_all(raster, sites, cutoff, Pace()), cutoff, Pace())


# --- true to the times ----------------------------------------------------------------------------


def compared(city: City, minutes: float, lng: np.ndarray, lat: np.ndarray) -> dict[str, float]:
    """Sample points against the circles of all stations together."""
    network, streets, feet = city
    demand = snap(streets, lng, lat)
    times = travel_times(network, demand, feet)
    nearest = times.nearest(np.arange(len(feet)))[1]
    covered = (nearest <= minutes + 1e-7) & (demand.gap <= STREET_M)
    shape = service_circles(network, streets, feet, [minutes]).geometry.iloc[0]
    inside = shapely.contains_xy(shape, lng, lat)
    wrong = np.flatnonzero(inside != covered)
    points = in_plane(network, shapely.points(lng[wrong], lat[wrong]))
    off = shapely.distance(points, in_plane(network, shape).boundary)
    assert 100 < covered.sum() < len(lng) - 100
    return {
        "precision": (inside & covered).sum() / inside.sum(),
        "recall": (inside & covered).sum() / covered.sum(),
        "beyond a cell": (off > CELL_M).sum(),
        "wrong": len(wrong) / len(lng),
    }


@pytest.mark.parametrize(("minutes", "least"), [(3, 0.96), (5, 0.98), (8, 0.99), (15, 0.99)])
def test_inside_is_covered_save_within_a_cell_of_the_line(
    city: City, minutes: float, least: float
) -> None:
    """20,000 points at random: who walks at most so long, with a street near, lies inside."""
    rng = np.random.default_rng(7)
    west, south, east, north = city[0].bounds
    lng, lat = rng.uniform(west, east, 20_000), rng.uniform(south, north, 20_000)
    found = compared(city, minutes, lng, lat)
    assert found["beyond a cell"] == 0
    assert found["wrong"] < 0.006  # counted: 0.2 to 0.4 %
    assert min(found["precision"], found["recall"]) >= least


@pytest.mark.parametrize(("minutes", "least"), [(5, 0.99), (15, 0.99), (30, 0.995)])
def test_porto_against_samples_10_m_apart(big_city: City, minutes: float, least: float) -> None:
    network, streets, feet = big_city
    one = feet.take(np.array([0]))
    x, y = network.plane.transform(one.lng[0], one.lat[0])
    steps = np.arange(-1, 1, 10 / (minutes * 200 / 3 + 150)) * (minutes * 200 / 3 + 150)
    grid = np.stack(np.meshgrid(x + steps, y + steps), axis=-1).reshape(-1, 2) + np.array(
        [0.4, 0.7]
    )
    lng, lat = network.plane.transform(*grid.T, direction="INVERSE")
    found = compared((network, streets, one), minutes, lng, lat)
    assert found["beyond a cell"] == 0
    assert min(found["precision"], found["recall"]) >= least


@pytest.mark.parametrize("directed", [False, True])
def test_every_point_of_the_lattice_says_what_the_matrix_says(city: City, directed: bool) -> None:
    """No short cut of the raster changes a value, with slopes and one-way streets neither."""
    network, _, feet = city
    if directed:
        rng = np.random.default_rng(1)
        uphill = np.repeat(rng.uniform(0.9, 1.8, network.n_edges), np.diff(network.vertex_start))
        network = replace(
            network,
            vertex_forward=network.vertex_offset * uphill,
            vertex_backward=network.vertex_offset * (2.6 - uphill),
            edge_forward=rng.random(network.n_edges) < 0.9,
        )
    streets = Streets(network)
    feet = snap(streets, feet.lng, feet.lat)
    raster, pace = WalkRaster(streets), Pace(4.0, 3.0)
    limit = pace.limit(6)
    (field,) = raster.fields(walk_to_all(raster, feet, 6, pace), limit)
    row, column = np.indices(field.metres.shape).reshape(2, -1)
    x, y = (column + field.column) * raster.step, (row + field.row) * raster.step
    lng, lat = network.plane.transform(x, y, direction="INVERSE")
    demand = snap(streets, lng, lat)
    times = travel_times(network, demand, feet, speed_kmh=4.0, leg_speed_kmh=3.0, cutoff=8)
    walk = times.nearest(np.arange(len(feet)))[1] * pace.per_minute
    wanted = np.maximum(walk - limit, demand.gap - STREET_M).clip(-raster.clip, raster.clip)
    # 5 mm keep points off the line; a point halfway between two streets may go to either
    off = np.abs(field.metres.ravel() - wanted) > 0.006
    assert off.mean() < 2e-5
    assert (np.abs(wanted) < raster.clip).sum() > 1000 and (wanted < 0).mean() > 0.1


def test_a_street_and_its_verge(tmp_path: Path) -> None:
    """One street of 2 km, a station in the middle, 6 minutes at 4 km/h: 400 m along the street.

    A point d metres beside the street has 400 - d metres left along it, up to d = 100 m: a
    hexagon with the corners (±400, 0), (±300, ±100), of 2 · (800 + 600) / 2 · 100 = 140,000 m².
    """
    network = read_osm(line_town(tmp_path / "line.osm", [1000, 1000]))
    streets = Streets(network)
    feet = snap(streets, [metres_east(1000)], [0.0])
    circles = service_circles(network, streets, feet, [6])
    area, _ = GEOD.geometry_area_perimeter(circles.geometry.iloc[0])
    assert abs(area) == pytest.approx(140_000, rel=0.001)
    west, south, east, north = circles.total_bounds
    assert east - west == pytest.approx(metres_east(800), rel=0.003)
    assert (north - south) * 110_574 == pytest.approx(200, abs=0.5)
    raster = minutes_raster(network, feet, 6)
    x, y = network.plane.transform(metres_east(1000), 0.0)
    walk = np.abs(raster.x[None, :] - x) + np.abs(raster.y[:, None] - y)  # metres
    reached = np.isfinite(raster.minutes)
    assert np.allclose(raster.minutes[reached], walk[reached] * 0.015, atol=1e-4)
    assert reached[(walk < 399) & (np.abs(raster.y[:, None] - y) < 99)].all()


def test_a_verge_whose_own_street_is_out_of_reach_is_not_coloured(tmp_path: Path) -> None:
    """Two streets 60 m apart that meet nowhere: the nearest street decides, not the reached one."""
    lat = 60 / 110_574
    nodes = {i: (metres_east(x), y) for i, (x, y) in enumerate(
        [(0, 0.0), (1000, 0.0), (0, lat), (1000, lat)], start=1)}  # fmt: skip
    path = write_osm(tmp_path / "two.osm", nodes, {1: ([1, 2], WALK), 2: ([3, 4], WALK)})
    network = read_osm(path)
    streets = Streets(network)
    shape = service_circles(network, streets, snap(streets, [metres_east(500)], [0.0]), [5])
    assert shape.total_bounds[3] * 110_574 == pytest.approx(30, abs=2.6)
    assert shape.total_bounds[1] * 110_574 == pytest.approx(-100, abs=1)


# --- how circles lie to each other ----------------------------------------------------------------


def difference(inner: shapely.Geometry, outer: shapely.Geometry) -> float:
    """Square metres (roughly) of the inner shape outside the outer one."""
    return inner.difference(outer).area * 111_320.0**2


@pytest.mark.parametrize("where", ["city", "big_city"])
def test_circles_are_valid_nested_and_hold_each_other(
    where: str, request: pytest.FixtureRequest
) -> None:
    network, streets, feet = request.getfixturevalue(where)
    levels, raster = [3, 5, 15, 30], WalkRaster(streets)
    each = station_circles(network, streets, feet, [15, 30, 3, 5, 3], raster=raster)
    assert each["site"].tolist() == np.repeat(np.arange(len(feet)), 4).tolist()
    assert each["minutes"].tolist() == levels * len(feet)
    together = service_circles(network, streets, feet, [30, 3, 5, 15, 3], raster=raster)
    assert together["minutes"].tolist() == levels
    for circles in (each, together):
        assert circles.crs == "EPSG:4326" and circles.geometry.is_valid.all()
        assert (circles.geom_type == "MultiPolygon").all()
    assert any(len(p.interiors) for p in together.geometry.iloc[1].geoms)
    shapes = each.geometry.to_numpy().reshape(len(feet), 4)
    whole = together.geometry.to_numpy()
    for site in range(len(feet)):
        for level in range(4):
            assert difference(shapes[site, level], whole[level]) < 1e-3
            if level:
                assert difference(shapes[site, level - 1], shapes[site, level]) < 1e-3
    for small, large in pairwise(whole):
        assert difference(small, large) < 1e-3
        assert large.area > small.area
    union = shapely.union_all(shapes[:, 1])
    assert union.symmetric_difference(whole[1]).area < 0.001 * whole[1].area


def test_cells_are_made_once(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    network, streets, feet = city
    raster, calls = WalkRaster(streets), []
    plain = walk_raster.find_cells

    def counted(*args):
        calls.append(len(args[2]))
        return plain(*args)

    monkeypatch.setattr(walk_raster, "find_cells", counted)
    sets = [np.array([0]), np.arange(3)]
    first = circles_of_sets(network, streets, feet, sets, [15], raster=raster)
    made = sum(calls)
    second = circles_of_sets(network, streets, feet, sets, [15, 5], raster=raster)
    each = station_circles(network, streets, feet, [15, 8], raster=raster)
    assert sum(calls) == made > 0
    assert first[1].geometry.iloc[0].equals(second[1].geometry.iloc[1])
    fresh = station_circles(network, streets, feet, [8])
    assert all(a.equals(b) for a, b in zip(each.geometry.iloc[::2], fresh.geometry, strict=True))
    assert second[0].geometry.iloc[0].equals(station_circles(
        network, streets, feet.take(np.array([0])), [5]).geometry.iloc[0])  # fmt: skip


def test_windows_leave_no_seam(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    network, streets, feet = city
    whole = service_circles(network, streets, feet, [5, 8])
    monkeypatch.setattr(walk_raster, "_WINDOW", 37)
    parts = service_circles(network, streets, feet, [5, 8])
    assert parts.geometry.is_valid.all()
    for a, b in zip(whole.geometry, parts.geometry, strict=True):
        assert a.symmetric_difference(b).area < 1e-9 * a.area
        assert len(a.geoms) == len(b.geoms)


def test_water_is_left_out(city: City) -> None:
    network, streets, feet = city
    dry = service_circles(network, streets, feet, [5, 8])
    lng, lat = feet.lng[0], feet.lat[0]
    pond = shapely.box(lng - 1e-3, lat - 5e-4, lng + 1e-3, lat + 5e-4)
    bow_tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])  # not valid, and far away
    far = shapely.Polygon(
        [(lng, lat), (lng + 2e-3, lat + 2e-3), (lng + 2e-3, lat), (lng, lat + 2e-3)]
    )
    water = gpd.GeoDataFrame(geometry=[pond, bow_tie, far], crs="EPSG:4326")
    wet = service_circles(network, streets, feet, [5, 8], water=water)
    each = station_circles(network, streets, feet, [5], water=water.to_crs("EPSG:3067"))
    for before, after in zip(dry.geometry, wet.geometry, strict=True):
        left = before.difference(pond).difference(shapely.make_valid(far))
        assert after.is_valid and after.symmetric_difference(left).area < 1e-12
    assert each.geometry.is_valid.all()
    assert each.geometry.iloc[0].intersection(pond).area < 1e-4 * pond.area
    none = service_circles(network, streets, feet, [5], water=water.iloc[:0])
    assert none.geometry.iloc[0].equals(dry.geometry.iloc[0])


# --- a new link -----------------------------------------------------------------------------------


def grid_town(rng: np.random.Generator, link: tuple[int, int]) -> tuple[WalkNetwork, np.ndarray]:
    """Five by five crossings some 120 m apart, some streets missing; a link, and which edges."""
    x, y = np.meshgrid(np.arange(5) * 120.0, np.arange(5) * 120.0)
    x, y = (v.ravel() + rng.uniform(-40, 40, 25) for v in (x, y))
    lng, lat = metres_east(1.0) * x, y / 110_574
    pairs = [(i, i + 1) for i in range(25) if i % 5 < 4] + [(i, i + 5) for i in range(20)]
    pairs = [p for p in pairs if rng.random() < 0.8 and set(p) != set(link)]
    ends = np.array([*pairs, link]).ravel()
    counts = np.full(len(pairs) + 1, 2)
    way = np.arange(len(counts)) + 1
    forward = rng.random(len(counts)) < 0.9
    forward[-1] = True
    pieces = Pieces.build(ends + 1, lng[ends], lat[ends], counts, way, forward=forward)
    network = build_network(pieces, way_table(way.tolist(), {}), island_share=0.0, source="grid")
    vertex_edge = np.repeat(np.arange(network.n_edges), np.diff(network.vertex_start))
    return network, np.unique(vertex_edge[network.vertex_way == way[-1]])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 24), st.integers(0, 24), st.floats(1, 8))
def test_a_new_link_never_shrinks_a_circle(seed: int, a: int, b: int, minutes: float) -> None:
    """The link lies in both networks, so that points snap alike, but in one nobody may walk it."""
    if a == b:
        b = (a + 1) % 25
    open_, link = grid_town(np.random.default_rng(seed), (a, b))
    closed_edges = np.isin(np.arange(open_.n_edges), link)
    closed = replace(
        open_,
        edge_forward=open_.edge_forward & ~closed_edges,
        edge_backward=open_.edge_backward & ~closed_edges,
    )
    site = snap(Streets(open_), np.array([metres_east(230.0)]), np.array([250 / 110_574]))
    without, with_ = (minutes_raster(net, site, minutes) for net in (closed, open_))
    at = pd.DataFrame(with_.minutes, index=with_.y, columns=with_.x)
    at = at.reindex(index=without.y, columns=without.x, fill_value=np.inf).to_numpy()
    assert (at <= without.minutes + 1e-9).all()
    shapes = [
        service_circles(net, Streets(net), site, [minutes]).geometry.iloc[0]
        for net in (closed, open_)
    ]
    assert difference(*shapes) < 1e-3


# --- odd stations and odd minutes -----------------------------------------------------------------


def test_stations_far_apart_and_none_at_all(tmp_path: Path) -> None:
    network = read_osm(line_town(tmp_path / "line.osm", [5000] * 4))
    streets = Streets(network)
    lng = [metres_east(2000), metres_east(18000)]
    circles = service_circles(network, streets, snap(streets, lng, [0.0, 0.0]), [6, 0.1])
    assert [len(shape.geoms) for shape in circles.geometry] == [2, 2]
    nobody = snap(streets, [1.0], [1.0])
    for feet in (nobody, snap(streets, [], [])):
        for make in (service_circles, station_circles):
            empty = make(network, streets, feet, [15])
            assert len(empty) == 0 and "minutes" in empty and empty.crs == "EPSG:4326"
    mixed = snap(streets, [1.0, lng[0]], [1.0, 0.0])
    assert station_circles(network, streets, mixed, [6])["site"].tolist() == [1]
    assert len(station_circles(network, streets, mixed, [])) == 0


def test_a_station_off_the_street_beyond_the_standard_has_an_empty_circle(tmp_path: Path) -> None:
    network = read_osm(line_town(tmp_path / "line.osm", [1000, 1000]))
    streets = Streets(network)
    feet = snap(streets, [metres_east(1000)], [0.004])  # 440 m away: 6.6 minutes
    circles = service_circles(network, streets, feet, [6, 15])
    assert circles.geometry.is_empty.tolist() == [True, False]


@pytest.mark.parametrize("minutes", [[-1], [float("nan")], [5, float("inf")]])
def test_no_time_at_all(city: City, minutes: list[float]) -> None:
    with pytest.raises(ValueError, match="minutes"):
        service_circles(*city, minutes)


def test_no_minutes_and_very_few(tmp_path: Path) -> None:
    """0 minutes reach the station's own place, which has no area; 0.1 minutes are 6.67 m."""
    network = read_osm(line_town(tmp_path / "line.osm", [1000, 1000]))
    streets = Streets(network)
    feet = snap(streets, [metres_east(1000), metres_east(503)], [0.0, 0.0])
    circles = station_circles(network, streets, feet, [0, 0.1])
    assert circles.geometry.is_valid.all()
    area = [abs(GEOD.geometry_area_perimeter(s)[0]) for s in circles.geometry]
    assert max(area[0], area[2]) < 1.0
    assert area[1] == pytest.approx(2 * 6.667**2, rel=0.15)


def test_a_station_on_a_ring(tmp_path: Path) -> None:
    """A loop of some 628 m: after 314 m both ways meet, and all of it is reached."""
    angle = np.linspace(0, 2 * np.pi, 65)[:-1]
    nodes = {i + 1: (metres_east(100 * np.cos(a)), 100 * np.sin(a) / 110_574)
             for i, a in enumerate(angle)}  # fmt: skip
    nodes |= {100: (metres_east(300), 0.0)}
    path = write_osm(
        tmp_path / "ring.osm", nodes, {1: ([*range(1, 65), 1], WALK), 2: ([1, 100], WALK)}
    )
    network = read_osm(path)
    streets = Streets(network)
    feet = snap(streets, [metres_east(-100)], [0.0])
    few, all_ = service_circles(network, streets, feet, [4.6, 5]).geometry  # 307 m, 333 m
    assert shapely.contains_xy(all_, metres_east(100), 0.0)
    assert not shapely.contains_xy(few, metres_east(100), 0.0)
    assert shapely.contains_xy(few, metres_east(-70), 0.0)


def test_an_hour_long_drive_stays_on_the_network(saopaulo: Path) -> None:
    """240 minutes at 50 km/h lead 200 km far; the raster ends 100 m behind the last street."""
    network = read_osm(saopaulo)
    streets = Streets(network)
    junction = network.edge_u[~network.edge_island][:1]
    feet = snap(streets, network.junction_lng[junction], network.junction_lat[junction])
    raster, pace = WalkRaster(streets), Pace(50.0)
    walk = walk_to_all(raster, feet, 240, pace)
    fields = list(raster.fields(walk, pace.limit(240)))
    assert fields
    xy = np.concatenate([streets.xy[streets.vertex], streets.xy[streets.vertex + 1]])
    low = xy.min(axis=0) - STREET_M - 3 * CELL_M
    high = xy.max(axis=0) + STREET_M + 3 * CELL_M
    for field in fields:
        assert (np.array([field.column, field.row]) * raster.step >= low).all()
        end = np.array([field.column, field.row]) + field.metres.shape[::-1]
        assert (end * raster.step <= high).all()
    circles = service_circles(network, streets, feet, [240], speed_kmh=50, raster=raster)
    assert circles.geometry.iloc[0].is_valid
    assert FINER * raster.step == CELL_M


def test_thousands_of_stations(city: City) -> None:
    network, streets, _ = city
    rng = np.random.default_rng(2)
    west, south, east, north = network.bounds
    feet = snap(streets, rng.uniform(west, east, 3000), rng.uniform(south, north, 3000))
    circles = service_circles(network, streets, feet, [1, 30])
    assert circles.geometry.is_valid.all()
    every = walk_raster.WalkRaster(streets)
    whole = service_circles(network, streets, feet, [240], raster=every).geometry.iloc[0]
    assert circles.geometry.iloc[1].symmetric_difference(whole).area < 1e-3 * whole.area
