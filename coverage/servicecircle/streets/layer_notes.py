"""What a planner should know of a line layer as it was read: notes (Chinese, English)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from pyproj import CRS, Transformer

from servicecircle.coordinates import shift_applies
from servicecircle.errors import NetworkError, Note
from servicecircle.streets.contraction import Floats
from servicecircle.streets.layer_tags import LayerTags
from servicecircle.streets.network import KEPT_TAGS
from servicecircle.streets.unnoded import Unnoded

Notes = tuple[Note, ...]

SHOWN_PLACES = 5
#: datums of older Chinese surveys, up to about 100 m off; their way to WGS-84 is not in general use
_OLD_DATUMS = ("Beijing 1954", "Xian 1980", "New Beijing")
_REASONS = {
    "empty": ("没有几何", "without a geometry"),
    "not_lines": ("是点或面", "are points or polygons"),
    "bad_places": ("坐标不是数或超出范围", "with coordinates that are no numbers or out of range"),
    "no_length": ("长度为零", "of no length"),
    "repeated": ("与另一条线重复", "repeat another line"),
}


def left_out(counted: Mapping[str, int], lines: int, kept: int, walk_filter: str) -> Notes:
    """How many features are not in the network, and why."""
    reasons = [(n, *_REASONS[key]) for key, n in counted.items() if n]
    if lines > kept:
        reasons.append(
            (
                lines - kept,
                f"不可步行（规则 {walk_filter}）",
                f"not walkable (filter {walk_filter})",
            )
        )
    if not reasons:
        return ()
    zh = "，".join(f"{n:,} 个{why}" for n, why, _ in reasons)
    en = ", ".join(f"{n:,} {why}" for n, _, why in reasons)
    return ((f"线图层里略去的要素：{zh}。", f"features of the line layer left out: {en}."),)


def no_highway(tags: LayerTags) -> Notes:
    """A note where nothing tells streets for walkers from others."""
    if tags.has_highway:
        return ()
    return (
        (
            "线图层没有 highway 列，每条线都当作可步行的道路；如含高速公路等，请先删去，"
            "或加上 highway 列。",
            "the line layer has no highway column, so every line counts as walkable: delete "
            "motorways and the like first, or add the column.",
        ),
    )


def unconnected(unnoded: Unnoded, to_degrees: Transformer) -> Notes:
    """Where lines meet without being joined."""
    rule = (
        "线只在端点相同处连通",
        "lines are joined only where their ends lie in one place",
    )
    if not len(unnoded):
        return ((f"{rule[0]}；没有发现未打断的相交处。", f"{rule[1]}; no unnoded crossing found."),)
    places = np.concatenate([unnoded.at_ends, unnoded.at_crossings])[:SHOWN_PLACES]
    lng, lat = to_degrees.transform(*places.T)
    first = ", ".join(f"({x:.6f}, {y:.6f})" for x, y in zip(lng, lat, strict=True))
    ends, crossings = len(unnoded.at_ends), len(unnoded.at_crossings)
    over = ("", "") if unnoded.complete else ("以上", " or more")
    return (
        (
            f"{rule[0]}：{ends:,} 处端点落在别的线中间，{crossings:,} 处{over[0]}两线相交而没有"
            "公共端点，都没有连通（桥梁、隧道、layer 不同的不算）。多于立交桥的数目，就请在 GIS "
            f"里先打断相交线。前几处（经度, 纬度）：{first}。",
            f"{rule[1]}: {ends:,} line ends lie on another line, and {crossings:,}{over[1]} "
            "crossings have no common end; none of these is connected (lines that differ in "
            "bridge, tunnel or layer are not counted). If these are more than flyovers, split "
            f"the lines where they cross first. The first places (lng, lat): {first}.",
        ),
    )


def datum(crs: CRS, place: Floats) -> Notes:
    """What the CRS cannot tell, in China."""
    geodetic = crs.geodetic_crs
    name = "" if geodetic is None or geodetic.datum is None else geodetic.datum.name
    old: Notes = ()
    if name in _OLD_DATUMS:
        old = (
            (
                f"线图层的大地基准是 {name}，换算到 WGS-84 可能偏差几十米到上百米。"
                "请用 CGCS2000 或 WGS-84 的图层。",
                f"the line layer's datum is {name}; its shift to WGS-84 may be off by tens of "
                "metres and more. Use a layer in CGCS2000 or WGS-84.",
            ),
        )
    lng, lat = place[:: max(1, len(place) // 1000)].T
    if not shift_applies(lng, lat, "mainland"):
        return old
    return (
        *old,
        (
            "线图层按其坐标系当作 WGS-84（或 CGCS2000）使用。从高德、百度取得的线是 GCJ-02 或 "
            "BD-09，坐标系里看不出来：请先纠偏。",
            "the line layer is taken as WGS-84 (or CGCS2000), as its CRS says. Lines taken from "
            "Gaode or Baidu are in GCJ-02 or BD-09, which no CRS shows: shift them first.",
        ),
    )


def nothing_left(
    source: str, walk_filter: str, counted: Mapping[str, int], tags: LayerTags
) -> NetworkError:
    """The error where no line is walkable."""
    zh, en = "、".join(_counts(counted, 0)), ", ".join(_counts(counted, 1))
    if len(tags.kept):
        kinds = Counter(str(kind) for kind in tags.text[:, KEPT_TAGS.index("highway")])
        shown = ", ".join(f"{kind} ({n:,})" for kind, n in kinds.most_common(5))
        return NetworkError(
            f"{source}：{len(tags.kept):,} 条线里没有一条可步行（规则 {walk_filter}）。"
            f"highway 列的值：{shown}。请检查这一列，或去掉它（则每条线都可步行）。",
            f"{source}: none of {len(tags.kept):,} lines is walkable (filter {walk_filter}). "
            f"Values of highway: {shown}. Check that column, or drop it (then every line is "
            "walkable).",
        )
    return NetworkError(
        f"{source}：图层里没有可用的线" + (f"（{zh}）" if zh else "") + "。请换用道路线图层。",
        f"{source}: no usable line in the layer" + (f" ({en})" if en else "") + ". Use a layer "
        "of street lines.",
    )


def _counts(counted: Mapping[str, int], language: int) -> list[str]:
    return [
        (f"{n:,} 个{_REASONS[key][0]}", f"{n:,} {_REASONS[key][1]}")[language]
        for key, n in counted.items()
        if n
    ]
