"""MBTiles and PMTiles read back by SQLite, GDAL and PMTiles' own reader."""

from __future__ import annotations

import io
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
import shapely
from PIL import Image
from pmtiles.reader import MmapSource, Reader, all_tiles
from rasterio.windows import Window

from servicecircle.errors import OutputError
from servicecircle.export.tiles.archives import write_mbtiles, write_pmtiles
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.journal import tiles_in
from servicecircle.export.tiles.outlines import Band
from servicecircle.export.tiles.pyramid import Metadata, write_tiles

CENTRE = (113.3964152, 23.0581857)
SAID = Metadata("工会驿站 </b>'\"; DROP TABLE tiles;--", "© OpenStreetMap contributors", "十五分钟")


@pytest.fixture(scope="module", params=["wgs84", "gcj02"])
def layer(request, tmp_path_factory):
    return _layer(tmp_path_factory.mktemp("tiles"), request.param)


def _layer(folder, grid, **options):
    square = shapely.box(113.36, 23.03, 113.43, 23.09)
    circle = shapely.Point(CENTRE).buffer(0.015)
    bands = [Band(square, (20, 160, 90), 0.5, "15", 15), Band(circle, (200, 60, 10), 0.75, "5", 5)]
    options = {"zooms": (11, 15), "metadata": SAID, "shifted": grid != "wgs84"} | options
    return write_tiles(bands, folder, GRIDS[grid], **options)


def _files(layer):
    return {(z, x, y): Path(path).read_bytes() for z, x, y, path in tiles_in(layer.folder)}


def test_mbtiles_hold_every_tile_once(layer, tmp_path):
    path = write_mbtiles(layer, tmp_path / "层.mbtiles")
    files = _files(layer)
    with closing(sqlite3.connect(path)) as base:
        rows = base.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles")
        found = {(z, x, 2**z - 1 - row): data for z, x, row, data in rows}
        said = dict(base.execute("SELECT name, value FROM metadata"))
        (stored,) = base.execute("SELECT count(*) FROM images").fetchone()
        (number,) = base.execute("PRAGMA application_id").fetchone()
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert found == files
    assert stored == len(set(files.values())) < len(files)
    assert number == 0x4D504258
    assert said["format"] == "png" and said["type"] == "overlay" and said["name"] == SAID.name
    assert said["attribution"] == SAID.attribution and said["datum"] == layer.grid.datum
    assert (said["minzoom"], said["maxzoom"]) == ("11", "15")
    west, south, east, north = map(float, said["bounds"].split(","))
    assert west <= 113.36 + 1e-6 and east >= 113.43 - 1e-6
    assert south <= 23.03 + 1e-6 and north >= 23.09 - 1e-6
    assert ("GCJ-02" in said["description"]) == (layer.grid.name == "gcj02")
    assert [p.name for p in tmp_path.iterdir()] == ["层.mbtiles"]


def test_gdal_shows_the_same_pixels_at_the_same_places(layer, tmp_path):
    """Every tile of the largest zoom, found by its place on the ground in GDAL's own mosaic."""
    path = write_mbtiles(layer.folder, tmp_path / "a.mbtiles")
    world = 2 * math.pi * 6378137
    with rasterio.open(path) as mosaic:
        assert mosaic.driver == "MBTiles" and mosaic.crs.to_epsg() == 3857
        assert mosaic.res[0] == pytest.approx(world / 256 / 2**15)
        compared = 0
        for (z, x, y), png in _files(layer).items():
            if z != 15:
                continue
            left, top = x / 2**15 * world - world / 2, world / 2 - y / 2**15 * world
            column, row = ~mosaic.transform @ (left, top)
            window = Window(round(column), round(row), 256, 256)
            seen = mosaic.read(window=window, boundless=True, fill_value=0)
            with Image.open(io.BytesIO(png)) as image:
                wanted = np.asarray(image.convert("RGBA")).transpose(2, 0, 1)
            # GDAL cuts the mosaic to the bounds, which may take the outermost half pixels
            right = np.arange(256) + window.col_off
            down = (np.arange(256) + window.row_off)[:, None]
            kept = (right >= 1) & (right < mosaic.width - 1) & (down >= 1)
            kept = kept & (down < mosaic.height - 1)
            assert (seen[3] == wanted[3])[kept].all()
            kept &= wanted[3] > 0
            assert (seen == wanted)[:, kept].all()
            compared += 1
    assert compared > 20


def test_a_point_of_the_layer_is_where_gdal_looks_for_it(tmp_path):
    """WGS-84: the middle and the rim, by GDAL's transformation of degrees."""
    path = write_mbtiles(_layer(tmp_path / "t", "wgs84"), tmp_path / "a.mbtiles")
    places = [CENTRE, (113.3605, 23.06), (113.3595, 23.06), (113.40, 23.0895), (113.40, 23.0905)]
    with rasterio.open(path) as mosaic:
        x, y = rasterio.warp.transform("EPSG:4326", mosaic.crs, *zip(*places, strict=True))
        alpha = [v[3] for v in mosaic.sample(zip(x, y, strict=True))]
    assert alpha == [191, 128, 0, 128, 0]


def test_pmtiles_hold_every_tile_once(layer, tmp_path):
    path = write_pmtiles(layer, tmp_path / "层.pmtiles")
    files = _files(layer)
    with path.open("rb") as handle:
        source = MmapSource(handle)
        reader = Reader(source)
        header, said = reader.header(), reader.metadata()
        assert dict(all_tiles(source)) == files
        assert all(reader.get(*tile) == png for tile, png in files.items())
        assert reader.get(15, 0, 0) is None
    assert header["version"] == 3 and header["clustered"]
    assert (header["min_zoom"], header["max_zoom"]) == (11, 15)
    assert header["tile_type"].name == "PNG" and header["tile_compression"].name == "NONE"
    assert header["tile_contents_count"] == len(set(files.values())) < len(files)
    assert header["addressed_tiles_count"] == len(files)
    assert header["min_lon_e7"] <= 1133600001 and header["max_lat_e7"] >= 230899999
    assert said["datum"] == layer.grid.datum and said["name"] == SAID.name
    assert ("GCJ-02" in said["description"]) == (layer.grid.name == "gcj02")


@pytest.mark.parametrize("write", [write_mbtiles, write_pmtiles])
def test_the_same_layer_gives_the_same_file(layer, tmp_path, write):
    assert write(layer, tmp_path / "a").read_bytes() == write(layer, tmp_path / "b").read_bytes()


@pytest.mark.parametrize("write", [write_mbtiles, write_pmtiles])
def test_what_cannot_be_packed_is_refused(tmp_path, write):
    baidu = _layer(tmp_path / "b", "bd09")
    with pytest.raises(OutputError, match="百度网格"):
        write(baidu, tmp_path / "x")
    empty = write_tiles([], tmp_path / "e", GRIDS["wgs84"], shifted=False, metadata=SAID)
    with pytest.raises(OutputError, match="没有瓦片"):
        write(empty, tmp_path / "x")
    with pytest.raises(OutputError, match="瓦片文件夹"):
        write(tmp_path / "nothing here", tmp_path / "x")
    good = _layer(tmp_path / "w", "wgs84")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="写不进去"):
        write(good, tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "e", "folder", "w"]


def test_an_older_file_is_replaced_whole(tmp_path):
    path = write_mbtiles(_layer(tmp_path / "a", "wgs84"), tmp_path / "x.mbtiles")
    many = path.stat().st_size
    write_mbtiles(_layer(tmp_path / "b", "wgs84", zooms=(11, 12)), path)
    assert path.stat().st_size < many
    with closing(sqlite3.connect(path)) as base:
        assert base.execute("SELECT max(zoom_level) FROM tiles").fetchone() == (12,)


def test_fine_tiles_say_their_size(tmp_path):
    layer = _layer(tmp_path / "a", "gcj02", zooms=(12, 12), scale=2)
    path = write_pmtiles(layer, tmp_path / "x.pmtiles")
    with path.open("rb") as handle:
        reader = Reader(MmapSource(handle))
        assert reader.metadata()["tile_px"] == "512"
        (tile, *_) = [reader.get(*t) for t in _files(layer)]
    with Image.open(io.BytesIO(tile)) as image:
        assert image.size == (512, 512)
    assert json.loads((tmp_path / "a" / "tiles.json").read_text("utf-8"))["scale"] == 2
