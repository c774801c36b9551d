"""Bad input: one message that says where and how to mend it, exit code 2, nothing written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from commands import Command, names, process
from plans import (
    CANDIDATES,
    DEMAND,
    EXISTING,
    demand_row,
    main_street,
    place,
    site_row,
    with_status,
    write_scenario,
    write_table,
)
from servicecircle.coordinates import wgs84_to_bd09, wgs84_to_gcj02
from towns import WALK, write_osm

ANY_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)


@pytest.fixture
def refused(run, tmp_path):
    """Runs ``plan`` in both languages; both must say all the words, and leave no trace."""

    def check(*args, zh, en):
        before = sorted(tmp_path.rglob("*"))
        done = run("plan", *args)
        english = run("--lang", "en", "plan", *args)
        for said, words in ((done, zh), (english, en)):
            assert said.code == 2, said
            assert said.out == ""
            for word in words:
                assert word in said.err
        assert "错误：" in done.err
        assert "Error: " in english.err
        assert "Traceback" not in done.err
        assert sorted(tmp_path.rglob("*")) == before
        return done

    return check


def replace(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


# --- the OSM file ---------------------------------------------------------------------------------


def test_missing_osm_file(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    (tmp_path / "town.osm").unlink()
    refused(path, zh=["town.osm", "找不到这个 OSM 文件"], en=["town.osm", "no such OSM file"])


def test_no_osm_file_named(refused, tmp_path):
    path = replace(main_street(tmp_path, new_sites=1), 'osm = "town.osm"', "")
    refused(path, zh=["缺少 network.osm", "--osm"], en=["network.osm is missing", "--osm"])


def test_empty_pbf(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    (tmp_path / "empty.osm.pbf").write_bytes(b"")
    args = [path, "--osm", "empty.osm.pbf"]
    refused(*args, zh=["empty.osm.pbf", "0 字节", "重新下载"], en=["0 bytes", "download it again"])


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_truncated_pbf(refused, tmp_path, helsinki, part):
    path = main_street(tmp_path, new_sites=1)
    whole = helsinki.read_bytes()
    (tmp_path / "cut.osm.pbf").write_bytes(whole[: int(len(whole) * part)])
    args = [path, "--osm", "cut.osm.pbf"]
    refused(*args, zh=["cut.osm.pbf", "读不了", "重新下载"], en=["cannot be read", "download it"])


def test_osm_file_of_something_else(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    (tmp_path / "town.osm").write_text("<html>404 Not Found</html>")
    refused(path, zh=["town.osm"], en=["town.osm"])


def test_no_walkable_way(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    nodes = {1: (0.0, 0.0), 2: (0.01, 0.0)}
    write_osm(tmp_path / "town.osm", nodes, {1: ([1, 2], {"highway": "motorway"})})
    refused(path, zh=["town.osm", "没有任何可步行的道路"], en=["no walkable way"])


def test_unknown_suffix(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    (tmp_path / "town.dwg").write_text("x")
    refused(
        path, "--osm", "town.dwg", zh=["不是能读的路网文件", ".osm.pbf"], en=["no file of streets"]
    )


# --- tables ---------------------------------------------------------------------------------------


def without(rows, *columns):
    return [{k: v for k, v in row.items() if k not in columns} for row in rows]


def changed(rows, at, **values):
    return [{**row, **values} if i == at else row for i, row in enumerate(rows)]


TABLES = {
    "no longitude": (
        {"demand": without(DEMAND, "lng")},
        ["demand.csv", "没有经度列", "“lat”", "columns = { lng ="],
        ["demand.csv", "No column for lng", "“lat”", "columns = { lng ="],
    ),
    "text in a number": (
        {"demand": changed(DEMAND, 2, weight="约三十")},
        ["demand.csv", "列“weight”", "第 4 行", "不是数字", "约三十"],
        ["demand.csv", "column “weight”", "row 4", "not a number"],
    ),
    "text in a cost": (
        {"candidates": changed(CANDIDATES, 0, cost="面议")},
        ["candidates.csv", "列“cost”", "第 2 行", "面议"],
        ["candidates.csv", "column “cost”", "row 2"],
    ),
    "weight missing": (
        {"demand": changed(DEMAND, 0, weight="NaN")},
        ["demand.csv", "列“weight”", "第 2 行", "没有填", "请补上"],
        ["column “weight”", "row 2", "missing", "Fill it in"],
    ),
    "weight negative": (
        {"demand": changed(DEMAND, 1, weight=-5)},
        ["demand.csv", "列“weight”", "第 3 行", "小于 0", "-5"],
        ["column “weight”", "row 3", "less than 0"],
    ),
    "weight infinite": (
        {"demand": changed(DEMAND, 1, weight="1e999")},
        ["列“weight”", "第 3 行", "不是数字"],
        ["column “weight”", "row 3", "not a number"],
    ),
    "minutes of nought": (
        {"demand": [{**row, "minutes": 0} for row in DEMAND]},
        ["列“minutes”", "不大于 0"],
        ["column “minutes”", "not above 0"],
    ),
    "ids repeated": (
        {"demand": changed(DEMAND, 1, demand_id="d1")},
        ["demand.csv", "列“demand_id”", "第 2, 3 行", "重复", "d1"],
        ["column “demand_id”", "row 2, 3", "Repeated: d1"],
    ),
    "an id with a space": (
        {"candidates": changed(CANDIDATES, 1, site_id="C 2")},
        ["candidates.csv", "列“site_id”", "第 3 行", "C 2"],
        ["column “site_id”", "row 3", "C 2"],
    ),
    "ids shared by the site tables": (
        {"existing": [site_row("C1", 0)]},
        ["candidates.csv", "existing.csv", "C1", "请改掉一边的"],
        ["share ids: C1", "change them in one"],
    ),
    "a status nobody knows": (
        {"candidates": changed(CANDIDATES, 2, status="也许")},
        ["candidates.csv", "列“status”", "第 4 行", "也许", "forbidden"],
        ["column “status”", "row 4", "is not known"],
    ),
    "no rows": (
        {"demand": DEMAND[:1], "_empty": "demand.csv"},
        ["demand.csv", "没有数据行"],
        ["demand.csv", "no rows"],
    ),
    "metres for degrees": (
        {"demand": changed(DEMAND, 0, lng=500000, lat=4000000)},
        ["demand.csv", "第 2 行", "坐标超出范围", "转成经纬度"],
        ["row 2", "Out of range", "into degrees"],
    ),
    "no districts' names": (
        {"districts": {"": (0, 2000, 3.0)}},
        ["districts.geojson", "没有名称"],
        ["districts.geojson", "has no name"],
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables(refused, tmp_path, case):
    changes, zh, en = TABLES[case]
    changes = dict(changes)
    emptied = changes.pop("_empty", None)
    path = main_street(tmp_path, new_sites=2, **changes)
    if emptied:
        header = (tmp_path / emptied).read_text().splitlines()[0]
        (tmp_path / emptied).write_text(header + "\n")
    refused(path, zh=zh, en=en)


@pytest.mark.parametrize("name", ["demand.csv", "candidates.csv", "existing.csv"])
def test_a_missing_table(refused, tmp_path, name):
    path = main_street(tmp_path, new_sites=2)
    (tmp_path / name).unlink()
    refused(path, zh=[name, "找不到文件"], en=[name, "No such file"])


def test_a_table_in_gb18030_is_read(run, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    rows = [{**row, "name": "城东区第一站"} for row in CANDIDATES]
    write_table(tmp_path / "candidates.csv", rows)
    text = (tmp_path / "candidates.csv").read_text(encoding="utf-8")
    (tmp_path / "candidates.csv").write_bytes(text.encode("gb18030"))
    assert run("plan", path, "--out", "out").code == 0
    assert "城东区第一站" in (tmp_path / "out" / "stations.csv").read_text(encoding="utf-8-sig")


def test_a_table_in_no_known_encoding(refused, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    (tmp_path / "demand.csv").write_bytes("demand_id,lng,lat\nä,1,2\n".encode("latin-1") + b"\xff")
    zh = ["demand.csv", "既不是 UTF-8 也不是 GB18030", "CSV UTF-8"]
    refused(path, zh=zh, en=["neither UTF-8 nor GB18030", "CSV UTF-8"])


def test_columns_that_the_file_does_not_have(refused, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    replace(path, 'file = "demand.csv"', 'file = "demand.csv"\ncolumns = {weight = "人数"}')
    refused(path, zh=["demand.csv", "“人数”", "“weight”"], en=["“人数”", "does not have"])


# --- where tables lie -----------------------------------------------------------------------------

BEIJING = (116.3, 39.9)


def grid_town(path: Path) -> Path:
    """Streets every 100 m and 140 m around a place in Beijing, 3 km each way."""
    west, south = BEIJING
    n = range(31)
    at = {(i, j): 1 + 31 * i + j for i in n for j in n}
    nodes = {k: (west + 0.00117 * i, south + 0.00126 * j) for (i, j), k in at.items()}
    ways = {1 + i: ([at[i, j] for j in n], WALK) for i in n}
    ways |= {101 + j: ([at[i, j] for i in n], WALK) for j in n}
    return write_osm(path, nodes, ways)


def avenue_town(path: Path) -> Path:
    """One street of 30 km, west to east: a table some 500 m off lies off it as a whole."""
    west, south = BEIJING
    return write_osm(path, {1: (west, south), 2: (west + 0.35, south)}, {1: ([1, 2], WALK)})


def chinese_town(folder, street, datum, shift, **question):
    """Points 5 m beside streets, their numbers in another datum than they are labelled with."""
    rng = np.random.default_rng(3)
    path = write_scenario(folder, demand=DEMAND, candidates=CANDIDATES, new_sites=2, **question)
    street(folder / "town.osm")
    west, south = BEIJING
    lng = west + 0.00117 * rng.integers(8, 22, 60)
    lat = south + 0.00126 * rng.uniform(8, 22, 60)
    if street is avenue_town:
        lng, lat = west + rng.uniform(0.05, 0.3, 60), np.full(60, south + 0.00005)
    lng, lat = shift(lng, lat)
    rows = [
        {"site_id": f"p{i}", "lng": x, "lat": y, "weight": 1}
        for i, (x, y) in enumerate(zip(lng, lat, strict=True))
    ]
    demand = [{"demand_id": row["site_id"], **row} for row in rows]
    write_table(folder / "demand.csv", without(demand, "site_id"))
    write_table(folder / "candidates.csv", rows[:20])
    for name in ("demand.csv", "candidates.csv"):
        replace(path, f'"{name}"', f'{{file = "{name}", datum = "{datum}"}}'
                if name == "candidates.csv" else f'"{name}"\ndatum = "{datum}"')  # fmt: skip
    return path


def unshifted(lng, lat):
    return lng, lat


@pytest.mark.parametrize(
    ("datum", "shift", "right"),
    [
        ("wgs84", wgs84_to_gcj02, "gcj02"),
        ("wgs84", wgs84_to_bd09, "bd09"),
        ("gcj02", unshifted, "wgs84"),
    ],
)
def test_a_datum_that_fits_worse_is_warned_of(run, tmp_path, datum, shift, right):
    """In a dense grid everything snaps somewhere: the plan is made, with the figures beside it."""
    path = chinese_town(tmp_path, grid_town, datum, shift)
    done = run("plan", path, "--out", "out")
    assert done.code == 0, done.err
    assert f"demand.csv：按 {datum} 读取，但按 {right} 更贴合道路" in done.err
    assert f'datum = "{right}"' in done.err
    assert re.search(rf"{right} 0 m", done.err)
    notes = json.loads((tmp_path / "out" / "plan.json").read_text(encoding="utf-8"))["notes"]
    assert [f"read as {datum}, but {right} fits" in note["en"] for note in notes] == [True, True]


def test_a_datum_that_fits_is_not_warned_of(run, tmp_path):
    path = chinese_town(tmp_path, grid_town, "gcj02", wgs84_to_gcj02)
    done = run("plan", path, "--out", "out")
    assert done.code == 0, done.err
    assert "⚠" not in done.err


def test_a_datum_under_which_most_rows_do_not_snap(refused, tmp_path):
    path = chinese_town(tmp_path, avenue_town, "wgs84", wgs84_to_bd09)
    zh = ["demand.csv", "60 行中有 60 行", "超过 500 米", '请把 datum 改为 "bd09"']
    en = ["60 of 60 rows", "farther than 500 m", 'set datum = "bd09"']
    refused(path, zh=zh, en=en)


def test_swapped_axes_beyond_the_poles(refused, tmp_path):
    path = chinese_town(tmp_path, grid_town, "wgs84", lambda lng, lat: (lat, lng))
    refused(path, zh=["demand.csv", "经纬度像是写反了", "对调"], en=["seem to be swapped"])


def test_swapped_axes_that_are_possible_places(refused, tmp_path):
    """lng 0.01, lat 40 is a place too: only the streets tell."""
    rows = [demand_row(f"d{i}", 100 * i, 1) for i in range(9)]
    sites = [site_row(f"c{i}", 100 * i) for i in range(9)]
    path = write_scenario(tmp_path, demand=rows, candidates=sites, new_sites=1)
    nodes = {1: (10.0, 0.0), 2: (10.05, 0.0)}
    write_osm(tmp_path / "town.osm", nodes, {1: ([1, 2], WALK)})
    turned = [{**row, "lng": 0.0, "lat": 10 + row["lng"]} for row in rows]
    write_table(tmp_path / "demand.csv", turned)
    zh = ["demand.csv", "9 行中有 9 行", "写反了", "对调"]
    refused(path, zh=zh, en=["swapped", "swap the two columns"])


def test_most_rows_in_another_city(refused, tmp_path):
    """Six of eight points lie 110 km north."""
    demand = [{**row, "lat": 1.0} if i > 1 else row for i, row in enumerate(DEMAND)]
    path = main_street(tmp_path, demand=demand, new_sites=1)
    zh = ["demand.csv", "8 行中有 6 行", "纬度 1.000", "同一座城市"]
    refused(path, zh=zh, en=["6 of 8 rows", "lat 1.000", "of the same city"])


@pytest.mark.parametrize("table", ["existing", "candidates"])
def test_sites_in_another_city(refused, tmp_path, table):
    rows = {"existing": EXISTING, "candidates": CANDIDATES}[table]
    path = main_street(
        tmp_path, new_sites=1, **{table: [{**row, **place(1000, 90_000)} for row in rows]}
    )
    refused(path, zh=[f"{table}.csv", "同一座城市"], en=[f"{table}.csv", "same city"])


def test_half_of_the_rows_elsewhere_is_counted_and_goes_on(run, tmp_path):
    demand = [{**row, "lat": 1.0} if i > 3 else row for i, row in enumerate(DEMAND)]
    done = run("plan", main_street(tmp_path, demand=demand, new_sites=1), "--out", "out")
    assert done.code == 0
    assert "需求点 4" in done.out


# --- scenario and question ------------------------------------------------------------------------


def test_an_unknown_datum_in_the_scenario(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    replace(path, 'file = "demand.csv"', 'file = "demand.csv"\ndatum = "gcj-02"')
    zh = ["scenario.toml", 'demand.datum = "gcj-02"', "wgs84、gcj02、bd09"]
    refused(path, zh=zh, en=["demand.datum", "one of wgs84, gcj02, bd09"])


def test_an_unknown_datum_on_the_command_line(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    args = [path, "--candidates-datum", "baidu"]
    refused(*args, zh=["sites.candidates.datum", '"baidu"', "bd09"], en=['"baidu"', "bd09"])


def test_a_datum_without_its_table(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1, existing=())
    refused(path, "--existing-datum", "bd09", zh=["--existing"], en=["there is no existing table"])


def test_an_unknown_key(refused, tmp_path):
    path = replace(main_street(tmp_path, new_sites=1), "new_sites", "newsites")
    zh = ["scenario.toml", "不认识的键 question.newsites", "是不是想写 question.new_sites"]
    refused(path, zh=zh, en=["unknown key question.newsites", "did you mean question.new_sites"])


def test_bad_toml(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    path.write_text("title = 西宁")
    refused(path, zh=["scenario.toml", "不是有效的 TOML"], en=["not a valid TOML file", "line 1"])


def test_a_missing_scenario(refused):
    refused("nothing.toml", zh=["nothing.toml", "找不到这个方案文件"], en=["no such scenario file"])


def test_neither_candidates_nor_places_to_derive_them_from(refused, tmp_path):
    path = replace(main_street(tmp_path, new_sites=1), 'candidates = "candidates.csv"', "")
    refused(path, zh=["--candidates"], en=["--candidates"])


@pytest.mark.parametrize(
    ("asked", "options", "zh", "en"),
    [
        ({"new_sites": 1, "share": 0.5}, [], "同时给了 new_sites 和 share", "only one of"),
        ({}, ["--new-sites", "1", "--budget", "5"], "同时给了 new_sites 和 budget", "only one of"),
        ({}, ["--model", "mclp"], "要给 new_sites 或 budget", "wants new_sites or budget"),
        ({}, ["--model", "lscp", "--new-sites", "3"], "lscp 不带目标", "takes no target"),
        ({"share": 0.5}, ["--model", "mclp"], "实际给了 share", "share was given"),
        ({"new_sites": 1}, ["--model", "p_hub"], "只能是 mclp", "one of mclp"),
        ({"new_sites": 1}, ["--minutes", "0"], "question.minutes = 0.0", "above 0"),
        ({"new_sites": 1}, ["--speed-kmh", "-1"], "network.speed_kmh = -1.0", "above 0"),
        ({}, ["--share", "1.2"], "不能大于 1", "at most 1"),
    ],
)
def test_targets_and_values(refused, tmp_path, asked, options, zh, en):
    refused(main_street(tmp_path, **asked), *options, zh=[zh], en=[en])


def test_no_candidate_in_reach_of_anything(refused, tmp_path):
    """Everybody lives at 3000 m and farther, the candidates stand at 0 and 500 m: 6 min = 400 m."""
    demand = [demand_row(f"d{i}", 3000 + i, 1) for i in range(3)]
    sites = [site_row("C1", 0), site_row("C2", 500)]
    path = write_scenario(tmp_path, demand=demand, candidates=sites, new_sites=1)
    zh = ["没有任何需求点能在标准时间内走到", "坐标系", "放宽 minutes"]
    refused(path, zh=zh, en=["no demand point reaches any", "more minutes"])


def test_no_candidate_in_reach_beside_a_station_that_is(refused, tmp_path):
    sites = [site_row("C1", 5500)]
    path = main_street(tmp_path, candidates=sites, demand=DEMAND[:3], new_sites=1)
    refused(path, zh=["没有一个候选站点能覆盖"], en=["No candidate site covers any demand"])


def test_more_required_sites_than_allowed(refused, tmp_path):
    candidates = with_status("required", "C1", "C2", "C3")
    path = main_street(tmp_path, candidates=candidates, new_sites=2)
    zh = ["必选站点有 3 个", "2 个", "请增加新增数量或减少必选站点"]
    refused(path, zh=zh, en=["3 sites are required", "2 new ones", "require fewer"])


def test_a_budget_below_the_cheapest_site(refused, tmp_path):
    path = main_street(tmp_path, budget=49.0)
    zh = ["预算 49", "最便宜的需 50", "提高预算"]
    refused(path, zh=zh, en=["The budget of 49", "costs 50", "raise it"])


def test_a_budget_below_what_is_required(refused, tmp_path):
    path = main_street(tmp_path, budget=250.0, candidates=with_status("required", "C2"))
    refused(path, zh=["必选站点共需 300", "预算 250"], en=["required sites cost 300", "250"])


@pytest.mark.parametrize("asked", [{"budget": 300.0}, {"minimise": "cost"}])
def test_a_cost_missing_where_money_decides(refused, tmp_path, asked):
    path = main_street(tmp_path, candidates=changed(CANDIDATES, 1, cost=""), **asked)
    refused(path, zh=["1 个备选点没有费用", "C2", "“费用”列"], en=["have no cost", "C2"])


def test_an_unattainable_share(refused, tmp_path):
    path = main_street(tmp_path, share=0.9)
    refused(path, zh=["最多覆盖 68.6275%", "达不到 90"], en=["cover 68.6275%", "less than 90"])


def test_all_sites_forbidden(refused, tmp_path):
    ids = [row["site_id"] for row in CANDIDATES]
    path = main_street(
        tmp_path, existing=(), candidates=with_status("forbidden", *ids), new_sites=1
    )
    refused(path, zh=["所有站点都是禁用状态", "“状态”列"], en=["every site is forbidden"])


# --- where the plan goes --------------------------------------------------------------------------


def test_a_folder_that_is_no_plan(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("x")
    args = [path, "--out", "mine"]
    refused(*args, zh=["mine", "不是规划结果，不会覆盖", "--out"], en=["is not a plan", "--out"])
    (tmp_path / "mine" / "plan.json").write_text('{"schema": "another/1"}')
    refused(*args, zh=["不会覆盖"], en=["not overwritten"])


def test_the_folder_that_holds_the_data(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    refused(path, "--out", ".", zh=["不会覆盖"], en=["not overwritten"])


def test_a_file_in_the_folders_place(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1)
    (tmp_path / "out").write_text("x")
    refused(path, "--out", "out", zh=["不是规划结果"], en=["is not a plan"])


@pytest.mark.parametrize("where", ["demand.csv/out", "demand.csv/a/b/out", "/proc/out"])
def test_a_folder_that_cannot_be_written(refused, tmp_path, where):
    path = main_street(tmp_path, new_sites=1)
    zh = [where, "写不进去", "请检查权限和磁盘空间", "--out"]
    refused(path, "--out", where, zh=zh, en=["cannot be written", "another --out"])


def test_a_bad_table_leaves_no_parent_folders(refused, tmp_path):
    path = main_street(tmp_path, new_sites=1, demand=without(DEMAND, "lng"))
    refused(path, "--out", "a/b/out", zh=["没有经度列"], en=["No column for lng"])


@pytest.mark.parametrize("title", ["../../x", "/etc/x", "a\x1b[2Jb\nc", "..", "\u202ex", "CON"])
def test_hostile_titles_stay_in_the_folder(run, tmp_path, title):
    home = tmp_path / "home"
    path = main_street(home, new_sites=1)
    replace(path, 'title = "town"', f"title = {json.dumps(title)}")
    before = names(tmp_path)
    run.monkeypatch.chdir(home)
    done = run("plan", path)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    (made,) = [p for p in home.iterdir() if p.name.endswith("-plan")]
    assert (made / "plan.json").exists()
    assert names(tmp_path) == before


# --- as a process of its own ----------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_process_ends_with_two_and_one_message(tmp_path, lang):
    path = main_street(tmp_path, demand=without(DEMAND, "lng"), new_sites=1)
    before = sorted(tmp_path.rglob("*"))
    done = process("--lang", lang, "plan", path, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    said = done.err.splitlines()[-1]
    assert said.startswith("错误：demand.csv" if lang == "zh" else "Error: demand.csv")
    assert bool(ANY_CHINESE.search(said)) == (lang == "zh")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_in_the_middle(run, tmp_path, monkeypatch):
    path = main_street(tmp_path, new_sites=1)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("servicecircle.plan_folder.np.savez_compressed", full)
    done = run("plan", path, "--out", "out")
    assert done.code == 2
    assert "No space left on device" in done.err
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
