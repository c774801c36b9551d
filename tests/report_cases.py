"""What the report's tests share: readers of paper and workbook, and a judge of a plan's figures.

The paper is read as a zip of XML, the workbook by openpyxl and calamine: not by what wrote them.
Expected figures are written anew from ``plan.json``, with decimal arithmetic, or counted walk by
walk from the certificate (`Judge`).
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openpyxl
import pandas as pd
from PIL import Image

from plans import CANDIDATES, EXISTING, site_row
from servicecircle.export.export_plan import read_plan
from servicecircle.export.report import write_report

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
R = "{http://schemas.openxmlformats.org/package/2006/relationships}"
DISTRICTS = {"西区": (-500.0, 2000.0, None), "东区": (2000.0, 6500.0, 12.0)}
LIMITED = [{**row, "capacity": c} for row, c in zip(CANDIDATES, (35, 40, 10, 3, ""), strict=True)]
STANDING = [{**EXISTING[0], "capacity": 4}]
CROSSED = [*EXISTING, site_row("E2", 350), site_row("E3", 4050)]  # d1 has two of them
QUESTIONS: dict[str, dict[str, Any]] = {
    "mclp": {"new_sites": 2, "districts": DISTRICTS},
    "crossed": {"new_sites": 2, "existing": CROSSED, "districts": DISTRICTS},
    "budget": {"budget": 400.0},
    "lscp": {},
    "lscp cost": {"minimise": "cost"},
    "partial": {"share": 0.6},
    "p_median": {"model": "p_median", "new_sites": 2},
    "p_center": {"model": "p_center", "new_sites": 2},
    "decay": {"new_sites": 2, "decay_to_minutes": 15.0},
    "capacities": {"new_sites": 2, "capacities": True, "candidates": LIMITED, "existing": STANDING},
}


# --- readers --------------------------------------------------------------------------------------


class Read:
    """A paper as another program sees it."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None
            self.parts = {name: file.read(name) for name in file.namelist()}
        for name, data in self.parts.items():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(data)  # well-formed
        self.body = ElementTree.fromstring(self.parts["word/document.xml"])[0]

    @property
    def text(self) -> str:
        return "\n".join(text_of(p) for p in self.body.iter(f"{W}p"))

    def tables(self) -> dict[str, list[list[str]]]:
        """Caption (without its number) → rows of cells, the heading row first."""
        found, caption = {}, ""
        for element in self.body:
            if element.tag == f"{W}p" and style_of(element) == "Caption":
                caption = re.split("[　.] ?", text_of(element), maxsplit=1)[1]
            elif element.tag == f"{W}tbl":
                rows = element.findall(f"{W}tr")
                found[caption] = [[text_of(c) for c in row.findall(f"{W}tc")] for row in rows]
        return found

    def styled(self, style: str) -> list[str]:
        return [text_of(p) for p in self.body.iter(f"{W}p") if style_of(p) == style]

    def pictures(self) -> list[Image.Image]:
        return [
            Image.open(io.BytesIO(data)) for name, data in sorted(self.parts.items())
            if name.startswith("word/media/")
        ]  # fmt: skip


def text_of(element: ElementTree.Element) -> str:
    return "".join(t.text or "" for t in element.iter(f"{W}t"))


def style_of(paragraph: ElementTree.Element) -> str:
    style = paragraph.find(f"{W}pPr/{W}pStyle")
    return "" if style is None else style.get(f"{W}val", "")


def cells(path: Path, sheet: str) -> list[list[Any]]:
    """A sheet's rows, every cell a plain value."""
    book = openpyxl.load_workbook(path)
    assert all(cell.data_type != "f" for ws in book for row in ws.rows for cell in row)
    assert all(cell.hyperlink is None for ws in book for row in ws.rows for cell in row)
    return [list(row) for row in book[sheet].iter_rows(values_only=True)]


def written(folder: Path, into: Path, lang: str = "zh") -> tuple[Read, Path]:
    into.mkdir(exist_ok=True)
    docx, xlsx = write_report(read_plan(folder), into, lang=lang)
    return Read(docx), xlsx


def said(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


# --- figures as the paper should write them -------------------------------------------------------


def decimals(value: float, places: int) -> str:
    step = Decimal(1).scaleb(-places)
    return f"{Decimal(value).quantize(step, ROUND_HALF_EVEN):,}"


def share(value: float) -> str:
    return f"{decimals(100 * value, 2)}%"


def weight(value: float) -> str:
    return decimals(value, 0 if value >= 1000 or value == round(value) else 2)


# --- figures counted anew -------------------------------------------------------------------------


class Judge:
    """A plan folder's figures, counted walk by walk from its certificate and its demand."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "certificate.npz", allow_pickle=False) as stored:
            a = {name: stored[name] for name in stored.files}
        self.demand = pd.read_parquet(folder / "demand.parquet").set_index("demand_id")
        self.status = dict(zip(a["site_id"].tolist(), a["status"].tolist(), strict=True))
        self.home = dict(zip(a["site_id"].tolist(), a["site_district"].tolist(), strict=True))
        self.chosen = set(a["site_id"][a["chosen"]].tolist())
        self.near: dict[str, set[str]] = {}  # demand id → sites within its standard
        for i, name in enumerate(a["demand_id"].tolist()):
            walks = range(a["indptr"][i], a["indptr"][i + 1])
            within = [w for w in walks if a["minutes"][w] <= a["minutes_required"][i] + 1e-7]
            self.near[name] = {str(a["site_id"][a["indices"][w]]) for w in within}

    @cached_property
    def today(self) -> dict[str, int]:
        """Demand id → how many of today's stations cover it."""
        old = {site for site, status in self.status.items() if status == "existing"}
        return {name: len(sites & old) for name, sites in self.near.items()}

    @cached_property
    def beyond(self) -> set[str]:
        """Demand that no allowed site covers."""
        allowed = {site for site, status in self.status.items() if status != "forbidden"}
        return {name for name, sites in self.near.items() if not sites & allowed}

    @property
    def covered(self) -> set[str]:
        """Demand that the plan covers."""
        return {name for name, sites in self.near.items() if sites & self.chosen}

    def weight(self, names: Iterable[str]) -> float:
        return math.fsum(self.demand.loc[name, "weight"] for name in names)

    def today_weight(self, times: int = 1) -> float:
        """Weight that so many of today's stations cover, or more."""
        return self.weight(name for name, n in self.today.items() if n >= times)

    def district(self, name: str) -> dict[str, float]:
        """A district's figures, in the order in which they are written."""
        inside = set(self.demand.index[self.demand["district"] == name])
        weight, covered = self.weight(inside), self.weight(inside & self.covered)
        today = self.weight(inside & {d for d, n in self.today.items() if n})
        stations = [site for site in self.chosen if self.home[site] == name]
        return {
            "minutes": self.demand.loc[sorted(inside), "minutes_required"].max(),
            "weight": weight,
            "covered": covered,
            "before": today / weight,
            "after": covered / weight,
            "stations": len(stations),
            "new": sum(self.status[site] != "existing" for site in stations),
        }
