"""Tiles against GDAL's rasteriser and shapely's areas: every one of them, every pixel right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from servicecircle.export.export_plan import read_plan
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.journal import tiles_in
from servicecircle.export.tiles.outlines import Band
from tile_cases import (
    COLOURS,
    OPACITY,
    in_pixels,
    judged,
    numbers,
    pixels,
    premultiplied,
    rough,
    town,
    write,
)  # fmt: skip


@pytest.mark.parametrize(("name", "zooms"), [("wgs84", (12, 14)), ("bd09", (13, 15))])
def test_every_tile_of_the_range_is_as_brute_force_has_it(tmp_path, name, zooms):
    """No tile too few, none too many, and every pixel right, holes and stacked bands included."""
    bands = town(3)
    written = write(bands, tmp_path, name, shifted=False, zooms=zooms)
    found = numbers(tmp_path)
    assert len(found) == written.tiles
    west, south, east, north = shapely.union_all([b.shape for b in bands]).bounds
    compared = 0
    for zoom in range(zooms[0], zooms[1] + 1):
        grid = GRIDS[name]
        (x0, x1), (y0, y1) = grid.tile_of_degrees([west, east], [south, north], zoom)
        ys = range(min(y0, y1) - 1, max(y0, y1) + 2)
        tiles = {(zoom, x, y) for x in range(x0 - 1, x1 + 2) for y in ys}
        assert {t for t in found if t[0] == zoom} <= tiles
        for tile in tiles:
            truth = judged(bands, name, tile)
            if tile not in found:
                # a sliver below half a fifteenth of a pixel is nothing to be seen
                assert truth is None or truth[..., 3].max() < 255 / 20, tile
                continue
            assert truth is not None, tile
            path = tmp_path / str(zoom) / str(tile[1]) / f"{tile[2]}.png"
            apart = np.abs(premultiplied(path) - truth)
            assert apart.max() < 255 * 0.12, (tile, apart.max())
            assert apart.mean() < 0.5, (tile, apart.mean())
            compared += 1
    assert compared > 10


def test_coverage_is_the_exact_area(tmp_path):
    """Alpha against shapely's own intersection areas: never more than half a step off."""
    shape = rough(0.0009, seed=3) - rough(0.0002, seed=4)
    write([Band(shape, (9, 99, 9), 1.0, "x")], tmp_path, zooms=(17, 17))
    outline = in_pixels(shape, "wgs84", 17)
    shapely.prepare(outline)
    checked = 0
    for zoom, x, y, path in tiles_in(tmp_path):
        assert zoom == 17
        alpha = pixels(path)[..., 3] / 255
        right, down = np.meshgrid(x * 256 + np.arange(256.0), y * 256 + np.arange(256.0))
        boxes = shapely.box(right, down, right + 1, down + 1)
        near = shapely.intersects(outline, boxes)
        area = np.zeros((256, 256))
        area[near] = shapely.area(shapely.intersection(outline, boxes[near]))
        assert np.abs(alpha - area).max() < 1 / 30 + 1 / 255
        checked += np.count_nonzero((area > 0) & (area < 1))
    assert checked > 500


def test_fine_tiles_are_the_same_picture_in_twice_the_pixels(tmp_path):
    bands = town(2)
    once, twice = tmp_path / "1", tmp_path / "2"
    write(bands, once, zooms=(12, 15))
    written = write(bands, twice, zooms=(12, 15), scale=2)
    assert written.tilejson()["tile_px"] == 512
    assert numbers(once) <= numbers(twice)
    for z, x, y, path in tiles_in(once):
        fine = premultiplied(twice / str(z) / str(x) / f"{y}.png")
        assert fine.shape == (512, 512, 4)
        halved = fine.reshape(256, 2, 256, 2, 4).mean(axis=(1, 3))
        apart = np.abs(halved - premultiplied(path))
        assert apart.mean() < 0.2 and apart.max() < 255 / 10


def test_palettes_are_small_and_full_tiles_are_the_same_bytes(tmp_path):
    square = Band(shapely.box(113.30, 23.00, 113.50, 23.10), (1, 2, 3), 0.5, "x")
    write([square], tmp_path, zooms=(15, 15))
    kinds = {}
    for _, _, _, path in tiles_in(tmp_path):
        kinds.setdefault(Path(path).read_bytes(), []).append(path)
    full = max(kinds, key=lambda png: len(kinds[png]))
    assert len(kinds[full]) > 100
    assert len(full) < 200
    assert (pixels(kinds[full][0]) == [1, 2, 3, 128]).all()
    for paths in kinds.values():
        with Image.open(paths[0]) as image:
            assert image.mode == "P" and "transparency" in image.info


def test_many_bands_in_one_tile_stay_within_a_palette(tmp_path):
    """Sixty-four shifted stars: more mixes than colours; still nearly the right picture."""
    bands = [
        Band(rough(0.0035, centre=(113.39 + 0.00004 * k, 23.05), seed=k), COLOURS[k % 5],
             OPACITY[k % 5], str(k))
        for k in range(64)
    ]  # fmt: skip
    write(bands, tmp_path, zooms=(14, 14))
    for z, x, y, path in tiles_in(tmp_path):
        apart = np.abs(premultiplied(path) - judged(bands, "wgs84", (z, x, y)))
        assert apart.mean() < 2
    with pytest.raises(ValueError, match="64"):
        write(bands * 2, tmp_path / "b")


@pytest.mark.parametrize("grid", GRIDS)
def test_tiles_of_a_city_are_small(hegu_folder, tmp_path, grid):
    """At the zoom with the longest rims per tile, at most 2.5 kB on average: the stated goal."""
    circles = read_plan(hegu_folder).circles
    circles = circles[circles["set"] == "plan"].sort_values("minutes", ascending=False)
    bands = [Band(s, COLOURS[i], 0.5, str(i)) for i, s in enumerate(circles.geometry)]
    zoom = 17 if grid == "bd09" else 16
    written = write(bands, tmp_path, grid, zooms=(zoom, zoom))
    sizes = [Path(path).stat().st_size for *_, path in tiles_in(tmp_path)]
    assert len(sizes) == written.tiles > 100 and sum(sizes) == written.size_bytes
    rims = [size for size in sizes if size > 200]  # full tiles would flatter the mean
    assert len(rims) > 100 and sum(rims) / len(rims) <= 2500
