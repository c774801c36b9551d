"""Folders of tiles against GDAL's rasteriser and shapely's areas; broken runs and whole ones."""

from __future__ import annotations

import filecmp
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio.features
import shapely
from PIL import Image
from rasterio.transform import Affine

from servicecircle.errors import OutputError, QuestionError
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.journal import alone, tiles_in
from servicecircle.export.tiles.metadata import read_tileset
from servicecircle.export.tiles.outlines import Band
from servicecircle.export.tiles.pyramid import Metadata, write_tiles

SAID = Metadata("服务圈", "© OpenStreetMap contributors", "步行 15 分钟")
CENTRE = (113.3964152, 23.0581857)
COLOURS = [(170, 220, 190), (90, 190, 140), (20, 130, 90), (250, 80, 10), (0, 0, 255)]
OPACITY = [0.6, 0.5, 0.7, 1.0, 0.25]


def rough(radius_deg, *, centre=CENTRE, points=90, seed=0):
    """A star with random rays."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    ray = radius_deg * rng.uniform(0.5, 1.0, points)
    return shapely.Polygon(np.column_stack([np.cos(angle), np.sin(angle)]) * ray[:, None] + centre)


def town(n_bands=3, *, centre=CENTRE, size_deg=0.02, seed=0):
    """Bands of a few stations, smaller on top of larger; the largest one with a hole."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-size_deg, size_deg, (5, 2)) + centre
    bands = []
    for k in range(n_bands):
        radius = size_deg * 0.5 * (n_bands - k) / n_bands
        parts = [rough(radius, centre=place, seed=i) for i, place in enumerate(places)]
        shape = shapely.union_all(parts)
        if k == 0:
            shape = shape - shapely.Point(places[0]).buffer(radius * 0.15)
        bands.append(Band(shape, COLOURS[k % 5], OPACITY[k % 5], f"带 {k}", 15.0 - k))
    return bands


def write(bands, folder, grid="wgs84", **options):
    shifted = options.pop("shifted", grid != "wgs84")
    options.setdefault("metadata", SAID)
    return write_tiles(bands, folder, GRIDS[grid], shifted=shifted, **options)


def pixels(path):
    with Image.open(path) as image:
        assert image.mode == "P" and image.format == "PNG"
        return np.asarray(image.convert("RGBA"), float)


def content(folder):
    """{relative path: bytes} of everything in a folder."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()
    }


def numbers(folder):
    return {(z, x, y) for z, x, y, _ in tiles_in(Path(folder))}


# --- the judge: GDAL's rasteriser at 16 × 16 points a pixel, in pixels of this file's making ------

FINE = 16


def in_pixels(shape, name, zoom, scale=1):
    """A WGS-84 shape in pixels of a grid, rows down, by formulas written out anew."""

    def move(lng_lat):
        lng, lat = lng_lat.T
        world = 256 * scale * 2.0**zoom
        north = np.log(np.tan(np.pi / 4 + np.radians(lat) / 2)) / (2 * np.pi)
        return np.column_stack([(lng + 180) / 360 * world, (0.5 - north) * world])

    def move_baidu(lng_lat):  # where the shift does not apply: metres of WGS-84 degrees
        import pyproj  # noqa: PLC0415

        clarke = pyproj.Transformer.from_crs(
            "+proj=longlat +ellps=clrk66", "+proj=merc +ellps=clrk66", always_xy=True
        )
        x, y = clarke.transform(*lng_lat.T)
        return np.column_stack([x, -y]) * scale / 2.0 ** (18 - zoom)

    dense = shapely.segmentize(shape, 0.0005)
    return shapely.transform(dense, move_baidu if name == "bd09" else move)


def judged(bands, name, tile, scale=1):
    """A tile's picture (premultiplied RGBA) by supersampling; None where nothing is drawn."""
    zoom, x, y = tile
    row = -y - 1 if name == "bd09" else y
    side = 256 * scale
    origin = Affine(1 / FINE, 0.0, x * side, 0.0, 1 / FINE, row * side)
    picture = np.zeros((side, side, 4))
    for band in bands:
        shape = in_pixels(band.shape, name, zoom, scale)
        if not shape.intersects(
            shapely.box(x * side, row * side, (x + 1) * side, (row + 1) * side)
        ):
            continue
        fine = rasterio.features.rasterize(
            [shape], out_shape=(side * FINE, side * FINE), transform=origin, dtype="uint8"
        )
        cover = fine.reshape(side, FINE, side, FINE).mean(axis=(1, 3))[..., None]
        ink = np.append(np.array(band.colour) * band.opacity, 255 * band.opacity)
        picture = picture * (1 - cover) + ink * cover
    return picture if picture.any() else None


def premultiplied(path):
    rgba = pixels(path)
    return np.dstack([rgba[..., :3] * rgba[..., 3:] / 255, rgba[..., 3]])


@pytest.mark.parametrize(("name", "zooms"), [("wgs84", (12, 15)), ("bd09", (13, 15))])
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


# --- runs that break ------------------------------------------------------------------------------

_CHILD = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_tile_pyramid as t
seen = []
def progress(done, expected):
    seen.append(done)
    if len(seen) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
t.write(t.town(), sys.argv[1], "gcj02", zooms=(10, 17), progress=progress)
"""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    write(town(), folder, "gcj02", zooms=(10, 17))
    return content(folder)


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_killed_run_is_taken_up_and_ends_byte_for_byte(tmp_path, unbroken, after):
    code = _CHILD.format(tests=str(Path(__file__).parent), after=after)
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, timeout=300)
    assert ended.returncode == -9
    halfway = numbers(tmp_path)
    assert 0 < len(halfway) < len([name for name in unbroken if name.endswith(".png")])
    assert json.loads((tmp_path / "manifest.json").read_text())["state"] == "painting"
    lines = (tmp_path / ".tiles-journal").read_text().splitlines()
    assert len(lines) >= after - 1
    times = {path: Path(path).stat().st_mtime_ns for *_, path in tiles_in(tmp_path)}
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken
    kept = sum(Path(path).stat().st_mtime_ns == time for path, time in times.items())
    assert kept >= sum(int(line.split()[1]) for line in lines)  # done blocks are not painted anew


def test_ctrl_c_is_taken_up_too(tmp_path, unbroken):
    def stop(done, expected):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(town(), tmp_path, "gcj02", zooms=(10, 17), progress=stop)
    assert not (tmp_path / ".tiles-lock").exists()
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken


def test_any_number_of_threads_gives_the_same_bytes(tmp_path, unbroken):
    for workers in (1, 5):
        write(town(), tmp_path / str(workers), "gcj02", zooms=(10, 17), workers=workers)
        assert content(tmp_path / str(workers)) == unbroken


def test_damage_is_mended_and_a_sound_folder_left_alone(tmp_path, unbroken):
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    *_, path = next(tiles_in(tmp_path))
    before = Path(path).stat().st_mtime_ns
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert Path(path).stat().st_mtime_ns == before
    Path(path).write_bytes(b"torn")
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken
    Path(path).unlink()
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken


def test_other_inputs_leave_no_stale_tile_and_foreign_files_stay(tmp_path):
    write(town(), tmp_path / "a", "gcj02", zooms=(10, 17))
    (tmp_path / "a" / "index.html").write_text("page")
    (tmp_path / "a" / "12" / "notes.txt").write_text("mine")
    write(town(1, seed=5), tmp_path / "a", "gcj02", zooms=(11, 15))
    assert (tmp_path / "a" / "index.html").read_text() == "page"
    assert (tmp_path / "a" / "12" / "notes.txt").read_text() == "mine"
    write(town(1, seed=5), tmp_path / "b", "gcj02", zooms=(11, 15))
    apart = filecmp.dircmp(tmp_path / "a", tmp_path / "b")
    assert apart.left_only == ["index.html"] and not apart.right_only
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    assert not (tmp_path / "a" / "17").exists()


def test_a_changed_name_changes_no_tile(tmp_path):
    write(town(), tmp_path, zooms=(12, 14))
    before = {k: v for k, v in content(tmp_path).items() if k.endswith(".png")}
    *_, path = next(tiles_in(tmp_path))
    time = Path(path).stat().st_mtime_ns
    write(town(), tmp_path, zooms=(12, 14), metadata=Metadata("另一个", "x"))
    assert Path(path).stat().st_mtime_ns == time
    assert read_tileset(tmp_path).metadata.name == "另一个"
    assert {k: v for k, v in content(tmp_path).items() if k.endswith(".png")} == before


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with alone(tmp_path), pytest.raises(OutputError, match="另一次导出"):
        write(town(), tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_tile_pyramid as t\n"
        "try: t.write(t.town(), sys.argv[1])\n"
        "except t.OutputError: sys.exit(7)\n"
    )
    with alone(tmp_path):
        ended = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, timeout=300)
    assert ended.returncode == 7
    write(town(), tmp_path, zooms=(12, 12))


def test_folders_of_others_are_not_touched(tmp_path):
    theirs = tmp_path / "12" / "3" / "4.png"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(OutputError, match="空文件夹"):
        write(town(), tmp_path)
    assert theirs.read_bytes() == b"theirs"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write(town(), tmp_path / "file")


# --- odd layers -----------------------------------------------------------------------------------


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
    x, y = GRIDS["wgs84"].tile_of_degrees(*CENTRE, 14)
    west, south, east, north = GRIDS["wgs84"].tile_bounds(int(x), int(y), 14)
    lng, lat = GRIDS["wgs84"].degrees([west, east], [south, north])
    write([Band(shapely.box(lng[0], lat[0], lng[1], lat[1]), (5, 5, 5), 1.0, "x")], tmp_path,
          zooms=(14, 16))  # fmt: skip
    assert len(numbers(tmp_path)) == 1 + 4 + 16
    assert all((pixels(path)[..., 3] == 255).all() for *_, path in tiles_in(tmp_path))


def test_hostile_and_long_words_stay_words(tmp_path):
    hostile = "</script><b>\"'\\`${x}`\u2028\u0007" + "名" * 10_000 + "😀𠮷"
    said = Metadata(hostile, hostile, hostile, {"name": "not this", "source": hostile})
    bands = [Band(town(1)[0].shape, (1, 2, 3), 0.5, hostile, 15)]
    write(bands, tmp_path, "gcj02", zooms=(12, 12), metadata=said)
    read = json.loads((tmp_path / "tiles.json").read_text(encoding="utf-8"))
    assert read["name"] == read["source"] == read["legend"][0]["name"] == hostile
    assert read_tileset(tmp_path).metadata.attribution == hostile


def test_tilejson_says_what_the_tiles_are(tmp_path):
    write(town(), tmp_path / "g", "gcj02", zooms=(12, 13))
    write(town(), tmp_path / "b", "bd09", zooms=(12, 13))
    gcj = json.loads((tmp_path / "g" / "tiles.json").read_text(encoding="utf-8"))
    baidu = json.loads((tmp_path / "b" / "tiles.json").read_text(encoding="utf-8"))
    assert gcj["tilejson"] == "3.0.0" and gcj["scheme"] == "xyz" and gcj["datum"] == "gcj02"
    assert gcj["tiles"] == ["{z}/{x}/{y}.png"] and (gcj["minzoom"], gcj["maxzoom"]) == (12, 13)
    assert gcj["bounds_datum"][0] > gcj["bounds_wgs84"][0] + 0.003
    assert gcj["bounds"][0] == gcj["bounds_wgs84"][0]
    assert gcj["bounds"][2] == gcj["bounds_datum"][2]
    assert baidu["scheme"] == "baidu" and "no XYZ" in baidu["note"]
    assert [entry["minutes"] for entry in gcj["legend"]] == [15.0, 14.0, 13.0]
    with pytest.raises(OutputError, match="瓦片文件夹"):
        read_tileset(tmp_path)
