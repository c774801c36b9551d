"""The dashboard: its words and widgets, and the whole page in a real browser."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import signal
import socket
import string
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from browser import DESKTOP, PHONE
from conftest import ROOT
from plans import busy_town
from servicecircle.check import check_folder
from servicecircle.coordinates import from_wgs84
from servicecircle.dashboard import inputs, launch
from servicecircle.dashboard.asked import Asked, Upload, scenario_of
from servicecircle.dashboard.words import WORDS, Say
from servicecircle.dashboard.worker import Job
from servicecircle.dashboard.workspace import Workspace, suffix_of
from servicecircle.errors import PlannerError, ScenarioError
from servicecircle.plan import make_plan
from servicecircle.proxies import HOST_KINDS
from servicecircle.scenario import load_scenario
from towns import WALK, write_osm

ZH, EN = Say("zh"), Say("en")
PAGES = ROOT / "coverage" / "servicecircle" / "dashboard"
SIDE, STEP_DEG = 9, 0.002  # a grid of streets about 200 m apart in Gansu, inside the mainland
WEST, SOUTH = 104.0, 36.0
WAIT_S = 60


class Town(NamedTuple):
    """Files a planner might bring: each table in another datum and format."""

    osm: Path
    demand: Path  # WGS-84, CSV
    candidates: Path  # BD-09, XLSX
    existing: Path  # GCJ-02, CSV in GB18030
    stations: list[tuple[float, float]]  # where the existing ones are, WGS-84


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    at = [(WEST + j * STEP_DEG, SOUTH + i * STEP_DEG) for i in range(SIDE) for j in range(SIDE)]
    ways = {1000 + i: ([i * SIDE + j + 1 for j in range(SIDE)], WALK) for i in range(SIDE)}
    ways |= {2000 + j: ([i * SIDE + j + 1 for i in range(SIDE)], WALK) for j in range(SIDE)}
    osm = write_osm(folder / "河边镇.osm.pbf", {i + 1: xy for i, xy in enumerate(at)}, ways)
    rng = np.random.default_rng(7)
    places = pd.DataFrame(at, columns=["lng", "lat"])
    demand = places.assign(
        编号=[f"D{i}" for i in range(len(at))], 人数=rng.integers(1, 90, len(at))
    )
    demand.rename(columns={"lng": "经度", "lat": "纬度"}).to_csv(folder / "需求.csv", index=False)
    some = places.iloc[::3].reset_index(drop=True)
    lng, lat = from_wgs84(some["lng"].to_numpy(), some["lat"].to_numpy(), "bd09")
    names = [f"备选{i}" for i in range(len(some))]
    table = pd.DataFrame({"编号": [f"C{i}" for i in range(len(some))], "名称": names})
    table = table.assign(经度=lng, 纬度=lat, 费用=1000 + 10 * np.arange(len(some)))
    table.to_excel(folder / "备选.xlsx", index=False, engine="xlsxwriter")
    stations = [at[10], at[70]]
    lng, lat = from_wgs84(*np.array(stations).T, "gcj02")
    built = pd.DataFrame(
        {"编号": ["001", "002"], "名称": ["驿站㐂", "=2+3"], "经度": lng, "纬度": lat}
    )
    (folder / "已建.csv").write_bytes(built.to_csv(index=False).encode("gb18030"))
    return Town(osm, folder / "需求.csv", folder / "备选.xlsx", folder / "已建.csv", stations)


# --- words ----------------------------------------------------------------------------------------


def test_every_word_is_there_in_both_languages() -> None:
    for key, (zh, en) in WORDS.items():
        assert zh.strip() and en.strip(), key
        assert re.search(r"[\u4e00-\u9fff]", zh) or key == "datum", key
        fields = [{f[1:3] for f in string.Formatter().parse(text) if f[1]} for text in (zh, en)]
        assert {f[0] for f in fields[0]} == {f[0] for f in fields[1]}, key


def test_the_page_uses_all_words_and_has_none_of_its_own() -> None:
    used: set[str] = set()
    for file in PAGES.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name in ("words.py", "launch.py"):
            continue
        used |= {
            node.value for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }  # fmt: skip
        calls = set(re.findall(r'say\(\s*"(\w+)"', text))
        assert calls <= set(WORDS), file.name
    patterns = (
        "asked_",
        "aim_",
        "goal_",
        "city_",
        "_none",
        "_help",
        "tab_",
        "proof_",
        "get_",
        "is_",
        "verdict_",
    )
    made = {key for key in WORDS if key.startswith(patterns) or key.endswith(patterns)}
    units = {"people", "points", "relative", "multipliers", "tree", "solver", "network"}
    assert set(WORDS) - used - made - units == set()


def test_messages_know_all_that_a_plan_can_say() -> None:
    for key in ("people", "points", "relative", *(f"proof_{p}" for p in ("multipliers", "tree"))):
        assert WORDS[key]
    assert HOST_KINDS  # the caption for candidates names some of them


# --- widgets, without a browser -------------------------------------------------------------------


def opened(**query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def said(at: AppTest) -> str:
    parts = [*at.title, *at.subheader, *at.markdown, *at.caption, *at.error, *at.warning, *at.info]
    return "\n".join(str(part.value) for part in parts)


def bring(at: AppTest, role: str, file: Path | tuple[str, bytes], datum: str | None = None) -> None:
    """Upload a file and say its datum."""
    name, content = (file.name, file.read_bytes()) if isinstance(file, Path) else file
    at.file_uploader(key=f"file_{role}").set_value((name, content, "application/octet-stream"))
    at.run()
    if datum is not None:
        radio = next(r for r in at.radio if (r.key or "").startswith(f"datum-{role}-"))
        radio.set_value(datum).run()


def own_city(town: Town) -> AppTest:
    at = opened()
    at.radio(key="city--zh").set_value("own").run()
    bring(at, "network", town.osm)
    bring(at, "demand", town.demand, "wgs84")
    bring(at, "candidates", town.candidates, "bd09")
    at.number_input(key="minutes").set_value(5)
    at.number_input(key="new_sites").set_value(3).run()
    return at


def finish(at: AppTest) -> AppTest:
    """Wait for the plan in the worker, then draw the page."""
    job: Job | None = at.session_state["workspace"].job
    end = time.monotonic() + WAIT_S
    while job is not None and not job.finished and time.monotonic() < end:
        time.sleep(0.05)
    return at.run()


def planned(at: AppTest) -> dict[str, Any]:
    result = at.session_state["workspace"].result
    assert result is not None, said(at)
    figures: dict[str, Any] = result.figures
    return figures


def test_the_page_opens_in_chinese_and_speaks_english() -> None:
    at = opened()
    assert not at.exception
    assert at.title[0].value == ZH("title")
    assert ZH("fictional") in said(at)
    assert not at.button(key="start").disabled
    at = opened(lang="English")
    assert at.title[0].value == EN("title")
    shown = said(at) + "".join(str(w.label) for w in [*at.radio, *at.number_input, *at.button])
    for name in ("河谷市（虚构）", "河谷市", "中文"):  # names stay in their own language
        shown = shown.replace(name, "")
    assert not re.search(r"[\u4e00-\u9fff]", shown)


def test_choices_survive_a_change_of_language() -> None:
    at = opened()
    at.radio(key="target--zh").set_value("budget").run()
    at.number_input(key="budget").set_value(70_000)
    at.number_input(key="minutes").set_value(30).run()
    assert ZH("missing_cost") in said(at) and at.button(key="start").disabled
    at.button_group(key="lang").set_value("en").run()
    assert at.radio(key="target--en").value == "budget"
    assert at.number_input(key="budget").value == 70_000
    assert "70,000 yuan" in said(at) and "30 minutes" in said(at)
    at.button_group(key="lang").set_value("zh").run()
    assert "70,000 元" in said(at)


def test_a_city_of_ones_own_needs_streets_and_datums(town: Town) -> None:
    at = opened()
    at.radio(key="city--zh").set_value("own").run()
    assert at.button(key="start").disabled
    assert ZH("missing_osm") in said(at)
    bring(at, "network", ("城市.docx", b"x"))
    assert "城市.docx" in at.error[0].value and at.button(key="start").disabled
    bring(at, "network", town.osm)
    assert not at.button(key="start").disabled
    bring(at, "existing", town.existing)
    assert at.button(key="start").disabled
    assert ZH("missing_datum", table=ZH("existing")) in said(at)
    bring(at, "existing", town.existing, "gcj02")
    assert not at.button(key="start").disabled
    preview = at.dataframe[0].value
    assert list(preview[ZH("col_name")]) == ["驿站㐂", "=2+3"]
    assert np.allclose(preview[[ZH("col_lng"), ZH("col_lat")]], town.stations, atol=1e-6)


def test_a_bad_table_is_explained_in_place_in_both_languages() -> None:
    at = opened()
    bring(at, "demand", ("我的 需求.csv", "名称,人数\n甲,3\n".encode("gb18030")), "wgs84")
    assert "我的 需求.csv" in at.error[0].value and "没有经度列" in at.error[0].value
    assert "uploaded-" not in at.error[0].value
    assert at.button(key="start").disabled
    at.button_group(key="lang").set_value("en").run()
    assert "我的 需求.csv: No column for lng" in at.error[0].value


def test_a_plan_of_ones_own_city(town: Town) -> None:
    at = own_city(town)
    at.button(key="start").click().run()
    finish(at)
    f = planned(at)
    assert len(f["new_sites"]) == 3 and f["weight_unit"] == "people" and f["proven"]
    shown = {m.label: m.value for m in at.metric}
    assert shown[ZH("covered_share")] == f"0.00% → {f['covered_share']:.2%}"
    assert shown[ZH("stations")] == "0 → 3"
    assert any("河边镇" in s.value for s in at.subheader)
    assert "虚构" not in "".join(s.value for s in at.subheader)
    # another question marks the result as outdated, and keeps it
    at.number_input(key="new_sites").set_value(4).run()
    assert ZH("outdated") in said(at) and planned(at) == f
    at.button(key="start").click().run()
    assert {m.label for m in at.metric}, "the earlier result stays until the new one is there"
    finish(at)
    assert ZH("outdated") not in said(at)
    assert len(planned(at)["new_sites"]) == 4
    folders = [p.name for p in at.session_state["workspace"].folder.iterdir()]
    assert len([name for name in folders if name.startswith("plan-")]) == 1


def test_every_target(town: Town) -> None:
    at = own_city(town)
    for target, key, value, model in (
        ("budget", "budget", 2500, "mclp"), ("share", "share", 30.0, "partial_cover"),
        ("all", None, None, "lscp"),
    ):  # fmt: skip
        at.radio(key="target--zh").set_value(target).run()
        if key is not None:
            at.number_input(key=key).set_value(value).run()
        at.button(key="start").click().run()
        finish(at)
        f = planned(at)
        assert f["model"] == model
        assert target != "budget" or f["cost"] <= 2500
        assert target != "share" or f["covered_share"] >= 0.3


def test_every_goal(town: Town) -> None:
    """What new sites are best for: the sentence, the model, and a card of what was optimised."""
    at = own_city(town)
    for goal, model, counts in (
        ("credited", "mclp", "credited"), ("mean_minutes", "p_median", "mean_minutes"),
        ("most_minutes", "p_center", "most_minutes"),
    ):  # fmt: skip
        at.radio(key="goal--zh").set_value(goal).run()
        assert not at.exception
        if goal == "credited":
            assert at.number_input(key="decay_to-5").value == 10
            assert "10 分钟起不计" in said(at)
        at.button(key="start").click().run()
        f = planned(finish(at))
        assert f["model"] == model
        label = ZH(counts) if "minutes" in counts else ZH(counts, unit=ZH("people"))
        shown = {m.label: m.value for m in at.metric}
        assert float(shown[label].replace(",", "")) == pytest.approx(f["objective"], rel=0.01)
        assert check_folder(at.session_state["workspace"].result.plan).exit_code == 0
    # capacities need a column; the candidates here have none
    at.radio(key="goal--zh").set_value("served").run()
    at.button(key="start").click().run()
    finish(at)
    assert "容量" in at.error[0].value
    # a share knows no other goal
    at.radio(key="target--zh").set_value("share").run()
    assert not [r for r in at.radio if (r.key or "").startswith("goal")]
    at.number_input(key="share").set_value(30.0).run()
    at.button(key="start").click().run()
    assert planned(finish(at))["model"] == "partial_cover"


def test_an_error_of_the_plan_is_shown_and_the_result_kept(town: Town) -> None:
    at = own_city(town)
    at.button(key="start").click().run()
    f = planned(finish(at))
    bring(at, "demand", ("远方.csv", b"lng,lat\n10,50\n10.1,50.1\n"), "wgs84")
    at.button(key="start").click().run()
    finish(at)
    assert "远方.csv" in at.error[0].value and "uploaded-" not in at.error[0].value
    assert planned(at) == f
    bring(at, "network", ("坏.osm.pbf", b"not osm"))
    at.button(key="start").click().run()
    finish(at)
    assert at.error[0].value.startswith("坏.osm.pbf")
    at.button_group(key="lang").set_value("en").run()
    assert at.error[0].value.startswith("坏.osm.pbf: the OSM file cannot be read")


def test_two_visitors_do_not_mix(town: Town) -> None:
    one, two = own_city(town), own_city(town)
    two.number_input(key="new_sites").set_value(6).run()
    one.button(key="start").click().run()
    two.button(key="start").click().run()
    finish(one)
    finish(two)
    assert [len(planned(at)["new_sites"]) for at in (one, two)] == [3, 6]
    first, second = (at.session_state["workspace"].folder for at in (one, two))
    assert first != second


# --- what lies behind the widgets -----------------------------------------------------------------


def question(**changes: Any) -> Asked:
    plain: dict[str, Any] = {
        "base": None, "title": "x", "uploads": (), "target": "new_sites", "value": 2,
        "minutes": 15.0, "speed_kmh": 4.0, "time_limit": 5.0,
    }  # fmt: skip
    return Asked(**plain | changes)


def test_names_of_uploads_never_become_paths(town: Town) -> None:
    space = Workspace()
    name = "../../../etc/河:边\x00.OSM.PBF"
    upload = space.keep("network", name, "1", town.osm.read_bytes())
    assert upload is not None and upload.shown == name
    assert upload.path.name == "uploaded-network.osm.pbf"
    assert space.folder in upload.path.parents
    assert space.keep("demand", "../run.sh", "2", b"") is None
    assert suffix_of("network", "a.osm.gz") == ".osm.gz" and suffix_of("demand", "a.PBF") is None
    title = question(title=name, uploads=(upload,))
    scenario = scenario_of(title, space.folder / "plan")
    assert scenario.network.osm == "inputs/uploaded-network.osm.pbf"


def test_a_cancelled_plan_leaves_nothing(town: Town) -> None:
    space = Workspace()
    upload = space.keep("network", "a.osm.pbf", "1", town.osm.read_bytes())
    assert upload is not None
    space.start(question(uploads=(upload,)))
    job = space.job
    assert job is not None
    space.cancel()
    while not job.finished:
        time.sleep(0.02)
    assert job.result is None and not job.folder.exists()
    space.settle()
    assert space.result is None and space.error is None


def test_a_stopped_search_gives_the_best_plan_so_far(helsinki: Path, tmp_path: Path) -> None:
    busy_town(tmp_path, helsinki)
    uploads = tuple(
        Upload(role, name, tmp_path / name, role, None if role == "network" else "wgs84")
        for role, name in (
            ("network", "town.osm.pbf"), ("demand", "demand.csv"), ("candidates", "candidates.csv"),
        )
    )  # fmt: skip
    space = Workspace()
    space.start(question(uploads=uploads, value=8, minutes=4.0, time_limit=WAIT_S))
    job = space.job
    assert job is not None and not job.stoppable
    while not (job.stoppable or job.finished):
        time.sleep(0.02)
    assert job.step == "locate" and "已覆盖" in job.search.text()
    job.stop()
    assert job.stopping and not job.stoppable
    while not job.finished:
        time.sleep(0.02)
    space.settle()
    assert space.result is not None and space.error is None
    f = space.result.figures
    assert f["stopped"] == "interrupt" and len(f["new_sites"]) == 8
    assert any("中途停止" in note["zh"] for note in f["notes"])
    assert check_folder(space.result.plan).exit_code in (0, 3)


def test_the_folder_goes_with_the_visit() -> None:
    space = Workspace()
    space.keep("demand", "a.csv", "1", b"lng,lat\n")
    folder, closed = space.folder, space.closed
    assert folder.exists()
    del space
    assert not folder.exists() and closed.is_set()


def test_a_question_without_sense_is_refused_at_once() -> None:
    with pytest.raises(ScenarioError):
        Workspace().start(question(minutes=-1.0))


def test_the_server_is_set_up_alike_by_the_command_and_in_a_checkout() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    flat = {f"{part}.{key}": value for part, keys in config.items() for key, value in keys.items()}
    assert flat == launch.settings(8501, "127.0.0.1")
    assert max(inputs.OSM_MB, inputs.TABLE_MB) == launch.MAX_UPLOAD_MB
    assert "server.allowedHosts" not in launch.settings(8501, "0.0.0.0")


def test_a_taken_port_is_one_clear_message() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PlannerError, match="--port"):
            launch.launch(other.getsockname()[1], open_browser=False)


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


def download(page: Any, key: str, folder: Path) -> Path:
    with page.expect_download() as found:
        page.locator(f".st-key-get_{key}").get_by_role("button").click()
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
