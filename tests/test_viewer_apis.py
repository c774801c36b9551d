"""index.html in a real browser, on stand-ins of the providers' APIs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest

from browser import DESKTOP, PHONE
from hostile import TEXTS, word
from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.viewers import write_viewers
from servicecircle.export.viewers.contents import KEY_FROM
from viewer_apis import APIS
from viewer_cases import (
    CITY,
    OTHER_CITY,
    RED,
    Opened,
    harmless,
    hostile_pages,
    moved,
    opened,
    page_bytes,
    paint,
    pixel,
    readable,
    served,
    tileset,
)

pytestmark = pytest.mark.browser


# --- the providers' pages -------------------------------------------------------------------------


@contextmanager
def ready(
    chromium: Any, folder: Path, to: str, key: str = "K-1 /&é", **more: Any
) -> Iterator[Opened]:
    """The provider's page on its stand-in, the key typed in."""
    address, body, _ = APIS[to]
    with (
        served(folder) as base,
        opened(chromium, base, "index.html", stubs={address: body}, **more) as seen,
    ):
        seen.page.wait_for_selector("#key", state="visible")
        assert seen.elsewhere == []  # nothing is asked for before there is a key
        seen.page.fill("#key-value", f" {key} ")
        if to == "gaode":
            seen.page.fill("#key-code", "code")
        seen.page.click("#key-form button")
        seen.page.wait_for_function("window.tileLayer")
        yield seen


def calls(page: Any, name: str) -> list[Any]:
    found: list[Any] = page.evaluate(
        "name => JSON.parse(JSON.stringify(calls.filter(c => c[0] === name).map(c => c[1])))", name
    )
    return found


@pytest.fixture
def provider_folder(
    street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path
) -> Callable[[str], Any]:
    """Pages, and one tile at z15 that exists, for two stations; returns the row of the first."""

    def make(to: str) -> Any:
        grid = PROVIDERS[to].datum
        row, other = (vectors.loc[name] for name in (CITY, OTHER_CITY))
        here = moved(street_plan, [tuple(r[["wgs84_lng", "wgs84_lat"]]) for r in (row, other)])
        right, down = pixel(row, grid, 15)
        paint(tmp_path, grid, 15, [(right, down, RED)])
        tiles = tileset(tmp_path, grid, (13, 16), row)
        assert len(write_viewers(here, tmp_path, to=to, datum=grid, tiles=tiles)) == 2
        return row, other

    return make


def station_calls(page: Any, to: str) -> list[list[float]]:
    """Where the page put the stations, as lng, lat, each from the order its API documents."""
    if to == "gaode":
        return [c["position"] for c in calls(page, "LabelMarker")]
    if to == "tencent":
        return [g["at"][::-1] for g in calls(page, "MultiMarker")[0]]
    return calls(page, "overlay" if to == "baidu" else "Marker")


ASK = {
    "gaode": "([x, y, z]) => new Promise(done => { tileLayer.createTile(x, y, z,"
    " image => done(image.src), () => done('fail')); setTimeout(done, 5000, 'no answer'); })",
    "baidu": "([x, y, z]) => tileLayer.getTilesUrl({x: x, y: y}, z)",
    "tencent": "([x, y, z]) => tileLayer.getTileUrl(x, y, z)",
    "tianditu": "([x, y, z]) => tileLayer.url.replace('{x}', x).replace('{y}', y)"
    ".replace('{z}', z)",
}


@pytest.mark.parametrize("to", list(PROVIDERS))
def test_a_provider_is_asked_rightly(
    chromium: Any, provider_folder: Any, to: str, tmp_path: Path
) -> None:
    row, other = provider_folder(to)
    grid = PROVIDERS[to].datum
    with ready(chromium, tmp_path, to) as seen:
        page, base = seen.page, seen.page.url.removesuffix("index.html")
        # the other one is new, and new ones come first
        expected = [[r[f"{grid}_lng"], r[f"{grid}_lat"]] for r in (other, row)]
        assert np.abs(np.array(station_calls(page, to)) - expected).max() < 1e-5
        right, down = (int(v // 256) for v in pixel(row, grid, 15))
        y = -down - 1 if grid == "bd09" else down
        assert page.evaluate(ASK[to], [right, y, 15]) == f"{base}tiles/15/{right}/{y}.png"
        nothing = {"gaode": "fail", "baidu": ""}.get(to)
        if to != "tianditu":  # which takes an address only; its layer has bounds
            far = page.evaluate(ASK[to], [right + 500, y, 15])
            assert far == nothing or (to == "tencent" and far.startswith("data:image/gif"))
            assert page.evaluate(ASK[to], [right, y, 3]) == far
        else:
            corners = page.evaluate("JSON.parse(JSON.stringify(tileLayer.options.bounds.corners))")
            assert corners[0]["lng"] < expected[1][0] < corners[1]["lng"]
            assert corners[0]["lat"] < expected[1][1] < corners[1]["lat"]
        page.locator("#list button").nth(1).click()
        at = calls(page, "info")[-1]
        assert (at[::-1] if to == "tencent" else at) == pytest.approx(expected[1], abs=1e-5)
        assert "站0" in page.locator(".api-html .card").last.inner_text()
        assert not page.locator("#key").is_visible()
        assert seen.errors == []


def test_gaode_is_told_of_missing_tiles_and_of_the_security_code(
    chromium: Any, provider_folder: Any, tmp_path: Path
) -> None:
    row, _ = provider_folder("gaode")
    with ready(chromium, tmp_path, "gaode") as seen:
        right, down = (int(v // 256) for v in pixel(row, "gcj02", 15))
        before = len(seen.asked)
        assert seen.page.evaluate(ASK["gaode"], [right + 2, down, 15]) == "fail"  # a 404
        assert seen.asked[before:] == [f"tiles/15/{right + 2}/{down}.png"]
        assert seen.page.evaluate(ASK["gaode"], [right + 500, down, 15]) == "fail"
        assert len(seen.asked) == before + 1  # not even asked for
        assert calls(seen.page, "security") == [{"securityJsCode": "code"}]
        (loaded,) = calls(seen.page, "load")
        assert loaded["key"] == "K-1 /&é" and loaded["version"] == "2.0"
        (layer,) = calls(seen.page, "Flexible")
        assert (layer["zooms"], layer["dataZooms"], layer["tileSize"]) == ([13, 20], [13, 16], 256)
        assert seen.errors == []


@pytest.mark.parametrize("to", list(PROVIDERS))
def test_the_key_stays_in_the_browser(
    chromium: Any, provider_folder: Any, to: str, tmp_path: Path
) -> None:
    provider_folder(to)
    key, parameter = "Secret-42 /&é", APIS[to][2]
    with ready(chromium, tmp_path, to, key) as seen:
        page = seen.page
        if parameter:
            (address,) = seen.elsewhere
            assert parse_qs(urlsplit(address).query)[parameter] == [key]
        kept = page.evaluate(f"localStorage.getItem('servicecircle-key-{to}')")
        assert json.loads(kept)["key"] == key
        page.reload()
        page.wait_for_function("window.tileLayer")  # not asked again
        assert not page.locator("#key").is_visible()
        page.click("#other button")
        assert page.locator("#key").is_visible()
        assert page.evaluate("localStorage.length") == 0
        page.reload()
        page.wait_for_selector("#key", state="visible")
        assert seen.errors == []
    texts = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert not any(b"Secret-42" in text for text in texts)


@pytest.mark.parametrize("to", list(PROVIDERS))
def test_a_key_file_beside_the_page(
    chromium: Any, provider_folder: Any, to: str, tmp_path: Path
) -> None:
    provider_folder(to)
    (tmp_path / "key.js").write_text(
        f"window.MAP_KEYS = {{{to}: {{key: 'from-file', serviceHost: '/_AMapService'}}}};"
    )
    address, body, parameter = APIS[to]
    with (
        served(tmp_path) as base,
        opened(chromium, base, "index.html", stubs={address: body}) as seen,
    ):
        seen.page.wait_for_function("window.tileLayer")
        assert not seen.page.locator("#key").is_visible()
        assert seen.page.evaluate("localStorage.length") == 0
        if parameter:
            assert parse_qs(urlsplit(seen.elsewhere[0]).query)[parameter] == ["from-file"]
        else:
            assert calls(seen.page, "security") == [{"serviceHost": "/_AMapService"}]
        assert seen.errors == []
    provider_folder(to)  # a new export leaves the user's file alone, and takes nothing from it
    assert "from-file" in (tmp_path / "key.js").read_text()
    assert b"from-file" not in page_bytes(tmp_path)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("to", list(PROVIDERS))
def test_without_a_network_or_with_a_bad_key_the_page_says_what_to_do(
    chromium: Any, provider_folder: Any, to: str, size: tuple[int, int], tmp_path: Path
) -> None:
    provider_folder(to)
    stubs = {APIS["gaode"][0]: APIS["gaode"][1]} if to == "gaode" else {}
    with opened(chromium, tmp_path.as_uri() + "/", "index.html", size=size, stubs=stubs) as seen:
        page = seen.page
        page.wait_for_selector("#key", state="visible")
        text = page.locator("#key").inner_text()
        assert PROVIDERS[to].words[0] in text and KEY_FROM[to][0] in text
        assert "http.server" in text  # opened from a disk
        assert ("securityJsCode" in text) == (to == "gaode")
        box = page.locator("#key").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
        page.screenshot(path=tmp_path / f"key-{to}.png")
        page.fill("#key-value", "bad")
        page.click("#key-form button")
        page.wait_for_selector("#key-problem", state="visible")
        problem = page.locator("#key-problem").inner_text()
        assert "加载失败" in problem and ("INVALID_USER_KEY" in problem) == (to == "gaode")
        if size == PHONE:
            page.tap("#toggle")
            page.tap("#language")
        else:
            page.click("#language")
        assert "did not load" in page.locator("#key-problem").inner_text()
        page.locator("#key a").click()
        page.wait_for_selector(".leaflet-container")
        assert page.url.endswith("offline.html")
        assert (seen.errors, seen.dialogs) == ([], [])


def test_an_api_that_has_changed_is_said(
    chromium: Any, provider_folder: Any, tmp_path: Path
) -> None:
    provider_folder("gaode")
    other = "window.AMapLoader = {load: () => Promise.resolve({Map: function () {}})};"
    stubs = {APIS["gaode"][0]: other}
    with served(tmp_path) as base, opened(chromium, base, "index.html", stubs=stubs) as seen:
        seen.page.fill("#key-value", "k")
        seen.page.click("#key-form button")
        seen.page.wait_for_selector("#key-problem", state="visible")
        assert "AMap.Scale" in seen.page.locator("#key-problem").inner_text()
        assert seen.page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("to", list(PROVIDERS))
def test_hostile_texts_do_nothing_on_a_providers_map(
    chromium: Any, hostile_plan: ExportPlan, to: str, tmp_path: Path
) -> None:
    hostile_pages(hostile_plan, tmp_path, to)
    with ready(chromium, tmp_path, to) as seen:
        page = seen.page
        page.evaluate("if (window.tmap) { tmap.zoom = 16; tmap.heard.zoomend(); }")
        for i, key in enumerate(TEXTS):
            page.evaluate(f"window.layer ? layer.click('{i}') : markers[{i}].click()")
            card = page.locator(".api-html .card").last.inner_text()
            assert readable(card).count(word(key)) >= 5, key
        harmless(seen)
