"""Links that open a station in a map on the phone: Gaode, Baidu, Tencent.

Forms as the providers document them (Gaode's and Tencent's URI API, Baidu's Web URI API); they were
not tried against the live services. Coordinates have seven decimals: within a centimetre. Links are
ASCII and no longer than `LIMITS`, so that their QR codes stay small enough for a sign: services,
then the name, are cut for it.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pandas as pd

from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.plain_text import ELLIPSIS, cut, one_line
from servicecircle.export.providers import PROVIDERS

#: longest link: 213 bytes are QR version 10 at level M, 287 are version 12
LIMITS = {"gaode": 213, "baidu": 287, "tencent": 287}
DATUMS = {to: PROVIDERS[to].datum for to in LIMITS}
SOURCE = "yizhan"
BAIDU_SOURCE = "webapp.gonghui.yizhan"  # the form Baidu asks for: webapp.company.app
_LEAST_SERVICES = 3  # characters: less says nothing
DECIMALS = 7  # 1e-7 degrees are 11 mm

# Tencent splits a marker at these after decoding it, so that they cannot stand in a name
_TENCENT_SIGNS = str.maketrans({";": "；", ":": "：", "|": "｜"})


def gaode_link(
    name: str, lng: float, lat: float, *, services: str = "", shifted: bool = True
) -> str:
    """``uri.amap.com/marker``; (lng, lat) in GCJ-02, or in WGS-84 where not ``shifted``.

    On a phone it opens the app, where there is one. The services stand behind the name. GCJ-02 goes
    without saying, as Gaode documents it: that leaves room for two more characters of the name.
    """
    datum = "" if shifted else "&coordinate=wgs84"

    def link(name: str, services: str) -> str:
        label = f"{name} {services}" if services else name
        return (
            f"https://uri.amap.com/marker?position={_degrees(lng)},{_degrees(lat)}"
            f"&name={_quoted(label)}&src={SOURCE}{datum}&callnative=1"
        )

    return _fitted(link, name, services, LIMITS["gaode"])


def baidu_link(
    name: str, lng: float, lat: float, *, services: str = "", shifted: bool = True
) -> str:
    """``api.map.baidu.com/marker``; (lng, lat) in BD-09, or in WGS-84 where not ``shifted``.

    The link itself has latitude first. Baidu wants some content: the services, else the name's
    beginning.
    """
    datum = "bd09ll" if shifted else "wgs84"

    def link(name: str, services: str) -> str:
        return (
            f"http://api.map.baidu.com/marker?location={_degrees(lat)},{_degrees(lng)}"
            f"&title={_quoted(name)}&content={_quoted(services or cut(name, 4))}"
            f"&output=html&coord_type={datum}&src={BAIDU_SOURCE}"
        )

    return _fitted(link, name, services, LIMITS["baidu"])


def tencent_link(
    name: str, lng: float, lat: float, *, services: str = "", shifted: bool = True
) -> str:
    """``apis.map.qq.com/uri/v1/marker``; (lng, lat) in GCJ-02, or in WGS-84 where not ``shifted``.

    The link itself has latitude first; ``; : |`` in names become full-width, because they separate
    its parts. Tencent wants an address: there stand the services, else the name's beginning.
    """
    kind = 2 if shifted else 1

    def link(name: str, services: str) -> str:
        title, words = (
            _quoted(text.translate(_TENCENT_SIGNS)) for text in (name, services or cut(name, 4))
        )
        return (
            f"https://apis.map.qq.com/uri/v1/marker?marker=coord:{_degrees(lat)},{_degrees(lng)};"
            f"title:{title};addr:{words}&coord_type={kind}&referer={SOURCE}"
        )

    return _fitted(link, name, services, LIMITS["tencent"])


#: a link per provider
MAKERS: dict[str, Callable[..., str]] = {
    "gaode": gaode_link, "baidu": baidu_link, "tencent": tencent_link,
}  # fmt: skip


def station_links(plan: ExportPlan) -> pd.DataFrame:
    """``site_id``, then a link per provider (`MAKERS`), for every station in the plan's order.

    A station without a name goes by its code.
    """
    stations = plan.stations
    codes, services = stations["site_id"].tolist(), stations["services"].tolist()
    names = [
        one_line(name) or code for name, code in zip(stations["name"].tolist(), codes, strict=True)
    ]
    links: dict[str, list[str]] = {"site_id": codes}
    for to, maker in MAKERS.items():
        links[to] = [
            maker(name, x, y, services=words, shifted=plan.shifted)
            for name, words, x, y in zip(names, services, *plan.at(DATUMS[to]), strict=True)
        ]
    return pd.DataFrame(links, index=stations.index, dtype=object)


def _fitted(link: Callable[[str, str], str], name: str, services: str, limit: int) -> str:
    """The longest link within the limit: services are cut first, then the name."""
    name = _longest(one_line(name), lambda text: len(link(text, "")) <= limit)
    found = _longest(one_line(services), lambda text: len(link(name, text)) <= limit)
    return link(name, found if len(found) >= _LEAST_SERVICES or found == services else "")


def _longest(text: str, fits: Callable[[str], bool]) -> str:
    """The text, or as much of it as fits; by halving, for a text may be long."""
    if fits(text):
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(_cut(text, middle)) else (low, middle - 1)
    return _cut(text, low)


def _cut(text: str, characters: int) -> str:
    """`cut`, but with no separator left before the ellipsis."""
    short = cut(text, characters)
    return short if short == text else short.removesuffix(ELLIPSIS).rstrip(" 、，,;；/") + ELLIPSIS


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _degrees(value: float) -> str:
    return f"{value:.{DECIMALS}f}"
