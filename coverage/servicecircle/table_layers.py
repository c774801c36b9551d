"""Layers and Parquet files as raw tables: what pyogrio and pyarrow read, once it is no bomb."""

from __future__ import annotations

import io
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow
import pyogrio
from pyarrow import parquet

from .raw_table import RawTable, decoded, distinct, fail, no_sheet, require_few_columns
from .unpacking.layers import (
    require_few_cells,
    require_sane_binary,
    require_sane_json,
    require_table,
)
from .unpacking.parquet_files import require_sane_parquet

LAYER_MARKS = {
    ".geojson": b"{",
    ".json": b"{",
    ".gpkg": b"SQLite format 3",
    ".shp": b"\x00\x00\x27\x0a",
    ".fgb": b"fgb",
}


def read_layer(path: Path, data: bytes, layer: str | None) -> RawTable:
    """A layer by its suffix (`LAYER_MARKS`); ``data``: its first bytes, or all of a GeoJSON."""
    suffix = path.suffix.lower()
    encoding = None
    if suffix in (".geojson", ".json"):
        data = decoded(path, data).strip().encode()
    if not data.startswith(LAYER_MARKS[suffix]):
        fail(
            path,
            f"内容不是 {suffix} 格式。请检查后缀，或重新导出。",
            f"The content is not {suffix}. Check the suffix, or export it again.",
        )
    if suffix == ".shp":
        encoding = _dbf_encoding(path)
    try:
        chosen = None
        if suffix in (".geojson", ".json"):
            require_sane_json(data.decode())
        else:
            require_sane_binary(suffix, data)
        if suffix == ".gpkg":
            chosen = _gpkg_layer(path, layer)
            require_table(path, chosen)
        with _for_gdal(path, suffix, data) as handle:
            about = pyogrio.read_info(
                handle, layer=chosen, encoding=encoding, force_feature_count=True
            )
            require_few_cells(int(about["features"]), len(about["fields"]))
            frame = pyogrio.read_dataframe(handle, layer=chosen, encoding=encoding)
    except (RuntimeError, ValueError, OSError, IndexError, sqlite3.Error) as error:
        _unreadable(path, error)
    return _from_frame(path, chosen, frame)


@contextmanager
def _for_gdal(path: Path, suffix: str, data: bytes) -> Iterator[str | Path]:
    """What GDAL is told to open: by content alone it would also take lists of commands for JSON."""
    if suffix not in (".geojson", ".json"):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="servicecircle-") as folder:
        copy = Path(folder) / "layer.geojson"
        copy.write_bytes(data)  # in UTF-8
        yield f"GEOJSON:{copy}"


def _gpkg_layer(path: Path, layer: str | None) -> str:
    """The layer asked for, or the first one with geometry."""
    layers = pyogrio.list_layers(path).tolist()
    names = [name for name, _ in layers]
    if layer is not None and layer not in names:
        no_sheet(path, layer, names)
    return layer or ([name for name, kind in layers if kind is not None] or names)[0]


def _unreadable(path: Path, error: Exception) -> NoReturn:
    beside = "（.shp 旁边还要有 .shx 和 .dbf）" if path.suffix.lower() == ".shp" else ""
    beside_en = " (a .shp needs its .shx and .dbf)" if beside else ""
    first = (str(error).splitlines() or [""])[0][:200]
    fail(
        path,
        f"文件读不出来，可能已损坏{beside}：{first}。请重新导出。",
        f"The file cannot be read, perhaps it is damaged{beside_en}: {first}. Export it again.",
    )


def _dbf_encoding(path: Path) -> str | None:
    """GB18030 or UTF-8 by content, where no .cpg says it; GDAL would assume Latin-1."""
    dbf = path.with_suffix(".dbf")
    if path.with_suffix(".cpg").exists() or not dbf.exists():
        return None
    data = dbf.read_bytes()
    body = data[int.from_bytes(data[8:10], "little") :]
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "GB18030"
    return "UTF-8"


def read_parquet(path: Path, data: bytes) -> RawTable:
    """A Parquet file, GeoParquet or plain."""
    try:
        require_sane_parquet(io.BytesIO(data))
        schema = parquet.read_schema(io.BytesIO(data))
        spatial = b"geo" in (schema.metadata or {})
        read: Any = gpd.read_parquet if spatial else pd.read_parquet
        frame = read(io.BytesIO(data))
    except (pyarrow.ArrowException, ValueError, OSError, KeyError) as error:
        _unreadable(path, error)
    return _from_frame(path, None, frame)


def _from_frame(path: Path, sheet: str | None, frame: pd.DataFrame) -> RawTable:
    rows = np.arange(1, len(frame) + 1, dtype=np.int64)
    geometry = None
    if isinstance(frame, gpd.GeoDataFrame):
        geometry = gpd.GeoSeries(frame.geometry.to_numpy(), crs=frame.crs)
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    require_few_columns(frame.columns.tolist())
    unique, repeated = distinct([str(name) for name in frame.columns])
    frame = frame.set_axis(unique, axis=1).reset_index(drop=True)
    return RawTable(path.name, sheet, frame, rows, repeated, geometry)
