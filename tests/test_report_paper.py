"""The report as files: the paper's make-up, odd plans, hostile text, both files or none."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openpyxl
import pytest

from hostile import FEDERATION, TEXTS, TITLE, hostile_plan, word
from plans import DEMAND, demand_row, main_street, saved, with_status
from report_cases import DISTRICTS, R, Read, W, cells, said, share, style_of, written
from servicecircle.errors import OutputError
from servicecircle.export.export_plan import read_plan
from servicecircle.export.report import write_report
from servicecircle.export.report.numbers import clean
from servicecircle.export.stations.tables import station_sheet
from servicecircle.plan_words import PLAN_WORDS

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


def test_words_are_those_of_the_other_exports(town, tmp_path):
    paper, xlsx = written(town, tmp_path)
    book = openpyxl.load_workbook(xlsx)
    sheets = [str(c.value) for ws in book for row in ws.rows for c in row if c.value is not None]
    text = "\n".join([paper.text, *sheets])
    assert not re.search("标牌|时间圈|分钟圈", text)
    head = cells(xlsx, "站点")[0]
    for key in ("label", "id", "name", "status", "kind", "district", "address"):
        assert PLAN_WORDS[f"col_{key}"][0] in head
    plan = read_plan(town)
    neutral = station_sheet(plan, plan.datum("wgs84"))
    shared = {
        "名称",
        "地址",
        "服务项目",
        "开放时间",
        "联系电话",
        "共建单位",
        "备注",
        "状态",
        "来源",
    }
    assert shared <= set(neutral) and shared <= set(head)
    by_id = {row[1]: dict(zip(head, row, strict=True)) for row in cells(xlsx, "站点")[1:]}
    for row in neutral.to_dict("records"):
        assert all((by_id[row["编码"]][name] or "") == row[name] for name in shared)


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


@pytest.mark.parametrize("older", [("docx", "xlsx"), ("docx",), ("xlsx",), ()], ids=str)
@pytest.mark.parametrize("locked", ["docx", "xlsx"])
@pytest.mark.parametrize("once", [True, False], ids=["once", "always"])
def test_paper_and_workbook_are_replaced_both_or_none(
    town, tmp_path, monkeypatch, older, locked, once
):
    """As where Word or Excel holds a file open: nothing can take its place."""
    old = {}
    for path in write_report(read_plan(town), tmp_path):
        if path.suffix[1:] in older:
            old[path] = path.read_bytes()
        else:
            path.unlink()
    replace, refused = Path.replace, []

    def refuse(self: Path, target: Path) -> Path:
        if Path(target).name.endswith(f"-report.{locked}") and not (once and refused):
            refused.append(target)
            raise PermissionError(13, "used by another process")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="used by another process"):
        write_report(read_plan(town), tmp_path, lang="en")
    assert refused
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old
    monkeypatch.undo()
    new = write_report(read_plan(town), tmp_path, lang="en")
    assert sorted(tmp_path.iterdir()) == sorted(new)
    assert all(path.read_bytes() != data for path, data in old.items())


def test_an_older_workbook_that_cannot_be_kept_stays(town, tmp_path, monkeypatch):
    old = {path: path.read_bytes() for path in write_report(read_plan(town), tmp_path)}

    def fail(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("shutil.copy2", fail)
    with pytest.raises(OutputError, match="no space"):
        write_report(read_plan(town), tmp_path, lang="en")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old


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
