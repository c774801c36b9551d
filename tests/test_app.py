"""The dashboard: its words and widgets, jobs and workspaces, without a browser."""

from __future__ import annotations

import ast
import re
import socket
import string
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app_town import EN, WAIT_S, ZH, Town
from conftest import ROOT
from plans import busy_town
from servicecircle.check import check_folder
from servicecircle.dashboard import inputs, launch
from servicecircle.dashboard.asked import Asked, Upload, scenario_of
from servicecircle.dashboard.exporting import ExportJob
from servicecircle.dashboard.words import WORDS
from servicecircle.dashboard.worker import Job
from servicecircle.dashboard.workspace import Workspace, suffix_of
from servicecircle.errors import PlannerError, ScenarioError
from servicecircle.export.targets import TARGETS, Options
from servicecircle.proxies import HOST_KINDS

PAGES = ROOT / "coverage" / "servicecircle" / "dashboard"


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
        if file.name in ("words.py", "export_words.py", "launch.py"):
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
        "to_",
        "area_",
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


def ended(job: ExportJob) -> ExportJob:
    end = time.monotonic() + WAIT_S
    while not job.finished and time.monotonic() < end:
        time.sleep(0.02)
    assert job.finished
    return job


def test_exports_of_a_result(town: Town) -> None:
    at = finish(own_city(town).button(key="start").click().run())
    space: Workspace = at.session_state["workspace"]
    assert space.result is not None
    before = {p.name for p in space.result.plan.iterdir()}
    space.start_export("kml", Options())
    job = ended(space.export)
    assert (job.error, job.crashed) == (None, False)
    with zipfile.ZipFile(job.archive) as held:
        assert [name.split("/")[0] for name in held.namelist()] == ["kml"] * len(held.namelist())
    space.start_export("signs", Options())  # the one before goes
    assert not job.archive.exists()
    space.cancel_export()
    assert space.export is None
    space.start_export("gaode", Options(zooms=(30, 31)))  # an error, said on the page
    assert "30" in ended(space.export).error.zh
    assert not at.run().exception and at.error
    assert {p.name for p in space.result.plan.iterdir()} == before
    left = {p.name for p in space.result.folder.iterdir()} - {"plan", "inputs", "plan.zip"}
    end = time.monotonic() + WAIT_S
    while left and time.monotonic() < end:  # the cancelled one clears up at its next step
        time.sleep(0.05)
        left = {p.name for p in space.result.folder.iterdir()} - {"plan", "inputs", "plan.zip"}
    assert left == set()


def test_every_export_can_be_chosen() -> None:
    assert all(WORDS[f"to_{name}"] for name in TARGETS)
    assert {key for key in WORDS if key.startswith("to_")} == {f"to_{name}" for name in TARGETS}


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
