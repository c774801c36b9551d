"""Odd layers as tiles: none, huge ones, around zero, beyond the map's edge, over themselves."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import shapely

from servicecircle.errors import QuestionError
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.journal import tiles_in
from servicecircle.export.tiles.metadata import read_tileset
from servicecircle.export.tiles.outlines import Band
from tile_cases import CENTRE, judged, numbers, pixels, premultiplied, rough, town, write


@pytest.mark.parametrize("grid", GRIDS)
def test_an_empty_layer_writes_an_empty_folder(tmp_path, grid):
    for k, bands in enumerate(([], [Band(None, (0, 0, 0), 1, "x")], town(1) and [
        Band(shapely.MultiPolygon(), (0, 0, 0), 1, "x")])):  # fmt: skip
        written = write(bands, tmp_path / str(k), grid)
        assert written.tiles == 0 and written.bounds is None
        assert "bounds" not in json.loads((tmp_path / str(k) / "tiles.json").read_text("utf-8"))
        assert read_tileset(tmp_path / str(k)).tiles == 0


def test_zooms_fit_the_data_by_default(tmp_path):
    written = write(town(1), tmp_path / "a", "wgs84")
    low, high = written.zooms
    assert high == 17
    assert 1 <= len([t for t in numbers(tmp_path / "a") if t[0] == low]) <= 4
    west, _, east, _ = written.bounds_datum
    wide = (east - west) / 360 * 2**low
    assert 0.25 < wide <= 1.0
    point = shapely.Point(CENTRE).buffer(0.00001)
    assert write([Band(point, (0, 0, 0), 1, "x")], tmp_path / "b", "bd09").zooms == (18, 18)


def test_too_many_tiles_are_refused_with_the_zoom_that_is_possible(tmp_path):
    country = [Band(shapely.box(100, 25, 115, 40), (0, 0, 0), 0.5, "x")]
    with pytest.raises(QuestionError) as refused:
        write(country, tmp_path)
    assert "zoom 15 is possible" in refused.value.text("en")
    assert not list(tmp_path.iterdir())
    with pytest.raises(QuestionError, match="take a smaller area"):
        write(country, tmp_path, zooms=(18, 18))
    for zooms in ((5, 4), (-1, 3), (3, 40)):
        with pytest.raises(QuestionError, match="缩放级别"):
            write(town(), tmp_path, zooms=zooms)


def test_the_reckoned_number_of_tiles_is_close(tmp_path):
    told = []
    written = write(
        town(size_deg=0.08), tmp_path, zooms=(10, 17), progress=lambda *pair: told.append(pair)
    )
    assert told[-1][0] == written.tiles
    assert abs(told[0][1] / written.tiles - 1) < 0.15
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("name", ["wgs84", "bd09"])
def test_around_zero_and_the_180th_meridian(tmp_path, name):
    """Negative numbers of Baidu's grid; shapes that run beyond 180° come in on the other side."""
    origin = [Band(rough(0.02, centre=(0.001, -0.002), seed=1), (200, 10, 10), 1.0, "x")]
    write(origin, tmp_path / "o", name, shifted=False, zooms=(11, 13))
    if name == "bd09":
        signs = {(x < 0, y < 0) for _, x, y in numbers(tmp_path / "o")}
        assert signs == set(itertools.product((True, False), repeat=2))
    for z, x, y, path in tiles_in(tmp_path / "o"):
        assert np.abs(premultiplied(path) - judged(origin, name, (z, x, y))).max() < 30
    beyond = Band(shapely.box(179.99, 10.0, 180.02, 10.01), (9, 9, 9), 1.0, "x")
    halves = shapely.union_all(
        [shapely.box(179.99, 10.0, 180.0, 10.01), shapely.box(-180.0, 10.0, -179.98, 10.01)]
    )
    write([beyond], tmp_path / "a", name, shifted=False, zooms=(3, 13))
    write([Band(halves, (9, 9, 9), 1.0, "x")], tmp_path / "b", name, shifted=False, zooms=(3, 13))
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    columns = {x for z, x, _ in numbers(tmp_path / "a") if z == 13}
    assert max(columns) - min(columns) > 4000


@pytest.mark.parametrize("name", GRIDS)
def test_land_beyond_the_maps_edge_falls_away(tmp_path, name):
    pole = Band(shapely.box(-180, 60, 180, 90), (1, 1, 1), 1.0, "x")
    written = write([pole], tmp_path / "a", name, shifted=False, zooms=(2, 4))
    assert written.tiles > 0
    assert written.bounds_wgs84[3] == pytest.approx(GRIDS[name].limit_lat_deg)
    only = Band(shapely.box(0, 86, 10, 89), (1, 1, 1), 1.0, "x")
    assert write([only], tmp_path / "b", name, shifted=False, zooms=(2, 4)).tiles == 0


def test_shapes_that_overlap_themselves_are_painted_once(tmp_path):
    a, b = shapely.box(113.30, 23.0, 113.34, 23.04), shapely.box(113.32, 23.02, 113.36, 23.06)
    write([Band(shapely.MultiPolygon([a, b]), (5, 5, 5), 0.5, "x")], tmp_path / "1", zooms=(11, 14))
    write([Band(a | b, (5, 5, 5), 0.5, "x")], tmp_path / "2", zooms=(11, 14))
    assert numbers(tmp_path / "1") == numbers(tmp_path / "2")
    for z, x, y, path in tiles_in(tmp_path / "1"):
        other = tmp_path / "2" / str(z) / str(x) / f"{y}.png"
        apart = np.abs(premultiplied(path) - premultiplied(other)).max(axis=2)
        # where two rims cross within a pixel, their shares are added up
        assert np.count_nonzero(apart > 9) <= 8 and apart.max() < 64
    with pytest.raises(ValueError, match="not numbers"):
        write([Band(shapely.Polygon([(0, 0), (1, 0), (np.inf, 1)]), (5, 5, 5), 0.5, "x")], tmp_path)


def test_a_band_that_is_not_to_be_seen_makes_no_tile(tmp_path):
    hidden = Band(rough(0.01), (9, 9, 9), 0.0, "x")
    assert write([hidden], tmp_path / "a", zooms=(12, 16)).tiles == 0
    # on top it is a hole in what lies below: a pixel shows the last band that covers it
    below = Band(rough(0.03, seed=2), (200, 9, 9), 1.0, "y")
    write([below, hidden], tmp_path / "b", zooms=(13, 13))
    for z, x, y, path in tiles_in(tmp_path / "b"):
        truth = judged([below, hidden], "wgs84", (z, x, y))
        assert np.abs(premultiplied(path) - truth).max() < 255 * 0.12


def test_rims_on_tile_borders(tmp_path):
    """Squares whose sides run along the borders of tiles: full tiles, and nothing beside them."""
    x, y = map(int, GRIDS["wgs84"].tile_of_degrees(*CENTRE, 14))
    side = 2 * math.pi * 6_378_137 / 2**14
    metres = np.array([[x, x + 1], [2**14 - y - 1, 2**14 - y]]) * side - 2**13 * side
    lng, lat = GRIDS["wgs84"].degrees(*metres)
    write([Band(shapely.box(lng[0], lat[0], lng[1], lat[1]), (5, 5, 5), 1.0, "x")], tmp_path,
          zooms=(14, 16))  # fmt: skip
    assert len(numbers(tmp_path)) == 1 + 4 + 16
    assert all((pixels(path)[..., 3] == 255).all() for *_, path in tiles_in(tmp_path))
