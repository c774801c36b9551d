"""The steps of a plan: what they are called, who hears of them, how long they took."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from servicecircle.errors import Lang

STEPS: dict[str, tuple[str, str]] = {
    "network": ("读取路网", "read the network"),
    "tables": ("读取表格", "read the tables"),
    "snap": ("匹配到道路", "snap to streets"),
    "reach": ("计算步行时间", "walking times"),
    "locate": ("选址优化", "choose the sites"),
    "write": ("绘制地图、写出结果", "draw the map, write the plan"),
}

#: what comes before where a place is fetched by its name
FETCH_STEPS: dict[str, tuple[str, str]] = {
    "geocode": ("查找地名", "look the place up"),
    "download": ("下载地图", "download the map"),
    "wait": ("服务器忙，稍候", "the server is busy, wait"),
}

#: what an export does
EXPORT_STEPS: dict[str, tuple[str, str]] = {
    "stations": ("站点表", "station tables"),
    "codes": ("链接与二维码", "links and QR codes"),
    "tiles": ("绘制瓦片", "draw the tiles"),
    "pages": ("查看页面", "pages that show them"),
    "archives": ("打包瓦片", "pack the tiles"),
    "layers": ("图层文件", "layers"),
    "signs": ("排版站点标牌", "set the signs"),
    "report": ("编写报告", "write the report"),
}

UNITS = {"people": ("人", "people"), "points": ("点", "points"), "relative": ("相对单位", "units")}

#: what an objective counts: the words around its value and what a bound on it is called (both
#: languages), and decimals; ``{u}`` is the unit of the weight
OBJECTIVES = {
    "covered": (("已覆盖 {v} {u}", "covered {v} {u}"), ("上界", "at most"), 0),
    "credited": (("折算覆盖 {v} {u}", "credited {v} {u}"), ("上界", "at most"), 1),
    "served": (("已服务 {v} {u}", "served {v} {u}"), ("上界", "at most"), 0),
    "stations": (("新建站点 {v} 个", "new stations {v}"), ("下界", "at least"), 0),
    "cost": (("新建费用 {v} 元", "cost {v} yuan"), ("下界", "at least"), 0),
    "mean_minutes": (("平均 {v} 分钟", "mean {v} minutes"), ("下界", "at least"), 2),
    "most_minutes": (("最远 {v} 分钟", "farthest {v} minutes"), ("下界", "at least"), 2),
}
#: why a search ended, in both languages
ENDED = {
    "proof": ("已证明最优", "proven optimal"),
    "gap": ("达到允许的差距", "the gap allowed is reached"),
    "time": ("到达时限", "the time limit was reached"),
    "interrupt": ("中途停止", "stopped by hand"),
    "work": ("各步骤都已做完", "every step is done"),
}
_VAST = 10.0  # gaps beyond 1,000 % say nothing
_WHOLE = 999_999.5  # from here on, six digits are fewer than the whole ones


@dataclass(frozen=True)
class Search:
    """How far the search for the best plan is, in the units of ``plan.json``.

    ``counts`` is what the objective counts (a key of `OBJECTIVES`), ``unit`` that of the weight (a
    key of `UNITS`); ``seconds`` since it began, of at most ``limit``; ``gap``
    a fraction. ``ended``: why it ended (a key of `ENDED`), None while it runs.
    """

    counts: str
    unit: str
    seconds: float
    limit: float
    objective: float
    bound: float
    gap: float
    ended: str | None = None

    def text(self, lang: Lang = "zh") -> str:
        """Best plan so far, bound and gap in one line; at its end also why, and the seconds."""
        i = 0 if lang == "zh" else 1
        words, side, decimals = OBJECTIVES[self.counts]
        if not math.isfinite(self.objective):
            return ("正在寻找第一个方案", "looking for a first plan")[i]
        unit = UNITS[self.unit][i]
        parts = [words[i].format(v=f"{self.objective:,.{decimals}f}", u=unit)]
        if math.isfinite(self.bound):
            parts.append(f"{side[i]} {self.bound:,.{decimals}f}")
            parts.append(f"{('差距', 'gap')[i]} {percent(self.gap)}")
        if self.ended is not None:
            parts += [ENDED[self.ended][i], f"{self.seconds:.1f} {('秒', 's')[i]}"]
        else:
            parts.append(f"{self.seconds:.0f}/{self.limit:g} {('秒', 's')[i]}")
        return " · ".join(parts)


def percent(gap: float) -> str:
    """A gap (a fraction) in per cent; beyond 1,000 % it is only said to be more."""
    return f"{gap:.2%}" if gap < _VAST else f"> {_VAST:.0%}"


def plain(value: float) -> str:
    """A number in six digits, or in whole ones where it has more: never with an exponent."""
    return f"{value:,.6g}" if abs(value) < _WHOLE else f"{value:,.0f}"


class Progress(Protocol):
    """Called with (step, share done 0..1 or None, the search where the step is one).

    Steps are keys of `STEPS`, `FETCH_STEPS` or `EXPORT_STEPS`.
    """

    def __call__(self, step: str, done: float | None, search: Search | None = None, /) -> None:
        """Hear of a step."""


def silent(step: str, done: float | None, search: Search | None = None, /) -> None:
    """The listener where nobody listens."""


class Steps:
    """Times each step and tells the listener."""

    def __init__(self, progress: Progress | None) -> None:
        self.tell: Progress = progress or silent
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """What is done within belongs to ``step``."""
        start = time.perf_counter()
        self.tell(step, None)
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)
        self.tell(step, 1.0)
