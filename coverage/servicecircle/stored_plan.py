"""A plan folder read back: plain arrays and dictionaries, with numpy and pyarrow alone.

What a reader can rely on: every array has the kind and the number of dimensions of `ARRAYS` and
`COLUMNS`, and no column, key or array comes twice under one name. Nothing here unpickles, and
nothing says whether the content is true: `check` does.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.errors import OutputError
from servicecircle.gradations import credits
from servicecircle.locate.levels import Levels, expand
from servicecircle.unpacking.arrays import require_sane_arrays
from servicecircle.unpacking.excess import ExcessError
from servicecircle.unpacking.parquet_files import require_sane_parquet

SCHEMA = "servicecircle-plan/1"
#: what makes a spreadsheet compute a cell; some read the full-width signs likewise
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
EXPORTS = "export"  # the folder in a plan folder that exports are written to
MINUTES_TOLERANCE = 1e-7  # covered: minutes <= standard + this (the contract's one test)
MAX_DISTANCES = 200_000_000  # demand × site, 8 bytes each; models of minutes take up to 20 million

# certificate.npz: (numpy kind, per what); "pair" is one per walk, "one" a single number, "proof"
# one per row of the proof: the demand, or with decay its levels (`locate.levels`)
ARRAYS = {
    "indptr": ("i", "row"), "indices": ("i", "pair"), "minutes": ("f", "pair"),
    "demand_id": ("U", "demand"), "demand_lng": ("f", "demand"), "demand_lat": ("f", "demand"),
    "weight": ("f", "demand"), "minutes_required": ("f", "demand"), "minutes_own": ("f", "demand"),
    "gap_m": ("f", "demand"), "multipliers": ("f", "proof"),
    "site_id": ("U", "site"), "site_lng": ("f", "site"), "site_lat": ("f", "site"),
    "site_gap_m": ("f", "site"), "site_district": ("U", "site"), "status": ("U", "site"),
    "cost": ("f", "site"), "chosen": ("b", "site"),
    "share_multiplier": ("f", "one"), "budget_multiplier": ("f", "one"),
}  # fmt: skip
# of models that count minutes: walks beyond the cutoff ("far")
FAR_ARRAYS = {
    "beyond_indptr": ("i", "row"), "beyond_indices": ("i", "far"), "beyond_minutes": ("f", "far"),
}  # fmt: skip
# of mclp with capacities; "covering": one per walk within the standard, as `Stored.pairs`
FLOW_ARRAYS = {"capacity": ("f", "site"), "flow": ("f", "covering")}
LEAF_ARRAYS = {
    "leaf_indptr": ("i", 1), "leaf_site": ("i", 1), "leaf_value": ("i", 1), "leaf_row": ("i", 1),
    "table_group": ("i", 1), "table_multipliers": ("f", 2), "table_share": ("f", 1),
    "table_budget": ("f", 1),
}  # fmt: skip
COLUMNS = {
    "demand_id": "O", "lng": "f", "lat": "f", "weight": "f", "minutes_required": "f",
    "snapped": "b", "site_id": "O", "minutes": "f", "covered": "b", "times_covered": "i",
    "district": "O",
}  # fmt: skip
_BROKEN = (
    OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, MemoryError, RecursionError,
    NotImplementedError, OverflowError, csv.Error, zipfile.BadZipFile, zlib.error, ExcessError,
)  # fmt: skip


@dataclass
class Stored:
    """A plan folder's content.

    ``said`` is ``plan.json``; ``stations`` the rows of ``stations.csv`` as text; ``features`` those
    of ``stations.geojson``; ``demand`` the columns of ``demand.parquet``; ``arrays`` the
    certificate, its tree apart in ``leaves`` (empty where there is none).
    """

    said: dict[str, Any]
    scenario: dict[str, Any]
    stations: list[dict[str, str]]
    features: list[dict[str, Any]]
    demand: dict[str, NDArray[Any]]
    arrays: dict[str, NDArray[Any]]
    leaves: dict[str, NDArray[Any]]

    @property
    def question(self) -> dict[str, Any]:
        """The question that the scenario asks."""
        question: dict[str, Any] = self.scenario["question"]
        return question

    @property
    def weight(self) -> NDArray[np.float64]:
        """Weight per demand row."""
        return np.asarray(self.arrays["weight"], float)

    @property
    def chosen(self) -> NDArray[np.bool_]:
        """Mask of the open sites."""
        return np.asarray(self.arrays["chosen"], bool)

    @property
    def new(self) -> NDArray[np.bool_]:
        """Mask of the sites that the plan opens."""
        return self.chosen & ~self.status("existing")

    def status(self, *names: str) -> NDArray[np.bool_]:
        """Mask of the sites with one of these statuses."""
        return np.isin(self.arrays["status"], names)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Demand row of every stored walk."""
        return np.repeat(np.arange(len(self.weight)), np.diff(self.arrays["indptr"]))

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(demand row, site) of every walk within the standard."""
        a = self.arrays
        within = a["minutes"] <= a["minutes_required"][self.rows] + MINUTES_TOLERANCE
        return self.rows[within], a["indices"][within]

    def times_covered(self, sites: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Per demand row: by how many of the masked sites it is covered."""
        row, site = self.pairs
        return np.bincount(row[sites[site]], minlength=len(self.weight))

    @cached_property
    def covers(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The walks within the standard as CSR: (indptr, indices)."""
        row, site = self.pairs
        counts = np.bincount(row, minlength=len(self.weight))
        return np.concatenate([[0], np.cumsum(counts)]), site

    @cached_property
    def levels(self) -> Levels:
        """What partial credit makes of the demand, where the question has ``decay_to_minutes``."""
        a, (indptr, indices) = self.arrays, self.covers
        standard = a["minutes_required"][self.rows]
        credit = credits(a["minutes"], standard, float(self.question["decay_to_minutes"]))
        sites = len(self.chosen)
        return expand(indptr, indices, self.weight, a["indptr"], a["indices"], credit, sites)

    @cached_property
    def distance(self) -> NDArray[np.float64]:
        """Minutes of all walks, demand × site, inf where there is none."""
        a, n = self.arrays, len(self.weight)
        if n * len(self.chosen) > MAX_DISTANCES:
            raise OutputError(
                f"规划结果有 {n:,} 个需求点和 {len(self.chosen):,} 个备选点，"
                "按分钟的模型没有这么大。请确认文件夹没有被改动。",
                f"the plan has {n:,} demand points and {len(self.chosen):,} sites, more than a "
                "model of minutes can have. Has the folder been changed?",
            )
        minutes = np.full((n, len(self.chosen)), np.inf)
        minutes[self.rows, a["indices"]] = a["minutes"]
        far = np.repeat(np.arange(n), np.diff(a["beyond_indptr"]))
        minutes[far, a["beyond_indices"]] = a["beyond_minutes"]
        return minutes

    @cached_property
    def asked_for(self) -> NDArray[np.int64]:
        """Demand rows that count in a model of minutes: weight, and a walk to an allowed site."""
        nearest = self.distance[:, ~self.status("forbidden")].min(axis=1, initial=np.inf)
        return np.flatnonzero(np.isfinite(nearest) & (self.weight > 0))

    @property
    def proof_rows(self) -> int:
        """How many rows the proof has multipliers for."""
        decays = "decay_to_minutes" in self.question
        return len(self.levels.weight) if decays else len(self.weight)

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Which demand rows some allowed site covers."""
        return self.times_covered(~self.status("forbidden")) > 0


def read_folder(folder: Path) -> Stored:
    """Read a plan folder's files. Raises `OutputError` that names the file that fails."""
    name = "plan.json"
    if not folder.is_dir():
        raise OutputError(
            f"{folder}：没有这个文件夹。请给出规划结果文件夹（里面有 plan.json）。",
            f"{folder}: there is no such folder. Name the folder of a plan (it holds plan.json).",
        )
    try:
        said = _object(_json(folder / name))
        if said.get("schema") != SCHEMA:
            raise ValueError(f"schema {said.get('schema')!r}, not {SCHEMA!r}")
        name = "scenario.toml"
        scenario = tomllib.loads((folder / name).read_text(encoding="utf-8"))
        for part in ("network", "question"):
            _object(scenario[part])
        name = "stations.csv"
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            stations = _rows(csv.reader(file, strict=True))
        name = "stations.geojson"
        features = _features(_object(_json(folder / name)))
        name = "demand.parquet"
        demand = _read_parquet(folder / name)
        name = "certificate.npz"
        arrays, leaves = _read_certificate(folder / name)
        return Stored(said, scenario, stations, features, demand, arrays, leaves)
    except _BROKEN as error:
        zh = error.zh if isinstance(error, ExcessError) else f"{type(error).__name__}: {error}"
        en = error.en if isinstance(error, ExcessError) else zh
        raise OutputError(
            f"{folder / name}：读不了（{zh[:300]}）。请确认这是完整的规划结果文件夹。",
            f"{folder / name}: cannot be read ({en[:300]}). Is this a complete plan folder?",
        ) from error


def guard(text: str) -> str:
    """Text that no spreadsheet takes for a formula: a quote mark goes before `= + - @ tab`.

    Plain numbers such as ``-1`` stay as they are: they compute nothing.
    """
    if text.startswith(FORMULA_SIGNS) and not _PLAIN_NUMBER.fullmatch(text):
        return "'" + text
    return text


def unguarded(text: str) -> str:
    """A cell of ``stations.csv`` without the quote mark that keeps spreadsheets from computing."""
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA_SIGNS else text


def _rows(lines: Iterable[list[str]]) -> list[dict[str, str]]:
    """Rows by column name; every name once, and a cell for each, so that all readers see alike."""
    header, *rows = lines
    _require_once([unguarded(name) for name in header], "column")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _features(layer: dict[str, Any]) -> list[dict[str, Any]]:
    if layer.get("type") != "FeatureCollection" or "crs" in layer:
        raise ValueError("a FeatureCollection in WGS-84 is wanted, without crs")
    return [_object(feature) for feature in layer["features"]]


def _json(path: Path) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _require_once([name for name, _ in pairs], "key")
        return dict(pairs)

    text = path.read_text(encoding="utf-8")
    return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)


def _require_once(names: Sequence[str], what: str) -> None:
    """Raise `ValueError` where a name comes twice: readers differ in which one they take."""
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"the {what} {twice!r} comes twice")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"an object is wanted here, not {type(value).__name__}")
    return value


def _read_parquet(path: Path) -> dict[str, NDArray[Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 (slow to import, needed only here)

    with path.open("rb") as file:
        require_sane_parquet(file)
        table = pq.read_table(file)
    columns = {name: table.column(name).to_numpy() for name in COLUMNS}
    for name, kind in COLUMNS.items():
        if columns[name].dtype.kind != kind:
            raise ValueError(f"column {name} is of type {table.column(name).type}, or has gaps")
    return columns


def _read_certificate(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    require_sane_arrays(path)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        _require_once(stored.files, "array")
        arrays = {
            name: _array(stored[name], name, kind, 0 if per == "one" else 1)
            for name, (kind, per) in ARRAYS.items()
        }
        arrays |= {
            name: _array(stored[name], name, kind, 1)
            for name, (kind, _) in {**FAR_ARRAYS, **FLOW_ARRAYS}.items()
            if name in stored.files
        }
        leaves = {}
        if "leaf_indptr" in stored.files:
            leaves = {
                name: _array(stored[name], name, kind, dimensions)
                for name, (kind, dimensions) in LEAF_ARRAYS.items()
            }
    return arrays, leaves


def _array(array: NDArray[Any], name: str, kind: str, dimensions: int) -> NDArray[Any]:
    if array.dtype.kind != kind or array.ndim != dimensions:
        raise ValueError(f"{name} has the type {array.dtype} and {array.ndim} dimensions")
    return array.astype(np.int64) if kind == "i" else array
