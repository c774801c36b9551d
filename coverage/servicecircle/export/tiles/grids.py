"""Where tiles lie: the web-mercator grid in two datums, and Baidu's own grid.

A grid takes degrees **of its own datum** to metres of its plane, and metres to tiles:

* ``wgs84`` (OpenStreetMap; Tianditu, whose CGCS2000 is WGS-84 to the decimetre) and ``gcj02``
  (Gaode, Tencent): web mercator, tile 0/0/0 spans the world, y counts down from 85.05° north,
  256 pixels of 156,543.03 / 2^z metres;
* ``bd09`` (Baidu): BD09MC metres, 2^(18 − z) metres a pixel, origin at 0° 0°, y counts **up**, and
  numbers are negative to the west and to the south. About one zoom more than web mercator.

Axis order: lng, lat and x, y. Arrays or floats in, numpy arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from servicecircle.coordinates import bd09_to_bd09mc, bd09mc_to_bd09, from_wgs84

__all__ = ["GRIDS", "TILE_PX", "Grid"]

TILE_PX = 256
EARTH_RADIUS_M = 6_378_137.0
HALF_WORLD_M = np.pi * EARTH_RADIUS_M
WEB_LATITUDE_DEG = 85.0511287798066  # where web mercator's square ends
BAIDU_LATITUDE_DEG = 74.0  # where Baidu's maps end
BAIDU_UNIT_ZOOM = 18  # one metre a pixel

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """A tile grid: its datum, its plane, and how its tiles are counted.

    ``span_m`` is the width of a tile at zoom 0; (``left_m``, ``top_m``) is the upper left corner of
    column 0, row 0. *Rows* count down in every grid; ``y`` is the grid's own number.
    """

    name: str
    datum: str
    crs: str
    scheme: str
    providers: str
    span_m: float
    left_m: float
    top_m: float
    y_up: bool
    limit_lat_deg: float
    zoom_range: tuple[int, int]
    usual_top_zoom: int

    @property
    def is_xyz(self) -> bool:
        """Whether this is the web-mercator grid that TileJSON, MBTiles and PMTiles mean."""
        return not self.y_up

    def plane(self, lng: ArrayLike, lat: ArrayLike, *, shifted: bool) -> tuple[_Floats, _Floats]:
        """Metres (x, y) of WGS-84 degrees; ``shifted`` says whether the datum's shift applies."""
        area = "all" if shifted else "none"
        return self.plane_of_degrees(*from_wgs84(_floats(lng), _floats(lat), self.datum, area=area))

    def plane_of_degrees(self, lng: ArrayLike, lat: ArrayLike) -> tuple[_Floats, _Floats]:
        """Metres (x, y) of degrees that are already in the grid's datum."""
        x, y = _floats(lng), _floats(lat)
        if self.y_up:
            return bd09_to_bd09mc(x, y)
        with np.errstate(invalid="ignore", divide="ignore"):
            northing = np.arcsinh(np.tan(np.radians(y)))
        return np.radians(x) * EARTH_RADIUS_M, northing * EARTH_RADIUS_M

    def degrees(self, x: ArrayLike, y: ArrayLike) -> tuple[_Floats, _Floats]:
        """Degrees (lng, lat) in the grid's datum of metres: the inverse of `plane_of_degrees`."""
        east, north = _floats(x), _floats(y)
        if self.y_up:
            return bd09mc_to_bd09(east, north)
        latitude = np.degrees(np.arctan(np.sinh(north / EARTH_RADIUS_M)))
        return np.degrees(east / EARTH_RADIUS_M), latitude

    def units(self, x: ArrayLike, y: ArrayLike) -> tuple[_Floats, _Floats]:
        """Columns and rows (down) of zoom 0, with fractions, of metres; times 2^z for zoom z."""
        return (_floats(x) - self.left_m) / self.span_m, (self.top_m - _floats(y)) / self.span_m

    def pixels(
        self, x: ArrayLike, y: ArrayLike, zoom: int, *, scale: int = 1
    ) -> tuple[_Floats, _Floats]:
        """Pixels (right, **down**) from the corner of column 0, row 0; modulo 256: in the tile."""
        column, row = self.units(x, y)
        size = TILE_PX * scale * 2.0**zoom
        return column * size, row * size

    def tile(self, x: ArrayLike, y: ArrayLike, zoom: int) -> tuple[_Ints, _Ints]:
        """The tile (x, y), in the grid's own numbers, that holds a point given in metres."""
        column, row = self.units(x, y)
        across = np.floor(column * 2.0**zoom).astype(np.int64)
        if self.y_up:  # not −row − 1: on the border itself the upper tile begins
            return across, np.floor(-row * 2.0**zoom).astype(np.int64)
        return across, np.floor(row * 2.0**zoom).astype(np.int64)

    def tile_of_degrees(self, lng: ArrayLike, lat: ArrayLike, zoom: int) -> tuple[_Ints, _Ints]:
        """The tile (x, y) that holds a point given in degrees of the grid's datum."""
        return self.tile(*self.plane_of_degrees(lng, lat), zoom)

    def number(self, row: int) -> int:
        """The grid's own y of a row counted down."""
        return -row - 1 if self.y_up else row

    def world(self, zoom: int) -> range:
        """The columns of a zoom, which are its rows (down) too."""
        if not self.y_up:
            return range(2**zoom)
        many = max(1, 2**zoom // 2)  # zoom 1 spans 33,554 km; half the world is 20,038 km
        return range(-many, many)


def _floats(values: ArrayLike) -> _Floats:
    return np.asarray(values, dtype=np.float64)


def _web(name: str, datum: str, crs: str, providers: str) -> Grid:
    return Grid(
        name=name,
        datum=datum,
        crs=crs,
        scheme="xyz",
        providers=providers,
        span_m=2.0 * HALF_WORLD_M,
        left_m=-HALF_WORLD_M,
        top_m=HALF_WORLD_M,
        y_up=False,
        limit_lat_deg=WEB_LATITUDE_DEG,
        zoom_range=(0, 22),
        usual_top_zoom=17,
    )


GRIDS = {
    "wgs84": _web("wgs84", "wgs84", "EPSG:3857", "OpenStreetMap, 天地图"),
    "gcj02": _web("gcj02", "gcj02", "web mercator of GCJ-02 degrees", "高德, 腾讯"),
    "bd09": Grid(
        name="bd09",
        datum="bd09",
        crs="BD09MC",
        scheme="baidu",
        providers="百度",
        span_m=float(TILE_PX * 2**BAIDU_UNIT_ZOOM),
        left_m=0.0,
        top_m=0.0,
        y_up=True,
        limit_lat_deg=BAIDU_LATITUDE_DEG,
        zoom_range=(1, 22),
        usual_top_zoom=18,
    ),
}
