"""map.html in a real browser with the network cut off."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest

from browser import DESKTOP, PHONE, chromium_path, overlaps, until, visit
from map_town import HOSTILE, town_plan
from servicecircle.maps import map_html
from servicecircle.plan import Plan

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    folder = tmp_path_factory.mktemp("town")
    plan = town_plan(folder)
    (folder / "map.html").write_text(map_html(plan), encoding="utf-8")
    return plan, folder / "map.html"


IN_VIEW = """selector => {
    const map = document.querySelector(".folium-map").getBoundingClientRect();
    return [...document.querySelectorAll(selector)].map(e => e.getBoundingClientRect()).filter(b =>
        b.left >= map.left - 30 && b.right <= map.right + 30 &&
        b.top >= map.top - 30 && b.bottom <= map.bottom + 30).length;
}"""


def test_no_browser_skips_or_fails_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    monkeypatch.delenv("SERVICECIRCLE_REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        chromium_path()
    monkeypatch.setenv("SERVICECIRCLE_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        chromium_path()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_map_opens_offline(
    chromium: Any, town: tuple[Plan, Path], size: tuple[int, int], tmp_path: Path
) -> None:
    plan, file = town
    with visit(chromium, file, size) as seen:
        page = seen.page
        page.wait_for_selector(".sc-icon")
        for name, value in (
            ("covered-share", plan.covered_share),
            ("covered-share-before", plan.covered_share_before),
            ("cross-covered-share", plan.cross_covered_share),
            ("gap", plan.selection.gap),
            ("new-stations", len(plan.new)),
        ):
            shown = page.locator(f"#fig-{name}")
            assert float(shown.get_attribute("data-value")) == value
        assert page.locator("#fig-covered-share").text_content() == f"{plan.covered_share:.2%}"
        assert page.locator(".sc-existing").count() == len(plan.existing)
        assert page.locator(".sc-new").count() == len(plan.new)
        assert page.locator(".sc-closed").count() == 1
        assert page.evaluate(IN_VIEW, ".sc-new, .sc-existing") == 5
        images = page.eval_on_selector_all(
            "img.leaflet-image-layer", "all => all.map(i => i.complete && i.naturalWidth > 0)"
        )
        assert images == [True] * 4  # water, streets, unchosen sites, demand
        controls = ("#sc-panel", ".leaflet-control-layers", ".leaflet-control-zoom",
                    ".leaflet-control-scale", ".leaflet-control-attribution")  # fmt: skip
        assert overlaps(page, *controls) == []
        page.screenshot(path=tmp_path / "opened.png")
        (page.tap if size == PHONE else page.click)("#sc-toggle")
        until(page, lambda: page.locator("#sc-body").is_visible() == (size == PHONE))
        until(page, lambda: overlaps(page, *controls) == [])  # it slides
        page.screenshot(path=tmp_path / "toggled.png")
        assert (seen.requests, seen.errors, seen.dialogs) == ([], [], [])


def test_a_map_in_a_frame_without_size_fits_once_it_has_one(
    chromium: Any, town: tuple[Plan, Path], tmp_path: Path
) -> None:
    frame = tmp_path / "frame.html"
    page_text = html.escape(town[1].read_text(encoding="utf-8"))
    frame.write_text(
        f'<iframe srcdoc="{page_text}" style="width:0;height:0;border:0"></iframe>',
        encoding="utf-8",
    )
    with visit(chromium, frame) as seen:
        page = seen.page
        inner = page.frames[1]
        inner.wait_for_selector(".sc-new", state="attached")
        page.evaluate("Object.assign(document.querySelector('iframe').style,"
                      " {width: '900px', height: '600px'})")  # fmt: skip
        inner.locator(".sc-new").first.wait_for()

        def within() -> bool:
            box = inner.locator(".sc-new").first.bounding_box()
            return box is not None and 0 < box["x"] < 900 and 0 < box["y"] < 600

        until(page, within)
        assert (seen.errors, seen.dialogs) == ([], [])


def test_layers_popups_and_the_list(chromium: Any, town: tuple[Plan, Path], tmp_path: Path) -> None:
    plan, file = town
    with visit(chromium, file) as seen:
        page = seen.page
        layers = page.locator(".leaflet-control-layers-overlays label")
        page.locator(".leaflet-control-layers").hover()  # opens it
        layers.filter(has_text="new stations").click()
        assert page.locator(".sc-new").count() == 0
        page.locator(".sc-list button").first.click()  # brings its layer back
        assert page.locator(".sc-new").count() == len(plan.new)
        popup = page.locator(".leaflet-popup-content").inner_text()
        best = plan.new[plan.station_weights()["covers_weight"].loc[plan.new].argmax()]
        assert plan.sites["site_id"].iloc[best] in popup
        assert plan.sites["address"].iloc[best] in popup
        outlines = page.locator(".leaflet-circles-pane path").count()
        page.locator(".leaflet-control-layers").hover()
        layers.filter(has_text="plan, 9 min").click()
        assert page.locator(".leaflet-circles-pane path").count() == outlines + 1
        page.screenshot(path=tmp_path / "popup.png")
        assert (seen.requests, seen.errors, seen.dialogs) == ([], [], [])


def test_hostile_names_run_nothing_and_are_legible(chromium: Any, tmp_path: Path) -> None:
    plan = town_plan(tmp_path / "town", HOSTILE)
    file = tmp_path / "map.html"
    file.write_text(map_html(plan), encoding="utf-8")
    with visit(chromium, file) as seen:
        page = seen.page
        assert page.title() == HOSTILE[0]
        assert page.locator("h1").inner_text() == HOSTILE[0]
        labels = page.locator(".sc-label span").all_inner_texts()
        assert [text.rsplit(" ", 1)[0] for text in labels] == list(HOSTILE[:2])
        keys = page.evaluate("Object.keys(window.scMarkers)")
        shown = set()
        for key in keys:
            page.evaluate(f"window.scMarkers['{key}'].openPopup()")
            shown.add(page.locator(".leaflet-popup-content caption").last.inner_text())
            page.evaluate(f"window.scMarkers['{key}'].closePopup().openTooltip()")
            shown.add(page.locator(".leaflet-tooltip").last.inner_text())
            page.evaluate(f"window.scMarkers['{key}'].closeTooltip()")
        for name in set(plan.sites["name"]) & set(HOSTILE):
            assert any(name in text for text in shown), name
        page.screenshot(path=tmp_path / "hostile.png")
        assert (seen.requests, seen.errors, seen.dialogs) == ([], [], [])
