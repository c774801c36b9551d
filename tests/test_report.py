"""The report's figures: paper and workbook read back by other readers, every figure compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from plans import answer, demand_row, main_street, saved, site_row
from report_cases import (
    CROSSED,
    DISTRICTS,
    QUESTIONS,
    Judge,
    Read,
    cells,
    decimals,
    said,
    share,
    weight,
    written,
)
from servicecircle import map_stations
from servicecircle.export.export_plan import read_plan
from servicecircle.export.report.facts import Facts
from servicecircle.export.report.numbers import change, clean, number
from servicecircle.plan_folder import save
from servicecircle.reasons import sole_coverage

# --- every figure ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=QUESTIONS, ids=str)
def made(request, tmp_path_factory) -> tuple[Path, Read, Path]:
    """A plan's folder, its paper, its workbook: one per model."""
    base = tmp_path_factory.mktemp("report")
    folder = saved(main_street(base / "town", **QUESTIONS[request.param]), base / "plan")
    return folder, *written(folder, base / "out")


def test_the_first_page_says_what_plan_json_says(made):
    folder, paper, _ = made
    f = said(folder)
    front = {row[0]: row for row in paper.tables()["主要指标"]}
    old, new = len(f["chosen"]) - len(f["new_sites"]), len(f["new_sites"])
    assert front["站点（个）"][1:] == [str(old), str(old + new), f"+{new}"]
    assert front["覆盖率"][1:3] == [share(f["covered_share_before"]), share(f["covered_share"])]
    assert front["覆盖（人）"][2] == weight(f["covered_weight"])
    assert front["交叉覆盖率"][2] == share(f["cross_covered_share"])
    if f["cost"] is not None and new:
        assert front["新建费用（元）"][2] == weight(f["cost"])
    gap = front["与最优的差距"][2]
    assert gap == ("最优" if f["proven"] else f"至多 {share(f['gap'])}")
    objective = {
        "p_median": ("平均步行时间（分钟）", decimals(f["objective"], 2)),
        "p_center": ("最远步行时间（分钟）", decimals(f["objective"], 2)),
    }
    if f["model"] in objective:
        label, value = objective[f["model"]]
        assert front[label][2] == value
    summary = paper.styled("BodyText")[0]
    assert share(f["covered_share"]) in summary and f"新建 {new} 个站点" in summary
    assert f"{weight(f['covered_weight'])} / {weight(f['total_weight'])} 人" in summary
    assert ("已证明最优" in summary) is f["proven"]


def test_before_and_after_districts_and_reasons_add_up(made):
    folder, paper, _ = made
    f, tables = said(folder), paper.tables()
    both = {re.split("（共", row[0])[0]: row for row in tables["建设前后对照"]}
    assert both["覆盖需求点（个）"][2] == str(f["covered_points"])
    assert f"（共 {f['total_points']}）" in "".join(row[0] for row in tables["建设前后对照"])
    assert both["覆盖率"][1:3] == [share(f["covered_share_before"]), share(f["covered_share"])]
    listed = [row for row in f["districts"] if row["district"]]
    if listed:
        for line, row in zip(tables["各区覆盖情况"][1:], f["districts"], strict=True):
            assert line[0] == (row["district"] or "区外")
            assert line[1] == f"{row['minutes']:g}" and line[6] == str(row["stations"])
            covered = row["covered_share"]
            assert line[5] == ("—" if covered is None else share(covered))
    else:
        assert "没有行政区资料" in paper.text
    why = tables["没有覆盖的原因"][1:]
    out = f["total_weight"] - f["covered_weight"]
    assert sum(float(row[1].replace(",", "")) for row in why) == pytest.approx(out)
    assert sum(int(row[2]) for row in why) == f["total_points"] - f["covered_points"]
    assert why[1][1] == weight(f["unreachable_weight"]) and why[2][2] == str(f["unsnapped_demand"])


def test_today_is_counted_walk_by_walk(made):
    """Figures of today are in no file but for the share: counted here without the program."""
    folder, paper, xlsx = made
    f, judge = said(folder), Judge(folder)
    heavy, twice = judge.today_weight(), judge.today_weight(2)
    points = sum(n > 0 for n in judge.today.values())
    part, crossed = heavy / f["total_weight"], twice / f["total_weight"]
    assert f["covered_share_before"] == pytest.approx(part)
    tables = paper.tables()
    for rows in (tables["主要指标"], tables["建设前后对照"]):
        told = {re.split("（共", row[0])[0]: row[1] for row in rows}
        assert told["覆盖率"] == share(part) and told["交叉覆盖率"] == share(crossed)
        assert told["覆盖（人）"] == weight(heavy)
        assert told.get("覆盖需求点（个）", str(points)) == str(points)
    words = next(text for text in paper.styled("BodyText") if re.match(r"现有 \d+ 个站点。", text))
    numbers = re.findall(r"[\d.,]+%?(?= |，|；|。)", words.split("走得到站点的需求有")[1])
    assert numbers == [
        weight(heavy),
        share(part),
        str(points),
        str(f["total_points"]),
        share(crossed),
    ]
    totals = {row[0]: row[2] for row in cells(xlsx, "总体指标")}
    assert totals["站点"] == sum(status == "existing" for status in judge.status.values())
    assert totals["覆盖率"] == pytest.approx(part) and totals["覆盖的需求"] == pytest.approx(heavy)
    assert totals["覆盖的需求点"] == points and totals["交叉覆盖率"] == pytest.approx(crossed)


def test_today_is_the_plan_that_opens_nothing(tmp_path):
    town = {"existing": CROSSED, "districts": DISTRICTS}
    paper, _ = written(saved(main_street(tmp_path / "a", **town, new_sites=2), tmp_path / "plan"),
                       tmp_path / "out")  # fmt: skip
    idle = said(saved(main_street(tmp_path / "b", **town, new_sites=0), tmp_path / "idle"))
    assert 0 < idle["cross_covered_share"] < idle["covered_share"]
    both = {re.split("（共", row[0])[0]: row[1] for row in paper.tables()["建设前后对照"]}
    assert both == {
        "指标": "现状",
        "站点（个）": str(len(idle["chosen"])),
        "覆盖率": share(idle["covered_share"]),
        "覆盖（人）": weight(idle["covered_weight"]),
        "覆盖需求点（个）": str(idle["covered_points"]),
        "交叉覆盖率": share(idle["cross_covered_share"]),
    }
    before = [row[4] for row in paper.tables()["各区覆盖情况"][1:]]
    assert before == [share(row["covered_share"]) for row in idle["districts"]]


def test_districts_are_counted_walk_by_walk(made):
    folder, paper, xlsx = made
    listed = [row["district"] for row in said(folder)["districts"] if row["district"]]
    if not listed:
        assert "各区覆盖情况" not in paper.tables() and len(cells(xlsx, "行政区")) == 1
        return
    judge = Judge(folder)
    found = {name: judge.district(name) for name in listed}
    assert len({row["before"] for row in found.values()} | {0.5}) == 1 + len(found)
    table, sheet = paper.tables()["各区覆盖情况"], cells(xlsx, "行政区")
    assert table[0] == [
        "区", "标准（分钟）", "需求（人）", "覆盖（人）", "现状覆盖率", "方案覆盖率", "站点（个）",
        "其中新建",
    ]  # fmt: skip
    assert sheet[0] == [
        "区", "标准（分钟）", "需求（人）", "覆盖（人）", "现状覆盖率（%）", "方案覆盖率（%）",
        "站点（个）", "其中新建（个）",
    ]  # fmt: skip
    for name, line, row in zip(listed, table[1:], sheet[1:], strict=True):
        d = found[name]
        assert row == [name, *map(pytest.approx, d.values())]
        assert line == [
            name, f"{d['minutes']:g}", weight(d["weight"]), weight(d["covered"]),
            share(d["before"]), share(d["after"]), str(d["stations"]), str(d["new"]),
        ]  # fmt: skip


def test_what_the_budget_leaves_is_told(tmp_path):
    folder = saved(main_street(tmp_path / "town", budget=470.5), tmp_path / "plan")
    paper, _ = written(folder, tmp_path / "out")
    spent = said(folder)["cost"]
    assert 0 < spent < 470.5
    assert f"预算 470.50 元，结余 {decimals(470.5 - spent, 2)} 元。" in paper.text


def test_objective_bound_gap_and_proof_are_told(made):
    folder, paper, _ = made
    f = said(folder)
    words = next(text for text in paper.styled("BodyText") if "目标值是" in text)
    numbers = [float(n.replace(",", "")) for n in re.findall(r"[\d,]+(?:\.\d+)?", words)]
    for value in (f["objective"], f["bound"], 100 * f["gap"]):
        assert any(n == pytest.approx(value, rel=1e-5, abs=5e-3) for n in numbers), (value, words)
    proof = {"multipliers": "依据是“乘子”", "tree": "依据是“分支树”", "solver": "求解器的说法"}
    assert proof[f["proof"]] in paper.text
    assert "servicecircle check" in paper.text and "地图审核" in paper.text
    assert f["attribution"] in paper.text
    # one hand's width from the question's own words
    model = {"mclp": "最大覆盖", "lscp": "集合覆盖", "partial_cover": "部分覆盖"}
    assert model.get(f["model"], f["model"].replace("_", "-")) in paper.text
    for entry in f["inputs"]:
        assert entry["sha256"][:12] in paper.text and entry["file"] in paper.text
    for note in f["notes"]:
        assert note["zh"] in paper.text


def test_the_workbook_holds_the_same_figures_as_numbers(made):
    folder, _, xlsx = made
    f = said(folder)
    totals = {row[0]: row for row in cells(xlsx, "总体指标")}
    expected = {
        "覆盖率": "covered_share", "覆盖的需求": "covered_weight", "全部需求": "total_weight",
        "覆盖的需求点": "covered_points", "全部需求点": "total_points", "目标值": "objective",
        "交叉覆盖率": "cross_covered_share", "新建费用": "cost", "目标值的界": "bound",
        "与最优的差距": "gap", "够不着的需求": "unreachable_weight",
        "离路过远的需求点": "unsnapped_demand", "离路过远的站点": "unsnapped_sites",
        "离路 100 米以上的需求占比": "far_weight_share",
    }  # fmt: skip
    for name, key in expected.items():
        assert totals[name][3] == pytest.approx(f[key]), name
    assert totals["覆盖率"][2] == pytest.approx(f["covered_share_before"])
    assert totals["孤立路段"][3] == f["islands"]["count"]
    listed = [row for row in f["districts"] if any(r["district"] for r in f["districts"])]
    sheet = cells(xlsx, "行政区")[1:]
    assert [row[0] for row in sheet] == [row["district"] or "区外" for row in listed]
    for line, row in zip(sheet, listed, strict=True):
        assert line[1] == row["minutes"] and line[6] == row["stations"]
        assert line[5] == pytest.approx(row["covered_share"])
        if line[2]:
            assert line[3] / line[2] == pytest.approx(row["covered_share"])
    stations = pd.read_csv(folder / "stations.csv", dtype={"site_id": str}, encoding="utf-8-sig")
    rows = {row[1]: row for row in cells(xlsx, "站点")[1:]}
    for sheet_of in openpyxl.load_workbook(xlsx):
        assert f["attribution"] in sheet_of.oddFooter.left.text
    assert set(rows) == set(f["chosen"])
    for row in stations.itertuples():
        assert rows[row.site_id][16:18] == [row.covers_weight, row.only_covers_weight]
        assert rows[row.site_id][7:9] == [pytest.approx(row.lng), pytest.approx(row.lat)]
    demand = pd.read_parquet(folder / "demand.parquet")
    left = cells(xlsx, "未覆盖")[1:]
    assert {row[0] for row in left} == set(demand.loc[~demand["covered"], "demand_id"])
    assert [row[4] for row in left] == sorted((row[4] for row in left), reverse=True)
    hashes = {row[5] for row in cells(xlsx, "输入数据")[1:]}
    assert hashes == {entry["sha256"] for entry in f["inputs"]}
    # and by the reader that planners' tables are read with
    again = pd.read_excel(xlsx, sheet_name="总体指标", engine="calamine")
    assert again.set_index("指标").loc["覆盖率", "方案"] == pytest.approx(f["covered_share"])


# --- stations, places -----------------------------------------------------------------------------


def test_stations_are_numbered_as_on_the_map_and_reasons_are_the_plans(tmp_path):
    plan = answer(main_street(tmp_path / "town", new_sites=3, districts=DISTRICTS))
    folder = save(plan, tmp_path / "plan", map_html=lambda _: "<html></html>")
    facts = Facts(read_plan(folder))
    order = [*map_stations.rows_of(plan, "new"), *map_stations.rows_of(plan, "existing")]
    assert list(facts.stations["site_id"]) == list(plan.sites["site_id"].iloc[order])
    assert list(facts.stations["label"]) == ["1", "2", "3", "E1"]
    expected = {j: (len(rows), plan.weight[rows].sum()) for j, rows in sole_coverage(plan).items()}
    assert expected and {j: found[1:] for j, found in facts.sole.items()} == expected
    paper, _ = written(folder, tmp_path / "out")
    table = paper.tables()["新建站点"]
    assert [row[0] for row in table[1:]] == ["1", "2", "3"]
    assert "只有它能覆盖" in "".join(row[-1] for row in table)
    assert paper.tables()["已建站点"][1][0] == "E1"


def test_uncovered_places_are_the_heaviest_squares(tmp_path):
    """Squares of a kilometre, and what of them no site reaches: some squares hold both."""
    rng = np.random.default_rng(5)
    demand = [demand_row(f"d{i}", x, w) for i, (x, w) in enumerate(
        zip(rng.uniform(0, 30_000, 160), rng.integers(1, 90, 160), strict=True))]  # fmt: skip
    sites = [site_row(f"S{i}", 2000.0 * i + 450) for i in range(14)]
    path = main_street(
        tmp_path / "town", demand=demand, candidates=sites, new_sites=1, length=30_000.0
    )
    folder = saved(path, tmp_path / "plan")
    judge = Judge(folder)
    left = pd.read_parquet(folder / "demand.parquet").query("not covered")
    across = np.cos(np.radians(left["lat"].mean()))
    squares: dict[tuple[int, int], list[Any]] = {}
    for row in left.itertuples():
        key = (int(row.lng * 111_320 * across // 1000), int(row.lat * 111_320 // 1000))
        squares.setdefault(key, []).append(row)
    expected = []
    for rows in squares.values():
        heavy = sum(row.weight for row in rows)
        beyond = sum(row.weight for row in rows if row.demand_id in judge.beyond)
        lng = sum(row.lng * row.weight for row in rows) / heavy
        expected.append((heavy, beyond, len(rows), lng))
    expected = sorted(expected, reverse=True)[:10]
    assert len({heavy for heavy, *_ in expected}) == 10  # so that there is one order
    assert any(0 < beyond < heavy for heavy, beyond, *_ in expected)
    places = Facts(read_plan(folder)).clusters
    assert list(places["letter"]) == list("ABCDEFGHIJ")
    found = places[["weight", "beyond", "points", "lng"]].itertuples(index=False)
    assert [pytest.approx(tuple(row)) for row in found] == expected
    paper, _ = written(folder, tmp_path / "out")
    table = paper.tables()["未覆盖需求集中的地方"]
    assert table[0] == [
        "字母", "经度", "纬度", "未覆盖（人）", "其中够不着的", "需求点（个）",
    ]  # fmt: skip
    assert table[1:] == [
        [letter, f"{lng:.6f}", "0.000000", weight(heavy), weight(beyond), str(points)]
        for letter, (heavy, beyond, points, lng) in zip("ABCDEFGHIJ", expected, strict=True)
    ]


def test_long_lists_say_what_they_leave_out(tmp_path):
    sites = [
        {"site_id": f"s{i}", "name": f"站点{i}", "lng": i * 1e-4, "lat": 0.0} for i in range(320)
    ]
    path = main_street(tmp_path / "town", existing=sites, new_sites=0)
    paper, xlsx = written(saved(path, tmp_path / "plan"), tmp_path / "out")
    assert len(paper.tables()["已建站点"]) == 301 and "只列出前 300 个，全部 320 个" in paper.text
    assert len(cells(xlsx, "站点")) == 321


# --- numbers and text -----------------------------------------------------------------------------


def test_numbers_never_pretend():
    assert number(0.999999, "share") == "> 99.99%" and number(1.0, "share") == "100.00%"
    assert number(0.000001, "share") == "< 0.01%" and number(0.0, "share") == "0.00%"
    assert number(1e-7, "gap") == "< 0.01%" and number(1e-15, "gap") == "0.00%"
    assert number(None, "yuan") == number(float("nan"), "weight") == "—"
    assert number(999.994, "weight") == "999.99" and number(1234.5, "weight") == "1,234"
    assert number(12.5, "yuan") == "12.50" and number(255_000.0, "yuan") == "255,000"
    assert number(7.5, "minutes") == "7.5" and number(15.0, "minutes") == "15"
    assert change(0.5, 0.75, "share") == "+25.00" and change(0.75, 0.5, "share") == "−25.00"
    assert change(10, 7, "count") == "−3" and change(1, 1, "count") == "0"


def test_text_is_cleaned_where_one_can_see_it():
    assert clean("a\x00b\nc") == "a\ufffdb c"
    assert clean("长" * 100, 10) == "长" * 9 + "…" and clean("短", 10) == "短"
