"""offline.html in a real browser: every grid, from a disk and from a server, and what people do."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from browser import DESKTOP, PHONE, overlaps, until
from hostile import TEXTS, word
from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.tiles.grids import GRIDS
from servicecircle.export.tiles.metadata import Metadata, TileSet
from servicecircle.export.tiles.outlines import Band
from servicecircle.export.tiles.pyramid import write_tiles
from servicecircle.export.viewers import SHARP_FOLDER, write_viewers
from viewer_cases import (
    BLUE,
    CITY,
    PROVIDER_OF,
    RED,
    SEEN,
    go,
    harmless,
    hostile_pages,
    map_pixels,
    middle,
    moved,
    opened,
    paint,
    pixel,
    readable,
    served,
    tiles_shown,
    tileset,
)

pytestmark = pytest.mark.browser


# --- the offline page: pixels ---------------------------------------------------------------------


@pytest.mark.parametrize(("by_file", "zoom"), [(True, 17), (False, 15)], ids=["file", "server"])
@pytest.mark.parametrize("grid", list(GRIDS))
def test_a_painted_pixel_lies_under_its_station(
    chromium: Any,
    street_plan: ExportPlan,
    vectors: pd.DataFrame,
    grid: str,
    by_file: bool,
    zoom: int,
    tmp_path: Path,
) -> None:
    """Blocks painted at the station and 300 right, 150 up of it appear there and nowhere else."""
    folder = tmp_path / "导出 export #1%20"
    folder.mkdir()
    row = vectors.loc[CITY]
    right, down = pixel(row, grid, zoom)
    paint(folder, grid, zoom, [(right, down, RED), (right + 300, down - 150, BLUE)])
    here = moved(street_plan, [(row["wgs84_lng"], row["wgs84_lat"])])
    write_viewers(
        here, folder, to=PROVIDER_OF[grid], datum=grid, tiles=tileset(folder, grid, (15, 17), row)
    )
    with served(folder) as server:
        base = folder.resolve().as_uri() + "/" if by_file else server
        with opened(chromium, base) as seen:
            seen.page.wait_for_selector(".leaflet-marker-icon[alt]")
            x, y = go(seen.page, row[f"{grid}_lng"], row[f"{grid}_lat"], zoom)
            icon = seen.page.locator(".leaflet-marker-icon[alt]").bounding_box()
            area = seen.page.locator("#map").bounding_box()
            assert icon["x"] + icon["width"] / 2 - area["x"] == pytest.approx(x, abs=1)
            assert icon["y"] + icon["height"] / 2 - area["y"] == pytest.approx(y, abs=1)
            pixels = map_pixels(seen.page, "leaflet-tile-pane")
            red, blue = middle(pixels, RED), middle(pixels, BLUE)
            assert red[:2] == pytest.approx((x, y), abs=1.6)  # the map stands on whole pixels
            assert red[2] == blue[2] == 81
            assert (blue[0] - red[0], blue[1] - red[1]) == pytest.approx((300, -150))
            white = (pixels == 255).all(axis=2)
            assert np.count_nonzero(~white) == 2 * 81
            assert (seen.errors, seen.dialogs, seen.elsewhere) == ([], [], [])


@pytest.mark.parametrize("grid", list(GRIDS))
def test_a_real_circle_ends_at_its_rim(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, grid: str, tmp_path: Path
) -> None:
    """A circle of 400 m around the station: coloured within, bare without, all the way round."""
    row = vectors.loc[CITY]
    metres = 400.0
    turns = np.arange(0, 360, 0.5)
    geod = pyproj.Geod(ellps="WGS84")
    lng, lat, _ = geod.fwd(
        np.full(len(turns), row["wgs84_lng"]), np.full(len(turns), row["wgs84_lat"]),
        turns, np.full(len(turns), metres),
    )  # fmt: skip
    band = Band(shapely.Polygon(np.column_stack([lng, lat])), RED, 0.5, "步行 6 分钟服务圈", 6.0)
    tiles = write_tiles(
        [band], tmp_path / "tiles", GRIDS[grid], shifted=True, metadata=SEEN, zooms=(13, 17)
    )
    here = moved(street_plan, [(row["wgs84_lng"], row["wgs84_lat"])])
    write_viewers(here, tmp_path, to=PROVIDER_OF[grid], datum=grid, tiles=tiles)
    zoom = 16
    per_pixel = 4.0 if grid == "bd09" else 40_075_016.69 / 256 / 2**zoom
    radius = metres / np.cos(np.radians(row[f"{grid}_lat"])) / per_pixel
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        x, y = go(seen.page, row[f"{grid}_lng"], row[f"{grid}_lat"], zoom)
        pixels = map_pixels(seen.page, "leaflet-tile-pane")
        half_red = (np.array(RED) + 255) / 2
        for turn in np.radians(np.arange(0, 360, 15)):
            for part, colour in ((0.0, half_red), (0.96, half_red), (1.04, np.full(3, 255))):
                at = int(y + part * radius * np.sin(turn)), int(x + part * radius * np.cos(turn))
                assert np.abs(pixels[at] - colour).max() <= 8, (grid, turn, part, pixels[at])
        assert seen.page.locator("#legend li").first.inner_text() == "步行 6 分钟服务圈"
        assert (seen.errors, seen.elsewhere) == ([], [])


@pytest.mark.parametrize(("grid", "tile"), [("gcj02", "15/26705/14226"), ("bd09", "15/6163/1280")])
def test_published_tile_numbers_are_asked_for(
    chromium: Any, street_plan: ExportPlan, grid: str, tile: str, tmp_path: Path
) -> None:
    """113.3964152,23.0581857 at z15: Gaode's and Baidu's published tile numbers."""
    lng, lat = 113.3964152, 23.0581857
    row = {f"{grid}_lng": lng, f"{grid}_lat": lat}
    tiles = tileset(tmp_path, grid, (12, 16), row)
    here = moved(street_plan, [(lng, lat)])
    write_viewers(here, tmp_path, to=PROVIDER_OF[grid], datum=grid, tiles=tiles)
    with served(tmp_path) as base, opened(chromium, base, size=(500, 200)) as seen:
        go(seen.page, lng, lat, 15)
        tiles_shown(seen.page)
        numbers = [path.split("/")[1:] for path in seen.asked if path.startswith("tiles/15/")]
        assert f"tiles/{tile}.png" in seen.asked
        _, x, y = map(int, tile.split("/"))
        near = [(int(n[1]), int(n[2].removesuffix(".png"))) for n in numbers]
        assert all(abs(a - x) <= 3 and abs(b - y) <= 3 for a, b in near)
        assert all(path.startswith(("tiles/", "offline.html")) for path in seen.asked)


def test_baidus_plane_in_the_page_is_baidus(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> None:
    row = vectors.loc[CITY]
    tiles = tileset(tmp_path, "bd09", (12, 16), row)
    write_viewers(
        moved(street_plan, [(112.5, 37.8)]), tmp_path, to="baidu", datum="bd09", tiles=tiles
    )
    places = vectors[["bd09_lat", "bd09_lng"]].to_numpy().tolist()
    signs = [[-37.5, -122.4], [0.5, 0.5], [-33.9, 18.4], [74.0, 180.0], [59.99, 10], [60.01, 10]]
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        got = seen.page.evaluate(
            "all => all.map(p => { const q = scMap.options.crs.projection.project("
            "L.latLng(p[0], p[1])), r = scMap.options.crs.projection.unproject(q);"
            "return [q.x, q.y, r.lat, r.lng]; })",
            places + signs,
        )
        assert seen.errors == []
    got = np.array(got)
    metres = vectors[["bd09mc_x", "bd09mc_y"]].to_numpy()
    assert np.abs(got[: len(places), :2] - metres).max() < 0.03  # degrees there have 7 digits
    assert np.abs(got[:, 2:] - np.array(places + signs)).max() < 1e-9
    x, y = pyproj.Transformer.from_crs(
        "+proj=longlat +ellps=clrk66", "+proj=merc +ellps=clrk66", always_xy=True
    ).transform(-122.4, -37.5)
    assert got[len(places), :2] == pytest.approx((x, y), abs=0.05)


@pytest.mark.parametrize("grid", list(GRIDS))
def test_the_scale_bar_is_true(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, grid: str, tmp_path: Path
) -> None:
    row = vectors.loc[CITY]
    tiles = tileset(tmp_path, grid, (12, 16), row)
    here = moved(street_plan, [(row["wgs84_lng"], row["wgs84_lat"])])
    write_viewers(here, tmp_path, to=PROVIDER_OF[grid], datum=grid, tiles=tiles)
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        go(seen.page, row[f"{grid}_lng"], row[f"{grid}_lat"], 15)
        bar = seen.page.locator(".leaflet-control-scale-line")
        text, width = bar.inner_text(), bar.evaluate("b => b.offsetWidth")
    number, unit = text.split()
    per_pixel = 8.0 if grid == "bd09" else 40_075_016.69 / 256 / 2**15
    metres = width * per_pixel * np.cos(np.radians(row[f"{grid}_lat"]))
    assert float(number) * {"m": 1, "km": 1000}[unit] == pytest.approx(metres, rel=0.025)


def test_fine_screens_get_the_fine_tiles_of_the_same_layer_only(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> None:
    row = vectors.loc[CITY]
    place = shapely.Point(row["wgs84_lng"], row["wgs84_lat"]).buffer(0.004)
    band = Band(place, RED, 0.5, "圈", 6.0)
    here = moved(street_plan, [(row["wgs84_lng"], row["wgs84_lat"])])

    def tiles(name: str, scale: int, zooms: tuple[int, int] = (13, 15)) -> TileSet:
        return write_tiles(
            [band], tmp_path / name, GRIDS["bd09"], shifted=True, metadata=SEEN, zooms=zooms,
            scale=scale,
        )  # fmt: skip

    def asked() -> set[str]:
        with served(tmp_path) as base, opened(chromium, base, fineness=2) as seen:
            go(seen.page, row["bd09_lng"], row["bd09_lat"], 15)
            seen.page.wait_for_selector("img.leaflet-tile-loaded")
            assert seen.errors == []
            box = seen.page.locator("img.leaflet-tile-loaded").first.bounding_box()
            assert box["width"] == 256
            return {path.split("/")[0] for path in seen.asked if path.endswith(".png")}

    tiles(SHARP_FOLDER, 2, (12, 14))
    coarse = tiles("tiles", 1)
    write_viewers(here, tmp_path, to="baidu", datum="bd09", tiles=coarse)
    assert asked() == {"tiles"}  # those of an older export are left alone
    tiles(SHARP_FOLDER, 2)
    write_viewers(here, tmp_path, to="baidu", datum="bd09", tiles=coarse)
    assert asked() == {SHARP_FOLDER}


# --- the offline page: people ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_list_search_language_and_popups(
    chromium: Any,
    street_plan: ExportPlan,
    vectors: pd.DataFrame,
    size: tuple[int, int],
    tmp_path: Path,
) -> None:
    row = vectors.loc[CITY]
    places = [(row["wgs84_lng"] + 0.004 * i, row["wgs84_lat"] + 0.003 * (i % 3)) for i in range(6)]
    here = moved(
        street_plan, places, address=[f"解放路{i}号" for i in range(6)],
        services=["饮水、充电"] * 5 + ["Shower"], hours="8:00-18:00", phone="000-0001",
    )  # fmt: skip
    tiles = tileset(tmp_path, "gcj02", (12, 16), row)
    write_viewers(here, tmp_path, to="gaode", datum="gcj02", tiles=tiles)
    with opened(chromium, tmp_path.as_uri() + "/", size=size) as seen:
        page = seen.page
        parts = ("#panel", ".leaflet-control-zoom", ".leaflet-control-scale",
                 ".leaflet-control-attribution")  # fmt: skip
        assert overlaps(page, *parts) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        press = page.tap if size == PHONE else page.click
        if size == PHONE:
            assert not page.locator("#body").is_visible()
            press("#toggle")
            assert overlaps(page, *parts) == []
        assert page.locator("#list button").count() == 6
        assert "GCJ-02" in page.locator("#datum").inner_text()
        assert "existing" not in page.locator("#panel").inner_text()
        page.fill("#search", "shower 5号")
        assert page.locator("#list button").all_inner_texts() == ["站5"]
        page.locator("#list button").click()
        card = page.locator(".leaflet-popup .card")
        card.wait_for()
        for text in ("站5", "s5", "解放路5号", "Shower", "8:00-18:00", "000-0001", "地址"):
            assert text in card.inner_text()
        shown = page.locator(".leaflet-popup").bounding_box()
        area = page.locator("#map").bounding_box()
        known = page.evaluate("[scMap.getSize().x, scMap.getSize().y]")
        assert known == pytest.approx([area["width"], area["height"]], abs=1)
        assert shown["x"] >= area["x"] and shown["x"] + shown["width"] <= area["x"] + area["width"]
        page.screenshot(path=tmp_path / "card.png")
        press("#language")
        assert "Address" in card.inner_text() and "地址" not in card.inner_text()
        assert "Datum: GCJ-02 (Gaode, Tencent)" in page.locator("#datum").inner_text()
        assert page.locator("#found").inner_text() == "1 stations"
        assert page.locator("#legend li").first.inner_text() == "15-minute service circle"
        page.locator("details summary").click()
        about = page.locator("#about").inner_text()
        assert all(text in about for text in (street_plan.title, street_plan.attribution, "GCJ-02"))
        assert (seen.errors, seen.dialogs, seen.elsewhere) == ([], [], [])


def test_many_stations_are_drawn_and_found(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> None:
    row = vectors.loc[CITY]
    rng = np.random.default_rng(1)
    places = (
        row[["wgs84_lng", "wgs84_lat"]].to_numpy(float) + rng.normal(0, 0.02, (3000, 2))
    ).tolist()
    here = moved(street_plan, places)
    write_viewers(
        here, tmp_path, to="gaode", datum="gcj02", tiles=tileset(tmp_path, "gcj02", (12, 16), row)
    )
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        page = seen.page
        assert page.locator("#list button").count() == 300
        assert page.locator(".leaflet-marker-icon[alt]").count() == 0  # a canvas draws them
        page.fill("#search", "s2999")
        page.locator("#list button").click()
        assert "s2999" in page.locator(".leaflet-popup .card").inner_text()
        assert (seen.errors, seen.elsewhere) == ([], [])


def test_the_policy_keeps_strange_scripts_and_requests_out(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> None:
    row = vectors.loc[CITY]
    tiles = tileset(tmp_path, "gcj02", (12, 16), row)
    write_viewers(
        moved(street_plan, [(112.5, 37.8)]), tmp_path, to="gaode", datum="gcj02", tiles=tiles
    )
    with served(tmp_path) as base, opened(chromium, base) as seen:
        seen.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.hacked = 1";
                document.body.append(script);
                const holder = document.createElement("div");
                holder.innerHTML = "<img src=x onerror='window.hacked = 2'>" +
                    "<img src='https://x.invalid/a.png'><iframe src='https://x.invalid/'></iframe>";
                document.body.append(holder);
                fetch("https://x.invalid/").catch(() => {});
            }"""
        )
        kinds = ("inline script", "inline event handler", "a.png", "frame", "connect")
        until(seen.page, lambda: all(k in "\n".join(seen.errors) for k in kinds))
        assert seen.page.evaluate("window.hacked") is None
        assert seen.elsewhere == []  # refused before they were sent


def test_abroad_nothing_is_shifted_and_the_page_says_so(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> None:
    row = vectors.loc[CITY]
    here = dataclasses.replace(moved(street_plan, [(24.94, 60.17)]), shifted=False)
    tiles = tileset(tmp_path, "gcj02", (12, 16), row, datum="wgs84", bounds_datum=None)
    write_viewers(here, tmp_path, to="gaode", datum="gcj02", tiles=tiles)
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        assert "WGS-84（大陆以外，未偏移）" in seen.page.locator("#datum").inner_text()
        at = seen.page.evaluate(
            "() => { const p = scMarkers[0].getLatLng(); return [p.lng, p.lat]; }"
        )
        assert at == [24.94, 60.17]
        assert seen.errors == []


# --- hostile texts --------------------------------------------------------------------------------


def test_the_attribution_is_read_as_it_was_written(
    chromium: Any, street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> None:
    """In tiles.json it is HTML; the page has it from the plan, and escapes it once."""
    plan = dataclasses.replace(street_plan, stored=copy.copy(street_plan.stored))
    text = "© 某图 <b>A</b> & 'B' &amp; \"C\""
    plan.stored.said = {**plan.stored.said, "attribution": text}
    tiles = tileset(tmp_path, "gcj02", (12, 16), vectors.loc[CITY])
    tiles = dataclasses.replace(tiles, metadata=Metadata("圈", text))
    assert "&lt;b&gt;A" in tiles.tilejson()["attribution"]
    write_viewers(moved(plan, [(112.5, 37.8)]), tmp_path, to="own", datum="gcj02", tiles=tiles)
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        assert text in seen.page.locator(".leaflet-control-attribution").inner_text()
        seen.page.locator("details summary").click()
        assert text in seen.page.locator("#about").inner_text()
        assert seen.errors == []


def test_hostile_texts_do_nothing_offline_and_are_legible(
    chromium: Any, hostile_plan: ExportPlan, tmp_path: Path
) -> None:
    hostile_pages(hostile_plan, tmp_path, "gaode")
    with opened(chromium, tmp_path.as_uri() + "/") as seen:
        page = seen.page
        listed = page.locator("#list button").all_inner_texts()
        assert len(listed) == len(TEXTS)
        for i, (key, text) in enumerate(zip(TEXTS, listed, strict=True)):
            assert word(key) in readable(text)
            page.evaluate(f"void scMarkers[{i}].openPopup()")
            card = page.locator(".leaflet-popup .card").last
            assert readable(card.inner_text()).count(word(key)) >= 5, key
            page.evaluate(f"void scMarkers[{i}].closePopup().openTooltip()")
            tip = page.locator(".leaflet-tooltip").last.text_content()
            assert word(key) in readable(tip)
            page.evaluate(f"void scMarkers[{i}].closeTooltip()")
        assert "站title<script>" in page.title() and "站title<script>" in page.inner_text("h1")
        assert "<script>" in page.locator("#legend").inner_text()
        page.evaluate("void scMarkers[5].openPopup()")
        page.screenshot(path=tmp_path / "hostile.png")
        harmless(seen)
        assert seen.elsewhere == []
