"""What the tests of tiles share: layers made on the spot, and the judge of their pictures.

The judge is GDAL's rasteriser at 16 × 16 points a pixel, in pixels of this file's making.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import rasterio.features
import shapely
from PIL import Image
from rasterio.transform import Affine

from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.journal import tiles_in
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


# --- the judge ------------------------------------------------------------------------------------

FINE = 16


def in_pixels(shape, name, zoom, scale=1):
    """A WGS-84 shape in pixels of a grid, rows down, by formulas written out anew."""

    def move(lng_lat):
        lng, lat = lng_lat.T
        world = 256 * scale * 2.0**zoom
        north = np.log(np.tan(np.pi / 4 + np.radians(lat) / 2)) / (2 * np.pi)
        return np.column_stack([(lng + 180) / 360 * world, (0.5 - north) * world])

    def move_baidu(lng_lat):  # where the shift does not apply: metres of WGS-84 degrees
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
