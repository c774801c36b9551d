"""What the tests of the viewer pages share: stations at known places, tiles painted by hand, pages.

Positions come from reference/datum_vectors.csv, web mercator from pyproj, Baidu's pixels from its
metres in that file by the one line 2^(z − 18): none of it from the package.
"""

from __future__ import annotations

import dataclasses
import io
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pyproj
from PIL import Image

from browser import DESKTOP, PHONE, until
from hostile import TEXTS
from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.metadata import Metadata, TileSet
from servicecircle.export.viewers import write_viewers

MERCATOR = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
CITY, OTHER_CITY = "晋中市", "临汾市"
SEEN = Metadata("圈", "© 数据 <b>data</b>")
RED, BLUE = (200, 30, 30), (20, 60, 200)
PROVIDER_OF = {"gcj02": "gaode", "bd09": "baidu", "wgs84": "tianditu"}


# --- plans, tiles, positions ----------------------------------------------------------------------


def moved(plan: ExportPlan, places: list[tuple[float, float]], **columns: Any) -> ExportPlan:
    """The plan with one station at each place (lng, lat, WGS-84), the first one existing."""
    stations = pd.concat([plan.stations.iloc[:1]] * len(places), ignore_index=True)
    stations[["lng", "lat"]] = places
    stations["site_id"] = [f"s{i}" for i in range(len(places))]
    stations["name"] = [f"站{i}" for i in range(len(places))]
    stations["new"] = [i > 0 for i in range(len(places))]
    stations["status"] = ["candidate" if i else "existing" for i in range(len(places))]
    for name, values in columns.items():
        stations[name] = values
    return dataclasses.replace(plan, stations=stations)


def pixel(row: Any, grid: str, zoom: int) -> tuple[float, float]:
    """Right and **down** of the grid's origin, by mathematics of our own."""
    if grid == "bd09":
        return row["bd09mc_x"] * 2.0 ** (zoom - 18), -row["bd09mc_y"] * 2.0 ** (zoom - 18)
    x, y = MERCATOR.transform(row[f"{grid}_lng"], row[f"{grid}_lat"])
    half, size = 20_037_508.342789244, 256 * 2.0**zoom
    return (x + half) / (2 * half) * size, (half - y) / (2 * half) * size


def paint(folder: Path, grid: str, zoom: int, blocks: list[tuple[float, float, Any]]) -> None:
    """Tiles of one zoom with squares of 9 pixels around the given pixels."""
    painted: dict[tuple[int, int], Image.Image] = {}
    for right, down, colour in blocks:
        for x in range(int(right) - 4, int(right) + 5):
            for y in range(int(down) - 4, int(down) + 5):
                tile = painted.setdefault((x // 256, y // 256), Image.new("RGBA", (256, 256)))
                tile.putpixel((x % 256, y % 256), (*colour, 255))
    for (column, row), image in painted.items():
        number = -row - 1 if grid == "bd09" else row
        path = folder / "tiles" / str(zoom) / str(column) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)


def tileset(folder: Path, grid: str, zooms: tuple[int, int], around: Any, **more: Any) -> TileSet:
    """What would be said of tiles painted by hand, some 3 km around a row of the vectors."""
    lng, lat = around[f"{grid}_lng"], around[f"{grid}_lat"]
    bounds = (lng - 0.03, lat - 0.03, lng + 0.03, lat + 0.03)
    legend = ({"name": "步行 15 分钟服务圈", "minutes": 15.0, "colour": "#c81e1e", "opacity": 0.5},)
    known = {"folder": folder / "tiles", "scale": 1, "tiles": 9, "size_bytes": 9, "datum": grid,
             "bounds_wgs84": bounds, "bounds_datum": bounds, "legend": legend}  # fmt: skip
    return TileSet(grid=GRIDS[grid], zooms=zooms, metadata=SEEN, **{**known, **more})


# --- pages ----------------------------------------------------------------------------------------


@dataclass
class Opened:
    """A page, and what it did."""

    page: Any
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # paths on the own server, or files


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing on the console."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def opened(
    chromium: Any,
    base: str,
    page: str = "offline.html",
    *,
    size: tuple[int, int] = DESKTOP,
    stubs: dict[str, str] | None = None,
    fineness: float = 1,
) -> Iterator[Opened]:
    """A page below ``base``; everything elsewhere is refused but the ``stubs``' addresses."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=size == PHONE,
        device_scale_factor=fineness,
    )  # fmt: skip
    seen = Opened(context.new_page())

    def route(route: Any) -> None:
        address = route.request.url
        if address.startswith(base):
            seen.asked.append(urlsplit(address[len(base) :]).path)
            route.continue_()
            return
        seen.elsewhere.append(address)
        body = next((b for start, b in (stubs or {}).items() if address.startswith(start)), None)
        if body is None:
            route.abort()
        else:
            route.fulfill(body=body, content_type="text/javascript")

    def refuse(dialog: Any) -> None:
        seen.dialogs.append(dialog.message)
        dialog.dismiss()

    def console(message: Any) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            seen.errors.append(message.text)

    context.route("**/*", route)
    seen.page.on("console", console)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("dialog", refuse)
    try:
        seen.page.goto(base + page)
        yield seen
    finally:
        context.close()


def page_bytes(folder: Path) -> bytes:
    """Both pages' bytes."""
    return b"".join((folder / name).read_bytes() for name in ("index.html", "offline.html"))


def map_pixels(page: Any, shown: str) -> np.ndarray[Any, Any]:
    """The map's screen pixels with only the pane of tiles (and its white ground) shown."""
    page.add_style_tag(
        content=".leaflet-pane{visibility:hidden} .leaflet-control-container,.leaflet-lines-pane"
        "{display:none} #map{background:#fff!important}"
        f" .leaflet-map-pane,.{shown},.{shown} *{{visibility:visible!important}}"
    )
    tiles_shown(page)
    return np.asarray(Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB"))


def tiles_shown(page: Any) -> None:
    """Wait until every tile of the view is there and has faded in, or is known to be missing."""
    shown = (
        "() => { const all = [...document.querySelectorAll('img.leaflet-tile')];"
        " return all.length > 0 && all.every(i => i.complete"
        " && (i.src.startsWith('data:') || i.style.opacity === '1')); }"
    )
    until(page, lambda: page.evaluate(shown))


def go(page: Any, lng: float, lat: float, zoom: int) -> tuple[float, float]:
    """Show a place; where on the map's screen pixels the page itself puts it."""
    return tuple(
        page.evaluate(
            f"() => {{ scMap.setView([{lat}, {lng}], {zoom}, {{animate: false}});"
            f" const p = scMap.latLngToContainerPoint([{lat}, {lng}]); return [p.x, p.y]; }}"
        )
    )


def middle(pixels: np.ndarray[Any, Any], colour: tuple[int, int, int]) -> tuple[float, float, int]:
    """The centre of all pixels of a colour, and how many there are."""
    down, right = np.nonzero((np.abs(pixels.astype(int) - colour) <= 6).all(axis=2))
    assert len(down), colour
    return right.mean() + 0.5, down.mean() + 0.5, len(down)


# --- hostile texts --------------------------------------------------------------------------------


def hostile_pages(plan: ExportPlan, folder: Path, to: str) -> None:
    grid = PROVIDERS[to].datum
    lng, lat = plan.at(grid)
    around = {f"{grid}_lng": lng.mean(), f"{grid}_lat": lat.mean()}
    legend = ({"name": TEXTS["script"], "minutes": None, "colour": "#00ff00", "opacity": 0.5},)
    tiles = tileset(folder, grid, (13, 16), around, legend=legend)
    write_viewers(plan, folder, to=to, datum=grid, tiles=tiles)


def readable(text: str) -> str:
    """The text without what has no width of its own."""
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def harmless(seen: Opened) -> None:
    assert seen.page.evaluate("window.hacked") is None
    assert (seen.errors, seen.dialogs) == ([], [])
    assert not seen.page.locator("img[src=x], svg, [onload], [onerror], [onmouseover]").count()
