"""The steps of a plan: what they are called, who hears of them, how long they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: called with (step, share done 0..1 or None): steps are keys of `STEPS`
Progress = Callable[[str, float | None], None]

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


class Steps:
    """Times each step and tells the listener."""

    def __init__(self, progress: Progress | None) -> None:
        self.tell: Progress = progress or (lambda step, done: None)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """What is done within belongs to ``step``."""
        start = time.perf_counter()
        self.tell(step, None)
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)
        self.tell(step, 1.0)
