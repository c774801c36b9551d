"""Parquet: a value is written once and repeated by a number, a text once and shown by its number.

So a few kilobytes hold a billion rows. What is announced is counted first; texts that may be shown
often are read as numbers into a list of texts, which stays small, and counted by these.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from servicecircle.unpacking.excess import ExcessError

MAX_VALUES = 200_000_000  # of all columns together, 8 bytes each at least
MAX_TEXT_BYTES = 4_000_000_000  # of all texts and geometries together, as often as they are shown
MAX_EXPANDED_BYTES = 8_000_000_000  # pages unpacked, as the file announces them


def require_sane_parquet(file: BinaryIO) -> None:
    """Raise `ExcessError` where a Parquet file would burst; pyarrow's own errors where it is none.

    The file is left where it was.
    """
    from pyarrow import parquet  # noqa: PLC0415 (slow to import)

    at = file.tell()
    whole = parquet.ParquetFile(file)
    chunks = [
        (row_group, column, whole.metadata.row_group(row_group).column(column))
        for row_group in range(whole.metadata.num_row_groups)
        for column in range(whole.metadata.num_columns)
    ]
    values = sum(chunk.num_values for _, _, chunk in chunks)
    values = max(values, whole.metadata.num_rows * max(whole.metadata.num_columns, 1))
    expanded = sum(chunk.total_uncompressed_size for _, _, chunk in chunks)
    if values > MAX_VALUES or expanded > MAX_EXPANDED_BYTES or values < 0 or expanded < 0:
        raise ExcessError(
            f"展开后有 {values:,} 个值、{expanded:,} 字节，太大。请只保留需要的列或分成几份。",
            f"it unpacks to {values:,} values and {expanded:,} bytes, too many. Keep only the "
            "columns that are needed, or split the file.",
        )
    texts = [
        (row_group, chunk)
        for row_group, _, chunk in chunks
        if chunk.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
    ]
    # no text is longer than the chunk that it is written in
    if sum(c.num_values * c.total_uncompressed_size for _, c in texts) > MAX_TEXT_BYTES:
        _require_little_text(file, at, texts)
    file.seek(at)


def _require_little_text(file: BinaryIO, at: int, texts: list[tuple[int, Any]]) -> None:
    from pyarrow import parquet  # noqa: PLC0415

    file.seek(at)
    names = [chunk.path_in_schema for _, chunk in texts if chunk.physical_type == "BYTE_ARRAY"]
    whole = parquet.ParquetFile(file, read_dictionary=sorted(set(names)))
    total = 0
    for row_group, chunk in texts:
        if chunk.num_values * chunk.total_uncompressed_size <= chunk.total_uncompressed_size:
            continue
        column = whole.read_row_group(row_group, columns=[chunk.path_in_schema])
        total += sum(_shown_bytes(each) for each in _arrays(column))
        if total > MAX_TEXT_BYTES:
            raise ExcessError(
                f"文字和几何展开后有 {total:,} 字节以上，太大。请缩短重复的长文字。",
                f"its texts and geometries are more than {total:,} bytes when laid out, too many. "
                "Shorten the long texts that repeat.",
            )


def _arrays(column: Any) -> list[Any]:
    return [chunk for name in column.column_names for chunk in column.column(name).chunks]


def _shown_bytes(array: Any) -> int:
    """Bytes of the texts of an array, each as often as it is shown."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    kind = array.type
    if pa.types.is_dictionary(kind):
        length = compute.binary_length(array.dictionary)
        return int(compute.sum(length.take(array.indices.cast("int64"))).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(_shown_bytes(array.field(i)) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _shown_bytes(array.keys) + _shown_bytes(array.items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _shown_bytes(array.values)
    return int(array.nbytes)
