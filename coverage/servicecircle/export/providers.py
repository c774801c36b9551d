"""The map providers that exports are made for: their names, and the datum of their maps."""

from __future__ import annotations

from typing import NamedTuple

from servicecircle.errors import Note


class Provider(NamedTuple):
    """A map provider: its name in both languages, and the datum of its maps."""

    words: Note
    datum: str


PROVIDERS = {
    "gaode": Provider(("高德地图", "Gaode (AMap)"), "gcj02"),
    "baidu": Provider(("百度地图", "Baidu Maps"), "bd09"),
    "tencent": Provider(("腾讯地图", "Tencent Maps"), "gcj02"),
    "tianditu": Provider(("天地图", "Tianditu"), "wgs84"),
}
