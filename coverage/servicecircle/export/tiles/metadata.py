"""What stands beside the tiles: TileJSON 3.0.0 with a few keys of our own, and how to read it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicecircle.errors import OutputError
from servicecircle.export.plain_text import legible, one_line
from servicecircle.export.tiles.grids import GRIDS, TILE_PX, Grid
from servicecircle.export.tiles.outlines import Band, Bounds

__all__ = ["TILEJSON", "Metadata", "TileSet", "read_tileset"]

TILEJSON = "tiles.json"
BAIDU_NOTE = (
    "这是百度自己的瓦片网格：每像素 2^(18-z) 米（BD09MC），原点在 0,0，y 向上；"
    "不是通用的 XYZ 网格。 "
    "Baidu's own grid: 2^(18-z) metres a pixel (BD09MC), origin at 0,0, y up; this is no XYZ."
)
GCJ_NOTE = (
    "坐标系 GCJ-02：只能叠加在高德、腾讯地图上，叠在 WGS-84 底图上会偏几百米。 "
    "GCJ-02: for maps of Gaode and Tencent; some hundred metres off on a WGS-84 map."
)


@dataclass(frozen=True)
class Metadata:
    """What a layer says of itself: plain text as planners wrote it, not HTML."""

    name: str
    attribution: str
    description: str = ""


@dataclass(frozen=True)
class TileSet:
    """A written folder of tiles.

    ``datum`` is the one the tiles lie in: the grid's, or ``wgs84`` where no shift applied.
    ``bounds_*`` are degrees (west, south, east, north), None for an empty layer; ``tiles`` and
    ``size_bytes`` count the pictures. ``scale`` 2 means 512 pixels for the same square.
    """

    folder: Path
    grid: Grid
    datum: str
    scale: int
    zooms: tuple[int, int]
    tiles: int
    size_bytes: int
    bounds_wgs84: Bounds | None
    bounds_datum: Bounds | None
    legend: tuple[Mapping[str, Any], ...]
    metadata: Metadata

    @property
    def bounds(self) -> Bounds | None:
        """Degrees that hold the layer in WGS-84 and in its own datum.

        Map programs that know nothing of datums ask for no tile outside a layer's bounds: the
        narrower WGS-84 box would cut some 500 m off a shifted layer.
        """
        if self.bounds_wgs84 is None or self.bounds_datum is None:
            return None
        a, b = self.bounds_wgs84, self.bounds_datum
        west, south = min(a[0], b[0]), min(a[1], b[1])
        east, north = max(a[2], b[2]), max(a[3], b[3])
        return west, south, east, north

    @property
    def tile_px(self) -> int:
        """The side of a picture in pixels."""
        return TILE_PX * self.scale

    @property
    def note(self) -> str:
        """What a user of the tiles must know of their grid; empty for WGS-84."""
        if not self.grid.is_xyz:
            return BAIDU_NOTE
        return GCJ_NOTE if self.datum == "gcj02" else ""

    @property
    def texts(self) -> dict[str, str]:
        """``name``, ``description`` and ``attribution`` as tiles.json and archives carry them.

        Legible text; the attribution is HTML, for that is what map programs take it for.
        """
        return {
            "name": one_line(self.metadata.name),
            "description": legible(self.metadata.description),
            "attribution": html.escape(one_line(self.metadata.attribution)),
        }

    def tilejson(self) -> dict[str, Any]:
        """The content of tiles.json."""
        own = {
            "grid": self.grid.name,
            "datum": self.datum,
            "crs": self.grid.crs,
            "providers": self.grid.providers,
            "scale": self.scale,
            "tile_px": self.tile_px,
            "tile_count": self.tiles,
            "tile_bytes": self.size_bytes,
            "bounds_wgs84": self.bounds_wgs84,
            "bounds_datum": self.bounds_datum,
            "bands": list(self.legend),  # TileJSON's own "legend" is one text
        }
        said = {
            "tilejson": "3.0.0",
            **self.texts,
            "version": "1.0.0",
            "scheme": self.grid.scheme,
            "tiles": ["{z}/{x}/{y}.png"],
            "minzoom": self.zooms[0],
            "maxzoom": self.zooms[1],
        }
        if self.bounds is not None:
            said["bounds"] = list(self.bounds)
        if self.note:
            own["note"] = self.note
        return {**said, **own}

    def text(self) -> str:
        """tiles.json as text; the same for the same layer."""
        return json.dumps(self.tilejson(), ensure_ascii=False, indent=1) + "\n"


def legend_of(bands: Sequence[Band]) -> tuple[dict[str, Any], ...]:
    """Per band, in the order of drawing: name (legible), minutes, colour ``#rrggbb``, opacity."""
    return tuple(
        {
            "name": one_line(band.name),
            "minutes": band.minutes,
            "colour": "#{:02x}{:02x}{:02x}".format(*band.colour),
            "opacity": band.opacity,
        }
        for band in bands
    )


def read_tileset(folder: Path | str) -> TileSet:
    """The tiles of a folder that `pyramid.write_tiles` has finished. Raises `OutputError`."""
    folder = Path(folder)
    try:
        said = json.loads((folder / TILEJSON).read_text(encoding="utf-8"))
        return TileSet(
            folder=folder,
            grid=GRIDS[said["grid"]],
            datum=str(said["datum"]),
            scale=int(said["scale"]),
            zooms=(int(said["minzoom"]), int(said["maxzoom"])),
            tiles=int(said["tile_count"]),
            size_bytes=int(said["tile_bytes"]),
            bounds_wgs84=_four(said["bounds_wgs84"]),
            bounds_datum=_four(said["bounds_datum"]),
            legend=tuple(said["bands"]),
            metadata=Metadata(
                str(said["name"]), html.unescape(said["attribution"]), str(said["description"])
            ),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{folder}：不是导出完成的瓦片文件夹（{TILEJSON}：{error}）。请先导出瓦片。",
            f"{folder}: not a finished folder of tiles ({TILEJSON}: {error}). Export tiles first.",
        ) from error


def _four(values: Sequence[float] | None) -> Bounds | None:
    if values is None:
        return None
    west, south, east, north = map(float, values)
    return west, south, east, north
