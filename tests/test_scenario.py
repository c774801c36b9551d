"""Scenarios: one checked model, TOML in and out, errors that name the key and the mend."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from plans import answer, main_street, saved
from servicecircle.check import check_folder
from servicecircle.errors import ScenarioError
from servicecircle.scenario import load_scenario, make_scenario, scenario_toml


def refused(**data) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        make_scenario(data, source="a.toml")
    assert caught.value.zh.startswith("a.toml：")
    assert caught.value.en.startswith("a.toml: ")
    return caught.value


# --- defaults -------------------------------------------------------------------------------------


def test_defaults_are_the_contracts():
    scenario = make_scenario({})
    assert (scenario.network.speed_kmh, scenario.network.max_snap_m) == (4.0, 500)
    assert (scenario.network.island_share, scenario.network.walk_filter) == (0.01, "osmnx")
    q = scenario.question
    assert (q.minutes, q.minimise, q.time_limit, q.seed) == (15, "stations", 60, 0)
    assert scenario.demand.datum == scenario.sites.datum == "wgs84"


@pytest.mark.parametrize(
    ("question", "model"),
    [
        ({}, "lscp"),
        ({"new_sites": 3}, "mclp"),
        ({"new_sites": 0}, "mclp"),
        ({"budget": 0.0}, "mclp"),
        ({"budget": 255000}, "mclp"),
        ({"share": 0.95}, "partial_cover"),
        ({"share": 1}, "partial_cover"),
        ({"model": "lscp"}, "lscp"),
        ({"model": "mclp", "new_sites": 3}, "mclp"),
        ({"model": "p_median", "new_sites": 3}, "p_median"),
        ({"model": "p_center", "budget": 5.0}, "p_center"),
        ({"decay_to_minutes": 30.0, "new_sites": 3}, "mclp"),
    ],
)
def test_the_target_implies_the_model(question, model):
    assert make_scenario({"question": question}).question.resolved_model == model


def test_sites_share_a_datum_unless_a_table_says_its_own():
    sites = {
        "datum": "gcj02",
        "existing": "a.xlsx",
        "candidates": {"file": "b.csv", "datum": "bd09", "columns": {"cost": "造价"}},
    }
    scenario = make_scenario({"sites": sites})
    assert (scenario.sites.existing.file, scenario.sites.existing.datum) == ("a.xlsx", "gcj02")
    assert scenario.sites.candidates.datum == "bd09"
    assert scenario.sites.candidates.columns == {"cost": "造价"}


# --- out and in again -----------------------------------------------------------------------------


def test_every_default_is_named_in_a_plans_scenario(tmp_path):
    out = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    data = tomllib.loads((out / "scenario.toml").read_text(encoding="utf-8"))
    assert set(data["network"]) == {
        "osm", "sha256", "profile", "walk_filter", "speed_kmh", "max_snap_m", "island_share",
        "legs_avoid", "steps_factor", "signal_seconds", "attribution",
    }  # fmt: skip
    assert set(data["question"]) == {
        "model", "minutes", "new_sites", "minimise", "capacities", "time_limit", "seed",
    }  # fmt: skip
    assert {"file", "datum", "area"} == set(data["demand"])
    assert {"file", "datum", "area"} == set(data["sites"]["candidates"])
    assert data["demand"]["file"] == "../demand.csv"


QUESTIONS = [
    {"new_sites": 2},
    {"budget": 300.0},
    {},
    {"share": 0.5},
    {"model": "p_median", "new_sites": 2},
    {"new_sites": 2, "decay_to_minutes": 12.0},
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_plan_runs_again_from_its_own_folder(tmp_path, question):
    """Also after the tree that holds data and folder has moved."""
    out = saved(main_street(tmp_path / "here", **question), tmp_path / "here" / "plans" / "out")
    first = answer(out / "scenario.toml").selection.objective
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = tmp_path / "there" / "plans" / "out"
    assert answer(moved / "scenario.toml").selection.objective == first
    again = saved(moved / "scenario.toml", tmp_path / "there" / "again")
    assert check_folder(again).exit_code == 0


def test_toml_says_the_same_when_read_again(tmp_path):
    data = {
        "title": '引号 " 换行 \n',
        "demand": {"file": "d.csv", "datum": "bd09", "columns": {"weight": "人 数"}, "sheet": "一"},
        "sites": {"existing": "e.csv", "candidates": {"file": "c.csv", "area": "all"}},
        "districts": {"file": "q.geojson"},
        "question": {"share": 0.5, "minimise": "cost"},
    }
    scenario = make_scenario(data, folder=tmp_path)
    (tmp_path / "s.toml").write_text(scenario_toml(scenario), encoding="utf-8")
    again = load_scenario(tmp_path / "s.toml")
    assert again.model_dump(exclude={"question"}) == scenario.model_dump(exclude={"question"})
    assert again.question.model == "partial_cover"


def test_paths_are_moved_with_the_folder(tmp_path):
    scenario = make_scenario({"network": {"osm": "a/b.osm"}}, folder=tmp_path / "x")
    text = scenario_toml(scenario, relative_to=tmp_path / "x" / "out")
    assert tomllib.loads(text)["network"]["osm"] == "../a/b.osm"


def test_a_byte_order_mark_is_read_over(tmp_path):
    (tmp_path / "s.toml").write_bytes('\ufefftitle = "西宁"'.encode())
    assert load_scenario(tmp_path / "s.toml").title == "西宁"


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "key", "nearest"),
    [
        ({"question": {"minuts": 15}}, "question.minuts", "question.minutes"),
        ({"question": {"newsites": 3}}, "question.newsites", "question.new_sites"),
        ({"network": {"speed": 4.0}}, "network.speed", "network.speed_kmh"),
        ({"demand": {"flie": "a.csv"}}, "demand.flie", "demand.file"),
        ({"sites": {"candidate": "a.csv"}}, "sites.candidate", "sites.candidates"),
        (
            {"sites": {"existing": {"file": "a.csv", "datun": "bd09"}}},
            "sites.existing.datun",
            "sites.existing.datum",
        ),
        ({"minutes": 15}, "minutes", "question.minutes"),
        ({"questions": {}}, "questions", "question"),
        ({"new_site": 3}, "new_site", "question.new_sites"),
        ({"folder": "x"}, "folder", None),
        ({"question": {"zzzz": 1}}, "question.zzzz", None),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(data, key, nearest):
    error = refused(**data)
    assert f"不认识的键 {key}" in error.zh
    assert f"unknown key {key}" in error.en
    if nearest:
        assert f"是不是想写 {nearest}？" in error.zh
        assert f"did you mean {nearest}?" in error.en
    else:
        assert "可用的键：" in error.zh


@pytest.mark.parametrize(
    ("data", "found", "mend", "mend_en"),
    [
        ({"question": {"minutes": 0}}, "question.minutes = 0", "要大于 0", "above 0"),
        ({"question": {"minutes": "15"}}, '"15"', "要一个数字（不加引号）", "a number is wanted"),
        ({"question": {"minutes": True}}, "true", "要一个数字", "a number is wanted"),
        ({"question": {"minutes": float("nan")}}, "NaN", "有限的数字", "finite number"),
        ({"question": {"minutes": 1e9}}, "1000000000.0", "不能大于 240", "at most 240"),
        ({"question": {"new_sites": -1}}, "question.new_sites = -1", "不能小于 0", "at least 0"),
        ({"question": {"new_sites": 2.5}}, "2.5", "要一个整数", "a whole number"),
        ({"question": {"share": 1.5}}, "question.share = 1.5", "不能大于 1", "at most 1"),
        ({"question": {"share": 0}}, "question.share = 0", "要大于 0", "above 0"),
        ({"question": {"budget": float("inf")}}, "Infinity", "有限的数字", "finite number"),
        ({"question": {"seed": 2**31}}, "2147483648", "要小于 2.14748e+09", "below"),
        ({"question": {"time_limit": 0}}, "question.time_limit = 0", "要大于 0", "above 0"),
        ({"question": {"model": "p_hub"}}, '"p_hub"', "只能是 mclp、", "one of mclp, "),
        ({"question": {"capacities": 1}}, "question.capacities = 1", "true", "true"),
        ({"question": {"decay_to_minutes": 999}}, "999", "不能大于 240", "at most 240"),
        ({"question": {"minimise": "money"}}, '"money"', "只能是 stations、cost", "stations, cost"),
        ({"demand": {"datum": "gcj"}}, '"gcj"', "只能是 wgs84、gcj02、bd09", "wgs84, gcj02, bd09"),
        ({"demand": "a.csv"}, 'demand = "a.csv"', "这里要一个表", "a table is wanted"),
        ({"title": 5}, "title = 5", "要文字（加引号）", "text is wanted"),
        ({"network": {"speed_kmh": -4}}, "network.speed_kmh = -4", "要大于 0", "above 0"),
    ],
)
def test_a_wrong_value_names_key_value_and_mend(data, found, mend, mend_en):
    error = refused(**data)
    assert found in error.zh
    assert found in error.en
    assert mend in error.zh
    assert mend_en in error.en


@pytest.mark.parametrize(
    ("question", "zh", "en"),
    [
        ({"new_sites": 3, "share": 0.5}, "同时给了 new_sites 和 share", "only one of"),
        ({"new_sites": 3, "budget": 5.0}, "同时给了 new_sites 和 budget", "only one of"),
        ({"model": "lscp", "new_sites": 3}, "模型 lscp 不带目标", "lscp takes no target"),
        ({"model": "mclp"}, "模型 mclp 要给 new_sites 或 budget", "wants new_sites or budget"),
        ({"model": "mclp", "share": 0.5}, "实际给了 share", "share was given"),
        ({"model": "partial_cover"}, "要给 share", "wants share"),
        ({"model": "p_median"}, "模型 p_median 要给 new_sites 或 budget", "new_sites or budget"),
        ({"model": "p_center", "share": 0.5}, "实际给了 share", "share was given"),
        (
            {"new_sites": 3, "decay_to_minutes": 30.0, "capacities": True},
            "不能同时用",
            "cannot be combined",
        ),
        (
            {"new_sites": 3, "decay_to_minutes": 15.0},
            "要大于标准 minutes = 15",
            "above the standard, minutes = 15",
        ),
        ({"decay_to_minutes": 30.0}, "这里是 lscp", "this is lscp"),
        ({"share": 0.5, "capacities": True}, "这里是 partial_cover", "this is partial_cover"),
        (
            {"model": "p_median", "new_sites": 3, "capacities": True},
            "capacities 只能用于模型 mclp",
            "goes with the model mclp only",
        ),
    ],
)
def test_targets_and_models_must_fit(question, zh, en):
    error = refused(question=question)
    assert zh in error.zh
    assert en in error.en


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"title = ", "TOML"), (b"\xd6\xd0 = 1", "UTF-8"), (b"a = 1\na = 2", "TOML")],
)
def test_bad_toml_names_the_file(tmp_path, content, what):
    path = tmp_path / "s.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert str(path) in caught.value.zh
    assert what in caught.value.zh


def test_a_missing_scenario_is_named():
    with pytest.raises(ScenarioError, match="找不到这个方案文件"):
        load_scenario(Path("/nowhere/s.toml"))


def test_another_osm_file_than_the_scenarios_digest_is_refused(tmp_path):
    path = main_street(tmp_path, new_sites=2)
    text = path.read_text(encoding="utf-8")
    digest = 'osm = "town.osm"\nsha256 = "' + "0" * 64 + '"'
    path.write_text(text.replace('osm = "town.osm"', digest), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"network\.sha256"):
        answer(path)
