"""Layers of barriers and links: formats, datums, columns, and what is refused."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely

from servicecircle.coordinates import wgs84_to_bd09, wgs84_to_gcj02
from servicecircle.errors import TableError
from servicecircle.streets.changes import read_barriers, read_links

SQUARE = shapely.box(101.7, 36.6, 101.71, 36.61)
BRIDGE = shapely.LineString([(101.7, 36.6), (101.701, 36.602), (101.702, 36.602)])
SUFFIXES = ("geojson", "gpkg", "shp", "parquet")


def write(path, shapes, crs="EPSG:4326", **columns):
    frame = gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, engine="pyogrio")
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_barriers_in_every_format(tmp_path, suffix):
    path = tmp_path / f"禁行面.{suffix}"
    write(path, [SQUARE, SQUARE], name=["工地", None], bridges=["是", "0"])
    barriers = read_barriers(path)
    assert list(barriers.columns) == ["name", "bridges", "geometry"]
    assert barriers["name"].tolist() == ["工地", ""]
    assert barriers["bridges"].tolist() == [True, False]
    assert barriers.crs == "EPSG:4326" and barriers.attrs["file"] == path.name
    assert shapely.equals(barriers.geometry.to_numpy(), SQUARE).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_links_in_every_format(tmp_path, suffix):
    """dBASE cuts oneway:foot to ten characters."""
    both = shapely.MultiLineString([BRIDGE, shapely.reverse(BRIDGE)])
    columns = {"name": ["甲", "乙", ""], "bridge": [1, 0, 0], "oneway:foot": ["yes", "-1", None]}
    path = write(tmp_path / f"连线.{suffix}", [BRIDGE, BRIDGE, both], **columns)
    links = read_links(path)
    assert links["name"].tolist() == ["甲", "乙", ""]
    assert links["bridge"].tolist() == [True, False, False]
    assert links["tunnel"].tolist() == [False, False, False]
    assert links["oneway:foot"].tolist() == ["yes", "-1", ""]
    assert shapely.equals(links.geometry.to_numpy()[:2], BRIDGE).all()


@pytest.mark.parametrize("suffix", ["geojson", "shp", "parquet"])
def test_columns_need_not_be_there(tmp_path, suffix):
    path = write(tmp_path / f"t.{suffix}", [SQUARE], id=[1])
    assert read_barriers(path)[["name", "bridges"]].to_numpy().tolist() == [["", False]]


@pytest.mark.parametrize(("datum", "shift"), [("gcj02", wgs84_to_gcj02), ("bd09", wgs84_to_bd09)])
def test_drawn_on_gaode_or_baidu(tmp_path, datum, shift):
    """What was drawn in a shifted datum comes back to where it lies, to 1 mm at its vertices."""

    def shifted(shape):
        return shapely.transform(shape, lambda xy: np.column_stack(shift(xy[:, 0], xy[:, 1])))

    barriers = read_barriers(write(tmp_path / "b.geojson", [shifted(SQUARE)]), datum=datum)
    assert barriers.attrs["shifted"] is True
    corners = shapely.points(shapely.get_coordinates(SQUARE))
    assert shapely.distance(barriers.geometry[0].boundary, corners).max() < 1e-8
    assert shapely.hausdorff_distance(barriers.geometry[0], SQUARE) < 1e-5  # sides bend: BD-09, 1 m
    links = read_links(write(tmp_path / "l.geojson", [shifted(BRIDGE)]), datum=datum)
    assert shapely.hausdorff_distance(links.geometry[0], BRIDGE) < 2e-7
    abroad = write(tmp_path / "a.geojson", [shapely.box(24.9, 60.1, 24.91, 60.11)])
    unchanged = read_barriers(abroad, datum=datum)
    assert unchanged.attrs["shifted"] is False and datum in unchanged.attrs["notes"][0][0]
    assert read_barriers(abroad, datum=datum, area="all").attrs["shifted"] is True


def test_a_declared_crs_is_believed(tmp_path):
    metres = gpd.GeoSeries([SQUARE], crs="EPSG:4326").to_crs("EPSG:4547")
    path = write(tmp_path / "t.gpkg", metres, crs="EPSG:4547")
    assert read_barriers(path).geometry[0].hausdorff_distance(SQUARE) < 1e-8
    with pytest.raises(TableError, match="投影坐标"):
        read_barriers(path, datum="gcj02")


def test_broken_polygons_are_mended(tmp_path):
    """A bow tie becomes its two triangles."""
    bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    barriers = read_barriers(write(tmp_path / "t.geojson", [bow]))
    assert barriers.geometry.is_valid.all()
    assert barriers.geometry[0].area == pytest.approx(0.5)


def test_a_named_layer_of_a_geopackage(tmp_path):
    path = tmp_path / "t.gpkg"
    gpd.GeoDataFrame(geometry=[SQUARE], crs=4326).to_file(path, layer="barriers")
    gpd.GeoDataFrame(geometry=[BRIDGE], crs=4326).to_file(path, layer="links")
    assert len(read_barriers(path, sheet="barriers")) == 1
    assert len(read_links(path, sheet="links")) == 1
    with pytest.raises(TableError, match="没有名为"):
        read_links(path, sheet="桥")


@pytest.mark.parametrize("read", [read_barriers, read_links])
def test_other_kinds_are_counted_and_refused(tmp_path, read):
    right, wrong = (SQUARE, BRIDGE) if read is read_barriers else (BRIDGE, SQUARE)
    path = write(tmp_path / "t.geojson", [right, wrong, shapely.Point(1, 1)])
    with pytest.raises(TableError) as error:
        read(path)
    assert error.value.rows == (2, 3)
    for word in ("t.geojson", "3", "2", "Point", wrong.geom_type):
        assert word in error.value.zh and word in error.value.en


@pytest.mark.parametrize(
    ("shape", "crs", "message"),
    [
        (shapely.box(500_000, 4_000_000, 500_100, 4_000_100), None, "没有坐标系"),
        (shapely.box(101, 36, 102, 91), "EPSG:4326", "超出经纬度"),
        (shapely.Polygon(), "EPSG:4326", "没有几何"),
    ],
)
def test_positions_that_are_none(tmp_path, shape, crs, message):
    path = write(tmp_path / "t.parquet", [shape], crs=crs)
    with pytest.raises(TableError, match=message):
        read_barriers(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 181.0])
def test_lines_out_of_range(tmp_path, bad):
    line = shapely.LineString([(101.7, 36.6), (bad, 36.6)])
    with pytest.raises(TableError):
        read_links(write(tmp_path / "t.parquet", [line]))


@pytest.mark.parametrize(
    ("column", "value", "ok"),
    [
        ("bridge", "maybe", False),
        ("bridge", " 是 ", True),
        ("tunnel", "TRUE", True),
        ("oneway:foot", "backwards", False),
        ("oneway:foot", "reverse", True),
        ("步行单向", "正向", True),
    ],
)
def test_words_of_columns(tmp_path, column, value, ok):
    path = write(tmp_path / "t.geojson", [BRIDGE], **{column: [value]})
    if ok:
        link = read_links(path).iloc[0]
        assert link["bridge"] or link["tunnel"] or link["oneway:foot"]
        return
    with pytest.raises(TableError, match="看不懂") as error:
        read_links(path)
    assert error.value.column == column and value in error.value.zh


def test_files_that_are_no_layer(tmp_path):
    empty = tmp_path / "e.geojson"
    empty.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    table = tmp_path / "t.csv"
    table.write_text("name,lng,lat\na,1,2\n", encoding="utf-8")
    broken = tmp_path / "b.geojson"
    broken.write_text('{"type": "FeatureCollection", "features": [')
    for path in (empty, table, broken, tmp_path / "absent.shp", tmp_path / "t.osm"):
        for read in (read_barriers, read_links):
            with pytest.raises(TableError):
                read(path)
    with pytest.raises(TableError, match="datum"):
        read_barriers(write(tmp_path / "ok.geojson", [SQUARE]), datum="gcj")
