"""Builds files that are small on disk and burst when they are read."""

from __future__ import annotations

import bz2
import gzip
import json
import struct
import zipfile
import zlib
from pathlib import Path

_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_XML = '<?xml version="1.0" encoding="UTF-8"?>'

HEADER_ROW = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>lng</t></is></c>'
    '<c r="B1" t="inlineStr"><is><t>lat</t></is></c></row>'
)
DATA_ROW = '<row r="2"><c r="A2"><v>101.7</v></c><c r="B2"><v>36.6</v></c></row>'


def xlsx(path: Path, rows: str, *, texts: str = "", sheet: str = "worksheets/s.xml") -> Path:
    """A workbook of one sheet, its parts as written here; ``texts``: the shared ones."""
    body = f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return xlsx_parts(path, body, texts=texts, sheet=sheet)


def xlsx_parts(
    path: Path, body: str | bytes, *, texts: str = "", sheet: str = "worksheets/s.xml"
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" '
            'ContentType="application/xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="a" '
            f'Type="{_RELATION}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATION}"><sheets>'
            '<sheet name="S" sheetId="1" r:id="s"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="s" '
            f'Type="{_RELATION}/worksheet" Target="{sheet}"/><Relationship Id="t" '
            f'Type="{_RELATION}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        )
        if texts:
            archive.writestr("xl/sharedStrings.xml", f'{_XML}<sst xmlns="{_MAIN}">{texts}</sst>')
        archive.writestr(f"xl/{sheet}", body)
    return path


def ods(path: Path, rows: str) -> Path:
    """An OpenDocument workbook of one sheet."""
    names = " ".join(
        f'xmlns:{each}="urn:oasis:names:tc:opendocument:xmlns:{each}:1.0"'
        for each in ("office", "table", "text")
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
            "/>",
        )
        archive.writestr(
            "content.xml",
            f"{_XML}<office:document-content {names}><office:body><office:spreadsheet>"
            f'<table:table table:name="S">{rows}</table:table></office:spreadsheet></office:body>'
            "</office:document-content>",
        )
    return path


def ods_row(*cells: str, times: int = 1) -> str:
    return (
        f'<table:table-row table:number-rows-repeated="{times}">{"".join(cells)}</table:table-row>'
    )


def ods_cell(text: str, times: int = 1) -> str:
    return (
        f'<table:table-cell office:value-type="string" table:number-columns-repeated="{times}">'
        f"<text:p>{text}</text:p></table:table-cell>"
    )


def ods_empty(times: int) -> str:
    return f'<table:table-cell table:number-columns-repeated="{times}"/>'


def xls(path: Path, cells: list[tuple[int, int, float]], *, circle: bool = False) -> Path:
    """A workbook in the old format: numbers at (row, column), one sheet; or a chain in a circle."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    begin = struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6)
    sheet_begin = struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6)
    name = b"\x01\x00S"
    globals_ = record(0x0809, begin)
    at = len(globals_) + 4 + 6 + 1 + len(name) + 1 + 4
    bound = struct.pack("<IH", at - 1, 0) + struct.pack("<B", 1) + b"\x00S"
    at = len(globals_) + 4 + len(bound) + 4
    bound = struct.pack("<IH", at, 0) + struct.pack("<B", 1) + b"\x00S"
    stream = globals_ + record(0x0085, bound) + record(0x000A, b"") + record(0x0809, sheet_begin)
    for row, column, number in cells:
        stream += record(0x0203, struct.pack("<HHHd", row, column, 0, number))
    stream += record(0x000A, b"")
    stream = stream.ljust(4096, b"\0")
    sectors = -(-len(stream) // 512)
    last, free = 0xFFFFFFFE, 0xFFFFFFFF
    table = [0xFFFFFFFD, last, *range(3, 2 + sectors), 2 if circle else last]
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<9I", 0, 1, 1, 0, 4096, last, 0, last, 0)
    header += struct.pack("<109I", 0, *[free] * 108)

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        text = (name + "\0").encode("utf-16-le")
        return (
            text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text), kind, 1, free, free, child)
            + bytes(36) + struct.pack("<IQ", start, size)
        )  # fmt: skip

    directory = entry("Root Entry", 5, 1, last, 0) + entry("Workbook", 2, free, 2, len(stream))
    path.write_bytes(
        header
        + struct.pack(f"<{len(table)}I", *table).ljust(512, b"\xff")
        + directory.ljust(512, b"\0")
        + stream.ljust(sectors * 512, b"\0")
    )
    return path


# --- streets --------------------------------------------------------------------------------------

STREET = (
    '<osm version="0.6"><node id="1" lat="0" lon="0"/><node id="2" lat="0" lon="0.01"/>{}'
    '<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="path"/></way></osm>'
)


def laughs(root: str) -> str:
    """A document type whose entities expand to a billion words, used in ``root``."""
    lines = [f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10)]
    return f'<!DOCTYPE x [<!ENTITY e0 "ha">{"".join(lines)}]>{root.format("&e9;")}'


def quadratic(root: str) -> str:
    return f'<!DOCTYPE x [<!ENTITY e "{"a" * 100_000}">]>{root.format("&e;" * 10_000)}'


def outside(root: str, file: Path) -> str:
    return f'<!DOCTYPE x [<!ENTITY e SYSTEM "{file.as_uri()}">]>{root.format("&e;")}'


def endless_osm(path: Path, filler: bytes, megabytes: int) -> Path:
    """A compressed OSM file that is legal XML, with ``filler`` over and over in it."""
    head, tail = (part.encode() for part in STREET.split("{}"))
    piece = filler * (1_000_000 // len(filler))
    opened = bz2.open if path.name.endswith(".bz2") else gzip.open
    with opened(path, "wb") as file:
        file.write(head)
        for _ in range(megabytes):
            file.write(piece)
        file.write(tail)
    return path


def dense_pbf(path: Path, nodes: int, blobs: int) -> Path:
    """A PBF whose nodes follow one another at equal steps: a thousand times larger unpacked."""

    def varint(number: int) -> bytes:
        out = b""
        while number > 127:
            out, number = out + bytes([number & 127 | 128]), number >> 7
        return out + bytes([number])

    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    def blob(kind: bytes, raw: bytes) -> bytes:
        body = field(2, len(raw)) + field(3, zlib.compress(raw, 9))
        head = field(1, kind) + field(3, len(body))
        return struct.pack(">I", len(head)) + head + body

    step = b"\x02" * nodes
    dense = field(1, step) + field(8, step) + field(9, step)
    block = field(1, field(1, b"")) + field(2, field(2, dense))
    header = field(4, b"OsmSchema-V0.6") + field(4, b"DenseNodes")
    path.write_bytes(blob(b"OSMHeader", header) + blob(b"OSMData", block) * blobs)
    return path


# --- layers ---------------------------------------------------------------------------------------


def geojson(**more: object) -> str:
    feature = {
        "type": "Feature",
        "properties": {"secret": "geheim"},
        "geometry": {"type": "Point", "coordinates": [101.7, 36.6]},
    }
    return json.dumps({"type": "FeatureCollection", **more, "features": [feature]})


def vrt(file: Path) -> str:
    """A list of layers elsewhere, as GDAL reads it in whatever file it stands."""
    return (
        f'<OGRVRTDataSource><OGRVRTLayer name="{file.stem}"><SrcDataSource>{file}'
        "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )


def commands(file: Path) -> str:
    """A list of commands, as GDAL runs it in whatever JSON file it stands."""
    command = f"gdal vector pipeline ! read {file}"
    return json.dumps({"type": "gdal_streamed_alg", "command_line": command})
