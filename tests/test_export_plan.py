"""What every export starts from: the plan folder read once, the datum, file names, atomic files."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Geod

from plans import main_street, saved
from servicecircle.coordinates import gcj02_to_wgs84
from servicecircle.errors import OutputError
from servicecircle.export.bands import bands_of
from servicecircle.export.export_plan import cannot_write, file_part, read_plan, writing
from servicecircle.plan_folder import FILES

GEOD = Geod(ellps="WGS84")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    work = tmp_path_factory.mktemp("street")
    return saved(main_street(work, new_sites=2), work / "plan")


def moved(folder: Path, to: Path, lng: float, lat: float) -> Path:
    """A copy of a plan folder whose stations stand elsewhere (its other files do not care)."""
    copy = shutil.copytree(folder, to)
    path = copy / "stations.csv"
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].split(",")
    x, y = header.index("lng"), header.index("lat")
    rows = [line.split(",") for line in lines[1:]]
    for i, row in enumerate(rows):
        row[x], row[y] = str(lng + 0.01 * i), str(lat)
    text = "\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n"
    path.write_text(text, encoding="utf-8-sig")
    return copy


# --- the circles in the plan folder ---------------------------------------------------------------


def test_the_circles_are_the_land_within_the_standard(folder):
    """On a straight street along the equator a circle reaches 400 m each way, and 100 m aside."""
    assert "circles.geojson" in FILES
    circles = read_plan(folder).circles
    assert circles["set"].tolist() == ["today", "plan"] and circles["main"].all()
    assert (circles["minutes"] == 6.0).all() and circles.crs == "EPSG:4326"
    today, plan = circles.geometry
    west, _, east, _ = today.bounds
    reach = GEOD.inv(west, 0, east, 0)[2]
    assert reach == pytest.approx(400 + 100, abs=15)  # E1 is at the street's western end
    assert plan.buffer(1e-5).covers(today)
    inside = [shapely.Point(0, 0), shapely.Point(*main_street_point(1000))]
    assert [today.covers(p) for p in inside] == [True, False]
    assert plan.covers(inside[1])


def main_street_point(east: float) -> tuple[float, float]:
    lng, lat, _ = GEOD.fwd(0, 0, 90, east)
    return lng, lat


def test_other_bands_are_walked_anew_on_the_same_streets(folder):
    plan = read_plan(folder)
    bands = bands_of(plan, (3, 6, 3))
    assert bands["minutes"].tolist() == [3.0, 6.0]
    narrow, wide = bands.geometry
    assert wide.buffer(1e-6).covers(narrow) and wide.area > 1.5 * narrow.area
    stored = bands_of(plan).geometry.iloc[0]
    assert wide.symmetric_difference(stored).area < 0.02 * stored.area  # simplified to a metre


def test_bands_need_the_street_file_that_was_planned_on(folder, tmp_path):
    work = tmp_path / "work"
    copy = saved(main_street(work, new_sites=1), tmp_path / "plan")
    town = work / "town.osm"
    text = town.read_text(encoding="utf-8")
    town.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(OutputError, match="已不是"):
        bands_of(read_plan(copy), (5,))
    town.unlink()
    with pytest.raises(OutputError, match="找不到"):
        bands_of(read_plan(copy), (5,))
    assert len(bands_of(read_plan(copy))) == 1  # those of the folder need no streets


@pytest.mark.parametrize("text", ["", "{", "{}", '{"features": [1]}', '{"features": [{}]}', "[]"])
def test_damaged_circles_are_said(folder, tmp_path, text):
    copy = shutil.copytree(folder, tmp_path / "plan")
    (copy / "circles.geojson").write_text(text)
    with pytest.raises(OutputError, match="重新规划"):
        _ = read_plan(copy).circles
    (copy / "circles.geojson").unlink()
    with pytest.raises(OutputError, match="重新规划"):
        _ = read_plan(copy).circles


# --- the datum, once per export -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lng", "lat", "shifted"),
    [(116.4, 39.9, True), (114.17, 22.31, False), (121.5, 25.05, False), (2.35, 48.86, False)],
)
def test_where_the_shift_applies(folder, tmp_path, lng, lat, shifted):
    """The mainland, Hong Kong, Taiwan, abroad."""
    plan = read_plan(moved(folder, tmp_path / "plan", lng, lat))
    assert plan.shifted is shifted
    assert plan.datum("gcj02") == ("gcj02" if shifted else "wgs84")
    for datum in ("wgs84", "gcj02", "bd09"):
        assert ("未偏移" in plan.datum_words(datum)[0]) is not shifted
    x, y = plan.at("gcj02")
    back = gcj02_to_wgs84(x, y, area="all" if shifted else "none")
    assert np.allclose(back, [plan.stations["lng"], plan.stations["lat"]], atol=1e-9)
    assert (np.abs(x - plan.stations["lng"]).min() > 1e-3) is np.bool_(shifted)
    assert dict(plan.about("gcj02"))["坐标系 datum"] == plan.datum_words("gcj02")[0]


def test_the_planner_may_decide_otherwise(folder, tmp_path):
    copy = moved(folder, tmp_path / "plan", 114.17, 22.31)
    assert read_plan(copy, area="all").shifted
    chosen = read_plan(moved(folder, tmp_path / "b", 116.4, 39.9), area="none")
    assert not chosen.shifted
    for datum in ("wgs84", "gcj02", "bd09"):  # it lies inside the mainland: nobody says otherwise
        zh, en = chosen.datum_words(datum)
        assert "未偏移" in zh and "大陆以外" not in zh and "outside" not in en


def test_long_edges_are_cut_before_they_bend(folder, tmp_path):
    plan = read_plan(moved(folder, tmp_path / "plan", 116.4, 39.9))
    line = shapely.LineString([(116.0, 39.0), (116.3, 39.2)])
    bent = plan.warped(line, "bd09")
    middle = plan.warped(shapely.Point(116.15, 39.1), "bd09")
    assert bent.distance(middle) * 111_000 < 0.05
    straight = shapely.LineString([bent.coords[0], bent.coords[-1]])
    assert straight.distance(middle) * 111_000 > 1
    assert plan.warped(line, "wgs84") is line


# --- stations -------------------------------------------------------------------------------------


def test_stations_carry_what_planners_keep(tmp_path):
    known = {"site_id": "007", "name": "=1+1", "lng": 0.009, "lat": 0.0}
    rows = [{**known, "合作单位": "银行", "备注": "+x"}]
    path = main_street(tmp_path / "work", existing=rows, new_sites=1)
    plan = read_plan(saved(path, tmp_path / "plan"))
    first = plan.stations.iloc[0]
    assert first[["site_id", "name", "partner", "remarks"]].tolist() == [
        "007",
        "=1+1",
        "银行",
        "+x",
    ]
    assert first["status"] == "existing" and not first["new"] and not first["from_osm"]
    assert plan.stations["new"].tolist() == [False, True]
    assert plan.stations["lng"].dtype == plan.stations["cost"].dtype == np.float64


def test_the_federation_comes_from_the_scenario_or_the_call(tmp_path):
    path = main_street(tmp_path / "work", new_sites=1)
    text = path.read_text(encoding="utf-8")
    path.write_text('federation = "河谷市总工会"\n' + text, encoding="utf-8")
    folder = saved(path, tmp_path / "plan")
    assert read_plan(folder).federation == "河谷市总工会"
    assert read_plan(folder, federation="区总工会").federation == "区总工会"


def test_a_plan_without_stations_has_nothing_to_export(tmp_path):
    path = main_street(tmp_path / "work", existing=(), new_sites=0)
    with pytest.raises(OutputError, match="没有开放的站点"):
        read_plan(saved(path, tmp_path / "plan"))


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("河谷市（虚构）", "河谷市（虚构）"),
        ("../../etc/passwd", "etc_passwd"),
        ('a\\b:c*d?"<e>|f\x00\x1b\n', "a_b_c_d_e_f"),
        ("  .  ", "plan"),
        ("\u202egnp.exe", "gnp.exe"),
        ("长" * 1000, "长" * 40),
    ],
)
def test_a_title_as_part_of_a_file_name(text, part):
    assert file_part(text, "plan") == part


def test_files_and_folders_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), writing(path) as beside:
        beside.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["table.csv"]
    with writing(path) as beside:
        beside.write_text("new")
    assert path.read_text() == "new" and len(list(tmp_path.iterdir())) == 1
    for content in ("one", "two"):  # a folder takes the place of an older one
        with writing(tmp_path / "codes") as beside:
            beside.mkdir()
            (beside / f"{content}.png").write_text(content)
    assert [p.name for p in (tmp_path / "codes").iterdir()] == ["two.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["codes", "table.csv"]


def test_an_interruption_between_the_renames_loses_nothing(tmp_path, monkeypatch):
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "old.png").write_text("old")

    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), writing(tmp_path / "codes") as beside:
        beside.mkdir()
        monkeypatch.setattr(Path, "replace", interrupted)
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == [
        "codes", "codes/old.png",
    ]  # fmt: skip


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match="写不进去"),
        writing(tmp_path / "file" / "a.csv") as beside,
    ):
        beside.write_text("x")
    error = cannot_write(tmp_path / "a.xlsx", PermissionError(13, "Permission denied"))
    assert "Excel" in error.zh and "Permission denied" in error.en


DAMAGES = {
    "a column is missing": (lambda t: t.drop(columns="lng"), "lng"),
    "no number": (lambda t: t.assign(lng="abc"), "第 2 行.*abc"),
    "nan": (lambda t: t.assign(lat=["0.0", "nan", "0.0"]), "第 3 行.*nan"),
    "infinite": (lambda t: t.assign(lat="inf"), "inf"),
    "out of range": (lambda t: t.assign(lng="500"), "500"),
    "a status": (lambda t: t.assign(status="垃圾"), "垃圾.*existing"),
    "a row is gone": (lambda t: t.iloc[:2], "plan.json"),
    "a row twice": (lambda t: pd.concat([t, t.iloc[:1]]), "plan.json"),
    "another station": (lambda t: t.assign(site_id=["E1", "C1", "zz"]), "plan.json"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_list_of_stations_is_refused(folder, tmp_path, case):
    copy = shutil.copytree(folder, tmp_path / "plan")
    change, words = DAMAGES[case]
    table = pd.read_csv(copy / "stations.csv", dtype=str, keep_default_na=False)
    change(table).to_csv(copy / "stations.csv", index=False, encoding="utf-8-sig")
    with pytest.raises(OutputError, match=rf"stations\.csv：.*{words}"):
        read_plan(copy)


def test_what_a_killed_run_left_goes_after_an_hour(tmp_path):
    for name, age in ((".servicecircle-old", 7200), (".servicecircle-young", 60), (".mine", 7200)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with writing(tmp_path / "a.csv") as beside:
        beside.write_text("x")
    left = {".servicecircle-young", ".mine", "a.csv"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_what_is_no_plan_is_said(tmp_path):
    with pytest.raises(OutputError, match=r"plan\.json"):
        read_plan(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps({"schema": "x"}))
    with pytest.raises(OutputError, match=r"plan\.json"):
        read_plan(tmp_path)
