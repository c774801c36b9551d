"""A folder of tiles as one file: MBTiles 1.3 and PMTiles 3, web-mercator grids only.

Equal tiles (the full ones) are stored once. Neither format knows datums: a GCJ-02 layer says so
under ``datum`` and in its description, and fits maps that are drawn in GCJ-02.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from servicecircle.errors import OutputError
from servicecircle.export.tiles.grids import Grid
from servicecircle.export.tiles.journal import tiles_in
from servicecircle.export.tiles.metadata import Bounds, TileSet, read_tileset

__all__ = ["require_xyz", "write_mbtiles", "write_pmtiles"]

MBTILES_ID = 0x4D504258  # "MPBX", as the specification asks
_SCHEMA = """
CREATE TABLE metadata (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE images (tile_id TEXT NOT NULL PRIMARY KEY, tile_data BLOB NOT NULL);
CREATE TABLE map (
    zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL,
    tile_id TEXT NOT NULL, PRIMARY KEY (zoom_level, tile_column, tile_row)
);
CREATE VIEW tiles AS SELECT zoom_level, tile_column, tile_row, tile_data
    FROM map JOIN images ON map.tile_id = images.tile_id;
"""


def write_mbtiles(tiles: TileSet | Path | str, path: Path | str) -> Path:
    """Write a finished folder of tiles as ``path``, MBTiles 1.3 (rows counted up, as it asks).

    Raises `OutputError`: Baidu's grid, no tiles, or a file that cannot be written.
    """
    tileset = _checked(tiles)
    return _written(Path(path), lambda beside: _mbtiles(tileset, beside))


def write_pmtiles(tiles: TileSet | Path | str, path: Path | str) -> Path:
    """Write a finished folder of tiles as ``path``, PMTiles 3. Raises `OutputError` likewise."""
    tileset = _checked(tiles)
    return _written(Path(path), lambda beside: _pmtiles(tileset, beside))


def require_xyz(grid: Grid) -> None:
    """Raise `OutputError` for a grid that no archive can hold."""
    if not grid.is_xyz:
        raise OutputError(
            "MBTiles 和 PMTiles 只能装通用网格（wgs84、gcj02）的瓦片，装不了百度网格。"
            "百度地图请直接使用瓦片文件夹。",
            "MBTiles and PMTiles hold web-mercator tiles (wgs84, gcj02), not Baidu's own grid. "
            "Use the folder of tiles for Baidu's map.",
        )


def _checked(tiles: TileSet | Path | str) -> TileSet:
    tileset = tiles if isinstance(tiles, TileSet) else read_tileset(tiles)
    require_xyz(tileset.grid)
    if tileset.tiles == 0:
        raise OutputError(
            f"{tileset.folder}：图层是空的，没有瓦片可打包。",
            f"{tileset.folder}: the layer is empty, there are no tiles to pack.",
        )
    return tileset


def _written(path: Path, write: Callable[[Path], None]) -> Path:
    """``path``, written beside and renamed into place."""
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        try:
            write(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise OutputError(
            f"{path}：写不进去（{error}）。请关闭正在使用它的程序，或换一个位置。",
            f"{path}: cannot be written ({error}). Close what uses it, or choose another place.",
        ) from error
    return path


def _said(tileset: TileSet) -> dict[str, Any]:
    """What both formats tell of the layer."""
    texts = tileset.texts
    return texts | {
        "description": " ".join(filter(None, (texts["description"], tileset.note))),
        "version": "1",
        "type": "overlay",
        "datum": tileset.datum,
        "tile_px": str(tileset.tile_px),
    }


def _bounds(tileset: TileSet) -> Bounds:
    bounds = tileset.bounds
    assert bounds is not None, "a layer with tiles has bounds"
    return bounds


def _content(tileset: TileSet) -> Iterator[tuple[int, int, int, bytes]]:
    """(z, x, y, bytes) of every tile."""
    for z, x, y, path in tiles_in(tileset.folder):
        yield z, x, y, Path(path).read_bytes()


def _mbtiles(tileset: TileSet, path: Path) -> None:
    west, south, east, north = _bounds(tileset)
    low, high = tileset.zooms
    said = _said(tileset) | {
        "format": "png",
        "bounds": f"{west:.7f},{south:.7f},{east:.7f},{north:.7f}",
        "center": f"{(west + east) / 2:.7f},{(south + north) / 2:.7f},{low}",
        "minzoom": str(low),
        "maxzoom": str(high),
    }
    with closing(sqlite3.connect(path)) as base:
        base.execute(f"PRAGMA application_id = {MBTILES_ID}")
        base.executescript(_SCHEMA)
        base.executemany("INSERT INTO metadata VALUES (?, ?)", said.items())
        kept: set[str] = set()
        for z, x, y, png in _content(tileset):
            name = hashlib.sha256(png).hexdigest()[:32]
            if name not in kept:
                kept.add(name)
                base.execute("INSERT INTO images VALUES (?, ?)", (name, png))
            base.execute("INSERT INTO map VALUES (?, ?, ?, ?)", (z, x, 2**z - 1 - y, name))
        base.commit()


def _pmtiles(tileset: TileSet, path: Path) -> None:
    from pmtiles.tile import Compression, TileType, zxy_to_tileid  # noqa: PLC0415
    from pmtiles.writer import Writer  # noqa: PLC0415

    west, south, east, north = (round(degrees * 1e7) for degrees in _bounds(tileset))
    header = {
        "tile_type": TileType.PNG,
        "tile_compression": Compression.NONE,
        "min_lon_e7": west,
        "min_lat_e7": south,
        "max_lon_e7": east,
        "max_lat_e7": north,
        "center_zoom": tileset.zooms[0],
        "center_lon_e7": (west + east) // 2,
        "center_lat_e7": (south + north) // 2,
    }
    places = sorted((zxy_to_tileid(z, x, y), tile) for z, x, y, tile in tiles_in(tileset.folder))
    handle: BinaryIO
    with path.open("wb") as handle:
        writer = Writer(handle)
        for number, tile in places:
            writer.write_tile(number, Path(tile).read_bytes())
        writer.finalize(header, _said(tileset))
