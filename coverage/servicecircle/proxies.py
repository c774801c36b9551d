"""Who works outdoors, guessed from the map: proxies and host kinds as data.

No register says where couriers, cleaners, drivers and road crews are at noon. Where a planner has
no head counts, demand is derived from what OSM shows: each proxy below gives a place (or a
kilometre of street, or a hectare of building site) so many *relative units*. The defaults are our
own assumptions, meant to be replaced: every one is a line in the scenario. They are people only
once a total is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

GROUPS: dict[str, tuple[str, str]] = {
    "riders": ("骑手、快递员", "riders and couriers"),
    "sanitation": ("环卫工人", "sanitation workers"),
    "drivers": ("司机", "drivers"),
    "police": ("交警", "traffic police"),
    "builders": ("建筑工人", "construction workers"),
}

Tags = tuple[tuple[str, tuple[str, ...]], ...]  # (key, values); no values: any


@dataclass(frozen=True)
class Proxy:
    """What on the map stands for how many workers of a group."""

    group: str
    zh: str
    tags: Tags
    weight: float
    per: Literal["place", "hectare", "km"] = "place"


#: name in the scenario → proxy; the first that fits a place counts
PROXIES: dict[str, Proxy] = {
    "mall": Proxy(
        "riders", "商场、市场",
        (("shop", ("mall", "department_store")), ("amenity", ("marketplace",))), 8.0,
    ),
    "courier": Proxy(
        "riders", "邮政、快递网点",
        (("amenity", ("post_office", "post_depot", "parcel_locker")),
         ("office", ("courier", "logistics")), ("shop", ("outpost",))), 4.0,
    ),
    "food": Proxy(
        "riders", "餐饮",
        (("amenity", ("restaurant", "fast_food", "cafe", "food_court", "bar", "pub")),),
        2.0,
    ),
    "shop": Proxy("riders", "商店", (("shop", ()),), 1.0),
    "bus_station": Proxy("drivers", "公交枢纽", (("amenity", ("bus_station",)),), 8.0),
    "taxi": Proxy("drivers", "出租车停靠点", (("amenity", ("taxi",)),), 4.0),
    "fuel": Proxy("drivers", "加油、充电站", (("amenity", ("fuel", "charging_station")),), 2.0),
    "bus_stop": Proxy("drivers", "公交站", (("highway", ("bus_stop",)),), 0.5),
    "signals": Proxy("police", "信号灯路口", (("highway", ("traffic_signals",)),), 0.4),
    "construction": Proxy(
        "builders", "工地（每公顷）", (("landuse", ("construction",)),), 6.0, "hectare"
    ),
    "street_major": Proxy(
        "sanitation", "主次干路（每公里）", (("highway", ("trunk", "primary", "secondary")),),
        3.0, "km",
    ),
    "street_medium": Proxy(
        "sanitation", "支路（每公里）", (("highway", ("tertiary", "unclassified")),), 2.0, "km"
    ),
    "street_minor": Proxy(
        "sanitation", "街巷（每公里）",
        (("highway", ("residential", "living_street", "pedestrian")),), 0.8, "km",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class HostKind:
    """A kind of place that unions share stations with (共建)."""

    zh: str
    tags: Tags


#: name in the scenario's ``kinds`` → host kind; the first that fits a place counts
HOST_KINDS: dict[str, HostKind] = {
    "bank": HostKind("银行网点", (("amenity", ("bank",)),)),
    "post_office": HostKind("邮政网点", (("amenity", ("post_office",)),)),
    "supermarket": HostKind("超市", (("shop", ("supermarket",)),)),
    "convenience": HostKind("便利店", (("shop", ("convenience",)),)),
    "government": HostKind(
        "政务服务点", (("amenity", ("townhall", "public_building")), ("office", ("government",)))
    ),
    "library": HostKind("图书馆", (("amenity", ("library",)),)),
    "community_centre": HostKind("社区活动中心", (("amenity", ("community_centre",)),)),
    "bus_station": HostKind("公交站场", (("amenity", ("bus_station",)),)),
    "fuel": HostKind("加油站", (("amenity", ("fuel",)),)),
    "pharmacy": HostKind("药店", (("amenity", ("pharmacy",)),)),
    "telecom": HostKind(
        "通信营业厅",
        (("shop", ("mobile_phone", "telecommunication")), ("office", ("telecommunication",))),
    ),
}


def fits(tags: Mapping[str, str], wanted: Tags) -> bool:
    """Whether an object's tags have one of the wanted (key, values)."""
    return any(k in tags and (not values or tags[k] in values) for k, values in wanted)


def proxy_of(tags: Mapping[str, str]) -> str | None:
    """The name of the proxy that a place counts as (streets are not places)."""
    for name, proxy in PROXIES.items():
        if proxy.per != "km" and fits(tags, proxy.tags):
            return name
    return None


def host_kind_of(tags: Mapping[str, str]) -> str | None:
    """The name of the host kind of a place, None where it is none."""
    return next((name for name, kind in HOST_KINDS.items() if fits(tags, kind.tags)), None)


def street_proxy_of(highway: str) -> str | None:
    """The name of the proxy that a street of this class counts as."""
    for name, proxy in PROXIES.items():
        if proxy.per == "km" and fits({"highway": highway}, proxy.tags):
            return name
    return None
