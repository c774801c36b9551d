"""What every export starts from: a plan folder read once, with the datum decided once.

Whether GCJ-02's shift applies is asked of all open stations together (`coordinates.shift_applies`)
and then holds for every table, layer and tile of the export, so that they lie on one another.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from servicecircle.coordinates import from_wgs84, shift_applies
from servicecircle.errors import Note, OutputError
from servicecircle.export.tiles.outlines import EDGE_DEG
from servicecircle.stored_plan import EXPORTS, Stored, read_folder, unguarded

OSM_NOTE = (
    "出自 OpenStreetMap 的行，上传或转发时须署名并遵守 ODbL 1.0",
    "rows from OpenStreetMap: whoever uploads or passes them on names the source and keeps to "
    "the ODbL 1.0",
)
DATUM_WORDS: dict[str, Note] = {
    "wgs84": ("WGS-84（天地图、GPS）", "WGS-84 (Tianditu, GPS)"),
    "gcj02": ("GCJ-02（高德、腾讯）", "GCJ-02 (Gaode, Tencent)"),
    "bd09": ("BD-09（百度）", "BD-09 (Baidu)"),
}
OUTSIDE: Note = ("WGS-84（大陆以外，未偏移）", "WGS-84 (outside the mainland, not shifted)")
AS_ASKED: Note = ("WGS-84（按选择，未偏移）", "WGS-84 (not shifted, as asked)")
SOURCE_WORDS = ("规划单位提供", "OSM")  # of a row, by whether it is from OSM
STATUS_WORDS = {"existing": "已建", "required": "新建（必选）", "candidate": "新建"}
_TEXTS = ("address", "services", "hours", "phone")
#: columns that planners keep beside the known ones, and the names these go by
_OWN = {
    "partner": ("partner", "共建单位", "合作单位", "共建方"),
    "remarks": ("remarks", "备注", "说明"),
}
_NAME_BYTES = 120
_HIDDEN = ".servicecircle-"  # what is being written, until it is whole
_LEFT_FOR_S = 3600.0
_BROKEN = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
    shapely.errors.GEOSException,
)  # fmt: skip


@dataclass(frozen=True)
class ExportPlan:
    """A plan as exports see it.

    ``stations``: one row per open station, in the order of ``stations.csv``: ``site_id`` (the
    station's unique code), ``name``, ``kind``, ``address``, ``services``, ``hours``, ``phone``,
    ``partner``, ``remarks``, ``district`` (text, empty where unknown), ``status``
    (a key of `STATUS_WORDS`), ``lng``, ``lat`` (WGS-84 degrees), ``area_m2``, ``cost``,
    ``covers_weight``, ``only_covers_weight`` (float64, NaN where unknown), ``new``, ``from_osm``
    (bool). Names are as the planner wrote them: hostile text until it is escaped.
    ``shifted``: whether GCJ-02 and BD-09 differ from WGS-84 here; ``asked``: the area of the call
    that decided it.
    """

    folder: Path
    stored: Stored
    stations: pd.DataFrame
    shifted: bool
    asked: str = "mainland"

    @property
    def title(self) -> str:
        """The plan's title."""
        return str(self.stored.scenario.get("title", "plan"))

    @property
    def federation(self) -> str:
        """Whose stations they are (the scenario's ``federation``), empty where not said."""
        return str(self.stored.scenario.get("federation", ""))

    @property
    def attribution(self) -> str:
        """Whose the map's data are, as ``plan.json`` says."""
        return str(self.stored.said["attribution"])

    @property
    def licence(self) -> str:
        """The attribution, with what follows from it where the data are OpenStreetMap's."""
        from_osm = "OpenStreetMap" in self.attribution
        return f"{self.attribution}；{OSM_NOTE[0]}" if from_osm else self.attribution

    @cached_property
    def circles(self) -> gpd.GeoDataFrame:
        """``circles.geojson``: ``set`` (today or plan), ``minutes``, ``main``, ``geometry``.

        EPSG:4326. Raises `OutputError` where the file is missing or damaged.
        """
        path = self.folder / "circles.geojson"
        try:
            features = json.loads(path.read_text(encoding="utf-8"))["features"]
            rows = [feature["properties"] for feature in features]
            shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
            table = pd.DataFrame(rows, columns=["set", "minutes", "main"])
            return gpd.GeoDataFrame(table, geometry=shapely.make_valid(shapes), crs="EPSG:4326")
        except _BROKEN as error:
            raise OutputError(
                f"{path}：读不了（{type(error).__name__}）。请用当前版本重新规划一次，再导出。",
                f"{path}: cannot be read ({type(error).__name__}). Plan once more with this "
                "version, then export.",
            ) from error

    @property
    def moving(self) -> str:
        """How people get to a station: 步行 or 骑行."""
        on_foot = self.stored.scenario["network"].get("profile", "foot") == "foot"
        return "步行" if on_foot else "骑行"

    @property
    def standard(self) -> str:
        """The standards that occur, in words: 步行 15 或 30 分钟."""
        minutes = np.unique(self.stored.arrays["minutes_required"]).tolist()
        return f"{self.moving} {' 或 '.join(f'{m:g}' for m in minutes)} 分钟"

    def circle_name(self, minutes: float) -> str:
        """What the land within so many minutes of a station is called."""
        return f"{self.moving} {minutes:g} 分钟服务圈"

    # --- datums ---

    def datum(self, datum: str) -> str:
        """The datum that positions really have: without the shift every one is WGS-84."""
        return datum if self.shifted else "wgs84"

    def datum_words(self, datum: str) -> Note:
        """What to call it, in both languages; where nothing is shifted, that is said."""
        if self.shifted:
            return DATUM_WORDS[datum]
        return AS_ASKED if self.asked == "none" else OUTSIDE

    def at(self, datum: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(lng, lat) of the stations in a datum, degrees."""
        lng, lat = self.stations["lng"].to_numpy(float), self.stations["lat"].to_numpy(float)
        return from_wgs84(lng, lat, datum, area=self.area)

    def warped(self, shapes: Any, datum: str) -> Any:
        """Shapes (shapely, WGS-84 degrees) in a datum; long edges are cut before they bend.

        The result is for drawing, never for measuring.
        """
        if self.datum(datum) == "wgs84":
            return shapes

        def shift(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(from_wgs84(xy[:, 0], xy[:, 1], datum, area=self.area))

        return shapely.transform(shapely.segmentize(shapes, EDGE_DEG), shift)

    @property
    def area(self) -> str:
        """The decision as `coordinates` wants it for one call: all or none."""
        return "all" if self.shifted else "none"

    # --- what every file says of itself ---

    def about(self, datum: str, purpose: str = "") -> list[tuple[str, str]]:
        """(label, text) lines for header sheets, descriptions and footers. Text is not escaped."""
        said, network = self.stored.said, self.stored.scenario["network"]
        dates = [str(e["osm_date"])[:10] for e in said["inputs"] if e.get("osm_date")]
        streets = Path(str(network.get("osm") or network.get("place") or "")).name
        lines = [
            ("标题 title", self.title),
            ("用途 for", purpose),
            ("工会 federation", self.federation),
            ("坐标系 datum", self.datum_words(datum)[0]),
            ("站点数 stations", str(len(self.stations))),
            ("服务标准 standard", self.standard),
            ("路网数据 streets", "，".join(part for part in (streets, *dates[:1]) if part)),
            ("来源 source", "“来源”为 OSM 的行出自路网文件，其余由规划单位提供"),
            ("署名与许可 licence", self.licence),
        ]
        return [(label, text) for label, text in lines if text]

    # --- where files go ---

    @property
    def stem(self) -> str:
        """The title as part of a file name."""
        return file_part(self.title, "plan")

    def target(self, name: str) -> Path:
        """``export/<name>`` in the plan folder, made where it is missing."""
        path = self.folder / EXPORTS / name
        in_the_way = next((p for p in (path.parent, path) if p.exists() and not p.is_dir()), None)
        if in_the_way is not None:
            raise OutputError(
                f"{in_the_way}：这里有一个同名文件，挡住了导出文件夹。请改名或移走。",
                f"{in_the_way}: a file of this name is in the way of the exports. Rename or move "
                "it.",
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        return path


def read_plan(folder: str | Path, *, area: str = "mainland", federation: str = "") -> ExportPlan:
    """Read a plan folder for export. Raises `OutputError` where it is none, or opens no station.

    ``area`` as in `coordinates`, judged by all stations together; ``federation`` replaces the
    scenario's.
    """
    folder = Path(folder)
    stored = read_folder(folder)
    if not stored.stations:
        raise OutputError(
            "这个方案没有开放的站点，没有可导出的。",
            "the plan opens no station: nothing to export.",
        )
    if federation:
        stored.scenario["federation"] = federation
    _require_sound(folder / "stations.csv", stored)
    stations = _stations(stored)
    shifted = shift_applies(stations["lng"].to_numpy(), stations["lat"].to_numpy(), area)
    return ExportPlan(folder, stored, stations, shifted, area)


def _require_sound(path: Path, stored: Stored) -> None:
    """Raise `OutputError` for a list of stations that was changed to what no plan can say."""

    def refuse(zh: str, en: str) -> NoReturn:
        raise OutputError(
            f"{path}：{zh}。请恢复这个文件，或重新规划。",
            f"{path}: {en}. Restore the file, or plan again.",
        )

    rows = [{unguarded(k): unguarded(v) for k, v in row.items()} for row in stored.stations]
    for name in ("site_id", "name", "lng", "lat", "status"):
        if name not in rows[0]:
            refuse(f"缺少“{name}”列", f"the column {name} is missing")
    for line, row in enumerate(rows, start=2):
        for name, most in (("lng", 180.0), ("lat", 90.0)):
            if not _is_within(row[name], most):
                shown = row[name][:40]
                refuse(
                    f"第 {line} 行的“{name}”是“{shown}”，不是经纬度",
                    f"row {line}: {name} is “{shown}”, which is no degree",
                )
        if row["status"] not in STATUS_WORDS:
            shown, known = row["status"][:40], ", ".join(STATUS_WORDS)
            refuse(
                f"第 {line} 行的“status”是“{shown}”，可用：{known}",
                f"row {line}: status is “{shown}”, not one of {known}",
            )
    listed, chosen = [row["site_id"] for row in rows], list(stored.said["chosen"])
    if sorted(listed) != sorted(chosen):
        odd = next(iter(set(listed) ^ set(chosen)), listed[0])
        refuse(
            f"站点与 plan.json 选定的不一致（{odd}）",
            f"its stations are not those that plan.json has chosen ({odd})",
        )


def _is_within(text: str, most: float) -> bool:
    try:
        return abs(float(text)) <= most  # NaN is not
    except ValueError:
        return False


def _stations(stored: Stored) -> pd.DataFrame:
    rows = pd.DataFrame(stored.stations)
    rows.columns = [unguarded(str(name)) for name in rows.columns]

    def text(*names: str) -> list[str]:
        found = next((name for name in names if name in rows), None)
        return [""] * len(rows) if found is None else [unguarded(cell) for cell in rows[found]]

    def numbers(name: str) -> NDArray[np.float64]:
        return pd.to_numeric(pd.Series(text(name)), errors="coerce").to_numpy(float)

    data: dict[str, Any] = {name: text(name) for name in ("site_id", "name", "kind", *_TEXTS)}
    data |= {name: text(*names) for name, names in _OWN.items()}
    data["district"] = text("district")
    data["status"] = text("status")
    for name in ("lng", "lat", "area_m2", "cost", "covers_weight", "only_covers_weight"):
        data[name] = numbers(name)
    data["new"] = [status != "existing" for status in data["status"]]
    # rows derived from OSM, as the contract names them
    data["from_osm"] = [
        bool(re.fullmatch(r"(node|way|relation)/\d+", site)) for site in data["site_id"]
    ]
    return pd.DataFrame(data)


# --- files ----------------------------------------------------------------------------------------


def file_part(text: str, otherwise: str) -> str:
    """Text as part of a file name: no separators, no controls, not too long."""
    printable = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in text)
    name = re.sub(r'[<>:"/\\|?*\s]+', "_", printable).strip(" ._")
    return name.encode()[:_NAME_BYTES].decode(errors="ignore").strip(" ._") or otherwise


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to (file or folder); put in its place at the end.

    On any failure nothing is left of it and an older file stays. Raises `OutputError`.
    """
    beside, aside = (path.with_name(f"{_HIDDEN}{uuid.uuid4().hex}{path.suffix}") for _ in range(2))
    _sweep(path.parent)
    try:
        yield beside
        if path.is_dir() and not path.is_symlink():
            path.rename(aside)
        beside.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if not path.exists() and aside.exists():  # interrupted between the two renames
            with suppress(OSError):
                aside.rename(path)
        for left in (beside, aside) if path.exists() else (beside,):
            with suppress(OSError):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def _sweep(folder: Path) -> None:
    """Remove what a killed run left here; younger things may be another run's."""
    with suppress(OSError):
        for left in folder.glob(f"{_HIDDEN}*"):
            if time.time() - left.stat().st_mtime > _LEFT_FOR_S:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def cannot_write(path: Path, error: Exception) -> OutputError:
    """What to say where a file cannot be written."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return OutputError(
        f"{path}：写不进去（{reason}）。请检查权限和磁盘空间；文件若在 Excel 或 Word 中打开，"
        "请先关闭。",
        f"{path}: cannot be written ({reason}). Check permissions and disk space; close the file "
        "if Excel or Word has it open.",
    )
