"""Snapping by the compiled grid, judged by shapely's tree and by trying every segment."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from grids import grid, places_in
from servicecircle.snapping import TIE_M, Streets, snap
from servicecircle.street_index import make_grid, nearest
from servicecircle.streets.osm_file import read_osm
from towns import WALK, write_osm


def tried_all(a, b, rank, x, y, max_m):
    """The nearest segment to one point by trying every one, the lowest rank among ties."""
    line = b - a
    square = (line**2).sum(axis=1)
    p = np.array([x, y]) - a
    t = np.clip((p * line).sum(axis=1) / np.where(square > 0, square, 1), 0, 1)
    distance = np.hypot(*(p - t[:, None] * line).T)
    if distance.min() > max_m:
        return -1
    tied = np.flatnonzero(distance <= distance.min() + TIE_M)
    return int(tied[np.argmin(rank[tied])])


coordinate = st.one_of(st.floats(-900, 900), st.sampled_from([0.0, 64.0, -64.0, 128.0, 640.0]))
point = st.tuples(coordinate, coordinate)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(point, point), min_size=1, max_size=25),
    st.lists(point, min_size=1, max_size=10),
    st.sampled_from([0.5, 60.0, 500.0, 5000.0]),
)
def test_the_grid_finds_what_trying_all_finds(segments, points, max_m):
    a, b = (np.array([s[i] for s in segments], float) for i in (0, 1))
    rank = np.random.default_rng(len(a)).permutation(len(a))
    x, y = np.array(points, float).T
    found = nearest(make_grid(a, b, rank), x, y, max_m)
    for i in range(len(x)):
        wanted = tried_all(a, b, rank, x[i], y[i], max_m)
        if wanted != found[i]:  # both within rounding of a limit
            d = [
                shapely.distance(shapely.Point(x[i], y[i]), shapely.LineString([a[k], b[k]]))
                for k in (wanted, found[i])
                if k >= 0
            ]
            near_limit = [abs(v - max_m) < 1e-6 for v in d]
            near_tie = len(d) == 2 and abs(abs(d[0] - d[1]) - TIE_M) < 1e-6
            assert any(near_limit) or near_tie, (wanted, found[i], d)


def test_a_whole_city_as_shapelys_tree_has_it(helsinki):
    network = read_osm(helsinki)
    streets = Streets(network)
    lng, lat = places_in(network, 20_000)
    feet = snap(streets, lng, lat, max_snap_m=300)
    ends = np.stack([streets.xy[streets.vertex], streets.xy[streets.vertex + 1]], axis=1)
    tree = shapely.STRtree(shapely.linestrings(ends))
    where = shapely.points(*network.plane.transform(lng, lat))
    (row, _), distance = tree.query_nearest(
        where, max_distance=320.0, return_distance=True, all_matches=False
    )
    wanted = np.full(len(lng), np.inf)
    wanted[row] = distance
    assert np.array_equal(feet.found, wanted <= 300)
    # the plane is true to scale within a city
    assert np.abs(feet.gap[feet.found] - wanted[feet.found]).max() < 0.01
    # the foot lies on the segment that is named
    for way in np.unique(feet.way[feet.found])[:50]:
        mine = np.flatnonzero(feet.way == way)
        at = network.vertex_way == way
        assert set(feet.segment[mine]) <= set(network.vertex_segment[at])


def test_far_outliers_cost_no_memory():
    """One street on the other side of the world does not blow up the grid."""
    a = np.array([[0.0, 0.0], [1.9e7, 1.9e7]])
    made = make_grid(a, a + 10.0, np.arange(2))
    assert len(made.start) < 3e6
    found = nearest(made, np.array([5.0, 1.9e7 + 5]), np.array([4.0, 1.9e7 + 4]), 500.0)
    assert found.tolist() == [0, 1]


def test_points_that_are_nowhere_are_unsnapped():
    network = grid(5)
    lng = np.array([np.nan, np.inf, 179.0, 0.0005])
    feet = snap(Streets(network), lng, np.array([0.0, 0.0, 80.0, np.nan]))
    assert not feet.found.any() and np.isinf(feet.gap).all()


def test_a_tie_goes_to_the_smallest_way_whatever_its_place(tmp_path):
    """Two parallel streets, the point in the middle: the lower way id wins."""
    y, east = 0.0003, 0.002  # whole numbers of OSM's 1e-7 degrees
    nodes = {1: (0, 0), 2: (east, 0), 3: (0, 2 * y), 4: (east, 2 * y), 5: (0, y)}
    for low, high in ((10, 20), (20, 10)):
        ways = {low: ([1, 2], WALK), high: ([3, 4], WALK), 30: ([1, 3], WALK)}
        network = read_osm(write_osm(tmp_path / f"{low}.osm", nodes, ways))
        feet = snap(Streets(network), np.array([east / 2]), np.array([y]))
        assert feet.way.tolist() == [10]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_points(count):
    feet = snap(Streets(grid(4)), np.zeros(count), np.zeros(count))
    assert len(feet) == count
