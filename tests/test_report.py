"""The report: paper and workbook read back by other readers, every figure compared.

The paper is read as a zip of XML, the workbook by openpyxl and calamine: not by what wrote them.
Expected figures are written anew from ``plan.json``, with decimal arithmetic.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image
from pyproj import Transformer
from scipy import ndimage

from hostile import FEDERATION, TEXTS, TITLE, hostile_plan, word
from plans import CANDIDATES, DEMAND, EXISTING, answer, demand_row, main_street, saved, with_status
from servicecircle import map_stations
from servicecircle.errors import OutputError
from servicecircle.export.export_plan import read_plan
from servicecircle.export.fonts import chinese_font
from servicecircle.export.report import write_report
from servicecircle.export.report.facts import Facts
from servicecircle.export.report.ground import ground_of
from servicecircle.export.report.map_pictures import DPI, Maps
from servicecircle.export.report.numbers import change, clean, number
from servicecircle.plan_folder import save
from servicecircle.reasons import sole_coverage

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
R = "{http://schemas.openxmlformats.org/package/2006/relationships}"
DISTRICTS = {"西区": (-500.0, 2000.0, None), "东区": (2000.0, 6500.0, 12.0)}
LIMITED = [{**row, "capacity": c} for row, c in zip(CANDIDATES, (35, 40, 10, 3, ""), strict=True)]
STANDING = [{**EXISTING[0], "capacity": 4}]
QUESTIONS: dict[str, dict[str, Any]] = {
    "mclp": {"new_sites": 2, "districts": DISTRICTS},
    "budget": {"budget": 400.0},
    "lscp": {},
    "lscp cost": {"minimise": "cost"},
    "partial": {"share": 0.6},
    "p_median": {"model": "p_median", "new_sites": 2},
    "p_center": {"model": "p_center", "new_sites": 2},
    "decay": {"new_sites": 2, "decay_to_minutes": 15.0},
    "capacities": {"new_sites": 2, "capacities": True, "candidates": LIMITED, "existing": STANDING},
}


# --- readers --------------------------------------------------------------------------------------


class Read:
    """A paper as another program sees it."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None
            self.parts = {name: file.read(name) for name in file.namelist()}
        for name, data in self.parts.items():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(data)  # well-formed
        self.body = ElementTree.fromstring(self.parts["word/document.xml"])[0]

    @property
    def text(self) -> str:
        return "\n".join(text_of(p) for p in self.body.iter(f"{W}p"))

    def tables(self) -> dict[str, list[list[str]]]:
        """Caption (without its number) → rows of cells, the heading row first."""
        found, caption = {}, ""
        for element in self.body:
            if element.tag == f"{W}p" and style_of(element) == "Caption":
                caption = re.split("[　.] ?", text_of(element), maxsplit=1)[1]
            elif element.tag == f"{W}tbl":
                rows = element.findall(f"{W}tr")
                found[caption] = [[text_of(c) for c in row.findall(f"{W}tc")] for row in rows]
        return found

    def styled(self, style: str) -> list[str]:
        return [text_of(p) for p in self.body.iter(f"{W}p") if style_of(p) == style]

    def pictures(self) -> list[Image.Image]:
        return [
            Image.open(io.BytesIO(data)) for name, data in sorted(self.parts.items())
            if name.startswith("word/media/")
        ]  # fmt: skip


def text_of(element: ElementTree.Element) -> str:
    return "".join(t.text or "" for t in element.iter(f"{W}t"))


def style_of(paragraph: ElementTree.Element) -> str:
    style = paragraph.find(f"{W}pPr/{W}pStyle")
    return "" if style is None else style.get(f"{W}val", "")


def cells(path: Path, sheet: str) -> list[list[Any]]:
    """A sheet's rows, every cell a plain value."""
    book = openpyxl.load_workbook(path)
    assert all(cell.data_type != "f" for ws in book for row in ws.rows for cell in row)
    assert all(cell.hyperlink is None for ws in book for row in ws.rows for cell in row)
    return [list(row) for row in book[sheet].iter_rows(values_only=True)]


def written(folder: Path, into: Path, lang: str = "zh") -> tuple[Read, Path]:
    into.mkdir(exist_ok=True)
    docx, xlsx = write_report(read_plan(folder), into, lang=lang)
    return Read(docx), xlsx


def said(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


# --- figures as the paper should write them -------------------------------------------------------


def decimals(value: float, places: int) -> str:
    step = Decimal(1).scaleb(-places)
    return f"{Decimal(value).quantize(step, ROUND_HALF_EVEN):,}"


def share(value: float) -> str:
    return f"{decimals(100 * value, 2)}%"


def weight(value: float) -> str:
    return decimals(value, 0 if value >= 1000 or value == round(value) else 2)


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
    rng = np.random.default_rng(5)
    demand = [demand_row(f"d{i}", x, w) for i, (x, w) in enumerate(
        zip(rng.uniform(0, 30_000, 80), rng.integers(1, 90, 80), strict=True))]  # fmt: skip
    path = main_street(tmp_path / "town", demand=demand, new_sites=1, length=30_000.0)
    folder = saved(path, tmp_path / "plan")
    places = Facts(read_plan(folder)).clusters
    left = pd.read_parquet(folder / "demand.parquet").query("not covered")
    squares: dict[tuple[int, int], float] = {}
    across = np.cos(np.radians(left["lat"].mean()))
    for row in left.itertuples():
        key = (int(row.lng * 111_320 * across // 1000), int(row.lat * 111_320 // 1000))
        squares[key] = squares.get(key, 0.0) + row.weight
    assert list(places["weight"]) == sorted(squares.values(), reverse=True)[:10]
    assert list(places["letter"]) == list("ABCDEFGHIJ")


def test_long_lists_say_what_they_leave_out(tmp_path):
    sites = [
        {"site_id": f"s{i}", "name": f"站点{i}", "lng": i * 1e-4, "lat": 0.0} for i in range(320)
    ]
    path = main_street(tmp_path / "town", existing=sites, new_sites=0)
    paper, xlsx = written(saved(path, tmp_path / "plan"), tmp_path / "out")
    assert len(paper.tables()["已建站点"]) == 301 and "只列出前 300 个，全部 320 个" in paper.text
    assert len(cells(xlsx, "站点")) == 321


# --- the document itself --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("town")
    return saved(main_street(base / "town", new_sites=2, districts=DISTRICTS), base / "plan")


def test_headings_contents_captions_and_fonts(town, tmp_path):
    paper, _ = written(town, tmp_path)
    headings = paper.styled("Heading1")
    assert headings == [
        "要回答的问题", "数据与日期", "现状", "规划方案", "分区情况", "费用", "站点清单",
        "未覆盖的需求", "方法与证明", "数据的局限", "署名与许可",
    ]  # fmt: skip
    numerals = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一"]
    entries = [f"{n}、{text}" for n, text in zip(numerals, headings, strict=True)]
    assert paper.styled("toc1") == entries
    anchors = {link.get(f"{W}anchor") for link in paper.body.iter(f"{W}hyperlink")}
    marks = {mark.get(f"{W}name") for mark in paper.body.iter(f"{W}bookmarkStart")}
    assert anchors == marks and len(marks) == len(headings)
    kinds = [m.get(f"{W}fldCharType") for m in paper.body.iter(f"{W}fldChar")]
    assert kinds == ["begin", "separate", "end"]
    captions = paper.styled("Caption")
    for label in "图表":
        numbered = [c for c in captions if c.startswith(label)]
        assert [c.split("　")[0] for c in numbered] == [
            f"{label} {i + 1}" for i in range(len(numbered))
        ]
    styles = ElementTree.fromstring(paper.parts["word/styles.xml"])
    used = {style_of(p) for p in paper.body.iter(f"{W}p")}
    fonts = {s.get(f"{W}styleId"): s.find(f"{W}rPr/{W}rFonts") for s in styles.iter(f"{W}style")}
    for name in used:
        assert fonts[name] is not None and fonts[name].get(f"{W}eastAsia") in ("仿宋", "黑体")
        assert not [key for key in fonts[name].attrib if "Theme" in key]
    size = paper.body.find(f"{W}sectPr/{W}pgSz")
    assert abs(int(size.get(f"{W}w")) - 11906) < 3 and abs(int(size.get(f"{W}h")) - 16838) < 3
    for table in paper.body.iter(f"{W}tbl"):
        assert table.find(f"{W}tr/{W}trPr/{W}tblHeader") is not None
    footer = next(
        data for name, data in paper.parts.items() if "footer" in name and b"PAGE" in data
    )
    assert said(town)["attribution"].encode() in footer


def test_nothing_in_the_paper_points_outside(town, tmp_path):
    paper, _ = written(town, tmp_path)
    for name, data in paper.parts.items():
        if name.endswith(".rels"):
            modes = {
                r.get("TargetMode") for r in ElementTree.fromstring(data).iter(f"{R}Relationship")
            }
            assert modes <= {None, "Internal"}


def test_the_same_plan_gives_the_same_bytes(town, tmp_path):
    first = [path.read_bytes() for path in write_report(read_plan(town), _made(tmp_path / "a"))]
    again = [path.read_bytes() for path in write_report(read_plan(town), _made(tmp_path / "b"))]
    assert first == again


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_in_english_nothing_of_ours_is_chinese(town, tmp_path):
    paper, xlsx = written(town, tmp_path, "en")
    assert paper.styled("Heading1")[0] == "The question"
    assert paper.styled("toc1")[0] == "1. The question"
    assert paper.tables()["The main figures"][2][2] == share(said(town)["covered_share"])
    text = re.sub("站点[CE]\\d|西区|东区", "", paper.text)
    assert not re.search("[\u3000-\u9fff\uff00-\uffef]", text), re.findall(
        ".*[\u3000-\u9fff].*", text
    )
    assert cells(xlsx, "Totals")[2][3] == pytest.approx(said(town)["covered_share"])


def test_progress_is_told_and_ends(town, tmp_path):
    heard: list[Any] = []
    write_report(read_plan(town), tmp_path, progress=lambda step, done, _=None: heard.append(done))
    assert heard[0] is None and heard[-1] == 1.0
    assert heard[1:] == sorted(heard[1:])


# --- pictures -------------------------------------------------------------------------------------

BLUE = (11, 79, 138)


def blobs(
    picture: Image.Image, colour: tuple[int, int, int], size: int
) -> list[tuple[float, float]]:
    """Middles (x, y) of patches of a colour at least so many pixels wide, left to right.

    The middle is that of the patch's box: there are white letters inside.
    """
    near = np.abs(np.asarray(picture.convert("RGB"), int) - colour).max(axis=2) < 30
    solid = ndimage.binary_opening(near, np.ones((size, size)))
    labels, _ = ndimage.label(ndimage.binary_dilation(solid, np.ones((15, 15))))
    boxes = ndimage.find_objects(labels)
    return sorted(((x.start + x.stop) / 2, (y.start + y.stop) / 2) for y, x in boxes)


def test_station_signs_stand_where_the_stations_are(tmp_path):
    """Pixels between three signs, against metres of web Mercator by pyproj."""
    existing = [{**EXISTING[0], "site_id": s, "name": s} for s in ("a", "b", "c")]
    places = [(0.001, 0.0), (0.02, 0.012), (0.05, -0.004)]
    existing = [row | {"lng": x, "lat": y} for row, (x, y) in zip(existing, places, strict=True)]
    demand = [demand_row("d1", 100, 10), demand_row("d2", 5800, 1)]
    path = main_street(tmp_path / "town", existing=existing, demand=demand, new_sites=0)
    facts = Facts(read_plan(saved(path, tmp_path / "plan")))
    assert facts.stations["far"].sum() == 1  # drawn all the same
    maps = Maps(facts, ground_of(facts), chinese_font(), "zh")
    picture = Image.open(io.BytesIO(maps.picture("today", 150.0, 150.0)))
    assert picture.info["dpi"][0] == pytest.approx(DPI, abs=0.1)
    found = blobs(picture, BLUE, 4)
    signs = [at for at in found if at[1] < 0.9 * picture.height]  # the legend has one, too
    assert len(signs) == 3
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(*np.transpose(places))
    scale = (signs[2][0] - signs[0][0]) / (x[2] - x[0])
    for i, (column, row) in enumerate(signs):
        assert column == pytest.approx(signs[0][0] + (x[i] - x[0]) * scale, abs=2)
        assert row == pytest.approx(signs[0][1] - (y[i] - y[0]) * scale, abs=2)


def test_without_its_files_the_map_has_no_streets_and_says_so(tmp_path):
    path = main_street(tmp_path / "town", new_sites=2, districts=DISTRICTS)
    folder = saved(path, tmp_path / "plan")
    whole = ground_of(Facts(read_plan(folder)))
    assert whole.network is not None and list(whole.districts["district"]) == list(DISTRICTS)
    paper, _ = written(folder, tmp_path / "a")
    assert "已不在原处" not in paper.text
    with_streets = [picture.tobytes() for picture in paper.pictures()]
    (tmp_path / "town" / "town.osm").write_text("<osm version='0.6'></osm>")  # another file now
    (tmp_path / "town" / "districts.geojson").unlink()
    paper, _ = written(folder, tmp_path / "b")
    assert "图上没有画街道、区界" in paper.text
    assert [picture.tobytes() for picture in paper.pictures()] != with_streets


def test_a_paper_stays_small_and_its_pictures_sharp(town, tmp_path):
    docx, _ = write_report(read_plan(town), tmp_path)
    assert docx.stat().st_size < 6_000_000
    for picture in Read(docx).pictures():
        assert picture.width >= 158 / 25.4 * 200 - 2


# --- odd plans ------------------------------------------------------------------------------------


def test_no_station_today(tmp_path):
    path = main_street(tmp_path / "town", existing=(), new_sites=1)
    paper, _ = written(saved(path, tmp_path / "plan"), tmp_path / "out")
    assert "目前没有站点" in paper.text and "已建站点" not in paper.tables()


def test_nothing_new(tmp_path):
    path = main_street(tmp_path / "town", new_sites=0)
    paper, _ = written(saved(path, tmp_path / "plan"), tmp_path / "out")
    assert "不新建站点" in paper.text and "新建站点" not in paper.tables()


def test_demand_without_weight(tmp_path):
    demand = [demand_row("d1", 1000, 0), demand_row("d2", 3000, 0)]
    path = main_street(tmp_path / "town", demand=demand, new_sites=1)
    paper, _ = written(saved(path, tmp_path / "plan"), tmp_path / "out")
    assert "覆盖率为 0.00%" in paper.text and "没有可覆盖的人" in paper.text
    assert "nan" not in paper.text.lower()


def test_required_sites_unknown_costs_and_far_points(tmp_path):
    sites = with_status("required", "C4")
    sites = [{**row, "cost": "" if row["site_id"] == "C4" else row["cost"]} for row in sites]
    path = main_street(tmp_path / "town", candidates=sites, new_sites=2)
    folder = saved(path, tmp_path / "plan")
    assert said(folder)["cost"] is None and said(folder)["unsnapped_demand"] == 1
    paper, _ = written(folder, tmp_path / "out")
    assert "1 个新建站点没有给出费用，总费用未知" in paper.text
    assert any(row[-1].startswith("必选") for row in paper.tables()["新建站点"])
    assert "离道路太远的需求点 1 个" in paper.text


def test_one_demand_point(tmp_path):
    path = main_street(tmp_path / "town", demand=DEMAND[1:2], new_sites=1)
    paper, xlsx = written(saved(path, tmp_path / "plan"), tmp_path / "out")
    assert "所有需求都已覆盖" in paper.text
    assert len(cells(xlsx, "未覆盖")) == 1


@pytest.mark.parametrize("name", ["circles.geojson", "plan.json"])
def test_a_damaged_folder_gives_one_message_and_no_file(town, tmp_path, name):
    folder, out = tmp_path / "plan", _made(tmp_path / "out")
    shutil.copytree(town, folder)
    if name == "plan.json":
        said_here = said(folder)
        said_here["total_points"] += 1
        (folder / name).write_text(json.dumps(said_here), encoding="utf-8")
    else:
        (folder / name).write_text("{", encoding="utf-8")
    with pytest.raises(OutputError):
        write_report(read_plan(folder), out)
    assert not list(out.iterdir())


def test_a_folder_that_cannot_be_written_gives_one_message(town, tmp_path):
    with pytest.raises(OutputError):
        write_report(read_plan(town), tmp_path / "missing" / "folder")


def test_without_a_chinese_font_there_is_one_message_and_no_file(town, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECIRCLE_FONT", str(tmp_path / "none.ttf"))
    with pytest.raises(OutputError, match="SERVICECIRCLE_FONT"):
        write_report(read_plan(town), tmp_path)
    assert not list(tmp_path.iterdir())


def test_where_the_workbook_fails_the_older_paper_stays(town, tmp_path, monkeypatch):
    old = [path.read_bytes() for path in write_report(read_plan(town), tmp_path)]

    def fail(*_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("servicecircle.export.report.writing.write_workbook", fail)
    with pytest.raises(OutputError, match="no space"):
        write_report(read_plan(town), tmp_path, lang="en")
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == sorted(old)


# --- hostile text ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> tuple[Path, Read, Path]:
    base = tmp_path_factory.mktemp("hostile")
    folder = hostile_plan(base)
    return folder, *written(folder, base / "out")


def test_hostile_text_comes_out_legible(attacked):
    _, paper, xlsx = attacked
    shown = [row[1] for row in paper.tables()["已建站点"][1:]]
    sheet = [str(row[2]) for row in cells(xlsx, "站点")[1:]]
    for (key, text), short, whole in zip(TEXTS.items(), shown, sheet, strict=True):
        assert word(key) in whole, key
        assert word(key) in short or word(key) not in text[:38], key
    assert TEXTS["doctype"] in sheet and TEXTS["entities"] in sheet and TEXTS["cdata"] in sheet
    assert clean(TITLE, 80) in paper.text and clean(FEDERATION, 60) in paper.text


def test_hostile_text_does_no_harm(attacked):
    folder, paper, xlsx = attacked
    for row in paper.tables()["已建站点"]:
        assert all(len(cell) <= 60 for cell in row)
    illegal = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
    assert not illegal.search(paper.text)
    fields = [f.get(f"{W}instr") for f in paper.body.iter(f"{W}fldSimple")]
    assert {f.split()[0] for f in fields} == {"SEQ"}
    assert [i.text.split()[0] for i in paper.body.iter(f"{W}instrText")] == ["TOC"]
    for name, data in paper.parts.items():
        if name.endswith(".rels"):
            assert b'TargetMode="External"' not in data
    assert sorted(path.parent for path in xlsx.parent.iterdir()) == [xlsx.parent] * 2
    with zipfile.ZipFile(xlsx) as book:
        sheets = [book.read(n) for n in book.namelist() if n.startswith("xl/worksheets/sheet")]
        assert sheets and not any(b"<f>" in sheet or b"<hyperlink" in sheet for sheet in sheets)
    assert len(cells(xlsx, "站点")) == len(said(folder)["chosen"]) + 1


@pytest.mark.filterwarnings("error::UserWarning")  # as for characters that no font has
def test_hostile_districts_come_out_legible(tmp_path):
    keys = ("latex", "dollar", "script", "equals", "long", "emoji", "path")
    edges = np.linspace(-500, 6500, len(keys) + 1)
    names = {
        TEXTS[key]: (west, east, None)
        for key, west, east in zip(keys, edges, edges[1:], strict=False)
    }
    folder = saved(main_street(tmp_path / "town", new_sites=2, districts=names), tmp_path / "plan")
    paper, xlsx = written(folder, tmp_path / "out")
    shown = [row[0] for row in paper.tables()["各区覆盖情况"][1:]]
    for text, cell in zip(names, shown, strict=True):
        assert cell.rstrip("…") in text and len(cell) <= 20
    assert [row[0] for row in cells(xlsx, "行政区")[1:]] == list(names)
    assert len(paper.pictures()) == 4


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
    assert change(10, 7, "count") == "−3" and change(1, 1, "count") == "+0"


def test_text_is_cleaned_where_one_can_see_it():
    assert clean("a\x00b\nc") == "a\ufffdb c"
    assert clean("长" * 100, 10) == "长" * 9 + "…" and clean("短", 10) == "短"
