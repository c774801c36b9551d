"""QR codes of the stations' links: error correction M or better, a quiet zone of four modules."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import segno
from numpy.typing import NDArray

from servicecircle.export.export_plan import ExportPlan, file_part, writing
from servicecircle.export.links import DATUMS, station_links
from servicecircle.export.plain_text import cell, csv_bytes, legible

QUIET_ZONE = 4  # modules, as ISO/IEC 18004 asks for
MODULE_PX = 12  # a version 10 code is then 780 pixels wide: 66 mm at 300 dpi
DPI = 300


def qr_code(link: str) -> segno.QRCode:
    """The smallest code for a link at level M, or better where that costs no size."""
    return segno.make_qr(link, error="m")


def qr_matrix(link: str) -> NDArray[np.bool_]:
    """The modules, True where dark, the quiet zone around them included; square."""
    rows = qr_code(link).matrix_iter(scale=1, border=QUIET_ZONE)
    return np.array([list(row) for row in rows], dtype=bool)


def qr_png(link: str, path: Path, *, module_px: int = MODULE_PX) -> Path:
    """Write the code as a black and white PNG, so many pixels per module. Raises `OutputError`."""
    with writing(Path(path)) as beside:
        beside.write_bytes(_png(link, module_px))
    return Path(path)


def qr_svg(link: str) -> str:
    """The code as an SVG element for a page or a sign: a module is one unit, no size of its own."""
    file = io.BytesIO()
    qr_code(link).save(
        file, kind="svg", border=QUIET_ZONE, xmldecl=False, omitsize=True, nl=False, light="#fff"
    )
    return file.getvalue().decode()


def write_qr(plan: ExportPlan, folder: Path, *, to: str) -> list[Path]:
    """Write ``<title>-qr-<to>/``: a PNG per station, named by number and code, and an index.

    ``to`` is a provider of `links.DATUMS`. Returns the index, the notes on origin and the codes.
    The folder is put in place whole. Raises `OutputError`.
    """
    links = station_links(plan)
    stations, target = plan.stations, folder / f"{plan.stem}-qr-{to}"
    digits = len(str(len(stations)))
    names = [
        f"{number:0{digits}d}-{_code_part(code)}.png"
        for number, code in enumerate(stations["site_id"], start=1)
    ]
    index = pd.DataFrame(
        {
            "文件": names,
            "编码": stations["site_id"],
            "名称": stations["name"].map(cell),
            "链接": links[to],
            "坐标系": plan.datum_words(DATUMS[to])[0],
        }
    )
    about = "\n".join(f"{label}：{legible(text)}" for label, text in plan.about(DATUMS[to], to))
    with writing(target) as beside:
        beside.mkdir()
        (beside / "index.csv").write_bytes(csv_bytes(index))
        (beside / "说明.txt").write_text(about + "\n", encoding="utf-8-sig")
        for name, link in zip(names, links[to], strict=True):
            (beside / name).write_bytes(_png(link, MODULE_PX))
    return [target / name for name in ("index.csv", "说明.txt", *names)]


def _code_part(code: str) -> str:
    return file_part(code, "station")


def _png(link: str, module_px: int) -> bytes:
    file = io.BytesIO()
    qr_code(link).save(file, kind="png", scale=module_px, border=QUIET_ZONE, dpi=DPI)
    return file.getvalue()
