"""Layers of a GIS: what a file may make GDAL do beside reading it.

GDAL tells formats by content, so a file that is named as a layer can be a list of commands or of
other files, which it would open (GDALG, VRT), and a GeoJSON can name an address for its CRS, which
it would ask. A GeoPackage is a database that can compute rows without end.
"""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

from servicecircle.unpacking.excess import ExcessError

MAX_LAYER_CELLS = 100_000_000  # features × columns, 8 bytes each before anything is in them
MAX_LAYER_COLUMNS = 2_000  # a GeoPackage has no more
MAX_DEFAULT_BYTES = 1_000_000_000  # of columns' defaults, in all rows together
_LARGEST_FGB_HEADER = 10 << 20  # of its reader's own
_ESCAPED_LETTER = re.compile(r"\\u00([2-7][0-9a-fA-F])")
_CRS = re.compile(r'"crs"\s*:\s*')


def require_sane_json(text: str) -> None:
    """Raise `ExcessError` where a GeoJSON takes its CRS from an address."""
    if "crs" not in text.lower() and "\\u00" not in text:
        return
    if "\\u00" in text:  # letters may be written as numbers
        text = _ESCAPED_LETTER.sub(lambda found: chr(int(found[1], 16)), text)
    for found in _CRS.finditer(text):
        try:
            crs, _ = json.JSONDecoder().raw_decode(text[found.end() : found.end() + (1 << 16)])
        except (ValueError, RecursionError):
            crs = {"type": "?"}
        kind = crs.get("type") if isinstance(crs, dict) else None
        if crs is not None and str(kind).lower() not in ("name", "epsg", "ogc", "proj4"):
            raise ExcessError(
                f"坐标系（crs）写的是“{str(kind)[:40]}”，要写名称（name），如 EPSG:4326。",
                f"its crs is of the type “{str(kind)[:40]}”; give the name of one, such as "
                "EPSG:4326.",
            )


def require_sane_binary(suffix: str, head: bytes) -> None:
    """Raise `ExcessError` unless a file's first 32 bytes are those of its suffix and no text.

    The zero bytes that belong there end what GDAL searches for the words of other formats.
    """
    if suffix == ".fgb":
        length = int.from_bytes(head[8:12], "little")
        sound = head[3:7] == b"\x03fgb" and length <= _LARGEST_FGB_HEADER
    elif suffix == ".gpkg":
        sound = head[:16] == b"SQLite format 3\0"
    else:
        sound = b"\0" in head[:8]
    if not sound:
        raise ExcessError(
            f"内容不是 {suffix} 格式。请检查后缀，或重新导出。",
            f"The content is not {suffix}. Check the suffix. Export it again.",
        )


def require_table(path: Path, layer: str) -> None:
    """Raise `ExcessError` unless a layer of a GeoPackage is a table whose rows are all stored.

    Raises sqlite3.Error where the file is no database.
    """
    quoted = '"' + layer.replace('"', '""') + '"'
    address = path.resolve().as_uri() + "?mode=ro&immutable=1"
    connection = sqlite3.connect(address, uri=True)
    try:
        about = "SELECT type, sql FROM sqlite_master WHERE lower(name) = lower(?) AND type IN "
        found = connection.execute(about + "('table', 'view')", [layer]).fetchone()
        kind, made = found or ("", "")
        virtual = re.match(r"\s*CREATE\s+VIRTUAL\b", made or "", re.IGNORECASE)
        columns: list[tuple[object, ...]] = []
        rows = 0
        if kind == "table" and not virtual:
            columns = connection.execute(f"PRAGMA table_xinfo({quoted})").fetchall()
            rows = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]
    finally:
        connection.close()
    if kind != "table" or virtual or any(column[-1] != 0 for column in columns):
        raise ExcessError(
            f"图层“{layer}”是视图或含计算列，不是存好的表。请另存为新的 GeoPackage。",
            f"the layer “{layer}” is a view, or has computed columns: its rows are not stored. "
            "Save it as a new GeoPackage.",
        )
    if rows * sum(len(str(column[4] or "")) for column in columns) > MAX_DEFAULT_BYTES:
        raise ExcessError(
            f"图层“{layer}”的列默认值太长，{rows:,} 行展开后太大。请另存为新的 GeoPackage。",
            f"the columns' defaults of the layer “{layer}” are too long for {rows:,} rows. "
            "Save it as a new GeoPackage.",
        )
    require_few_cells(rows, len(columns))


def require_few_cells(rows: int, columns: int) -> None:
    """Raise `ExcessError` where a table would be too large as columns in memory."""
    if rows < 0 or columns > MAX_LAYER_COLUMNS or rows * columns > MAX_LAYER_CELLS:
        raise ExcessError(
            f"有 {rows:,} 行 × {columns:,} 列，太大。请只保留需要的列，或分成几个文件。",
            f"{rows:,} rows × {columns:,} columns are too many. Keep only the columns that are "
            "needed, or split the file.",
        )
