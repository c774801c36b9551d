"""The door: what planners bring is read right, or refused with the place and the mend."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from servicecircle import coordinates, table_files, table_layers, tables
from servicecircle.errors import TableError
from servicecircle.tables import (
    check_unique_site_ids,
    read_demand,
    read_districts,
    read_sites,
)

DEMAND = """编号,经度,纬度,人数,区县,人群,街道
001,116.397,39.908,120,东城区,环卫工人,东华门
002,116.407,39.918,0,东城区,骑手,景山
003,116.417,39.928,"1,200",,骑手,安定门
"""
HOSTILE = ["<script>alert(1)</script>", "=1+1", "+86", "@x", "两\n行", "😀", "㐂𠮷", '"引"', "a,b"]

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put text, bytes, a sheet's rows or a frame into a file."""

    def put(content: Any, name: str = "点.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        if isinstance(content, str):
            path.write_bytes(content.encode(encoding))
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, gpd.GeoDataFrame):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "'crs' was not provided")
                parquet = path.suffix == ".parquet"
                content.to_parquet(path) if parquet else content.to_file(path)
        elif isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        else:
            book(path, content if isinstance(content, dict) else {"Sheet1": content})
        return path

    return put


def book(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    workbook = xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False})
    for name, rows in sheets.items():
        sheet = workbook.add_worksheet(name)
        for i, row in enumerate(rows):
            sheet.write_row(i, 0, row)
    workbook.close()


def refused(reader: Callable[..., Any], *args: Any, says: str, **kwargs: Any) -> TableError:
    """The error of a bad table: every word of ``says`` is in it, and both languages are."""
    with pytest.raises(TableError) as caught:
        reader(*args, **kwargs)
    for word in says.split():
        assert word in str(caught.value), f"{word} not in: {caught.value}"
    assert caught.value.file
    assert caught.value.zh != caught.value.en
    assert caught.value.zh.rstrip().endswith(("。", "：", "…")) or "。" in caught.value.zh
    return caught.value


def points(xs: list[float], ys: list[float], crs: Any = 4326, **data: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(data, geometry=gpd.points_from_xy(xs, ys), crs=crs)


# --- what comes out ------------------------------------------------------------------------------


def test_demand_columns_and_types(write: Write) -> None:
    frame = read_demand(write(DEMAND))
    expected = "demand_id lng lat weight district group minutes 街道 geometry"
    assert list(frame.columns) == expected.split()
    assert frame["demand_id"].tolist() == ["001", "002", "003"]
    assert frame["weight"].tolist() == [120.0, 0.0, 1200.0]
    assert frame["weight"].dtype == frame["minutes"].dtype == np.float64
    assert frame["district"].tolist() == ["东城区", "东城区", ""]
    assert frame["minutes"].isna().all()
    assert frame.crs.to_epsg() == 4326
    assert isinstance(frame.index, pd.RangeIndex)
    assert type(frame) is gpd.GeoDataFrame
    assert (frame.geometry.x == frame["lng"]).all()
    assert frame.attrs["file"] == "点.csv"
    assert frame.attrs["columns"]["weight"] == "人数"
    assert frame.attrs["notes"] == []
    assert frame.attrs["shifted"] is False


def test_missing_id_and_weight_are_made_and_said(write: Write) -> None:
    frame = read_demand(write("lon,lat\n116.4,39.9\n\n116.5,39.8\n"))
    assert frame["demand_id"].tolist() == ["1", "2"]
    assert frame["weight"].tolist() == [1.0, 1.0]
    ((zh, en),) = frame.attrs["notes"]
    assert "权重" in zh
    assert "weight" in en


def test_sites_defaults(write: Write) -> None:
    text = "经度,纬度,名称,费用（元）,联系电话,面积（㎡）,备注\n"
    text += '116.4,39.9,银行,"8,000",010-1,12,好\n116.5,39.8,,,,,\n'
    frame = read_sites(write(text))
    expected = "site_id name lng lat status kind cost phone area_m2 备注 geometry"
    assert list(frame.columns) == expected.split()
    assert frame["site_id"].tolist() == ["C1", "C2"]
    assert frame["name"].tolist() == ["银行", "C2"]
    assert frame["status"].tolist() == ["candidate"] * 2
    assert frame["cost"].iloc[0] == 8000
    assert np.isnan(frame["cost"].iloc[1])
    assert frame["phone"].tolist() == ["010-1", ""]
    assert frame["area_m2"].iloc[0] == 12
    assert "C1 至 C2" in frame.attrs["notes"][0][0]
    existing = read_sites(write(text), role="existing")
    assert existing["site_id"].tolist() == ["E1", "E2"]
    assert existing["status"].tolist() == ["existing"] * 2
    with pytest.raises(ValueError, match="role"):
        read_sites(write(text), role="planned")  # type: ignore[arg-type]


def test_statuses_in_both_languages(write: Write) -> None:
    words = [
        "已建",
        "在用",
        "必选",
        "必建",
        "备选",
        "候选",
        "排除",
        "禁用",
        "不可用",
        "关闭",
        "closed",
        "REQUIRED",
        "Ｅxisting",
    ]
    text = "lng,lat,状态\n" + "".join(f"116.4,39.9,{word}\n" for word in [*words, ""])
    statuses = read_sites(write(text), role="candidate")["status"].tolist()
    assert statuses[:6] == ["existing"] * 2 + ["required"] * 2 + ["candidate"] * 2
    assert statuses[6:11] == ["forbidden"] * 5
    assert statuses[11:] == ["required", "existing", "candidate"]
    built = read_sites(write(text), role="existing")  # what stands in that table stands
    assert built["status"].tolist() == ["existing"] * 6 + ["forbidden"] * 5 + ["existing"] * 3
    assert "count as built" in built.attrs["notes"][-1][1]
    error = refused(
        read_sites,
        write("lng,lat,状态\n1,2,备选\n1,2,也许\n"),
        says="也许 candidate 备选 forbidden",
    )
    assert (error.column, error.rows) == ("状态", (3,))


@pytest.mark.parametrize(
    "header",
    [
        "demand_id,lng,lat,weight",
        " ID , Longitude ,LATITUDE, Population ",
        "序号,经度（°）,纬度(°),人数（人）",
        "编号,经度(WGS84),纬度（WGS84）,权重",
        "Demand ID,X,Y,weight",
    ],
)
def test_names_of_columns(write: Write, header: str) -> None:
    frame = read_demand(write(f"{header}\n7,116.4,39.9,5\n"))
    row = frame.drop(columns=["geometry", "district", "group", "minutes"]).iloc[0].tolist()
    assert row == ["7", 116.4, 39.9, 5.0]


def test_a_row_number_beside_an_id_is_the_planners_own(write: Write) -> None:
    frame = read_demand(write("序号,编号,lng,lat,x,y\n1,A,116.4,39.9,440000,4420000\n"))
    assert frame["demand_id"].tolist() == ["A"]
    assert frame.attrs["columns"]["lng"] == "lng"
    assert frame["序号"].tolist() == ["1"]


def test_columns_mapping_wins(write: Write) -> None:
    path = write("lng,lat,weight,早高峰,weight_2\n116.4,39.9,5,9,1\n")
    frame = read_demand(path, columns={"weight": "早高峰"})
    assert frame["weight"].tolist() == [9.0]
    assert frame["weight_2"].tolist() == ["1"]
    assert frame["weight_2_2"].tolist() == ["5"]  # the planner's own stay, under a free name
    assert read_demand(path, columns={"weight": " 早高峰（人）"})["weight"].tolist() == [9.0]


def test_units_that_would_mislead_are_converted_and_said(write: Write) -> None:
    frame = read_sites(write("lng,lat,造价（万元）\n116.4,39.9,2.5\n"))
    assert frame["cost"].tolist() == [25_000.0]
    assert any("万元" in zh for zh, _ in frame.attrs["notes"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("１２．５", 12.5),
        ("1,234,567.5", 1234567.5),
        ("1，200", 1200),
        (" 3e2 ", 300),
        (".5", 0.5),
        ("0", 0),
    ],
)
def test_tolerant_numbers(write: Write, text: str, value: float) -> None:
    assert read_demand(write(f'lng;lat;weight\n1;2;"{text}"\n'))["weight"].tolist() == [value]


def test_hostile_text_stays_text(write: Write) -> None:
    rows: list[list[Any]] = [
        ["lng", "lat", "name", "备注"],
        *[[116.4, 39.9, text, text] for text in HOSTILE],
    ]
    quoted = [[f'"{str(c).replace(chr(34), chr(34) * 2)}"' for c in row] for row in rows]
    from_csv = read_sites(write("\n".join(",".join(row) for row in quoted)))
    from_book = read_sites(write(rows, "站.xlsx"))
    for frame in (from_csv, from_book):
        assert frame["name"].tolist() == HOSTILE
        assert frame["备注"].tolist() == HOSTILE


# --- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_encodings_are_twins(write: Write, encoding: str) -> None:
    text = DEMAND.replace("景山", "㐂𠮷")
    one, other = read_demand(write(text)), read_demand(write(text, "二.csv", encoding))
    assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))


@pytest.mark.parametrize(("mark", "name"), [(";", "a.csv"), ("\t", "a.tsv"), ("\t", "a.txt")])
def test_delimiters(write: Write, mark: str, name: str) -> None:
    text = DEMAND.replace('"1,200"', "1200")
    one, other = read_demand(write(text)), read_demand(write(text.replace(",", mark), name))
    assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))


def test_excel_delimiter_hint(write: Write) -> None:
    assert len(read_demand(write("sep=;\nlng;lat\n1;2\n"))) == 1


def test_workbook_is_the_twin_of_its_csv(write: Write) -> None:
    rows: list[list[Any]] = [line.split(",") for line in DEMAND.splitlines()[:3]]
    rows = [rows[0], *[[r[0], float(r[1]), float(r[2]), int(r[3]), *r[4:]] for r in rows[1:]]]
    one = read_demand(write("\n".join(DEMAND.splitlines()[:3])))
    other = read_demand(write(rows, "点.xlsx"))
    assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))


def test_workbook_cells(write: Write) -> None:
    rows = [["编号", "经度", "纬度", "备注"], [12, 116.4, 39.9, 1.5], ["012", 116.4, 39.9, True]]
    frame = read_demand(write(rows, "点.xlsx"))
    assert frame["demand_id"].tolist() == ["12", "012"]
    assert frame["备注"].tolist() == ["1.5", "TRUE"]


def test_workbook_sheets_titles_and_empty_rows(write: Write) -> None:
    sheets: dict[str, list[list[Any]]] = {
        "说明": [["请填写"]],
        "数据": [[], ["某市需求点"], ["经度", "纬度"], [116.4, 39.9], [], ["", " "], [116.5, 39.8]],
        "旧": [["经度", "纬度"], [1, 2]],
    }
    path = write(sheets, "多.xlsx")
    frame = read_demand(path)
    assert frame["lng"].tolist() == [116.4, 116.5]
    assert read_demand(path, sheet="旧")["lng"].tolist() == [1.0]
    refused(read_demand, path, sheet="新", says="新 说明 数据 旧")
    sheets["数据"][6] = [116.5, "三十九"]
    error = refused(read_demand, write(sheets, "坏.xlsx"), says="三十九 数字")
    assert (error.sheet, error.column, error.rows) == ("数据", "纬度", (7,))


def test_open_document_sheet(tmp_path: Path) -> None:
    path = tmp_path / "a.ods"
    names = {
        key: f"urn:oasis:names:tc:opendocument:xmlns:{key}:1.0"
        for key in ("office", "table", "text")
    }

    def row(*cells: str) -> str:
        typed = (
            f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>'
            for c in cells
        )
        return f"<table:table-row>{''.join(typed)}</table:table-row>"

    body = row("编号", "经度", "纬度") + row() + row("007", "116.4", "39.9")
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<m:manifest xmlns:m="{manifest}">'
            f'<m:file-entry m:full-path="/" m:media-type="{kind}"/></m:manifest>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content {' '.join(f'xmlns:{k}={v!r}' for k, v in names.items())}>"
            f'<office:body><office:spreadsheet><table:table table:name="表">{body}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    frame = read_demand(path)
    assert frame["demand_id"].tolist() == ["007"]
    assert frame["lng"].tolist() == [116.4]


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.parquet"])
def test_point_layers(write: Write, name: str) -> None:
    layer = points([116.4, 116.5], [39.9, 39.8], 编号=["01", "02"], 人数=[3, 4], 街道=["甲", "乙"])
    frame = read_demand(write(layer, name)).sort_values("demand_id", ignore_index=True)
    assert frame["demand_id"].tolist() == ["01", "02"]
    assert frame["weight"].tolist() == [3.0, 4.0]
    assert frame["lng"].tolist() == [116.4, 116.5]
    assert frame["街道"].tolist() == ["甲", "乙"]


def test_plain_parquet_and_json_suffix(write: Write) -> None:
    plain = pd.DataFrame({"id": [1, 2], "lng": [116.4, 116.5], "lat": [39.9, 39.8], "n": [1.5, 2]})
    frame = read_demand(write(plain, "a.parquet"))
    assert frame["demand_id"].tolist() == ["1", "2"]
    assert frame["n"].dtype == np.float64
    path = write(points([116.4], [39.9]), "a.geojson").rename(write("", "a.json"))
    assert len(read_demand(path)) == 1


def test_shapefile_without_cpg_in_gb18030(write: Write, tmp_path: Path) -> None:
    points([116.4], [39.9], 名称=["东华门"]).to_file(tmp_path / "a.shp", encoding="GB18030")
    (tmp_path / "a.cpg").unlink()
    assert read_sites(tmp_path / "a.shp")["name"].tolist() == ["东华门"]


def test_geopackage_layers(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    points([116.4], [39.9]).to_file(path, layer="一")
    points([117.4], [39.9]).to_file(path, layer="二")
    assert read_demand(path)["lng"].tolist() == [116.4]
    assert read_demand(path, sheet="二")["lng"].tolist() == [117.4]
    refused(read_demand, path, sheet="三", says="三 一 二")


def test_declared_crs_is_believed(write: Write) -> None:
    utm = points([116.4], [39.9]).to_crs(32650)
    path = write(utm, "a.gpkg")
    frame = read_demand(path)
    assert frame[["lng", "lat"]].iloc[0].tolist() == pytest.approx([116.4, 39.9], abs=1e-9)
    refused(read_demand, path, datum="gcj02", says="投影 projected gcj02 wgs84")


def test_layer_without_crs(write: Write) -> None:
    assert read_demand(write(points([116.4], [39.9], crs=None), "a.shp"))["lng"].tolist() == [116.4]
    metres = points([448_000.0], [4_420_000.0], crs=None)
    refused(read_demand, write(metres, "b.shp"), says="坐标系 CRS .prj 448000")


def test_polygons_become_points(write: Write) -> None:
    square = shapely.box(116.40, 39.90, 116.41, 39.92)
    horseshoe = shapely.box(0, 0, 3, 3) - shapely.box(1, 1, 3, 2)
    frame = read_demand(
        write(gpd.GeoDataFrame({"人口": [5, 6]}, geometry=[square, horseshoe], crs=4326), "a.gpkg")
    )
    assert frame["lng"].iloc[0] == pytest.approx(116.405)
    assert frame["lat"].iloc[0] == pytest.approx(39.91)
    assert horseshoe.contains(frame.geometry.iloc[1])
    assert not horseshoe.contains(horseshoe.centroid)


def test_other_geometries_are_refused(write: Write) -> None:
    line = shapely.LineString([(1, 2), (3, 4)])
    layer = gpd.GeoDataFrame(geometry=[shapely.Point(1, 2), line], crs=4326)
    error = refused(read_demand, write(layer, "a.geojson"), says="LineString")
    assert error.rows == (2,)
    layer = gpd.GeoDataFrame(geometry=[shapely.Point(1, 2), None], crs=4326)
    assert refused(read_demand, write(layer, "b.geojson"), says="几何 geometry").rows == (2,)


def test_columns_beside_geometry(write: Write) -> None:
    layer = points([116.4], [39.9], lng=[1.0], lat=[2.0])
    path = write(layer, "a.geojson")
    assert read_demand(path)["lng"].tolist() == [116.4]
    named = read_demand(path, columns={"lng": "lng", "lat": "lat"})
    assert named[["lng", "lat"]].iloc[0].tolist() == [1.0, 2.0]


# --- datums --------------------------------------------------------------------------------------

towns = st.lists(
    st.tuples(st.floats(100, 118), st.floats(26, 38)).map(
        lambda p: (round(p[0], 7), round(p[1], 7))
    ),
    min_size=1,
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(towns)
def test_three_datums_are_one_place(write: Write, rows: list[tuple[float, float]]) -> None:
    lng, lat = np.array(rows).T
    for datum in coordinates.DATUMS:
        there = coordinates.from_wgs84(lng, lat, datum)
        text = "经度,纬度\n" + "".join(
            f"{x!r},{y!r}\n" for x, y in zip(*map(np.ndarray.tolist, there), strict=True)
        )
        frame = read_demand(write(text), datum=datum)
        np.testing.assert_allclose(frame[["lng", "lat"]].T, (lng, lat), atol=1e-9, rtol=0)
        assert frame.attrs["shifted"] is (datum != "wgs84")
        assert frame.attrs["datum"] == datum


def test_area_is_decided_once_per_table_and_said(write: Write) -> None:
    lisbon = write("lng,lat\n-9.14,38.72\n")
    frame = read_demand(lisbon, datum="gcj02")
    assert frame["lng"].tolist() == [-9.14]
    assert frame.attrs["shifted"] is False
    assert any("WGS-84" in zh for zh, _ in frame.attrs["notes"])
    assert read_demand(lisbon, datum="gcj02", area="all").attrs["shifted"] is True
    beijing = write("lng,lat\n116.4,39.9\n116.4,39.8\n-9.14,38.72\n")
    assert (read_demand(beijing, datum="bd09")["lng"] != [116.4, 116.4, -9.14]).all()
    assert read_demand(beijing, datum="bd09", area="none")["lng"].tolist()[0] == 116.4


def test_layers_in_another_datum(write: Write) -> None:
    lng, lat = coordinates.wgs84_to_gcj02(116.4, 39.9)
    frame = read_demand(write(points([lng], [lat]), "a.geojson"), datum="gcj02")
    assert frame[["lng", "lat"]].iloc[0].tolist() == pytest.approx([116.4, 39.9], abs=1e-9)


# --- districts -----------------------------------------------------------------------------------


def test_districts(write: Write) -> None:
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    layer = gpd.GeoDataFrame(
        {"名称": ["甲区", "乙区"], "分钟": [15, None], "人口": [1, 2]},
        geometry=[shapely.box(3, 3, 4, 4), bow],
        crs=4326,
    )
    frame = read_districts(write(layer, "a.gpkg"))
    assert list(frame.columns) == ["district", "minutes", "人口", "geometry"]
    assert frame["minutes"].iloc[0] == 15
    assert np.isnan(frame["minutes"].iloc[1])
    assert frame.geometry.is_valid.all()
    assert shapely.area(frame.geometry).tolist() == pytest.approx([1, 2])
    assert set(frame.geometry.geom_type) <= {"Polygon", "MultiPolygon"}


def test_districts_shift_with_dense_edges(write: Write) -> None:
    box = shapely.box(116.0, 39.0, 117.0, 40.0)
    truth = shapely.segmentize(box, 0.001)
    there = shapely.transform(
        truth, lambda p: np.column_stack(coordinates.wgs84_to_gcj02(p[:, 0], p[:, 1]))
    )
    layer = gpd.GeoDataFrame({"district": ["甲"]}, geometry=[there], crs=4326)
    frame = read_districts(write(layer, "a.gpkg"), datum="gcj02")
    assert frame.geometry.iloc[0].hausdorff_distance(truth) < 1e-6
    coarse = gpd.GeoDataFrame({"district": ["甲"]}, geometry=[box], crs=4326)
    shifted = read_districts(write(coarse, "b.gpkg"), datum="gcj02").geometry.iloc[0]
    assert shapely.get_num_coordinates(shifted) > 4 / 0.005


def test_bad_districts(write: Write) -> None:
    refused(read_districts, write("district,lng,lat\n甲,1,2\n"), says="面 polygon .geojson")
    box = shapely.box(0, 0, 1, 1)

    def layer(**data: Any) -> Path:
        return write(gpd.GeoDataFrame(data, geometry=[box, box], crs=4326), "a.gpkg")

    assert refused(read_districts, layer(district=["甲", "甲"]), says="甲 重复").rows == (1, 2)
    assert refused(read_districts, layer(district=["甲", None]), says="名称").rows == (2,)
    refused(read_districts, layer(编码=["1", "2"]), says="district 编码 columns")
    error = refused(read_districts, layer(district=["甲", "乙"], 分钟=[15, 0]), says="0")
    assert (error.column, error.rows) == ("分钟", (2,))
    refused(read_districts, write(points([1], [2], district=["甲"]), "b.gpkg"), says="多边形")


# --- refusals: each says where, and how to mend it -----------------------------------------------


@pytest.mark.parametrize(
    ("text", "says", "column", "rows"),
    [
        ("lng,lat,weight\n1,2,很多\n1,2,3\n1,2,4人\n", "很多 不是数字 12.5", "weight", (2, 4)),
        ('lng,lat,weight\n1,2,"1,5"\n', "1,5", "weight", (2,)),
        ("lng,lat,weight\n1,2,\n", "没有填 missing", "weight", (2,)),
        ("lng,lat,weight\n1,2,-1\n", "-1 小于", "weight", (2,)),
        ("lng,lat,weight\n1,2,inf\n", "inf", "weight", (2,)),
        ("lng,lat,weight\n1,2,1_0\n", "1_0", "weight", (2,)),
        ("lng,lat,weight\n1,2,1e999\n", "1e999", "weight", (2,)),
        ("lng,lat,minutes\n1,2,0\n", "不大于", "minutes", (2,)),
        ("经度,lat\n116°23′,2\n", "116°23′", "经度", (2,)),
        ("经度,纬度\n,2\n1,nan\n", "没有填", "经度", (2,)),
        ("id,lng,lat\nA 1,1,2\n", "A 空格", "id", (2,)),
        ("id,lng,lat\n,1,2\n", "编号", "id", (2,)),
        ("编号,lng,lat\nA,1,2\nB,1,2\nA,1,2\n", "A 重复", "编号", (2, 4)),
        ("lng,lat\n39.9,116.4\n39.8,116.5\n", "写反 swapped 116.4", "lat", (2, 3)),
        ("lng,lat\n39.47,75.99\n", "写反 swapped columns", "lat", (2,)),
        ("lng,lat\n448000,4420000\n", "超出 度 degrees metres", "lat", (2,)),
        ("lng,lat\n1,2\n181,0\n", "181", "lat", (3,)),
        ("lng,lat,经度\n1,2,3\n", "“lng” “经度” columns", None, ()),
        ("经度,经度,lat\n1,2,3\n", "“经度” columns", None, ()),
        ("名称,地址\n甲,乙\n", "经度 “名称” “地址” columns", None, ()),
        ("lng,lat\n1,2,3\n", "3 2 双引号 Quote", None, (2,)),
        ('lng,lat,名\n1,2,"甲\n3,4,乙\n', "引号", None, (2,)),
        ("lng,lat\n", "只有表头 header", None, ()),
        ("\n , \n", "什么都没有", None, ()),
        ("", "空的 empty", None, ()),
    ],
)
def test_refused_text(
    write: Write, text: str, says: str, column: str | None, rows: tuple[int, ...]
) -> None:
    error = refused(read_demand, write(text), says=says + " 点.csv")
    assert (error.column, error.rows) == (column, rows)


def test_rows_are_lines_also_after_quoted_newlines(write: Write) -> None:
    error = refused(read_demand, write('lng,lat,名\n1,2,"甲\n乙\n丙"\n\n1,x,\n'), says="x")
    assert error.rows == (6,)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [("面积", "4㎡", 4), ("面积", "约 30 平方米", 30), ("面积", "12.5 m²", 12.5),
     ("面积", "8M2", 8), ("费用", "￥1,200", 1200), ("费用", "5000 元", 5000)],
)  # fmt: skip
def test_units_in_the_cell(write: Write, column: str, text: str, value: float) -> None:
    frame = read_sites(write(f'lng,lat,{column}\n1,2,"{text}"\n'))
    assert frame["area_m2" if column == "面积" else "cost"].iloc[0] == value


def test_refused_site_figures(write: Write) -> None:
    error = refused(read_sites, write("lng,lat,费用\n1,2,-5\n"), says="-5")
    assert (error.column, error.rows) == ("费用", (2,))
    refused(read_sites, write("lng,lat,面积\n1,2,大\n"), says="大 数字")


def test_refused_mapping(write: Write) -> None:
    path = write("lng,lat,早高峰人数\n1,2,3\n")
    refused(read_demand, path, columns={"wieght": "早高峰人数"}, says="wieght weight demand_id")
    refused(
        read_demand, path, columns={"weight": "早高峰"}, says="早高峰 最接近 “早高峰人数” “lat”"
    )


def test_refused_datum_and_area(write: Write) -> None:
    path = write("lng,lat\n1,2\n")
    refused(read_demand, path, datum="cgcs2000", says="cgcs2000 wgs84 gcj02 bd09")
    refused(read_demand, path, area="china", says="china mainland all none")


def test_refused_files(write: Write, tmp_path: Path) -> None:
    refused(read_demand, tmp_path / "没有.csv", says="找不到 没有.csv No such file")
    refused(read_demand, write("x", "a.docx"), says=".docx .csv .xlsx")
    (tmp_path / "夹.csv").mkdir()
    refused(read_demand, tmp_path / "夹.csv", says="读不了")
    error = refused(read_demand, write(b"lng,lat\n1,2,\xff\xff\n"), says="UTF-8 GB18030 13 CSV")
    assert "byte 13" in error.en
    refused(read_demand, write(b"l\0n\0g\0,\0"), says="文本 CSV")
    book_path = write([["lng", "lat"], [1, 2]], "a.xlsx")
    refused(read_demand, write(book_path.read_bytes(), "b.csv"), says="Excel CSV")
    refused(read_demand, write(b"PK\x03\x04 garbage", "c.xlsx"), says="损坏 另存为")
    refused(read_demand, write(book_path.read_bytes()[:-300], "d.xlsx"), says="损坏")
    refused(read_demand, write(b"<html>", "e.xlsx"), says="打不开 另存为")
    refused(read_demand, write([], "f.xlsx"), says="什么都没有")
    refused(read_demand, write([["lng", "lat"]], "g.xlsx"), says="只有表头 Sheet1")


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.parquet"])
def test_refused_layers(write: Write, name: str) -> None:
    assert refused(read_demand, write(b"garbage", name), says="导出").file == name
    marks = {**table_layers.LAYER_MARKS, ".parquet": b"PAR1"}
    refused(read_demand, write(marks[Path(name).suffix] + b"garbage", name), says="导出 Export")


def test_refused_layer_contents(write: Write) -> None:
    empty = '{"type":"FeatureCollection","features":[]}'
    refused(read_demand, write(empty, "a.geojson"), says="没有数据行")
    nowhere = points([1.0], [2.0], weight=[np.inf])
    refused(read_demand, write(nowhere, "a.gpkg"), says="inf")


def test_zip_bombs_are_refused_before_unpacking(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = tmp_path / "a.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * (table_files.ZIP_RATIO_FREE_BYTES + 1))
    refused(read_demand, bomb, says="太大 CSV")
    fine = write([["lng", "lat"], [1, 2]], "b.xlsx")
    assert len(read_demand(fine)) == 1
    monkeypatch.setattr(table_files, "MAX_ZIP_ENTRIES", 3)
    refused(read_demand, fine, says="太大")
    monkeypatch.setattr(table_files, "MAX_ZIP_ENTRIES", 5_000)
    monkeypatch.setattr(table_files, "MAX_ZIP_EXPANDED_BYTES", 3)
    refused(read_demand, fine, says="太大")


def test_a_lone_cell_far_out_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "远.xlsx"
    workbook = xlsxwriter.Workbook(path)
    sheet = workbook.add_worksheet()
    sheet.write_row(0, 0, ["lng", "lat"])
    sheet.write(1_048_575, 16_383, "x")
    workbook.close()
    refused(read_demand, path, says="1,048,576 16,384 删去")


def test_site_ids_are_unique_over_both_files(write: Write) -> None:
    candidates = read_sites(write("site_id,lng,lat\nA,1,2\nB,1,2\n", "备选.csv"))
    existing = read_sites(write("site_id,lng,lat\nB,1,2\nC,1,2\n", "已建.csv"), role="existing")
    error = refused(check_unique_site_ids, candidates, existing, says="B 备选.csv 已建.csv")
    assert "A" not in error.zh
    check_unique_site_ids(candidates, existing.iloc[1:])
    check_unique_site_ids(candidates, None)
    check_unique_site_ids(None, existing)


def test_face() -> None:
    for name in tables.__all__:
        assert getattr(tables, name).__doc__
