"""Files that burst when they are read are refused in words, at every door, with little memory.

One process of its own opens them all, with a limit on its memory: a bomb that goes off takes it
down, and with it the tests.
"""

from __future__ import annotations

import gzip
import http.server
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import shapely
import xlsxwriter
from pyarrow import parquet

import bombs
from servicecircle import plan_folder, raw_table, stored_plan
from servicecircle.errors import OutputError, PlannerError
from servicecircle.plan import make_plan
from servicecircle.scenario import make_scenario
from servicecircle.stored_plan import read_folder
from servicecircle.streets.street_files import read_streets
from servicecircle.table_files import read_raw
from servicecircle.unpacking import arrays, osm_files, parquet_files, sheet_size
from towns import line_town, metres_east

MEMORY = 6 << 30  # of addresses: libraries take some that they never use
GROWN_MB = 150  # of memory, by all bombs together

CHILD = """
import json, resource, sys, warnings
from pathlib import Path
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
warnings.simplefilter("ignore")
import pyarrow.dataset, pyogrio, osmium, networkx, pandas
from servicecircle.errors import PlannerError
from servicecircle.stored_plan import read_folder
from servicecircle.streets.street_files import read_streets
from servicecircle.table_files import read_raw
def table(path):
    return read_raw(path, wanted=lambda names: True)
doors = {"tables": table, "streets": read_streets, "plans": read_folder}
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
table(Path(sys.argv[1]) / "plain.geojson"), table(Path(sys.argv[1]) / "plain.gpkg")
before = peak()
for door, read in doors.items():
    for path in sorted((Path(sys.argv[1]) / door).iterdir()):
        print(f"{door}/{path.name}", end="\\t", flush=True)
        try:
            read(path)
            said = ["nothing"]
        except PlannerError as error:
            said = [error.zh, error.en]
        print(json.dumps([said, peak() - before]), flush=True)
"""

TABLES = {  # what the error says
    "zeros.xlsx": "1,000 times|times its size",
    "lying.xlsx": "does not fit",
    "overlap.xlsx": "does not fit|Overlapped",
    "twice.xlsx": "more than one index|does not fit",
    "password.xlsx": "password|encrypted",
    "laughs.xlsx": "DOCTYPE",
    "outside.xlsx": "DOCTYPE",
    "utf16.xlsx": "UTF-8",
    "far.xlsx": "1,048,576 rows",
    "far_plain.xlsx": "1,048,576 rows",
    "far_elsewhere.xlsx": "1,048,576 rows",
    "far_spaced.xlsx": "1,048,576 rows",
    "far_behind_a_long_tag.xlsx": "tag in its XML is too long",
    "malformed.xlsx": "XML is damaged",
    "texts.xlsx": "texts of the cells",
    "binary.xlsx": "XLSB",
    "rows.ods": "rows",
    "cells.ods": "columns",
    "gap.ods": "rows",
    "text.ods": "texts of the cells",
    "blanks.ods": "texts of the cells",
    "laughs.ods": "DOCTYPE",
    "far.xls": "65,536 rows × 65,536 columns",
    "circle.xls": "circle",
    "wide.csv": "columns, too many",
    "short.csv": "mostly shorter",
    "columns.geojson": "columns are too many",
    "commands.geojson": "cannot be read",
    "commands.json": "cannot be read",
    "layers.geojson": "cannot be read",
    "layers.fgb": "not .fgb",
    "layers.gpkg": "not .gpkg",
    "address.geojson": "its crs",
    "address_escaped.geojson": "its crs",
    "deep.geojson": "cannot be read",
    "many.fgb": "too many",
    "view.gpkg": "not stored",
    "computed.gpkg": "not stored",
    "default.gpkg": "defaults",
    "rows.parquet": "too many",
    "texts.parquet": "texts and geometries",
}
STREETS = {
    "laughs.osm": "DOCTYPE",
    "quadratic.osm": "DOCTYPE",
    "outside.osm": "DOCTYPE",
    "laughs16.osm": "DOCTYPE",
    "laughs.osm.gz": "DOCTYPE",
    "laughs.graphml": "DOCTYPE",
    "outside.graphml": "DOCTYPE",
    "blanks.osm.gz": "unpack to too much",
    "blanks.osm.bz2": "unpack to too much",
    "ways.osm.gz": "unpack to too much",
    "nodes.osm.pbf": "unpack to too much",
    "commands.json": "cannot be read",
    "layers.gpkg": "not .gpkg",
}
PLANS = {
    "shape": "announces",
    "zeros": "unpack to too much",
    "header": "header",
    "rows": "too many",
    "deep": "RecursionError",
    "deep_toml": "RecursionError",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("bombs")
    for door in ("tables", "streets", "plans"):
        (path / door).mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server's address, and what has been asked of it."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()


@pytest.fixture(scope="module")
def said(folder: Path, asked: tuple[str, list[str]]) -> dict[str, tuple[list[str], int]]:
    """What each bomb's door says: [Chinese, English], and the memory grown so far, in MB."""
    (folder / "plain.geojson").write_text(bombs.geojson())
    points().to_file(folder / "plain.gpkg", layer="t")
    make_workbooks(folder / "tables")
    make_layers(folder / "tables", asked[0])
    make_parquets(folder / "tables")
    make_streets(folder / "streets")
    make_plans(folder)
    found = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(MEMORY)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split("\t") for line in found.stdout.splitlines()]
    assert found.returncode == 0, f"{lines[-1]}: {found.stderr[-2000:]}"
    return {name: json.loads(answer) for name, answer in lines}


def points() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"a": range(1000)}, geometry=shapely.points(np.full((1000, 2), 30.0)), crs=4326
    )


def make_workbooks(folder: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    first = bombs.HEADER_ROW
    with zipfile.ZipFile(folder / "zeros.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(300_000_000))
    bombs.xlsx(folder / "lying.xlsx", first + " " * 30_000_000)
    understate(folder / "lying.xlsx")
    overlapping(folder / "overlap.xlsx")
    honest = bombs.xlsx(folder / "twice.xlsx", first + bombs.DATA_ROW).read_bytes()
    (folder / "twice.xlsx").write_bytes(honest + honest)
    locked = bytearray(honest)
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        locked[locked.rfind(mark) + at] |= 1
    (folder / "password.xlsx").write_bytes(locked)
    sheet = "<worksheet><sheetData>{}</sheetData></worksheet>"
    bombs.xlsx_parts(folder / "laughs.xlsx", bombs.laughs(sheet))
    bombs.xlsx_parts(folder / "outside.xlsx", bombs.outside(sheet, Path(__file__)))
    bombs.xlsx_parts(folder / "utf16.xlsx", sheet.format(far).encode("utf-16"))
    bombs.xlsx_parts(folder / "malformed.xlsx", sheet.format(first + '<c a="<row>"><' + far))
    bombs.xlsx(folder / "far.xlsx", first + far)
    bombs.xlsx(
        folder / "far_plain.xlsx", first + f'<row r="1048576">{"<c><v>1</v></c>" * 2000}</row>'
    )
    bombs.xlsx(folder / "far_elsewhere.xlsx", first + far, sheet="odd/part.dat")
    spaced = far.replace('r="XFD', "r = 'xfd").replace('6"><v>', "6'><v>")
    bombs.xlsx(folder / "far_spaced.xlsx", first + spaced)
    long = far.replace("<c ", f'<c a="{"x" * 3_000_000}" ')
    bombs.xlsx(folder / "far_behind_a_long_tag.xlsx", first + long)
    cells = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>1</v></c></row>' for i in range(2, 40_000))
    text = f"<si><t>a</t></si><si><t>{'x' * 32_000}</t></si>"
    bombs.xlsx(folder / "texts.xlsx", first + cells, texts=text)
    with zipfile.ZipFile(folder / "binary.xlsx", "w") as archive:
        archive.writestr("xl/workbook.bin", "")
    row, cell = bombs.ods_row, bombs.ods_cell
    bombs.ods(folder / "rows.ods", row(cell("x"), times=10**9))
    bombs.ods(folder / "cells.ods", row(cell("x", 10**9)))
    bombs.ods(
        folder / "gap.ods", row(cell("x")) + row(bombs.ods_empty(1), times=10**9) + row(cell("y"))
    )
    bombs.ods(folder / "text.ods", row(cell("x" * 30_000, 100), times=1000))
    bombs.ods(folder / "blanks.ods", row(cell('<text:s text:c="9000000000"/>')))
    bombs.ods(folder / "laughs.ods", row(cell("x")))
    doctype(folder / "laughs.ods", "content.xml")
    bombs.xls(folder / "far.xls", [(0, 0, 1.0), (65535, 65535, 1.0)])
    bombs.xls(folder / "circle.xls", [(0, 0, 1.0)], circle=True)
    names = ",".join(f"c{i}" for i in range(16_000))
    (folder / "wide.csv").write_text(names + names.replace("c", ",d") + "\n1\n")
    (folder / "short.csv").write_text(names + "\n" + "1\n" * 20_000)


def understate(path: Path) -> None:
    """The index says of the largest part that it is short, with the checksum of that beginning."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        part = max(archive.infolist(), key=lambda part: part.file_size)
        begin = zlib.crc32(archive.read(part)[:1000])
    entry = data.rfind(b"PK\1\2")
    for at in (entry + 16, part.header_offset + 14):
        data[at : at + 4] = begin.to_bytes(4, "little")
        data[at + 8 : at + 12] = (1000).to_bytes(4, "little")
    path.write_bytes(data)


def overlapping(path: Path) -> None:
    """Every entry of the index points to one and the same part."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(40_000))
        one = archive.infolist()[0]
        for i in range(400):
            entry = zipfile.ZipInfo(f"part{i}")
            for name in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(entry, name, getattr(one, name))
            archive.filelist.append(entry)


def doctype(path: Path, name: str) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    head, body = parts[name].decode().split("?>", 1)
    parts[name] = f"{head}?>{bombs.laughs(body.replace('x</text', '{}</text'))}".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)


def make_layers(folder: Path, address: str) -> None:
    secret = folder.parent / "plain.geojson"
    for name in ("commands.geojson", "commands.json"):
        (folder / name).write_text(bombs.commands(secret))
    (folder / "layers.geojson").write_text("{\n" + bombs.vrt(secret))
    (folder / "layers.fgb").write_text("fgb" + bombs.vrt(secret))
    (folder / "layers.gpkg").write_text("SQLite format 3\n" + bombs.vrt(secret))
    crs = {"type": "link", "properties": {"href": f"{address}/crs", "type": "proj4"}}
    (folder / "address.geojson").write_text(bombs.geojson(crs=crs))
    escaped = bombs.geojson(crs=crs).replace("crs", "\\u0063rs").replace("link", "\\u006cink")
    (folder / "address_escaped.geojson").write_text(escaped)
    (folder / "deep.geojson").write_text('{"type":"FeatureCollection","features":' + "[" * 10**6)
    point = {"type": "Point", "coordinates": [1.0, 2.0]}
    features = [
        {"type": "Feature", "properties": {f"p{i}": 1}, "geometry": point} for i in range(3000)
    ]
    (folder / "columns.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    points().to_file(folder / "many.fgb", driver="FlatGeobuf")
    data = (folder / "many.fgb").read_bytes()
    count = (1000).to_bytes(8, "little")
    assert data.count(count) == 1
    (folder / "many.fgb").write_bytes(data.replace(count, (10**9).to_bytes(8, "little")))
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    geopackage(
        folder / "view.gpkg",
        f"ALTER TABLE t RENAME TO u; CREATE VIEW t AS {endless} SELECT c.x AS fid, u.geom, u.a "
        "FROM c, u",
    )
    computed = "ALTER TABLE t ADD COLUMN b TEXT GENERATED ALWAYS AS (hex(zeroblob(9000000)))"
    geopackage(folder / "computed.gpkg", computed)
    long = "x" * 9_000_000
    geopackage(folder / "default.gpkg", f"ALTER TABLE t ADD COLUMN b TEXT DEFAULT '{long}'")


def geopackage(path: Path, script: str) -> None:
    shutil.copy(path.parent.parent / "plain.gpkg", path)
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


def make_parquets(folder: Path) -> None:
    one = pa.table({"lng": pa.array(np.zeros(10_000_000))})
    with parquet.ParquetWriter(folder / "rows.parquet", one.schema) as writer:
        for _ in range(21):
            writer.write_table(one)
    long = pa.DictionaryArray.from_arrays(np.zeros(1_000_000, np.int32), pa.array(["x" * 100_000]))
    parquet.write_table(pa.table({"name": long}), folder / "texts.parquet")


def make_streets(folder: Path) -> None:
    root = '<osm version="0.6"><node id="1" lat="0" lon="0" user="{}"/></osm>'
    graph = "<graphml><graph><node id='{}'/></graph></graphml>"
    (folder / "laughs.osm").write_text(bombs.laughs(root))
    (folder / "quadratic.osm").write_text(bombs.quadratic(root))
    (folder / "outside.osm").write_text(bombs.outside(root, Path(__file__)))
    (folder / "laughs16.osm").write_text(bombs.laughs(root), encoding="utf-16")
    (folder / "laughs.osm.gz").write_bytes(gzip.compress(bombs.laughs(root).encode()))
    (folder / "laughs.graphml").write_text(bombs.laughs(graph))
    (folder / "outside.graphml").write_text(bombs.outside(graph, Path(__file__)))
    bombs.endless_osm(folder / "blanks.osm.gz", b" ", 200)
    bombs.endless_osm(folder / "blanks.osm.bz2", b" ", 200)
    way = b'<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="path"/></way>'
    bombs.endless_osm(folder / "ways.osm.gz", way, 200)
    bombs.dense_pbf(folder / "nodes.osm.pbf", 9_000_000, 20)
    secret = folder.parent / "plain.geojson"
    (folder / "commands.json").write_text(bombs.commands(secret))
    (folder / "layers.gpkg").write_text("SQLite format 3\n" + bombs.vrt(secret))


def small_plan(folder: Path) -> Path:
    line_town(folder / "t.osm", [100.0] * 30)
    at = [metres_east(50 + 100 * i) for i in range(30)]
    pd.DataFrame({"lng": at, "lat": 0.0}).to_csv(folder / "d.csv", index=False)
    sites = {"site_id": ["a", "b"], "lng": [metres_east(500), metres_east(1500)], "lat": 0.0}
    pd.DataFrame(sites).to_csv(folder / "s.csv", index=False)
    asked = {
        "network": {"osm": "t.osm"},
        "demand": {"file": "d.csv"},
        "sites": {"candidates": "s.csv"},
        "question": {"minutes": 5, "new_sites": 1},
    }
    plan = make_plan(make_scenario(asked, folder=folder))
    return plan_folder.save(plan, folder / "plan", map_html=lambda _: "")


def make_plans(folder: Path) -> None:
    plan = small_plan(folder)
    for name in PLANS:
        shutil.copytree(plan, folder / "plans" / name)
    at = folder / "plans"
    replace_array(at / "shape", "weight.npy", header((10**12,)))
    replace_array(at / "zeros", "more.npy", header((60_000_000,)) + bytes(480_000_000))
    long = b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b" " * 20_000
    replace_array(at / "header", "weight.npy", long)
    shutil.copy(folder / "tables" / "rows.parquet", at / "rows" / "demand.parquet")
    (at / "deep" / "plan.json").write_text("[" * 10**6)
    (at / "deep_toml" / "scenario.toml").write_text("a = " + "[" * 10**5)


def header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def replace_array(folder: Path, name: str, content: bytes) -> None:
    path = folder / "certificate.npz"
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()} | {name: content}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in parts.items():
            archive.writestr(each, data)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bomb", "words"),
    [(f"{door}/{name}", words) for door, of in
     (("tables", TABLES), ("streets", STREETS), ("plans", PLANS)) for name, words in of.items()],
)  # fmt: skip
def test_a_bomb_is_refused_with_little_memory(
    said: dict[str, tuple[list[str], int]], bomb: str, words: str
) -> None:
    (zh, en), grown = said[bomb]
    assert any(word in en for word in words.split("|")), en
    name = bomb.split("/")[1]
    assert name in zh and name in en and len(en) < 700
    assert any("\u4e00" <= character <= "\u9fff" for character in zh)
    assert "geheim" not in zh + en
    assert grown < GROWN_MB


def test_every_bomb_is_listed(said: dict[str, tuple[list[str], int]]) -> None:
    listed = {"tables": TABLES, "streets": STREETS, "plans": PLANS}
    assert said.keys() == {f"{door}/{name}" for door, names in listed.items() for name in names}


def test_no_address_is_asked(
    said: dict[str, tuple[list[str], int]], asked: tuple[str, list[str]]
) -> None:
    assert said and asked[1] == []


def test_gdal_would_have_asked_and_opened(folder: Path, asked: tuple[str, list[str]]) -> None:
    """What the bombs do where nobody looks: else they would prove nothing."""
    crs = {"type": "link", "properties": {"href": f"{asked[0]}/really", "type": "proj4"}}
    secret = folder / "secret.geojson"
    secret.write_text(bombs.geojson())
    cases = {
        "a.geojson": bombs.geojson(crs=crs),
        "b.geojson": bombs.commands(secret),
        "c.gpkg": "SQLite format 3\n" + bombs.vrt(secret),
    }
    for name, content in cases.items():
        (folder / name).write_text(content)
        assert pyogrio.read_dataframe(folder / name)["secret"].tolist() == ["geheim"]
    assert "/really" in asked[1]
    asked[1].clear()


# --- honest files pass ----------------------------------------------------------------------------


def shape_of(path: Path) -> tuple[int, int]:
    return read_raw(path, wanted=lambda names: True).frame.shape


def test_a_large_workbook_passes(tmp_path: Path) -> None:
    """100,000 rows with shared texts, one of them long, and a remark that many cells show."""
    book = xlsxwriter.Workbook(tmp_path / "a.xlsx")
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["demand_id", "lng", "lat", "weight", "district", "备注"])
    for i in range(1, 100_000):
        remark = "长" * 30_000 if i == 5 else "沿街门面，一楼"
        sheet.write_row(i, 0, [f"d{i}", 101.7, 36.6, i % 7, f"区{i % 9}", remark])
    book.close()
    assert shape_of(tmp_path / "a.xlsx") == (99_999, 6)


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
