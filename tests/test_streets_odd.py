"""Odd street inputs from the command line: one clear message, never a traceback, never silence."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from commands import Command
from servicecircle import cache, load_scenario, make_plan
from servicecircle.errors import FetchError, NetworkError, PlannerError, ScenarioError, TableError
from servicecircle.fetching.outline import inside, read_outline
from servicecircle.streets.line_layer import read_lines
from servicecircle.walking import Walking, sha256
from towns import line_town, metres_east

X = [metres_east(m) for m in (0, 300, 600, 900, 1200)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "computed"


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A street of 1,200 m with five people's places, two candidates: a folder."""
    line_town(tmp_path / "town.osm", [300, 300, 300, 300])
    rows = [f"D{i},{x},0.0001,1" for i, x in enumerate(X)]
    (tmp_path / "demand.csv").write_text("\n".join(["demand_id,lng,lat,weight", *rows]))
    rows = [f"C{i},{x},0.0" for i, x in enumerate(X[1::2])]
    (tmp_path / "cand.csv").write_text("\n".join(["site_id,lng,lat", *rows]))
    return tmp_path


def scenario(town: Path, network: str = "") -> Path:
    path = town / "s.toml"
    path.write_text(
        f'[network]\nosm = "town.osm"\n{network}\n[demand]\nfile = "demand.csv"\n[sites]\n'
        'candidates = "cand.csv"\n[question]\nnew_sites = 1\n',
        encoding="utf-8",
    )
    return path


def layer(path: Path, shapes: list, **columns: list) -> str:
    gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326").to_file(path)
    return path.name


def notes(path: Path, **how: bool) -> tuple[str, str]:
    made = make_plan(load_scenario(path), **how).notes
    return "\n".join(zh for zh, _ in made), "\n".join(en for _, en in made)


# --- outlines -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing.geojson", "."])
def test_an_outline_that_is_not_there(town, name):
    with pytest.raises(ScenarioError, match=r"network\.outline"):
        make_plan(load_scenario(scenario(town, f'outline = "{name}"')))


def test_an_outline_that_is_a_point_says_what_is_wanted(town):
    name = layer(town / "o.geojson", [shapely.Point(0, 0)])
    with pytest.raises(FetchError) as caught:
        make_plan(load_scenario(scenario(town, f'outline = "{name}"')))
    assert "GeoJSON" in caught.value.zh
    assert "面" in caught.value.zh
    assert "polygons" in caught.value.en


def test_an_outline_of_several_features_counts_all_of_them(town):
    boxes = [shapely.box(-1e-4, -1, 1e-4, 1), shapely.box(X[4] - 1e-4, -1, X[4] + 1e-4, 1)]
    path = town / layer(town / "o.geojson", boxes)
    assert inside(path, X, [0.0] * 5).tolist() == [True, False, False, False, True]
    whole = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": None, "geometry": shapely.geometry.mapping(boxes[0])}
    ]}  # fmt: skip
    path.write_text("\ufeff" + json.dumps(whole), encoding="utf-8")
    assert read_outline(path).about == {}


# --- places ---------------------------------------------------------------------------------------


def test_what_a_name_was_taken_for_is_said(town):
    name = layer(town / "o.geojson", [shapely.box(-1, -1, 1, 1)], display_name=["朝阳市, 辽宁"])
    zh, en = notes(scenario(town, f'place = "朝阳"\noutline = "{name}"'))
    assert "“朝阳”按“朝阳市, 辽宁”" in zh
    assert "taken as “朝阳市, 辽宁”" in en


def test_a_place_beside_a_file_changes_nothing_and_says_so(town):
    assert "network.place（朝阳）不起作用" in notes(scenario(town, 'place = "朝阳"'))[0]


def test_osm_and_place_on_the_command_line_contradict_each_other(town, monkeypatch, capsys):
    done = Command(monkeypatch, capsys)("plan", "--osm", town / "town.osm", "--place", "朝阳")
    assert done.code == 2
    assert "--osm 和 --place 只能给一个" in done.err


# --- filters and legs -----------------------------------------------------------------------------


def test_a_walk_filter_has_no_effect_on_a_graph_and_says_so(town):
    import networkx as nx  # noqa: PLC0415
    import osmnx  # noqa: PLC0415

    graph = nx.MultiDiGraph(crs="epsg:4326")
    for i, x in enumerate(X):
        graph.add_node(i + 1, x=x, y=0.0)
    for u in range(1, 5):
        graph.add_edge(u, u + 1, osmid=u, highway="residential", length=300.0)
    osmnx.save_graphml(graph, town / "town.graphml")
    path = scenario(town, 'walk_filter = "china"')
    path.write_text(path.read_text().replace("town.osm", "town.graphml"))
    zh, en = notes(path)
    assert "china 对街道图（.graphml）不起作用" in zh
    assert "china has no effect" in en


@pytest.mark.parametrize("typed", ["water,railway", "water, railway", "water、railway", "water，"])
def test_legs_avoid_as_people_type_it(town, typed, monkeypatch, capsys):
    folder = town / "plan"
    done = Command(monkeypatch, capsys)(
        "plan", scenario(town), "--legs-avoid", typed, "--out", folder
    )
    assert done.code == 0, done.err
    kinds = load_scenario(folder / "scenario.toml").network.legs_avoid
    assert kinds == (["water"] if typed == "water，" else ["water", "railway"])


def test_legs_avoid_must_be_a_list(town):
    with pytest.raises(ScenarioError, match="要一个列表"):
        load_scenario(scenario(town, 'legs_avoid = "water"'))


# --- barriers and links ---------------------------------------------------------------------------


def test_names_are_cut_and_on_one_line(town):
    far = [shapely.box(50, 50, 51, 51)] * 2
    name = layer(town / "b.geojson", far, name=["长" * 10_000, "a\nb\x1b[31m"])
    zh, _ = notes(scenario(town, f'barriers = "{name}"'))
    (said,) = (line for line in zh.split("\n") if "没有碰到" in line)
    assert len(said) < 200
    assert "a b [31m" in said
    line = shapely.LineString([(50, 50), (51, 51)])
    name = layer(town / "l.geojson", [line], name=["桥" * 10_000])
    with pytest.raises(TableError) as caught:
        make_plan(load_scenario(scenario(town, f'links = "{name}"')))
    assert len(caught.value.zh) < 300
    assert "join_m" not in str(caught.value)  # nothing that a scenario could set


def test_points_inside_a_barrier_are_counted(town):
    width = metres_east(50)
    boxes = [shapely.box(X[k] - width, -1e-3, X[k] + width, 1e-3) for k in (1, 4)]
    name = layer(town / "b.geojson", boxes, name=["甲", "乙"])
    zh, en = notes(scenario(town, f'barriers = "{name}"'))
    assert "2 个需求点、1 个站点在禁行面里面" in zh
    assert "2 demand points and 1 sites lie inside barriers" in en
    name = layer(town / "b.geojson", [shapely.box(X[1] + 1e-4, -1e-3, X[1] + 2e-4, 1e-3)])
    assert "禁行面里面" not in notes(scenario(town, f'barriers = "{name}"'))[0]


@pytest.mark.parametrize("shapes", [[], [shapely.Point(0, 0)]])
def test_a_geopackage_without_lines_or_with_two_layers_says_how_to_mend_it(town, shapes):
    path = town / "streets.gpkg"
    line = [shapely.LineString([(0, 0), (1, 1)])]
    for name in ("one", "two"):
        gpd.GeoDataFrame(geometry=shapes or line, crs="EPSG:4326").to_file(path, layer=name)
    wanted = "单独导出成一个文件" if not shapes else "请换用道路线图层"
    with pytest.raises(NetworkError, match=wanted):
        read_lines(path)


# --- the cache ------------------------------------------------------------------------------------


def test_whatever_is_wrong_with_an_entry_it_is_made_again(town, own_cache):
    path = load_scenario(scenario(town, "steps_factor = 2"))
    right = Walking(path).network
    rng = random.Random(4)
    entries = sorted(own_cache.glob("*.npz"))
    whole = {entry: entry.read_bytes() for entry in entries}
    headers = {
        entry: [i for i in range(len(data)) if data[i : i + 4] in (b"PK\3\4", b"PK\1\2")]
        for entry, data in whole.items()
    }
    noticed = 0
    for _ in range(250):  # mostly in the headers, where readers trip in the oddest ways
        entry = rng.choice(entries)
        data = bytearray(whole[entry])
        data[min(rng.choice(headers[entry]) + rng.randrange(150), len(data) - 1)] ^= (
            1 << rng.randrange(8)
        )
        entry.write_bytes(data)
        walking = Walking(path)
        assert np.array_equal(walking.network.vertex_forward, right.vertex_forward)
        assert walking.network.ways.equals(right.ways)
        noticed += bool(walking.notes)
        for other, data in whole.items():
            other.write_bytes(data)
    assert noticed > 50


def test_what_a_killed_process_left_is_swept_after_a_day(own_cache):
    own_cache.mkdir(parents=True)
    old, young = own_cache / ".a.part", own_cache / ".b.part"
    for left in (old, young):
        left.write_bytes(b"half")
    then = time.time() - 2 * 24 * 3600
    os.utime(old, (then, then))
    made = cache.remembered("k", "1", lambda: 5, lambda n: {"n": np.array(n)}, lambda a: a["n"], [])
    assert made == 5
    assert not old.exists()
    assert young.exists()


def test_an_unwritable_cache_is_told_once(town, monkeypatch):
    (town / "file").write_text("")
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(town / "file"))
    said, _ = notes(scenario(town))
    assert said.count("缓存写不进") == 1


def test_files_that_went_missing_are_called_files(town, monkeypatch, capsys):
    name = layer(town / "b.geojson", [shapely.box(X[1] - 1e-4, -1e-3, X[1] + 1e-4, 1e-3)])
    command, folder = Command(monkeypatch, capsys), town / "plan"
    assert command("plan", scenario(town, f'barriers = "{name}"'), "--out", folder).code == 0
    assert command("check", folder, "--rebuild").code == 0
    (town / name).unlink()
    done = command("check", folder, "--rebuild")
    assert done.code == 2
    assert "找不到规划时用的文件" in done.err
    with pytest.raises(PlannerError):
        make_plan(load_scenario(folder / "scenario.toml"))


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_a_shapefile_is_known_by_all_that_belongs_to_it(town, change):
    layer(town / "b.shp", [shapely.box(0, 0, 1, 1)], name=["甲"])
    for part in list(town.glob("b.*")):
        part.rename(town / change(part.name))
    whole, table = town / change("b.shp"), town / change("b.dbf")
    before = sha256(whole)
    table.write_bytes(table.read_bytes() + b" ")
    assert sha256(whole) != before


def test_what_was_noticed_of_a_layer_is_said(town):
    bow = shapely.Polygon([(0.001, -1e-3), (0.002, 1e-3), (0.002, -1e-3), (0.001, 1e-3)])
    layer(town / "b.geojson", [bow], name=["甲"])
    zh, en = notes(scenario(town, 'barriers = { file = "b.geojson", datum = "gcj02" }'))
    assert "b.geojson：坐标按 gcj02 给出，但不在" in zh  # the town lies off Africa
    assert "b.geojson: Given as gcj02, but outside" in en
