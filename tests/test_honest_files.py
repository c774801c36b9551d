"""What is checked against bombs lets honest files pass, also large, odd and wide ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter

import bombs
from bomb_files import points, small_plan
from servicecircle import raw_table, stored_plan
from servicecircle.errors import OutputError, PlannerError
from servicecircle.stored_plan import read_folder
from servicecircle.streets.street_files import read_streets
from servicecircle.table_files import read_raw
from servicecircle.unpacking import arrays, osm_files, parquet_files, sheet_size
from towns import line_town


def shape_of(path: Path) -> tuple[int, int]:
    return read_raw(path, wanted=lambda names: True).frame.shape


def test_a_large_workbook_passes(tmp_path: Path) -> None:
    """40,000 rows with shared texts, one of them long, and a remark that many cells show."""
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["demand_id", "lng", "lat", "weight", "district", "备注"])
    for i in range(1, 40_000):
        remark = "长" * 30_000 if i == 5 else "沿街门面，一楼"
        sheet.write_row(i, 0, [f"d{i}", 101.7, 36.6, i % 7, f"区{i % 9}", remark])
    book.close()
    assert shape_of(tmp_path / "a.xlsx") == (39_999, 6)


def test_odd_but_honest_workbooks_pass(tmp_path: Path) -> None:
    bare = "".join("<row><c><v>1</v></c><c><v>2</v></c></row>" for _ in range(30_000))
    head = bombs.HEADER_ROW
    assert shape_of(bombs.xlsx(tmp_path / "a.xlsx", head + bare)) == (30_000, 2)
    tail = bombs.ods_row(bombs.ods_empty(16_384), times=1_048_573)
    rows = bombs.ods_row(bombs.ods_cell("lng"), bombs.ods_cell("lat"), bombs.ods_empty(16_382))
    rows += bombs.ods_row(bombs.ods_cell("1", 2), bombs.ods_empty(16_382), times=2)
    assert shape_of(bombs.ods(tmp_path / "b.ods", rows + tail)) == (2, 2)
    cells = [(row, column, float(row)) for row in range(300) for column in range(3)]
    assert shape_of(bombs.xls(tmp_path / "c.xls", cells)) == (299, 3)


def test_sheets_up_to_the_limit_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bombs.xlsx(tmp_path / "a.xlsx", bombs.HEADER_ROW + bombs.DATA_ROW)
    monkeypatch.setattr(sheet_size, "MAX_SHEET_CELLS", 4)
    assert shape_of(path) == (1, 2)
    monkeypatch.setattr(sheet_size, "MAX_SHEET_CELLS", 3)
    with pytest.raises(PlannerError, match="2 rows × 2 columns"):
        shape_of(path)


def test_wide_and_long_text_tables_pass(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(raw_table.MAX_COLUMNS)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names))
    assert shape_of(tmp_path / "a.csv") == (1, raw_table.MAX_COLUMNS)
    (tmp_path / "b.csv").write_text("a," * 200 + "a\n" + "1\n" * 1000)
    table = read_raw(tmp_path / "b.csv", wanted=lambda names: True)
    assert list(table.frame.columns[:3]) == ["a", "a_2", "a_3"] and table.repeated == {"a"}


def test_repeated_names_stay_apart() -> None:
    names, repeated = raw_table.distinct(["a", "a_2", "a", "", "a", "b"])
    assert names == ["a", "a_2", "a_3", "column_4", "a_4", "b"] and repeated == {"a"}


def test_layers_in_every_format_pass(tmp_path: Path) -> None:
    for name in ("a.gpkg", "a.fgb", "a.shp", "a.geojson"):
        points().to_file(tmp_path / name)
        assert shape_of(tmp_path / name) == (1000, 1)
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    (tmp_path / "b.geojson").write_text(bombs.geojson(crs=named, name="crs"), encoding="utf-8-sig")
    assert shape_of(tmp_path / "b.geojson") == (1, 1)


def test_parquet_with_repeated_texts_passes(tmp_path: Path) -> None:
    table = points().assign(name="长" * 300, kind=pd.Categorical(["a"] * 1000))
    table["nested"] = [{"primary": "x", "other": ["y", "z"]}] * 1000
    table.to_parquet(tmp_path / "a.parquet")
    assert shape_of(tmp_path / "a.parquet") == (1000, 4)


@pytest.mark.parametrize(("limit", "passes"), [(400_000, True), (200_000, False)])
def test_texts_of_parquet_are_counted_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, passes: bool
) -> None:
    pd.DataFrame({"a": ["x" * 300] * 1000, "b": [["y", "z"]] * 1000}).to_parquet(
        tmp_path / "a.parquet"
    )
    monkeypatch.setattr(parquet_files, "MAX_TEXT_BYTES", limit)
    if passes:
        assert shape_of(tmp_path / "a.parquet") == (1000, 2)
    else:
        with pytest.raises(PlannerError, match="texts and geometries"):
            shape_of(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.osm", "a.osm.gz", "a.osm.bz2", "a.osm.pbf"])
def test_streets_pass_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = line_town(tmp_path / name, [100.0] * 300)
    monkeypatch.setattr(osm_files, "FREE_BYTES", 0)
    osm_files._look_through.cache_clear()
    assert len(read_streets(path).ways) == 1


def test_a_compressed_map_is_looked_through_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bombs.endless_osm(tmp_path / "a.osm.gz", b" ", 1)
    assert len(read_streets(path).ways) == 1
    monkeypatch.setattr(osm_files, "PlainXml", None)
    assert len(read_streets(path).ways) == 1


def test_plans_pass_and_keep_to_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(tmp_path)
    assert len(read_folder(plan).weight) == 30
    size = sum(part.file_size for part in zipfile.ZipFile(plan / "certificate.npz").infolist())
    monkeypatch.setattr(arrays, "MAX_EXPANDED_BYTES", size)
    read_folder(plan)
    monkeypatch.setattr(arrays, "MAX_EXPANDED_BYTES", size - 1)
    with pytest.raises(OutputError, match=r"certificate.npz.*too much"):
        read_folder(plan)


def test_a_matrix_of_all_walks_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = read_folder(small_plan(tmp_path))
    monkeypatch.setattr(stored_plan, "MAX_DISTANCES", 59)
    with pytest.raises(OutputError, match="30 demand points and 2 sites"):
        _ = stored.distance
