"""The dashboard in a real browser, from uploads to downloads."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from app_town import EN, WAIT_S, ZH, Town
from browser import DESKTOP, PHONE
from plans import busy_town
from servicecircle.check import check_folder
from servicecircle.dashboard.words import Say
from servicecircle.plan import make_plan
from servicecircle.scenario import load_scenario

# --- the page in a browser ------------------------------------------------------------------------


class Server(NamedTuple):
    address: str
    temporary: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from servicecircle.dashboard.launch import launch; launch({port}, open_browser=False)"
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/_stcore/health", process, folder / "log")
        yield Server(address, folder)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    said = (folder / "log").read_text(encoding="utf-8")
    assert "服务圈规划" in said and "Traceback" not in said, said
    assert [p.name for p in folder.iterdir() if p.name.startswith("servicecircle-")] == []


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            direct.open(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text(encoding='utf-8')}")


class Seen(NamedTuple):
    page: Any
    elsewhere: list[str]
    errors: list[str]


@contextmanager
def visiting(chromium: Any, server: Server, size: tuple[int, int] = DESKTOP) -> Iterator[Seen]:
    """The page, with everything but the server cut off; fails on errors and on other requests."""
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, has_touch=size == PHONE, accept_downloads=True
    )
    seen = Seen(context.new_page(), [], [])
    host = server.address.removeprefix("http://")

    def guard(route: Any) -> None:
        if route.request.url.startswith(f"{server.address}/"):
            route.continue_()
        else:
            seen.elsewhere.append(route.request.url)
            route.abort()

    def socket_opened(ws: Any) -> None:
        if not ws.url.startswith(f"ws://{host}/"):
            seen.elsewhere.append(ws.url)

    context.route("**/*", guard)
    page = seen.page
    page.set_default_timeout(WAIT_S * 1000)
    page.on("websocket", socket_opened)
    page.on("console", lambda m: m.type == "error" and seen.errors.append(m.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    try:
        page.goto(server.address)
        yield seen
        assert (seen.elsewhere, seen.errors) == ([], [])
    finally:
        context.close()


def upload(page: Any, role: str, file: Path, datum: str | None = None) -> None:
    part = page.locator(f".st-key-part_{role}")
    if datum is not None and not page.locator(f".st-key-file_{role}").is_visible():
        part.get_by_text(ZH(role), exact=True).click()
    page.locator(f".st-key-file_{role} input[type=file]").set_input_files(file)
    page.locator(f".st-key-file_{role}").get_by_text(file.name).wait_for()
    if datum is not None:
        part.get_by_text(ZH(datum), exact=True).click()
        part.get_by_text(re.compile("读懂了")).wait_for()


def fill(page: Any, key: str, value: object) -> None:
    box = page.locator(f".st-key-{key} input")
    box.fill(str(value))
    box.press("Tab")


def plan_now(page: Any, say: Say = ZH) -> None:
    """Press the button, and wait until the plan of the question as it stands is there."""
    page.locator(".st-key-start button:not([disabled])").click()
    page.locator(".st-key-figures").wait_for()
    for word in ("outdated", "outdated_busy"):
        page.get_by_text(say(word)).wait_for(state="detached")
    page.locator(".st-key-start button:not([disabled])").wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for()


def figures_of(page: Any) -> dict[str, str]:
    cards = page.locator("[data-testid=stMetric]")
    read = [
        [cards.nth(i).locator(f"[data-testid={part}]").inner_text() for part in
         ("stMetricLabel", "stMetricValue")]
        for i in range(cards.count())
    ]  # fmt: skip
    return dict(read)


def download(page: Any, key: str, folder: Path, *, name: str = "get_{}") -> Path:
    with page.expect_download() as found:
        page.locator(f".st-key-{name.format(key)}").get_by_role("button").click()
    path = folder / found.value.suggested_filename
    found.value.save_as(path)
    return path


def unzipped(archive: Path, folder: Path) -> Path:
    """The plan's folder out of a downloaded ZIP."""
    with zipfile.ZipFile(archive) as held:
        held.extractall(folder)
    return next(folder.glob("*-plan"))


def agrees(shown: dict[str, str], plan: Path, say: Say) -> dict[str, Any]:
    """The page's figures are those of plan.json, and every claim of the folder holds."""
    f: dict[str, Any] = json.loads((plan / "plan.json").read_text(encoding="utf-8"))
    new, total = len(f["new_sites"]), len(f["chosen"])
    assert shown[say("stations")] == f"{total - new:,} → {total:,}"
    before, after = f["covered_share_before"], f["covered_share"]
    assert shown[say("covered_share")] == f"{before:.2%} → {after:.2%}"
    assert shown[say("covered_points")].endswith(f"→ {f['covered_points']:,}")
    assert shown[say("cross")].endswith(f"→ {f['cross_covered_share']:.2%}")
    unit = say("covered_weight", unit=say(f["weight_unit"]))
    assert shown[unit].endswith(f"→ {f['covered_weight']:,.0f}")
    assert shown[say("gap")] == (say("optimal") if f["proven"] else f"≤ {f['gap']:.3%}")
    assert check_folder(plan).failed == []
    return f


@pytest.mark.browser
def test_a_planner_plans_a_city_of_their_own(
    chromium: Any, server: Server, town: Town, tmp_path: Path
) -> None:
    with visiting(chromium, server) as seen:
        page = seen.page
        page.get_by_text(ZH("city_own")).click()
        upload(page, "network", town.osm)
        upload(page, "demand", town.demand, "wgs84")
        upload(page, "candidates", town.candidates, "bd09")
        fill(page, "minutes", 5)
        fill(page, "new_sites", 3)
        page.get_by_text("3 个", exact=True).wait_for()
        plan_now(page)
        plan = unzipped(download(page, "zip", tmp_path), tmp_path / "one")
        first = agrees(figures_of(page), plan, ZH)
        assert plan.name == "河边镇-plan" and len(first["chosen"]) == 3
        again = make_plan(load_scenario(plan / "scenario.toml"))
        assert again.selection.objective == first["objective"]

        upload(page, "existing", town.existing, "gcj02")
        page.get_by_text(ZH("outdated")).wait_for()
        assert figures_of(page)[ZH("stations")] == "0 → 3"  # the old result stays
        plan_now(page)
        plan = unzipped(download(page, "zip", tmp_path), tmp_path / "two")
        second = agrees(figures_of(page), plan, ZH)
        assert second["chosen"][:2] == ["001", "002"] and len(second["chosen"]) == 5
        assert second["covered_weight"] >= first["covered_weight"]
        table = download(page, "stations", tmp_path).read_text(encoding="utf-8-sig")
        rows = {row["site_id"]: row for row in csv.DictReader(io.StringIO(table))}
        found = [[float(rows[i][axis]) for axis in ("lng", "lat")] for i in ("001", "002")]
        assert np.allclose(found, town.stations, atol=1e-6)
        assert rows["001"]["name"] == "驿站㐂" and rows["002"]["name"] == "'=2+3"
        exports_come_as_one_archive(page, tmp_path)
        saved = download(page, "map", tmp_path)
        assert saved.name == "河边镇-地图.html" and saved.stat().st_size > 100_000

        page.get_by_text("English").click()
        page.locator("[data-testid=stMetric]").get_by_text(EN("gap")).wait_for()
        page.locator("[data-test-script-state=notRunning]").wait_for()
        assert agrees(figures_of(page), plan, EN) == second
        assert page.get_by_text(EN("outdated")).count() == 0
        page.locator("iframe").scroll_into_view_if_needed()
        chart = page.frame_locator("iframe").frame_locator("iframe")
        chart.locator(".sc-new").first.wait_for()
        share = chart.locator("#fig-covered-share").get_attribute("data-value")
        assert float(share) == second["covered_share"]
        page.screenshot(path=tmp_path / "english.png")


def exports_come_as_one_archive(page: Any, folder: Path) -> None:
    """Choose what for, wait, take the ZIP away: twice, the second in the first one's place."""
    box = page.locator(".st-key-export")
    box.get_by_text(ZH("export")).click()
    box.locator(".st-key-export_start").wait_for()
    for to, expected in (("baidu", "baidu-bd09/"), ("report", "report/")):
        page.locator("[data-test-script-state=notRunning]").wait_for()
        box.locator(".st-key-export_to").get_by_role("combobox").click()
        page.get_by_role("option", name=ZH(f"to_{to}")).click()
        if to == "report":
            fill(page, "export_federation", "河边镇总工会")
        box.locator(".st-key-export_start button:not([disabled])").click()
        box.get_by_text(ZH("export_get", what=ZH(f"to_{to}"))).wait_for()
        page.locator("[data-test-script-state=notRunning]").wait_for()
        archive = download(page, "get", folder, name="export_{}")
        assert archive.name == f"河边镇-{to}.zip"
        with zipfile.ZipFile(archive) as held:
            names = held.namelist()
            assert held.testzip() is None and all(n.startswith(expected) for n in names)
            if to == "baidu":
                assert any(n.endswith("index.html") for n in names)
            else:
                paper = next(n for n in names if n.endswith(".docx"))
                text = zipfile.ZipFile(io.BytesIO(held.read(paper))).read("word/document.xml")
                assert "河边镇总工会" in text.decode()
    page.screenshot(path=folder / "exports.png")


@pytest.mark.browser
def test_the_bundled_city_on_a_phone(chromium: Any, server: Server, tmp_path: Path) -> None:
    with visiting(chromium, server, PHONE) as seen:
        page = seen.page
        page.get_by_text("20 个", exact=True).wait_for()
        plan_now(page)
        plan = unzipped(download(page, "zip", tmp_path), tmp_path / "plan")
        f = agrees(figures_of(page), plan, ZH)
        assert plan.name == "河谷市（虚构）-plan" and len(f["new_sites"]) == 20
        page.get_by_role("heading", name=re.compile("虚构")).wait_for()
        wide = page.evaluate(
            "[...document.querySelectorAll('[data-testid=stMain] *')].filter("
            "e => e.getBoundingClientRect().right > innerWidth + 1 && e.offsetParent"
            " && !e.closest('[data-testid=stTabs], [data-testid=stDataFrame]')).length"
        )
        assert wide == 0
        for name in ("stations", "districts", "data"):
            page.get_by_role("tab", name=ZH(f"tab_{name}")).click()
        page.get_by_text("虚构城市").first.wait_for()
        page.screenshot(path=tmp_path / "phone.png")


@pytest.mark.browser
def test_a_search_is_watched_and_stopped(
    chromium: Any, server: Server, helsinki: Path, tmp_path: Path
) -> None:
    """Best plan, bound and gap stand there live; the button ends the search with that plan."""
    busy_town(tmp_path, helsinki, 6000)
    with visiting(chromium, server) as seen:
        page = seen.page
        page.get_by_text(ZH("city_own")).click()
        upload(page, "network", tmp_path / "town.osm.pbf")
        upload(page, "demand", tmp_path / "demand.csv", "wgs84")
        upload(page, "candidates", tmp_path / "candidates.csv", "wgs84")
        fill(page, "minutes", 5)
        fill(page, "new_sites", 8)
        page.get_by_text("8 个", exact=True).wait_for()
        page.locator(".st-key-part_more").get_by_text(ZH("more")).click()
        fill(page, "time_limit", 3 * WAIT_S)
        page.locator("[data-test-script-state=notRunning]").wait_for()
        page.locator(".st-key-start button:not([disabled])").click()
        page.locator(".st-key-search").get_by_text(
            re.compile("已覆盖 .* 人 · 上界 .* · 差距")
        ).wait_for()
        page.screenshot(path=tmp_path / "search.png")
        page.get_by_role("button", name=ZH("stop"), disabled=False).click()
        page.locator(".st-key-figures").wait_for()
        page.get_by_text("选址优化被中途停止").wait_for()
        page.locator("[data-test-script-state=notRunning]").wait_for()
        plan = unzipped(download(page, "zip", tmp_path), tmp_path / "plan")
        f = agrees(figures_of(page), plan, ZH)
        assert f["stopped"] == "interrupt" and len(f["new_sites"]) == 8 and f["gap"] > 0
