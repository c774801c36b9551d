"""The files that burst, by the door they come in, and what the error says of each."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import zipfile
import zlib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from pyarrow import parquet

import bombs
from servicecircle import plan_folder
from servicecircle.plan import make_plan
from servicecircle.scenario import make_scenario
from towns import line_town, metres_east

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
    bombs.endless_osm(folder / "blanks.osm.gz", b" ", 120)
    bombs.endless_osm(folder / "blanks.osm.bz2", b" ", 120)
    way = b'<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="path"/></way>'
    bombs.endless_osm(folder / "ways.osm.gz", way, 120)
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
    replace_array(at / "zeros", "more.npy", header((40_000_000,)) + bytes(320_000_000))
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
