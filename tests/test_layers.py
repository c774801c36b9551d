"""Layers for other programs, read back by GDAL, an XML parser and the standard library."""

from __future__ import annotations

import html
import json
import re
import shutil
import sqlite3
import xml.etree.ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyproj import Geod

import hostile
from servicecircle.coordinates import bd09_to_wgs84, gcj02_to_wgs84
from servicecircle.errors import OutputError
from servicecircle.export import layers
from servicecircle.export.export_plan import OSM_NOTE, read_plan
from servicecircle.export.plain_text import legible
from servicecircle.scenario import OSM_ATTRIBUTION

KML = "{http://www.opengis.net/kml/2.2}"
BACK = {
    "wgs84": lambda lng, lat: (lng, lat), "gcj02": gcj02_to_wgs84, "bd09": bd09_to_wgs84,
}  # fmt: skip
WRITERS = (layers.write_kml, layers.write_ovital, layers.write_geojson, layers.write_geopackage)
GEOD = Geod(ellps="WGS84")


@pytest.fixture(scope="module")
def plan(hegu_folder):
    return read_plan(hegu_folder)


def away(lng, lat, stations):
    return GEOD.inv(lng, lat, stations["lng"], stations["lat"])[2]


def square_metres(shapes):
    return sum(abs(GEOD.geometry_area_perimeter(shape)[0]) for shape in shapes)


# --- KML ------------------------------------------------------------------------------------------


def kml_places(path):
    """Placemarks of a KML file by an XML parser: (folder, name, facts, placemark)."""
    root = ET.parse(path).getroot()
    assert root.tag == f"{KML}kml"
    for folder in root.iter(f"{KML}Folder"):
        for place in folder.iter(f"{KML}Placemark"):
            data = place.iter(f"{KML}Data")
            facts = {d.get("name"): d.findtext(f"{KML}value") for d in data}
            yield folder.findtext(f"{KML}name"), place.findtext(f"{KML}name"), facts, place


def test_kml_has_the_stations_where_they_are(plan, tmp_path):
    (path,) = layers.write_kml(plan, tmp_path)
    frames = [
        pyogrio.read_dataframe(path, layer=name)
        for name, _ in pyogrio.list_layers(path)
        if name.startswith(("已建", "新建"))
    ]
    by_code = {facts["编码"]: place for _, _, facts, place in kml_places(path) if "编码" in facts}
    assert list(by_code) and set(by_code) == set(plan.stations["site_id"])
    for row in plan.stations.itertuples():
        lng, lat = map(float, by_code[row.site_id].findtext(f".//{KML}coordinates").split(","))
        assert GEOD.inv(lng, lat, row.lng, row.lat)[2] < 0.01
    points = pd.concat(frames, ignore_index=True)
    assert len(points) == len(plan.stations)
    assert set(points["Name"]) == set(plan.stations["name"])


def test_kml_folders_styles_and_attribution(plan, tmp_path):
    (path,) = layers.write_kml(plan, tmp_path)
    places = list(kml_places(path))
    counts = pd.Series([folder for folder, *_ in places]).value_counts()
    new = int(plan.stations["new"].sum())
    assert counts[f"已建（{len(plan.stations) - new}）"] == 24 and counts[f"新建（{new}）"] == 20
    assert counts["现状服务圈"] == counts["规划服务圈"] == 2
    root = ET.parse(path).getroot()
    styles = {f"#{style.get('id')}" for style in root.iter(f"{KML}Style")}
    assert {place.findtext(f"{KML}styleUrl") for *_, place in places} <= styles
    said = html.unescape(root.findtext(f"{KML}Document/{KML}description"))
    assert plan.licence in said and "WGS-84" in said and plan.federation in said
    hours = {facts["编码"]: facts.get("开放时间") for _, _, facts, _ in places if "编码" in facts}
    assert hours["HG004"] == "08:30-11:00、13:30-17:00"


def test_kml_circles_are_the_plans(plan, tmp_path):
    (path,) = layers.write_kml(plan, tmp_path)
    for name, title in (("today", "现状服务圈"), ("plan", "规划服务圈")):
        read = pyogrio.read_dataframe(path, layer=title)
        ours = plan.circles[plan.circles["set"] == name]
        assert square_metres(read.geometry) == pytest.approx(square_metres(ours.geometry), rel=1e-9)
        rings = sum(len(shapely.get_rings(shape)) for shape in read.geometry)
        assert rings == sum(len(shapely.get_rings(shape)) for shape in ours.geometry)


def test_attacks_leave_kml_whole(hostile_plan, tmp_path):
    (path,) = layers.write_kml(hostile_plan, tmp_path)
    places = [place for place in kml_places(path) if "编码" in place[2]]
    assert [facts["编码"] for _, _, facts, _ in places] == list(hostile_plan.stations["site_id"])
    for (_, name, facts, place), (key, text) in zip(places, hostile.TEXTS.items(), strict=True):
        assert " ".join(legible(text).split()) == name, key
        assert facts["地址"] == legible(text), key
        shown = place.findtext(f"{KML}description")  # a viewer takes this for HTML
        assert set(re.findall(r"<.*?>", shown, re.DOTALL)) <= {"<br/>"}, key
        assert hostile.word(key) in html.unescape(shown), key
    document = path.read_text(encoding="utf-8")
    assert "<!DOCTYPE" not in document and "<![CDATA[" not in document
    assert hostile.LEAKED in document  # as text: nothing was expanded, nothing swallowed
    read = pyogrio.read_dataframe(path, layer=f"已建（{len(places)}）")
    assert read["Name"].tolist() == [name for _, name, _, _ in places]


# --- Ovital ---------------------------------------------------------------------------------------


def test_ovital_lines_are_mark_longitude_latitude_name(plan, tmp_path):
    *files, notes = layers.write_ovital(plan, tmp_path)
    marks = {"wgs84": [], "gcj02": ["g"], "bd09": ["b"]}
    assert [path.stem.rsplit("-", 1)[1] for path in files] == list(marks)
    for path in files:
        datum = path.stem.rsplit("-", 1)[1]
        rows = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]
        skip = len(marks[datum])
        assert all(row[:skip] == marks[datum] for row in rows)
        assert len({len(row) for row in rows}) == 1
        degrees = np.array([row[skip : skip + 2] for row in rows], dtype=float)
        assert np.max(away(*BACK[datum](degrees[:, 0], degrees[:, 1]), plan.stations)) < 0.01
        assert [row[skip + 2] for row in rows] == plan.stations["name"].tolist()
        assert [row[skip + 3] for row in rows] == plan.stations["site_id"].tolist()
    said = notes.read_text(encoding="utf-8-sig")
    assert "未在奥维里实测" in said and plan.licence in said


def test_attacks_stay_in_their_ovital_field(hostile_plan, tmp_path):
    for path in layers.write_ovital(hostile_plan, tmp_path)[:-1]:
        text = path.read_bytes().decode()
        lines = text.removesuffix("\r\n").split("\r\n")
        assert len(lines) == len(text.splitlines()) == len(hostile.TEXTS)
        skip = 0 if "wgs84" in path.stem.rsplit("-", 1)[1] else 1
        for line, (key, attack) in zip(lines, hostile.TEXTS.items(), strict=True):
            parts = line.split(" ")
            assert len(parts) == skip + 2 + 8, key
            assert parts[skip + 2] == "_".join(legible(attack).split()), key
            assert not any(ord(c) < 32 for c in line), key


# --- GeoJSON --------------------------------------------------------------------------------------


def test_geojson_says_its_datum_and_lies_there(plan, tmp_path):
    files = layers.write_geojson(plan, tmp_path)
    assert [path.stem.rsplit("-", 1)[1] for path in files] == ["wgs84", "gcj02", "bd09"]
    for path in files:
        datum = path.stem.rsplit("-", 1)[1]
        layer = json.loads(path.read_text(encoding="utf-8"))
        assert "crs" not in layer and layer["datum"] == datum
        assert layer["wgs84"] is (datum == "wgs84")
        assert layer["about"]["坐标系 datum"] == plan.datum_words(datum)[0]
        assert layer["about"]["署名与许可 licence"] == plan.licence
        stations = [f for f in layer["features"] if f["properties"]["layer"] == "stations"]
        degrees = np.array([f["geometry"]["coordinates"] for f in stations])
        assert np.max(away(*BACK[datum](degrees[:, 0], degrees[:, 1]), plan.stations)) < 0.01
        assert [f["properties"]["site_id"] for f in stations] == plan.stations["site_id"].tolist()
        assert stations[-1]["properties"]["area_m2"] is None  # unknown is null, never NaN
        circles = [f for f in layer["features"] if f["properties"]["layer"] == "circles"]
        assert len(circles) == len(plan.circles)
        for feature in circles:
            there = shapely.transform(
                shapely.geometry.shape(feature["geometry"]),
                lambda xy, back=BACK[datum]: np.column_stack(back(xy[:, 0], xy[:, 1])),
            )
            said = feature["properties"]
            ours = plan.circles[
                (plan.circles["set"] == said["set"]) & (plan.circles["minutes"] == said["minutes"])
            ].geometry.iloc[0]
            assert square_metres([there]) == pytest.approx(square_metres([ours]), rel=1e-4)
            line = ours.boundary
            shapely.prepare(line)
            corners = shapely.points(shapely.get_coordinates(there))
            assert shapely.dwithin(line, corners, 2e-6).all()  # 0.2 m
            for polygon in shapely.get_parts(shapely.geometry.shape(feature["geometry"])):
                assert polygon.exterior.is_ccw  # RFC 7946
                assert not any(hole.is_ccw for hole in polygon.interiors)


def test_attacks_are_plain_strings_in_geojson(hostile_plan, tmp_path):
    for path in layers.write_geojson(hostile_plan, tmp_path):
        layer = json.loads(path.read_text(encoding="utf-8"))
        names = [f["properties"]["name"] for f in layer["features"] if "name" in f["properties"]]
        assert names == [legible(text) for text in hostile.TEXTS.values()]
        read = gpd.read_file(path)
        assert [name for name in read["name"] if isinstance(name, str)] == names
        assert layer["name"] == legible(hostile.TITLE)


# --- GeoPackage -----------------------------------------------------------------------------------


def test_geopackage_layers_read_back(plan, hegu_folder, tmp_path):
    (path,) = layers.write_geopackage(plan, tmp_path)
    kinds = dict(pyogrio.list_layers(path))
    assert kinds == {
        "stations": "Point", "demand": "Point", "circles": "MultiPolygon", "about": None,
    }  # fmt: skip
    stations = gpd.read_file(path, layer="stations")
    assert stations.crs.to_epsg() == 4326
    assert np.max(away(stations.geometry.x, stations.geometry.y, plan.stations)) < 1e-6
    assert stations["site_id"].tolist() == plan.stations["site_id"].tolist()
    assert stations["area_m2"].isna().tolist() == plan.stations["area_m2"].isna().tolist()
    circles = gpd.read_file(path, layer="circles")
    assert square_metres(circles.geometry) == pytest.approx(square_metres(plan.circles.geometry))
    demand = gpd.read_file(path, layer="demand")
    ours = pd.read_parquet(hegu_folder / "demand.parquet")
    assert demand["demand_id"].tolist() == ours["demand_id"].tolist()
    assert demand["weight"].sum() == pytest.approx(ours["weight"].sum())
    assert demand["covered"].astype(bool).tolist() == ours["covered"].tolist()
    about = dict(pyogrio.read_dataframe(path, layer="about").itertuples(index=False))
    assert about["署名与许可 licence"] == plan.licence and "WGS-84" in about["坐标系 datum"]
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_attacks_are_plain_values_in_a_geopackage(hostile_plan, tmp_path):
    (path,) = layers.write_geopackage(hostile_plan, tmp_path)
    with sqlite3.connect(path) as file:  # a second reader
        rows = file.execute("SELECT site_id, name FROM stations ORDER BY fid").fetchall()
    assert [name for _, name in rows] == [legible(text) for text in hostile.TEXTS.values()]
    assert [site for site, _ in rows] == hostile_plan.stations["site_id"].tolist()


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WRITERS)
def test_outside_the_mainland_there_is_one_datum(hostile_folder, tmp_path, write):
    files = write(read_plan(hostile_folder), tmp_path)
    assert not any(datum in path.name for path in files for datum in ("gcj02", "bd09"))


@pytest.mark.parametrize("write", WRITERS)
def test_files_lie_where_they_should_and_are_whole_or_not_there(hostile_plan, tmp_path, write):
    out = tmp_path / "out"
    out.mkdir()
    files = write(hostile_plan, out)
    assert sorted(files) == sorted(out.iterdir()) and [*tmp_path.iterdir()] == [out]
    with pytest.raises(OutputError, match="写不进去"):
        write(hostile_plan, tmp_path / "missing")
    assert [*tmp_path.iterdir()] == [out]


@pytest.mark.parametrize("write", WRITERS)
def test_rows_from_osm_carry_the_odbl(hegu_folder, tmp_path, write):
    copy = shutil.copytree(hegu_folder, tmp_path / "real")
    said = json.loads((copy / "plan.json").read_text(encoding="utf-8"))
    said["attribution"] = OSM_ATTRIBUTION
    (copy / "plan.json").write_text(json.dumps(said), encoding="utf-8")
    (tmp_path / "out").mkdir()
    plan = read_plan(copy)
    path = write(plan, tmp_path / "out")[0]
    if path.suffix == ".kml":
        rows = {
            f["编码"]: f.get("署名与许可", "") for _, _, f, _ in kml_places(path) if "编码" in f
        }
    elif path.suffix == ".txt":
        lines = [line.split(" ") for line in path.read_text(encoding="utf-8").splitlines()]
        rows = {line[3]: line[-1] for line in lines}
    elif path.suffix == ".gpkg":
        table = gpd.read_file(path, layer="stations")
        rows = dict(zip(table["site_id"], table["licence"], strict=True))
    else:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        rows = {
            f["properties"]["site_id"]: f["properties"]["licence"]
            for f in features
            if "site_id" in f["properties"]
        }
    assert len(rows) == len(plan.stations)
    for site, licence in rows.items():
        assert ("ODbL" in licence) == bool(re.match("(node|way)/", site)), site
    assert OSM_NOTE[0] in "".join(rows.values()).replace("_", " ")


def test_a_plan_with_no_circles_still_has_layers(hegu_folder, tmp_path):
    copy = shutil.copytree(hegu_folder, tmp_path / "none")
    (copy / "circles.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    plan = read_plan(copy)
    (tmp_path / "out").mkdir()
    for write in WRITERS:
        assert all(path.stat().st_size for path in write(plan, tmp_path / "out"))
