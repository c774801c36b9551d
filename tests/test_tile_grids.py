"""Where tiles lie: published tile numbers, round trips, the rim of a circle at the right pixel."""

from __future__ import annotations

import csv
import math

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import shared_file
from datums import FORWARD
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.outlines import Band
from servicecircle.export.tiles.pyramid import Metadata, write_tiles

SAID = Metadata("层", "© OpenStreetMap contributors")
PLACE = (113.3964152, 23.0581857)


def test_numbers_of_a_place_as_the_providers_count_them():
    assert [int(v) for v in GRIDS["gcj02"].tile_of_degrees(*PLACE, 15)] == [26705, 14226]
    assert [int(v) for v in GRIDS["bd09"].tile_of_degrees(*PLACE, 15)] == [6163, 1280]


def test_web_tiles_as_the_osm_wiki_counts_them():
    def wiki(lng, lat, zoom):  # https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames
        y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
        return int((lng + 180) / 360 * 2**zoom), int(y * 2**zoom)

    rng = np.random.default_rng(0)
    lng, lat = rng.uniform(-180, 180, 500), rng.uniform(-85, 85, 500)
    for zoom in (0, 5, 18):
        x, y = GRIDS["wgs84"].tile_of_degrees(lng, lat, zoom)
        assert [*zip(x, y, strict=True)] == [wiki(*p, zoom) for p in zip(lng, lat, strict=True)]


def test_baidu_counts_negative_tiles_down_from_zero():
    grid = GRIDS["bd09"]
    x, y = grid.tile(
        [-1.0, 0.0, 255.9, 256.0, -256.0, -256.1], [-1.0, 0, 255.9, 256, -256, -257], 18
    )
    assert x.tolist() == [-1, 0, 0, 1, -1, -2]
    assert y.tolist() == [-1, 0, 0, 1, -1, -2]
    assert [grid.number(row) for row in (-1, 0, 7)] == [0, -1, -8]


@pytest.mark.parametrize("name", GRIDS)
@given(lng=st.floats(-179.99, 179.99), lat=st.floats(-73.9, 73.9), zoom=st.integers(1, 20))
def test_round_trips(name, lng, lat, zoom):
    grid = GRIDS[name]
    x, y = grid.plane_of_degrees(lng, lat)
    back = grid.degrees(x, y)
    # at 15°, 30°, 45° and 60° LL2MC leaves gaps of up to 15 m; elsewhere the inverse is exact
    assert abs(float(back[0]) - lng) < 1e-7
    assert abs(float(back[1]) - lat) < (2e-4 if name == "bd09" else 1e-9)
    column, row = (int(v) for v in grid.tile(x, y, zoom))
    parent = [int(v) for v in grid.tile(x, y, zoom - 1)]
    assert parent == [column // 2, row // 2]
    right, down = grid.pixels(x, y, zoom)
    if name == "bd09":
        assert abs(right - float(x) / 2.0 ** (18 - zoom)) < 1e-6
        assert abs(down + float(y) / 2.0 ** (18 - zoom)) < 1e-6
        side = 256 * 2.0 ** (18 - zoom)
        assert [math.floor(x / side), math.floor(y / side)] == [column, row]
    else:
        assert [int(right // 256), int(down // 256)] == [column, row]


# --- a rim at the right pixel, by mathematics of this file alone ----------------------------------


def _pixel(vector, name, zoom):
    """Pixels (right, down) of a reference point, written out anew."""
    if name == "bd09":
        metres_per_px = 2.0 ** (18 - zoom)
        return (
            float(vector["bd09mc_x"]) / metres_per_px,
            -float(vector["bd09mc_y"]) / metres_per_px,
        )
    lng, lat = float(vector[f"{name}_lng"]), math.radians(float(vector[f"{name}_lat"]))
    world = 256 * 2.0**zoom
    north = math.log(math.tan(math.pi / 4 + lat / 2)) / (2 * math.pi)
    return (lng + 180) / 360 * world, (0.5 - north) * world


def _alpha(folder, name, zoom, right, down):
    """Alpha, 0 to 255, of the pixel that holds a place."""
    column, row = math.floor(right / 256), math.floor(down / 256)
    path = folder / str(zoom) / str(column) / f"{-row - 1 if name == 'bd09' else row}.png"
    if not path.exists():
        return 0
    with Image.open(path) as image:
        return image.convert("RGBA").getpixel((int(right % 256), int(down % 256)))[3]


@pytest.mark.parametrize(("name", "zoom"), [("wgs84", 16), ("gcj02", 16), ("bd09", 17)])
def test_a_circles_rim_is_at_the_pixel_that_independent_mathematics_says(tmp_path, name, zoom):
    """Circles that touch a reference point from the east, west, north and south, in many towns.

    A pixel is 1.4 to 2.3 m here, and the reference's own noise up to 0.65 m: the pixels 1.6 pixels
    within and without must be all in and all out.
    """
    with shared_file("reference/datum_vectors.csv").open(encoding="utf-8") as handle:
        vectors = list(csv.DictReader(handle))
    assert len(vectors) >= 30
    angles = np.linspace(0, 2 * np.pi, 721)
    radius = 0.0006  # degrees; a vertex lies exactly on the reference point
    for number, vector in enumerate(vectors):
        towards = [(1, 0), (-1, 0), (0, 1), (0, -1)][number % 4]  # of the centre; north is up
        lng, lat = float(vector["wgs84_lng"]), float(vector["wgs84_lat"])
        around = np.column_stack([np.cos(angles), np.sin(angles)]) + towards
        shape = shapely.Polygon(np.array([lng, lat]) + radius * around)
        folder = tmp_path / str(number)
        write_tiles(
            [Band(shape, (10, 120, 60), 1.0, "15 分钟", 15)],
            folder, GRIDS[name], shifted=name != "wgs84", metadata=SAID, zooms=(zoom, zoom),
        )  # fmt: skip
        right, down = _pixel(vector, name, zoom)
        east, south = towards[0], -towards[1]
        inside = _alpha(folder, name, zoom, right + 1.6 * east, down + 1.6 * south)
        outside = _alpha(folder, name, zoom, right - 1.6 * east, down - 1.6 * south)
        assert inside == 255, (vector["name"], inside)
        assert outside == 0, (vector["name"], outside)


# --- long edges -----------------------------------------------------------------------------------

CLARKE = pyproj.Transformer.from_crs(  # Baidu's plane, to some centimetres
    "+proj=longlat +ellps=clrk66", "+proj=merc +ellps=clrk66", always_xy=True
)


def _pixel_of(lng, lat, name, zoom):
    """Pixels (right, down) of WGS-84 degrees."""
    x, y = FORWARD[name](lng, lat)
    if name == "bd09":
        east, north = CLARKE.transform(x, y)
        return np.array([east, -north]) / 2.0 ** (18 - zoom)
    return np.array(_pixel({f"{name}_lng": x, f"{name}_lat": y}, name, zoom))


def test_the_formulas_of_the_tests_agree_with_the_reference(vectors):
    for row in vectors.to_dict("records"):
        for name in ("gcj02", "bd09"):
            there = FORWARD[name](row["wgs84_lng"], row["wgs84_lat"])
            assert there == pytest.approx((row[f"{name}_lng"], row[f"{name}_lat"]), abs=1e-5)
        right, down = _pixel_of(row["wgs84_lng"], row["wgs84_lat"], "bd09", 18)
        assert (right, -down) == pytest.approx((row["bd09mc_x"], row["bd09mc_y"]), abs=1.5)


@pytest.mark.parametrize(("name", "zoom"), [("gcj02", 17), ("bd09", 18)])
@pytest.mark.parametrize("corner", [(113.36, 23.03), (101.70, 36.60), (87.57, 43.80)])
def test_long_edges_bend_as_the_ground_does(tmp_path, name, zoom, corner):
    """A strip of 0.1° from west to east: straight in WGS-84, some pixels bent in the other datum.

    (From south to north the shift is nearly straight: its waves there are the longitude's.)
    """
    start, along, up = np.array(corner), np.array([0.1, 0.0]), np.array([0.0, 0.005])
    strip = shapely.box(*start, *(start + along + up))
    band = Band(strip, (10, 120, 60), 1.0, "15 分钟服务圈", 15)
    write_tiles([band], tmp_path, GRIDS[name], shifted=True, metadata=SAID, zooms=(zoom, zoom))
    for side, out in ((0.0 * up, 1.6), (up, -1.6)):  # pixels count down
        first, last = (_pixel_of(*(start + side + k * along), name, zoom) for k in (0, 1))
        for part in (0.25, 0.5, 0.75):
            right, down = _pixel_of(*(start + side + part * along), name, zoom)
            straight = first[1] * (1 - part) + last[1] * part
            assert abs(down - straight) > 3  # where the edge would be, were it not cut before
            assert _alpha(tmp_path, name, zoom, right, down - out) == 255, part
            assert _alpha(tmp_path, name, zoom, right, down + out) == 0, part
