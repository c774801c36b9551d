"""Station tables and upload files, read back by other people's readers."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from pyproj import Geod

import hostile
from servicecircle import bundled, plan_folder
from servicecircle.coordinates import bd09_to_wgs84, from_wgs84, gcj02_to_wgs84
from servicecircle.errors import OutputError
from servicecircle.export.export_plan import DATUM_WORDS, read_plan
from servicecircle.export.plain_text import CELL_UNITS, ELLIPSIS, MARK, cell, cut, legible
from servicecircle.export.stations import tables as station_tables
from servicecircle.export.stations.checks import findings
from servicecircle.export.stations.tables import TARGETS, station_sheet, write_tables
from servicecircle.export.stations.upload_fields import UPLOADS
from servicecircle.plan import make_plan
from servicecircle.scenario import OSM_ATTRIBUTION, load_scenario
from servicecircle.tables import read_sites

BACK = {
    "wgs84": lambda lng, lat: (lng, lat), "gcj02": gcj02_to_wgs84, "bd09": bd09_to_wgs84,
}  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def stations(folder):
    with (folder / "stations.csv").open(encoding="utf-8-sig", newline="") as file:
        return pd.DataFrame(csv.DictReader(file))


def first_of(plan, many):
    return dataclasses.replace(plan, stations=plan.stations.head(many))


def rows_of(path):
    """A CSV file's rows as dictionaries, by the standard reader."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def sheets(path):
    """A workbook's cells by the second reader, as {sheet: rows}."""
    book = openpyxl.load_workbook(path)
    return {sheet.title: [list(row) for row in sheet.iter_rows()] for sheet in book}


def metres(lng, lat, ours):
    return Geod(ellps="WGS84").inv(lng, lat, ours["lng"].astype(float), ours["lat"].astype(float))[
        2
    ]


@pytest.mark.parametrize("to", list(TARGETS))
def test_the_datum_is_right_and_said(hegu_folder, tmp_path, to):
    ours = stations(hegu_folder)
    written = write_tables(read_plan(hegu_folder), tmp_path, to=to)
    books = [path for path in written if path.suffix == ".xlsx"]
    assert len(books) == len(TARGETS[to][1])
    for book, datum in zip(books, TARGETS[to][1], strict=True):
        assert book.stem.endswith(datum) and (to == "xlsx" or f"-{to}-" in book.name)
        sheet = pd.read_excel(book, sheet_name="站点", dtype={"编码": str}, engine="calamine")
        twin = pd.read_csv(book.with_suffix(".csv"), dtype={"编码": str}, encoding="utf-8-sig")
        assert sheet["编码"].tolist() == twin["编码"].tolist() == ours["site_id"].tolist()
        for table in (sheet, twin):
            back = BACK[datum](table["经度"].to_numpy(float), table["纬度"].to_numpy(float))
            assert np.max(metres(*back, ours)) < 0.01
            moved = metres(table["经度"], table["纬度"], ours)
            assert moved.max() < 0.01 if datum == "wgs84" else moved.min() > 100
            assert set(table["坐标系"]) == {DATUM_WORDS[datum][0]}
        about = pd.read_excel(book, sheet_name="说明", engine="calamine")
        assert DATUM_WORDS[datum][0] in set(about["内容"])


def test_columns_are_those_that_stations_are_annotated_with(hegu_folder):
    columns = station_sheet(read_plan(hegu_folder), "gcj02").columns
    wanted = "编码 名称 类别 地址 经度 纬度 联系电话 开放时间 服务项目 面积 共建单位 状态 备注"
    assert list(columns[:16]) == [*wanted.split(), "坐标系", "来源", "署名与许可"]
    assert all("链接" in name for name in columns[16:])


def test_outside_the_mainland_there_is_one_table_and_it_says_wgs84(hostile_folder, tmp_path):
    plan = read_plan(hostile_folder)  # on the equator
    written = write_tables(plan, tmp_path, to="xlsx")
    assert [path.name.rsplit("-", 1)[1] for path in written] == ["wgs84.xlsx", "wgs84.csv"]
    assert {row["坐标系"] for row in rows_of(written[1])} == {"WGS-84（大陆以外，未偏移）"}
    baidu = write_tables(plan, tmp_path, to="baidu")
    upload = rows_of(next(path for path in baidu if "upload" in path.name))
    assert {row["coord_type"] for row in upload} == {"1"}  # GPS
    assert all("bd09" not in path.name for path in baidu)
    gaode = write_tables(plan, tmp_path, to="gaode")
    upload = rows_of(next(path for path in gaode if "upload" in path.name))
    assert {row["coordtype"] for row in upload} == {"gps"}


def test_the_links_stay_off_the_printed_page(hegu_folder, tmp_path):
    """They are some 200 characters each: with them, a page would be too small to read."""
    book = openpyxl.load_workbook(write_tables(read_plan(hegu_folder), tmp_path, to="xlsx")[0])
    sheet = book["站点"]
    heads = [cell.value for cell in sheet[1]]
    _, last = sheet.print_area.replace("$", "").rsplit(":", 1)
    shown = sheet[last].column
    assert heads[shown - 1] == "署名与许可" and sheet[last].row == sheet.max_row
    assert heads[shown:] and all(name.startswith("地图链接") for name in heads[shown:])


def test_rows_from_osm_carry_its_licence(hegu_folder, tmp_path):
    text = write_tables(read_plan(hegu_folder), tmp_path, to="gaode")[1]
    table = pd.read_csv(text, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    from_osm = table["编码"].str.match(r"(node|way)/")
    assert from_osm.any() and not from_osm.all()
    assert (table["来源"][from_osm] == "OSM").all()
    assert table["署名与许可"][from_osm].str.contains("虚构").all()  # the bundled city's own data
    assert not table["署名与许可"].str.contains("ODbL").any()
    assert (table["署名与许可"][~from_osm] == "").all()


@pytest.mark.parametrize("to", list(UPLOADS))
def test_real_osm_rows_carry_the_odbl_also_into_uploads(hegu_folder, tmp_path, to):
    copy = shutil.copytree(hegu_folder, tmp_path / "real")
    said = json.loads((copy / "plan.json").read_text(encoding="utf-8"))
    said["attribution"] = OSM_ATTRIBUTION
    (copy / "plan.json").write_text(json.dumps(said), encoding="utf-8")
    (tmp_path / "out").mkdir()
    for path in write_tables(read_plan(copy), tmp_path / "out", to=to):
        if path.suffix == ".xlsx":
            about = pd.read_excel(path, sheet_name="说明", engine="calamine")
            assert about["内容"].str.contains("OpenStreetMap.*ODbL").any()
            continue
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        code = table.columns[table.iloc[0] == "HG001"][0]
        licence = "署名与许可" if "署名与许可" in table else "licence"
        from_osm = table[code].str.match(r"(node|way)/")
        assert from_osm.any()
        assert table[licence][from_osm].str.contains("OpenStreetMap.*ODbL").all()
        assert (table[licence][~from_osm] == "").all()


# --- uploads --------------------------------------------------------------------------------------


def upload_rows(plan, tmp_path, to, name):
    written = write_tables(plan, tmp_path, to=to)
    return rows_of(next(path for path in written if f"-upload-{name}-" in path.name))


def test_uploads_have_the_providers_fields_and_positions(hegu_folder, tmp_path):
    plan, ours = read_plan(hegu_folder), stations(hegu_folder)
    gaode = upload_rows(plan, tmp_path, "gaode", "gaode")
    pairs = np.array([row["_location"].split(",") for row in gaode], dtype=float)
    assert np.max(metres(*gcj02_to_wgs84(pairs[:, 0], pairs[:, 1]), ours)) < 0.1  # six decimals
    assert all(
        len(part.split(".")[1]) == 6 for row in gaode for part in row["_location"].split(",")
    )
    assert [row["_name"] for row in gaode] == ours["name"].tolist()

    baidu = upload_rows(plan, tmp_path, "baidu", "baidu")
    assert list(baidu[0])[:5] == ["title", "longitude", "latitude", "coord_type", "address"]
    assert {row["coord_type"] for row in baidu} == {"3"}
    degrees = [np.array([float(row[name]) for row in baidu]) for name in ("longitude", "latitude")]
    assert np.max(metres(*bd09_to_wgs84(*degrees), ours)) < 0.01

    tencent = upload_rows(plan, tmp_path, "tencent", "tencent")
    assert [row["ud_id"] for row in tencent] == ours["site_id"].tolist()
    wechat = upload_rows(plan, tmp_path, "tencent", "wechat")
    for rows, lng, lat in ((tencent, "lng", "lat"), (wechat, "longitude", "latitude")):
        degrees = [np.array([float(row[name]) for row in rows]) for name in (lng, lat)]
        assert np.max(metres(*gcj02_to_wgs84(*degrees), ours)) < 0.01
    asked = "name longitude latitude province city district address category"
    assert list(wechat[0])[:8] == asked.split()
    assert [row["district"] for row in wechat] == ours["district"].tolist()


def test_own_fields_have_names_that_baidu_takes():
    """Keys of own columns: a letter, then letters, digits and underscores."""
    assert all(name.isascii() and name.isidentifier() for name in UPLOADS["baidu"][0].fields)


@pytest.mark.parametrize("to", list(UPLOADS))
def test_the_workbook_says_what_was_not_tried(hegu_folder, tmp_path, to):
    book = write_tables(read_plan(hegu_folder), tmp_path, to=to)[0]
    about = pd.read_excel(book, sheet_name="说明", engine="calamine")
    said = dict(zip(about["项目"], about["内容"], strict=True))
    assert "未在线上服务实测" in said["核实 verified"] and "not tried" in said["核实 verified"]
    for field in UPLOADS[to][-1].fields:
        assert f"{field}=" in said["字段 fields"]


def test_large_uploads_come_in_parts_below_the_limit(hegu_folder, tmp_path, monkeypatch):
    plan = read_plan(hegu_folder)
    small = UPLOADS["baidu"][0].__class__(**{**vars(UPLOADS["baidu"][0]), "max_bytes": 3000})
    monkeypatch.setitem(UPLOADS, "baidu", (small,))
    parts = [path for path in write_tables(plan, tmp_path, to="baidu") if "upload" in path.name]
    assert len(parts) > 2 and all(path.stat().st_size < 3000 for path in parts)
    rows = [row for path in parts for row in rows_of(path)]
    assert [row["code"] for row in rows] == plan.stations["site_id"].tolist()
    tiny = small.__class__(**{**vars(small), "max_bytes": 200})
    monkeypatch.setitem(UPLOADS, "baidu", (tiny,))
    with pytest.raises(OutputError, match="缩短"):
        write_tables(plan, tmp_path, to="baidu")


# --- what to mend ---------------------------------------------------------------------------------


def test_what_to_mend_is_listed_with_its_station(hegu_folder, tmp_path):
    copy = shutil.copytree(hegu_folder, tmp_path / "mend")
    table = stations(copy)
    table.loc[0, "hours"] = "夏季 8:00-19:00"
    table.loc[1, "phone"] = "见门口"
    table.loc[2, "address"] = " "
    table.loc[3, "name"] = table.loc[4, "name"]
    table.loc[5, "name"] = "长" * 46
    table.loc[6, "name"] = "铃\x07声"
    table.loc[7, ["lng", "lat"]] = table.loc[0, ["lng", "lat"]].tolist()
    plan_folder.write_csv(table, copy / "stations.csv")
    plan = first_of(read_plan(copy), 8)
    found = {(row.编码, row.项目): row for row in findings(plan, {"名称": 45}).itertuples()}
    codes = table["site_id"].tolist()
    wanted = {
        (codes[0], "开放时间"): "夏季", (codes[1], "联系电话"): "不像电话",
        (codes[2], "地址"): "没有填",
        (codes[3], "名称"): codes[4], (codes[4], "名称"): codes[3], (codes[5], "名称"): "46",
        (codes[6], "名称"): MARK, (codes[7], "经度"): codes[0], (codes[0], "经度"): codes[7],
    }  # fmt: skip
    assert set(found) == set(wanted)
    assert all(text in found[key].问题 for key, text in wanted.items())
    assert all(row.problem and not any("一" <= c <= "鿿" for c in row.problem.split("“")[0])
               for row in found.values())  # fmt: skip
    book = write_tables(plan, tmp_path, to="baidu")[0]
    sheet = pd.read_excel(book, sheet_name="待补正", engine="calamine")
    assert len(sheet) == len(found)
    title = upload_rows(plan, tmp_path, "baidu", "baidu")[5]["title"]
    assert len(title) == 45 and title.endswith(ELLIPSIS)
    assert ("长" * 46) in pd.read_excel(book, sheet_name="站点", engine="calamine")["名称"].tolist()


def test_two_stations_a_metre_apart_are_one_place_and_three_metres_are_two(hegu_folder, tmp_path):
    copy = shutil.copytree(hegu_folder, tmp_path / "near")
    table = stations(copy)
    for row, east in ((1, 0.8), (2, 4.0)):
        lng, lat, _ = Geod(ellps="WGS84").fwd(
            float(table.loc[0, "lng"]), float(table.loc[0, "lat"]), 90, east
        )
        table.loc[row, ["lng", "lat"]] = [str(lng), str(lat)]
    plan_folder.write_csv(table, copy / "stations.csv")
    found = findings(first_of(read_plan(copy), 3))
    assert found["编码"][found["项目"] == "经度"].tolist() == table["site_id"].tolist()[:2]


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", list(TARGETS))
def test_attacks_come_out_harmless_and_legible(hostile_folder, tmp_path, to):
    for path in write_tables(read_plan(hostile_folder, area="all"), tmp_path, to=to):
        assert path.parent == tmp_path
        if path.suffix == ".csv":
            harmless_csv(path)
        else:
            harmless_workbook(path)
    assert sorted(tmp_path.iterdir()) == sorted(
        write_tables(read_plan(hostile_folder, area="all"), tmp_path, to=to)
    )


def harmless_csv(path):
    rows = rows_of(path)
    assert [len(row) for row in rows] == [len(rows[0])] * len(hostile.TEXTS)
    for row, (key, text) in zip(rows, hostile.TEXTS.items(), strict=True):
        for value in row.values():
            plain = value.replace(".", "").removeprefix("-").isdigit()  # -1 computes nothing
            assert plain or not value.startswith(FORMULA_STARTS), (key, value[:40])
            assert not any(ord(c) < 32 and c not in "\n\t" for c in value), (key, value[:40])
            assert "\u202e" not in value
        assert hostile.word(key) in "".join(row.values()), key
        if "名称" in row:
            assert row["名称"] in (legible(text), f"'{legible(text)}"), key
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and b"\0" not in data


def harmless_workbook(path):
    found = sheets(path)
    for rows in found.values():
        assert not any(c.data_type == "f" or c.hyperlink for row in rows for c in row)
    head = [c.value for c in found["站点"][0]]
    body = found["站点"][1:]
    column = head.index("名称")
    twin = pd.read_excel(path, sheet_name="站点", engine="calamine", dtype=str)["名称"]
    for row, second, (key, text) in zip(body, twin, hostile.TEXTS.items(), strict=True):
        assert row[column].data_type == "s"
        assert row[column].value == second == legible(text), key
    assert [row[0].value for row in body[: len(hostile.IDS)]] == list(hostile.IDS)
    assert all(row[0].data_type == "s" for row in body)  # 001 and 1E5 stay what they are
    with zipfile.ZipFile(path) as book:  # nothing that a spreadsheet would load or run
        assert not [n for n in book.namelist() if "external" in n.lower() or "vba" in n.lower()]


def test_sheets_print_on_one_page_width_with_the_header_repeated(hegu_folder, tmp_path):
    book = openpyxl.load_workbook(write_tables(read_plan(hegu_folder), tmp_path, to="xlsx")[0])
    for sheet in book:
        assert sheet.freeze_panes == "A2" and sheet.print_title_rows == "$1:$1"
        assert sheet.page_setup.orientation == "landscape" and sheet.page_setup.fitToHeight == 0
        assert sheet.sheet_properties.pageSetUpPr.fitToPage


def test_cells_hold_what_a_workbook_can_hold(hegu_folder, tmp_path):
    text = "😀" * 20_000  # 40,000 units of UTF-16
    short = cell(text)
    assert len(short.encode("utf-16-le")) // 2 <= CELL_UNITS and short.endswith("😀" + ELLIPSIS)
    copy = shutil.copytree(hegu_folder, tmp_path / "big")
    table = stations(copy)
    table.loc[0, "services"] = text
    plan_folder.write_csv(table, copy / "stations.csv")
    book = write_tables(read_plan(copy), tmp_path, to="xlsx")[0]
    assert openpyxl.load_workbook(book)["站点"]["I2"].value == short


def test_texts_are_cut_at_a_character():
    assert cut("站点名称", 4) == "站点名称"
    assert cut("站点名称长", 4) == "站点名…"
    assert cut("ab👩‍👩‍👧cd", 4) == "ab👩…"  # no joiner is left hanging
    assert cut("abcde\u0301fgh", 6) == "abcd…"  # nor an accent cut off from its letter
    assert cut("站点", 0) == ""


def test_legible_text_keeps_what_is_text():
    kept = "𠮷𪚥 café 👨‍👩‍👧 ①㎡ “引号” 한국어 \tx"
    assert legible(kept) == kept
    assert legible("a\r\nb\u2028c\x85d\re") == "a\nb\nc\nd\ne"
    assert legible("\x00\x1b\u202e\ufffe\ud800\x7f") == MARK * 6


def test_a_title_never_becomes_a_path(hegu_folder, tmp_path):
    copy = shutil.copytree(hegu_folder, tmp_path / "x")
    scenario = copy / "scenario.toml"
    text = scenario.read_text(encoding="utf-8")
    assert 'title = "河谷市' in text
    _head, rest = text.split("\n", 1)
    scenario.write_text('title = "../../逃/跑"\n' + rest, encoding="utf-8")
    plan = read_plan(copy)
    paths = write_tables(plan, plan.target(""), to="gaode")
    assert all(path.parent == copy / "export" for path in paths)


def test_a_file_that_cannot_be_written_is_one_message(hegu_folder, tmp_path):
    with pytest.raises(OutputError, match="写不进去"):
        write_tables(read_plan(hegu_folder), tmp_path / "missing", to="xlsx")
    assert list(tmp_path.iterdir()) == []


def test_an_older_table_stays_where_a_new_one_fails(hegu_folder, tmp_path, monkeypatch):
    plan = read_plan(hegu_folder)
    book = write_tables(plan, tmp_path, to="tianditu")[0]
    before = book.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write_tables(plan, tmp_path, to="tianditu")
    assert book.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_tables_in_all_three_datums_give_the_same_plan(hegu_folder, tmp_path):
    """The existing stations as GCJ-02 (shipped), BD-09 and WGS-84 tables: one and the same plan."""
    city = load_scenario(bundled.city())
    said = json.loads((hegu_folder / "plan.json").read_text(encoding="utf-8"))
    ours = stations(hegu_folder)
    old = ours[ours["status"] == "existing"]
    for datum in ("wgs84", "bd09"):
        x, y = from_wgs84(old["lng"].to_numpy(float), old["lat"].to_numpy(float), datum)
        table = pd.DataFrame({"编号": old["site_id"], "名称": old["name"], "经度": x, "纬度": y})
        table.to_csv(tmp_path / f"{datum}.csv", index=False, encoding="gb18030")
        part = city.sites.existing.model_copy(
            update={"file": str(tmp_path / f"{datum}.csv"), "datum": datum}
        )
        sites = city.sites.model_copy(update={"existing": part})
        again = plan_folder.figures(make_plan(city.model_copy(update={"sites": sites})))
        for key in ("chosen", "new_sites", "covered_points", "proven"):
            assert again[key] == said[key], (datum, key)
        assert again["objective"] == pytest.approx(said["objective"], rel=1e-12)


def test_exported_tables_can_be_planned_with_again(hegu_folder, tmp_path):
    """The neutral table goes in by the door of planners' tables: same stations, same places."""
    ours = stations(hegu_folder)
    for path in write_tables(read_plan(hegu_folder), tmp_path, to="xlsx"):
        if path.suffix == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            table["状态"] = ""  # the plan's choice, no wish for the next one
            table.to_csv(path, index=False, encoding="utf-8-sig")
            again = read_sites(path, datum=path.stem.rsplit("-", 1)[1])
            assert again["site_id"].tolist() == ours["site_id"].tolist()
            assert again["services"].tolist() == ours["services"].tolist()
            assert np.max(metres(again["lng"], again["lat"], ours)) < 0.01


def test_module_names_the_same_targets_as_its_uploads():
    assert set(UPLOADS) <= set(station_tables.TARGETS)
