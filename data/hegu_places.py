"""Places of 河谷市: shops, offices, stops and signals, as dense as the part of town they are in.

Places stand a few metres beside streets. Where they stand is drawn with weights: the class of the
street times the liveliness of the quarter, the latter to a power that is high for restaurants and
low for fuel stations. Names are invented (`hegu_names`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from hegu_layout import TOWNS
from hegu_names import GOOD, food_name, shop_name
from hegu_osm import GRID, GROUND, Key, Noded
from hegu_plane import Floats, Spot, bend_one
from hegu_skeleton import Skeleton
from numpy.typing import NDArray

Tags = dict[str, str]

#: (u, v, spread in m, liveliness)
CENTRES = (
    (6250, 4650, 750, 1.0), (6050, 4250, 500, 0.5), (7160, 5350, 420, 0.9), (7300, 4700, 700, 0.6),
    (3950, 4760, 600, 0.5), (4900, 4700, 500, 0.35), (9000, 4750, 550, 0.5), (8300, 4400, 500, 0.3),
    (10600, 4200, 450, 0.25), (7450, 2380, 550, 0.55), (4930, 2380, 500, 0.4),
    (9500, 2420, 500, 0.3), (3400, 5400, 400, 0.3), (8100, 5850, 450, 0.25),
    (5900, 2350, 450, 0.25),
)  # fmt: skip
TOWN_LIVELINESS, TOWN_SPREAD_M = 0.5, 240
URBAN_BASE, COUNTRY_BASE = 0.05, 0.012
STREET_WEIGHT = {
    "pedestrian": 3.0, "tertiary": 2.2, "secondary": 1.9, "residential": 1.7, "primary": 1.4,
    "living_street": 1.1, "unclassified": 0.8, "service": 0.22,
}  # fmt: skip
SAMPLE_M = 11.0


@dataclass(frozen=True)
class Kind:
    """A kind of place: tags, how many, how far apart (m), how much it seeks lively quarters."""

    tags: Tags
    count: int
    apart: float
    power: float
    name: Callable[[np.random.Generator, str], str]
    classes: str = ""  # only along these classes of street


def _shop(kind: str) -> Callable[[np.random.Generator, str], str]:
    return lambda rng, where: shop_name(rng, kind)


def _branch(kind: str) -> Callable[[np.random.Generator, str], str]:
    """A branch named after its street: 河谷农商银行建设大街支行."""
    return lambda rng, where: kind.replace("*", where or GOOD[int(rng.integers(len(GOOD)))])


def _food(rng: np.random.Generator, where: str) -> str:
    return food_name(rng)


def _bank(rng: np.random.Generator, where: str) -> str:
    bank = ("河谷农商银行", "河谷银行", "清河城市银行", "谷丰村镇银行")[int(rng.integers(4))]
    return f"{bank}{where}支行"


def _telecom(rng: np.random.Generator, where: str) -> str:
    return f"{('河谷通信', '清河移动通信', '谷联宽带')[int(rng.integers(3))]}{where}营业厅"


def _market(rng: np.random.Generator, where: str) -> str:
    return f"{('惠民', '万家福', '好邻居', '百姓', '乐购佳')[int(rng.integers(5))]}超市{where}店"


MAIN = "primary secondary tertiary"
#: what can host a station (banks, shops, offices …): 421 in all
HOSTS = (
    Kind({"amenity": "bank"}, 60, 130, 0.8, _bank, MAIN),
    Kind({"amenity": "post_office"}, 15, 600, 0.4, _branch("河谷邮政*支局"), MAIN),
    Kind({"shop": "supermarket"}, 40, 260, 0.6, _market, MAIN + " residential"),
    Kind({"shop": "convenience"}, 120, 90, 0.6, _shop("便利店")),
    Kind({"amenity": "townhall"}, 10, 900, 0.3, _branch("*街道办事处"), "secondary tertiary"),
    Kind({"office": "government"}, 10, 300, 0.7, _branch("*政务服务站"), MAIN),
    Kind({"amenity": "library"}, 6, 1200, 0.4, _shop("图书馆"), MAIN),
    Kind({"amenity": "community_centre"}, 25, 450, 0.35, _shop("社区活动中心"),
         "tertiary residential unclassified"),
    Kind({"amenity": "bus_station"}, 5, 2000, 0.2, _branch("*公交枢纽站"), MAIN),
    Kind({"amenity": "fuel"}, 20, 700, 0.0, _branch("清河石油*加油站"), "primary secondary"),
    Kind({"amenity": "pharmacy"}, 60, 150, 0.6, _shop("大药房"), MAIN + " residential"),
    Kind({"shop": "mobile_phone"}, 50, 140, 0.8, _telecom, MAIN + " pedestrian residential"),
)  # fmt: skip
OTHERS = (
    Kind({"amenity": "restaurant"}, 1150, 9, 1.0, _food),
    Kind({"amenity": "fast_food"}, 620, 9, 1.1, _food),
    Kind({"amenity": "cafe"}, 150, 25, 1.3, _shop("茶咖")),
    Kind({"shop": "clothes"}, 380, 9, 1.6, _shop("服饰")),
    Kind({"shop": "greengrocer"}, 170, 40, 0.6, _shop("果蔬店")),
    Kind({"shop": "hairdresser"}, 230, 20, 0.8, _shop("理发店")),
    Kind({"shop": "alcohol"}, 120, 30, 0.8, _shop("烟酒店")),
    Kind({"shop": "bakery"}, 100, 50, 0.9, _shop("糕点房")),
    Kind({"shop": "tea"}, 70, 40, 1.0, _shop("茶庄")),
    Kind({"shop": "hardware"}, 140, 25, 0.5, _shop("五金店")),
    Kind({"shop": "electronics"}, 70, 25, 1.2, _shop("电器行")),
    Kind({"shop": "stationery"}, 60, 60, 0.7, _shop("文具店")),
    Kind({"shop": "optician"}, 45, 60, 1.1, _shop("眼镜店")),
    Kind({"shop": "bicycle"}, 80, 60, 0.5, _shop("电动车行")),
    Kind({"shop": "car_repair"}, 110, 50, 0.15, _shop("汽车维修"), "secondary tertiary"),
    Kind({"shop": "outpost"}, 90, 90, 0.5, _shop("快递驿站")),
    Kind({"amenity": "parcel_locker"}, 110, 70, 0.4, _shop("快递柜"), "residential service"),
    Kind({"shop": "mall"}, 9, 500, 1.0, _shop("购物中心"), MAIN),
    Kind({"amenity": "marketplace"}, 22, 500, 0.5, _shop("农贸市场"), "tertiary residential"),
    Kind({"tourism": "hotel"}, 90, 60, 0.9, _shop("宾馆"), MAIN + " residential"),
    Kind({"amenity": "kindergarten"}, 45, 260, 0.3, _shop("幼儿园"), "residential unclassified"),
    Kind({"amenity": "school"}, 24, 500, 0.3, _shop("小学"), "residential tertiary"),
    Kind({"amenity": "hospital"}, 9, 900, 0.5, _shop("医院"), MAIN),
    Kind({"amenity": "clinic"}, 60, 200, 0.4, _shop("社区卫生站"), "residential tertiary"),
    Kind({"amenity": "toilets"}, 90, 200, 0.5, lambda rng, where: "公共厕所"),
    Kind({"amenity": "taxi"}, 22, 350, 0.9, lambda rng, where: "出租车候客点", MAIN),
    Kind({"amenity": "charging_station"}, 24, 400, 0.3, _shop("充电站"), MAIN),
    Kind({"office": "company"}, 120, 30, 0.7, _shop("商务中心"), MAIN),
)  # fmt: skip
#: what every town has on its main street
TOWN_HOSTS = ("bank", "post_office", "supermarket", "convenience", "convenience", "pharmacy",
              "community_centre", "mobile_phone")  # fmt: skip


@dataclass
class Fronts:
    """Places beside streets where something could stand."""

    xy: Floats
    weight: Floats
    lively: Floats
    cls: NDArray[np.str_]
    street: list[str]


def liveliness(xy: Floats, urban: shapely.Polygon) -> Floats:
    """How lively it is at positions in metres: about 1 in the old centre, 0.01 in the fields."""
    out = np.where(shapely.contains_xy(urban, xy[:, 0], xy[:, 1]), URBAN_BASE, COUNTRY_BASE)
    bumps = [(*bend_one(u, v), spread, top) for u, v, spread, top in CENTRES]
    bumps += [(*bend_one(row[1], row[2]), TOWN_SPREAD_M, TOWN_LIVELINESS) for row in TOWNS]
    for x, y, spread, top in bumps:
        squared = (xy[:, 0] - x) ** 2 + (xy[:, 1] - y) ** 2
        out = out + top * np.exp(-squared / (2 * spread * spread))
    return np.round(out, 6)


def fronts_of(
    noded: list[Noded], s: Skeleton, urban: shapely.Polygon, rng: np.random.Generator
) -> Fronts:
    """Positions every few metres along streets, at either side of them."""
    rows: list[tuple[float, float, float, str, str]] = []
    for line in noded:
        cls = line.tags.get("highway", "")
        if line.level != GROUND or cls not in STREET_WEIGHT:
            continue
        if cls == "service" and line.tags.get("service") != "alley":
            continue
        out = 15.0 if cls in ("primary", "secondary") else 8.0
        for (x0, y0), (x1, y1) in zip(line.keys, line.keys[1:], strict=False):
            length = math.hypot(x1 - x0, y1 - y0) / GRID
            n = int(length / SAMPLE_M + 0.5)
            for i in range(n):
                t, side = (i + 0.5) / n, 1 if rng.random() < 0.5 else -1
                off = side * out * (0.8 + 0.4 * rng.random()) / length
                x = (x0 + t * (x1 - x0) - off * (y1 - y0)) / GRID
                y = (y0 + t * (y1 - y0) + off * (x1 - x0)) / GRID
                rows.append((x, y, STREET_WEIGHT[cls], cls, line.tags.get("name", "")))
    xy = np.round(np.array([row[:2] for row in rows]), 1)
    dry = ~shapely.contains_xy(s.barriers, xy[:, 0], xy[:, 1])
    kept = np.flatnonzero(dry)
    return Fronts(
        xy[kept],
        np.array([rows[i][2] for i in kept]),
        liveliness(xy[kept], urban),
        np.array([rows[i][3] for i in kept]),
        [rows[i][4] for i in kept],
    )


def _choose(
    fronts: Fronts, kind: Kind, count: int, free: NDArray[np.bool_], rng: np.random.Generator,
    near: Floats | None = None,
) -> list[int]:  # fmt: skip
    """Indices of fronts drawn by weight, no two of this kind nearer than it wants."""
    weight = fronts.weight * fronts.lively**kind.power * free
    if kind.classes:
        weight = weight * np.isin(fronts.cls, kind.classes.split())
    if near is not None:
        squared = ((fronts.xy - near) ** 2).sum(1)
        weight = weight * np.exp(-squared / (2 * 250.0**2)) * (squared < 700**2)
    draw = -np.log(rng.random(len(weight))) / np.maximum(weight, 1e-12)
    taken: list[int] = []
    for i in np.argsort(draw, kind="stable")[: count * 60].tolist():
        if weight[i] <= 0 or len(taken) == count:
            break
        if not taken or ((fronts.xy[taken] - fronts.xy[i]) ** 2).sum(1).min() > kind.apart**2:
            taken.append(i)
    return taken


def place_all(fronts: Fronts, rng: np.random.Generator) -> list[Spot]:
    """Every place of `HOSTS` and `OTHERS`, the towns' own first."""
    free = np.ones(len(fronts.xy), bool)
    spots: list[Spot] = []
    left = {next(iter(kind.tags.values())): kind.count for kind in HOSTS}
    by_value = {next(iter(kind.tags.values())): kind for kind in HOSTS}
    for town, u, v, *_ in TOWNS:
        at = np.array(bend_one(u, v))
        for i in _choose(fronts, by_value["townhall"], 1, free, rng, at):
            free[i] = False
            left["townhall"] -= 1
            spots.append(_spot(fronts, i, {"amenity": "townhall"}, f"{town}人民政府"))
        for value in TOWN_HOSTS:
            kind = by_value[value]
            for i in _choose(fronts, kind, 1, free, rng, at):
                free[i] = False
                left[value] -= 1
                spots.append(_spot(fronts, i, kind.tags, kind.name(rng, town)))
    for kind in (*HOSTS, *OTHERS):
        value = next(iter(kind.tags.values()))
        for i in _choose(fronts, kind, left.get(value, kind.count), free, rng):
            free[i] = False
            spots.append(_spot(fronts, i, kind.tags, kind.name(rng, fronts.street[i])))
    return spots


def _spot(fronts: Fronts, i: int, tags: Tags, name: str) -> Spot:
    x, y = fronts.xy[i]
    more = {"name": name}
    host = any(tags.items() <= kind.tags.items() for kind in HOSTS)
    if host and fronts.street[i]:
        number = 1 + abs(int(x * 7 + y * 3)) % 300
        more |= {"addr:street": fronts.street[i], "addr:housenumber": f"{number}号"}
    return Spot(float(x), float(y), {**tags, **more})


# --- on the streets themselves --------------------------------------------------------------------

ARTERIAL = frozenset(("trunk", "primary", "secondary", "tertiary"))


def signals(noded: list[Noded]) -> dict[Key, Tags]:
    """Traffic signals at the nodes where two arterials of different names meet."""
    names: dict[Key, set[str]] = {}
    classes: dict[Key, set[str]] = {}
    for line in noded:
        cls = line.tags.get("highway", "")
        if line.level == GROUND and cls in ARTERIAL and "name" in line.tags:
            for key in line.keys:
                names.setdefault(key, set()).add(line.tags["name"])
                classes.setdefault(key, set()).add(cls)
    big = {"trunk", "primary", "secondary"}
    return {
        key: {"highway": "traffic_signals"}
        for key in sorted(names)
        if len(names[key]) > 1 and classes[key] & big
    }


def bus_stops(noded: list[Noded], rng: np.random.Generator) -> list[Spot]:
    """Bus stops in pairs along arterials and country roads, named after the nearest street."""
    out = []
    for line in noded:
        cls = line.tags.get("highway", "")
        name = line.tags.get("name", "")
        if line.level != GROUND or cls not in ARTERIAL - {"trunk"} or not name:
            continue
        shape = shapely.LineString([(x / GRID, y / GRID) for x, y in line.keys])
        at = float(rng.uniform(90, 380))
        while at < shape.length - 40:
            p, q = shape.interpolate(at), shape.interpolate(at + 5)
            nx, ny = -(q.y - p.y) / 5, (q.x - p.x) / 5
            what = ("", "桥", "社区", "路口")[int(rng.integers(4))]
            label = GOOD[int(rng.integers(len(GOOD)))] + what
            for side in (-1, 1):
                if line.tags.get("oneway") == "yes" and side > 0:
                    continue
                tags = {"highway": "bus_stop", "name": label}
                out.append(Spot(p.x + 7 * side * nx, p.y + 7 * side * ny, tags))
            at += float(rng.uniform(380, 620))
    return out
