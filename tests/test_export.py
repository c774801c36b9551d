"""Station tables for Gaode and Baidu, read back by independent readers."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from pyproj import Geod

from servicecircle import bundled, plan_folder
from servicecircle.coordinates import bd09_to_wgs84, from_wgs84, gcj02_to_wgs84
from servicecircle.export.station_tables import PROVIDERS, export_stations
from servicecircle.plan import make_plan
from servicecircle.scenario import OSM_ATTRIBUTION, load_scenario

BACK = {"gaode": gcj02_to_wgs84, "baidu": bd09_to_wgs84}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    plan = make_plan(load_scenario(bundled.city()))
    return plan_folder.save(plan, tmp_path_factory.mktemp("plan") / "hegu", map_html=lambda _: "")


def stations(folder):
    with (folder / "stations.csv").open(encoding="utf-8-sig", newline="") as file:
        return pd.DataFrame(csv.DictReader(file))


@pytest.mark.parametrize("to", list(PROVIDERS))
def test_the_datum_is_right_and_said(folder, to):
    xlsx, text = export_stations(folder, to)
    datum = PROVIDERS[to].datum
    assert datum in xlsx.name and datum in text.name and to in text.name
    ours = stations(folder)
    sheet = pd.read_excel(xlsx, sheet_name="站点", dtype={"编码": str}, engine="calamine")
    twin = pd.read_csv(text, dtype={"编码": str}, encoding="utf-8-sig")
    assert sheet["编码"].tolist() == twin["编码"].tolist() == ours["site_id"].tolist()
    for table in (sheet, twin):
        lng, lat = BACK[to](table["经度"].to_numpy(float), table["纬度"].to_numpy(float))
        away = Geod(ellps="WGS84").inv(
            lng, lat, ours["lng"].astype(float), ours["lat"].astype(float)
        )[2]
        assert np.max(away) < 0.2  # six decimals
        moved = np.hypot(
            table["经度"] - ours["lng"].astype(float), table["纬度"] - ours["lat"].astype(float)
        )
        assert moved.min() > 0.001  # it was shifted at all
        assert set(table["坐标系"]) == {PROVIDERS[to].datum_zh}
    about = pd.read_excel(xlsx, sheet_name="说明", header=None, engine="calamine")
    assert PROVIDERS[to].datum_zh in set(about[1])


def test_rows_from_osm_carry_its_licence(folder):
    text = export_stations(folder, "gaode")[1]
    table = pd.read_csv(text, dtype=str, encoding="utf-8-sig", keep_default_na=False)
    from_osm = table["编码"].str.match(r"(node|way)/")
    assert from_osm.any() and not from_osm.all()
    assert (table["来源"][from_osm] == "OSM 路网文件").all()
    assert table["署名与许可"][from_osm].str.contains("虚构").all()  # the bundled city's own data
    assert (table["署名与许可"][~from_osm] == "").all()


def test_real_osm_rows_carry_the_odbl(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "real")
    said = json.loads((copy / "plan.json").read_text(encoding="utf-8"))
    said["attribution"] = OSM_ATTRIBUTION
    (copy / "plan.json").write_text(json.dumps(said), encoding="utf-8")
    table = pd.read_csv(export_stations(copy, "baidu")[1], dtype=str, keep_default_na=False)
    from_osm = table["编码"].str.match(r"(node|way)/")
    assert table["署名与许可"][from_osm].str.contains("OpenStreetMap.*ODbL").all()


def test_hostile_names_stay_text(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "hostile")
    table = stations(copy)
    names = [
        '\'=HYPERLINK("http://x")',
        "'+SUM(A1)",
        "'@cmd",
        "<script>alert(1)</script>",
        "名,称\n二行😀",
    ]
    table.loc[: len(names) - 1, "name"] = names
    plan_folder.write_csv(table, copy / "stations.csv")
    xlsx, text = export_stations(copy, "baidu")
    sheet = pd.read_excel(xlsx, sheet_name="站点", engine="calamine")
    bare = ['=HYPERLINK("http://x")', "+SUM(A1)", "@cmd", *names[3:]]
    assert sheet["名称"].head(5).tolist() == bare
    with text.open(encoding="utf-8-sig", newline="") as file:
        cells = [row["名称"] for row in csv.DictReader(file)]
    assert cells[:5] == names  # the guard is there again


def test_a_title_never_becomes_a_path(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "x")
    scenario = copy / "scenario.toml"
    text = scenario.read_text(encoding="utf-8")
    assert 'title = "河谷市' in text
    _head, rest = text.split("\n", 1)
    scenario.write_text('title = "../../逃/跑"\n' + rest, encoding="utf-8")
    paths = export_stations(copy, "gaode")
    assert all(path.parent == copy / "export" for path in paths)
    assert json.loads((copy / "plan.json").read_text(encoding="utf-8"))["schema"]


def test_tables_in_all_three_datums_give_the_same_plan(folder, tmp_path):
    """The existing stations as GCJ-02 (shipped), BD-09 and WGS-84 tables: one and the same plan."""
    city = load_scenario(bundled.city())
    said = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    ours = stations(folder)
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
