"""What a scenario may say of streets and speeds, the whole way: options, plan, notes, check."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import tomli_w
from rasterio.transform import from_origin

from commands import Command
from map_servers import MapData, serving
from plans import demand_row, site_row, write_scenario, write_table
from servicecircle.errors import ScenarioError
from servicecircle.plan import make_plan
from servicecircle.scenario import load_scenario, make_scenario
from towns import metres_east, write_osm

NORTH = 1 / 110_574.2757  # degrees per metre


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)


@pytest.fixture
def town(tmp_path):
    """One street of 6 km; demand at 0, 350, 900 m; a site at 700 m that must open; 6 minutes."""
    return write_scenario(
        tmp_path,
        demand=[demand_row("A", 0, 1), demand_row("B", 350, 10), demand_row("C", 900, 100)],
        candidates=[site_row("S", 700), site_row("T", 5500)],
        new_sites=1,
    )


def written(folder):
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def notes(folder):
    return "\n".join(n["zh"] for n in written(folder)["notes"])


def planned(run, *options, code=0):
    """A plan folder, and what was said; it proves itself, from the streets up."""
    done = run("plan", "scenario.toml", "--out", "out", *options)
    assert done.code == code, done.err
    for rebuild in ([], ["--rebuild"]):
        checked = run("check", "out", *rebuild)
        assert checked.code == 0, checked.out + checked.err
    return Path("out")


def network_said(folder):
    return tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))["network"]


def minutes(folder):
    table = pd.read_parquet(folder / "demand.parquet").set_index("demand_id")["minutes"]
    return {name: None if pd.isna(m) else round(m, 2) for name, m in table.items()}


def box(west, east, south=-20.0, north=20.0):
    corners = metres_east(west), south * NORTH, metres_east(east), north * NORTH
    return shapely.box(*corners)


def write_layer(path, *shapes, **columns):
    gpd.GeoDataFrame(columns, geometry=list(shapes), crs="EPSG:4326").to_file(path)
    return path


# --- profiles -------------------------------------------------------------------------------------


def test_on_foot(run, town):
    out = planned(run)
    assert minutes(out) == {"A": 10.5, "B": 5.25, "C": 3.0}
    assert network_said(out)["speed_kmh"] == 4.0
    assert "步行" in (out / "map.html").read_text(encoding="utf-8")


def test_an_e_bike_is_faster_and_its_rider_walks_the_last_metres(run, town, tmp_path):
    rows = [demand_row("A", 0, 1), demand_row("B", 350, 10), demand_row("N", 900, 100, north=60)]
    write_table(tmp_path / "demand.csv", rows)
    out = planned(run, "--profile", "ebike")
    assert minutes(out)["A"] == pytest.approx(700 / 250, abs=0.01)
    assert minutes(out)["N"] == pytest.approx(200 / 250 + 60 / (4000 / 60), abs=0.01)
    said = network_said(out)
    assert (said["speed_kmh"], said["leg_speed_kmh"], said["walk_filter"]) == (15.0, 4.0, "ebike")
    assert "电动自行车" in (out / "map.html").read_text(encoding="utf-8")


def test_a_profile_gives_way_to_what_is_said(run, town):
    out = planned(run, "--profile", "ebike", "--speed-kmh", "20", "--walk-filter", "osmnx")
    said = network_said(out)
    assert (said["speed_kmh"], said["leg_speed_kmh"], said["walk_filter"]) == (20.0, 4.0, "osmnx")


def test_one_profile_takes_the_place_of_another(run, town):
    planned(run, "--profile", "ebike")
    done = run("plan", "out/scenario.toml", "--profile", "foot", "--out", "again")
    assert done.code == 0
    said = network_said(Path("again"))
    assert (said["speed_kmh"], said["walk_filter"]) == (4.0, "osmnx")
    assert "leg_speed_kmh" not in said


@pytest.mark.parametrize(
    ("option", "value"),
    [("--profile", "car"), ("--walk-filter", "drive"), ("--legs-avoid", "water,lava")],
)
def test_names_that_nobody_knows(run, town, option, value):
    done = run("plan", "scenario.toml", option, value)
    assert done.code == 2 and "只能是" in done.err and value.split(",")[-1] in done.err


# --- filters --------------------------------------------------------------------------------------


def test_what_a_filter_gains_and_loses_is_printed(run, town, tmp_path):
    nodes = {i: (metres_east(x), 0.0) for i, x in enumerate((0, 3000, 4000, 6000), 1)}
    ways = {
        1: ([1, 2], {"highway": "residential"}),
        2: ([2, 3], {"highway": "cycleway", "foot": "yes"}),
        3: ([3, 4], {"highway": "trunk"}),
    }
    write_osm(tmp_path / "town.osm", nodes, ways)
    assert "道路规则" not in notes(planned(run))
    out = planned(run, "--walk-filter", "china")
    assert "道路规则 china：与 OSMnx 的步行规则相比，多 1.0 km，少 2.0 km" in notes(out)


# --- barriers, links, slopes ----------------------------------------------------------------------


def test_a_barrier_between_demand_and_site(run, town):
    write_layer(Path("工地.geojson"), box(400, 500), name=["工地"])
    out = planned(run, "--barriers", "工地.geojson")
    assert minutes(out) == {"A": None, "B": None, "C": 3.0}
    assert {"barriers"} < {entry["role"] for entry in written(out)["inputs"]}
    assert "去掉 100 米" in notes(out)


def test_a_link_around_the_barrier(run, town):
    write_layer(Path("b.geojson"), box(400, 500), name=["工地"])
    over = shapely.LineString([(metres_east(350), 0), (metres_east(550), 0)])
    write_layer(Path("l.geojson"), over, name=["天桥"])
    out = planned(run, "--barriers", "b.geojson", "--links", "l.geojson")
    assert minutes(out) == {"A": 10.5, "B": 5.25, "C": 3.0}


def test_a_changed_barrier_is_not_the_one_planned_on(run, town):
    write_layer(Path("b.geojson"), box(400, 500))
    planned(run, "--barriers", "b.geojson")
    write_layer(Path("b.geojson"), box(400, 600))
    assert run("check", "out").code == 0
    assert run("check", "out", "--rebuild").code == 1
    Path("b.geojson").unlink()
    done = run("check", "out", "--rebuild")
    assert done.code == 2 and "b.geojson" in done.err


def test_slopes_count_both_ways(run, town):
    """A plane that rises 10 m in 100 m to the east: uphill exp(3.5 × 0.1) flat metres a metre."""
    rise = np.tile(np.arange(-20, 80) * 10.0, (40, 1))
    with rasterio.open(
        "高程.tif", "w", driver="GTiff", width=100, height=40, count=1, dtype="float64",
        crs="EPSG:4326",
        transform=from_origin(metres_east(-2050), 2000 * NORTH, metres_east(100), 100 * NORTH),
    ) as file:  # fmt: skip
        file.write(rise, 1)
    out = planned(run, "--dem", "高程.tif")
    up, down = np.exp(3.5 * 0.1), np.exp(3.5 * (0.05 - 0.05))
    assert minutes(out)["B"] == pytest.approx(5.25 * up, abs=0.02)
    assert minutes(out)["C"] == pytest.approx(3.0 * down, abs=0.02)


def test_penalties_are_in_the_scenario(run, town, tmp_path):
    data = tomllib.loads((tmp_path / "scenario.toml").read_text(encoding="utf-8"))
    data["network"] |= {"steps_factor": 3.0, "signal_seconds": 30.0}
    (tmp_path / "scenario.toml").write_text(tomli_w.dumps(data), encoding="utf-8")
    nodes = {i: (metres_east(x), 0.0) for i, x in enumerate((0, 500, 600, 6000), 1)}
    ways = {
        1: ([1, 2], {"highway": "residential"}),
        2: ([2, 3], {"highway": "steps"}),
        3: ([3, 4], {"highway": "residential"}),
    }
    write_osm(tmp_path / "town.osm", nodes, ways)
    out = planned(run)
    assert minutes(out)["B"] == pytest.approx(5.25 + 200 / (4000 / 60), abs=0.01)


# --- legs -----------------------------------------------------------------------------------------


def test_legs_that_may_not_cross_a_railway(run, tmp_path):
    """Demand N stands 60 m north of street 1, a railway between; the street behind is 90 m off."""
    write_scenario(
        tmp_path,
        demand=[demand_row("N", 500, 10, north=60), demand_row("S", 500, 30)],
        candidates=[site_row("C", 700)],
        new_sites=1,
    )
    nodes = {
        1: (0, 0), 2: (metres_east(3000), 0), 3: (0, 150 * NORTH),
        4: (metres_east(3000), 150 * NORTH), 5: (metres_east(100), 30 * NORTH),
        6: (metres_east(2900), 30 * NORTH),
    }  # fmt: skip
    ways = {
        1: ([1, 2], {"highway": "residential"}),
        2: ([3, 4], {"highway": "residential"}),
        3: ([1, 3], {"highway": "residential"}),
        4: ([5, 6], {"railway": "rail"}),
    }
    write_osm(tmp_path / "town.osm", nodes, ways)
    assert minutes(planned(run))["N"] == pytest.approx(260 / (4000 / 60), abs=0.02)
    out = planned(run, "--legs-avoid", "railway,water")
    around = 90 + 500 + 150 + 700
    assert minutes(out)["N"] == pytest.approx(around / (4000 / 60), abs=0.02)
    said = notes(out)
    assert "2 个需求点中，1 个改走别处上路" in said
    assert "100.00% 变为 75.00%" in said
    assert "OSM 文件里没有水面" in said or "没有水" in said


# --- other streets --------------------------------------------------------------------------------


def test_a_layer_of_lines(run, town, tmp_path):
    street = shapely.LineString([(0, 0), (metres_east(6000), 0)])
    write_layer(tmp_path / "路网.gpkg", street, highway=["residential"])
    out = planned(run, "--osm", "路网.gpkg")
    assert minutes(out) == {"A": 10.5, "B": 5.25, "C": 3.0}
    assert "端点" in notes(out)
    done = run("plan", "--osm", "路网.gpkg", "--new-sites", "1")
    assert done.code == 2 and "--demand" in done.err and "--candidates" in done.err
    done = run("plan", "scenario.toml", "--osm", "路网.gpkg", "--legs-avoid", "water")
    assert done.code == 2 and "legs_avoid" in done.err


def test_a_file_of_no_known_kind(run, town, tmp_path):
    (tmp_path / "roads.dwg").write_bytes(b"AC1032")
    done = run("plan", "scenario.toml", "--osm", "roads.dwg")
    assert done.code == 2 and ".graphml" in done.err and ".gpkg" in done.err


# --- places ---------------------------------------------------------------------------------------


def crossroads() -> MapData:
    """Two streets of 4 km that cross at (110, 30), some shops along them."""
    at = [(110 + dx * 0.005, 30 + dy * 0.005) for dx in (-4, 4) for dy in (0,)]
    at += [(110.0, 30 + dy * 0.005) for dy in (-4, 4)] + [(110.0, 30.0)]
    nodes = {i: (*xy, {}) for i, xy in enumerate(at, 1)}
    for i in range(12):
        kind = {"amenity": "bank"} if i % 2 else {"shop": "supermarket"}
        nodes[100 + i] = (109.985 + 0.0025 * i, 30.0002, {**kind, "name": f"网点{i}"})
    street = {"highway": "residential"}
    ways = {1: ([1, 5, 2], street), 2: ([3, 5, 4], street)}
    return MapData(nodes, ways)


@pytest.fixture
def servers(monkeypatch):
    outline = shapely.box(109.995, 29.98, 110.03, 30.02)
    with serving(crossroads(), outline) as maps:
        monkeypatch.setenv("SERVICECIRCLE_NOMINATIM_URL", maps.url)
        monkeypatch.setenv("SERVICECIRCLE_OVERPASS_URL", f"{maps.url}/api")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield maps


def test_a_place_by_its_name(run, servers, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "cache"))
    done = run("plan", "--place", "十字镇", "--new-sites", "2", "--out", "out")
    assert done.code == 0, done.err
    demand = pd.read_parquet("out/demand.parquet")
    assert demand["lng"].between(109.995, 110.03).all()
    said = network_said(Path("out"))
    assert said["place"] == "十字镇" and said["outline"].endswith(".geojson")
    assert "十字镇 边界以外" in notes(Path("out"))
    assert written(Path("out"))["inputs"][0]["osm_date"].startswith("2026-11-20")
    asked = len(servers.asked)
    assert run("check", "out", "--rebuild").code == 0
    again = run("plan", "--place", "十字镇", "--new-sites", "2", "--out", "again")
    assert again.code == 0 and len(servers.asked) == asked
    assert run("plan", "out/scenario.toml", "--out", "third").code == 0


def test_fetch_says_where_the_map_lies(run, servers, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "cache"))
    done = run("fetch", "十字镇")
    assert done.code == 0 and "2026-11-20" in done.out
    osm = next(line for line in done.out.splitlines() if line.startswith("地图："))
    assert Path(osm.removeprefix("地图：")).is_file()
    assert "查找地名" in done.err and "下载地图" in done.err


def test_no_server_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SERVICECIRCLE_NOMINATIM_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda s: None)
    done = run("plan", "--place", "十字镇", "--new-sites", "2", "--out", "out")
    assert done.code == 2 and "127.0.0.1:9" in done.err
    assert not Path("out").exists()


def test_only_demand_inside_an_outline_counts(run, town, tmp_path):
    write_layer(tmp_path / "边界.geojson", box(300, 1000))
    data = tomllib.loads((tmp_path / "scenario.toml").read_text(encoding="utf-8"))
    data["network"]["outline"] = "边界.geojson"
    (tmp_path / "scenario.toml").write_text(tomli_w.dumps(data), encoding="utf-8")
    out = planned(run)
    assert set(minutes(out)) == {"B", "C"}
    assert "1 个需求点在 边界 边界以外" in notes(out)


# --- the scenario itself --------------------------------------------------------------------------


def test_no_streets_at_all():
    with pytest.raises(ScenarioError) as error:
        make_plan(make_scenario({"question": {"new_sites": 1}}))
    assert "--osm" in error.value.zh and "--place" in error.value.en


def test_every_setting_survives_the_plan_folder(run, town):
    write_layer(Path("b.geojson"), box(4000, 4100))
    planned(run, "--barriers", "b.geojson", "--walk-filter", "china", "--legs-avoid", "water")
    back = load_scenario("out/scenario.toml").network
    assert back.barriers.file == "../b.geojson" and back.walk_filter == "china"
    assert back.legs_avoid == ["water"]
