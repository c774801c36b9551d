"""What a planner should mend before stations go onto public maps, station by station."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from servicecircle.errors import Note
from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.plain_text import MARK, legible, one_line
from servicecircle.export.stations.hours import parse_hours

SAME_PLACE_M = 1.0
METRES_PER_DEGREE = 111_320.0
_PHONE = re.compile(r"[\d\s()+\-—－,，、;；/转分机ext.]*", re.IGNORECASE)
_LEAST_DIGITS = 3  # 110 and 12351 are numbers that one can call
_LABELS = {"name": "名称", "address": "地址", "hours": "开放时间", "phone": "联系电话"}
_EN = {"name": "name", "address": "address", "hours": "opening hours", "phone": "phone"}

Finding = tuple[int, str, Note]  # station row, column, what is the matter


def findings(plan: ExportPlan, limits: Mapping[str, int] | None = None) -> pd.DataFrame:
    """``编码``, ``名称``, ``项目``, ``问题``, ``problem``: a row per matter, in stations' order.

    ``limits``: column of the neutral table → characters that the provider takes.
    """
    stations = plan.stations
    found = [
        *_missing(stations), *_unclear(stations), *_too_long(stations, limits or {}),
        *_twice(stations), *_same_place(stations),
    ]  # fmt: skip
    found.sort(key=lambda finding: finding[0])
    codes, names = stations["site_id"].to_numpy(object), stations["name"].to_numpy(object)
    return pd.DataFrame(
        [(codes[row], legible(names[row]), column, *note) for row, column, note in found],
        columns=["编码", "名称", "项目", "问题", "problem"],
        dtype=object,
    )


def _missing(stations: pd.DataFrame) -> Iterator[Finding]:
    for column, zh in _LABELS.items():
        for row, text in enumerate(stations[column]):
            if not one_line(text):
                yield row, zh, (f"没有填{zh}", f"no {_EN[column]}")


def _unclear(stations: pd.DataFrame) -> Iterator[Finding]:
    for row, text in enumerate(stations["hours"]):
        for note in parse_hours(text).problems:
            yield row, "开放时间", note
    for row, text in enumerate(stations["phone"]):
        phone = one_line(text)
        if phone and not (
            _PHONE.fullmatch(phone) and len(re.findall(r"\d", phone)) >= _LEAST_DIGITS
        ):
            yield row, "联系电话", ("不像电话号码", "this is no phone number")
    for column in ("name", "address", "services"):
        zh = _LABELS.get(column, "服务项目")
        for row, text in enumerate(stations[column]):
            if MARK in legible(text):
                note = (f"有不可见或不合法的字符，已换成 {MARK}", f"bad characters became {MARK}")
                yield row, zh, note


def _too_long(stations: pd.DataFrame, limits: Mapping[str, int]) -> Iterator[Finding]:
    for column, zh in _LABELS.items():
        limit = limits.get(zh)
        for row, text in enumerate(stations[column]):
            length = len(legible(text))
            if limit is not None and length > limit:
                zh_note = f"{length} 个字，平台限 {limit} 个，上传文件里已截短"
                yield (
                    row,
                    zh,
                    (zh_note, f"{length} characters, {limit} are allowed: cut for upload"),
                )


def _twice(stations: pd.DataFrame) -> Iterator[Finding]:
    names = stations["name"].map(one_line)
    codes = stations["site_id"].to_numpy(object)
    for name, rows in stations.groupby(names).indices.items():
        if name and len(rows) > 1:
            for row in rows:
                others = "、".join(str(codes[other]) for other in rows[:6] if other != row)
                yield int(row), "名称", (f"与 {others} 同名", f"the same name as {others}")


def _same_place(stations: pd.DataFrame) -> Iterator[Finding]:
    lng, lat = stations["lng"].to_numpy(float), stations["lat"].to_numpy(float)
    plane = METRES_PER_DEGREE * np.column_stack([lng * np.cos(np.radians(lat.mean())), lat])
    codes = stations["site_id"].to_numpy(object)
    for a, b in sorted(cKDTree(plane).query_pairs(SAME_PLACE_M)):
        for row, other in ((a, b), (b, a)):
            yield row, "经度", (f"与 {codes[other]} 在同一处", f"at the place of {codes[other]}")
