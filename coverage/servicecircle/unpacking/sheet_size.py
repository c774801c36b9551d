"""How large a sheet may be, and what is said of one that is larger."""

from __future__ import annotations

from servicecircle.unpacking.excess import ExcessError

MAX_SHEET_CELLS = 20_000_000  # of one sheet's rectangle: 32 bytes each, and what Python adds
MAX_TEXT_BYTES = 1_000_000_000  # of all cells together, a text counted as often as it is shown


def require_small_sheet(rows: int, columns: int) -> None:
    """Raise `ExcessError` where a sheet's rectangle has too many cells."""
    if rows * columns > MAX_SHEET_CELLS:
        raise ExcessError(
            f"一张工作表占到 {rows:,} 行 × {columns:,} 列，太大。远处的零散单元格要删去。",
            f"A sheet reaches {rows:,} rows × {columns:,} columns, too large. "
            "Delete stray cells far out.",
        )


def too_much_text(size: int) -> ExcessError:
    """What is said where texts are repeated beyond measure."""
    return ExcessError(
        f"单元格里的文字展开后太大（{size:,} 字节以上）。重复的长文字要缩短。",
        f"The texts of the cells are too large when laid out (more than {size:,} bytes). Shorten "
        "the long texts that repeat.",
    )
