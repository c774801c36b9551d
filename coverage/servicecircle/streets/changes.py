"""Changes to the streets that a planner draws, applied without reading the city again.

Barriers (`change_barriers.py`) are polygons that may not be entered: building sites, closed
campuses, a river without its bridges. Links (`change_links.py`) are new ways to walk: a footbridge,
a gate. Barriers come first, so that a footbridge may cross a closed river.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from servicecircle.errors import NetworkError, Note
from servicecircle.fetching.web import clean
from servicecircle.streets.change_barriers import cut_out
from servicecircle.streets.change_layers import read_barriers, read_links
from servicecircle.streets.change_links import LINK_WAYS_FROM, SHOWN_CHARACTERS, add_links
from servicecircle.streets.contraction import Ints
from servicecircle.streets.network import ISLAND_SHARE, WalkNetwork, build_network
from servicecircle.streets.straights import Straights

__all__ = [
    "JOIN_M",
    "LINK_WAYS_FROM",
    "Changed",
    "apply_changes",
    "inside_barriers",
    "read_barriers",
    "read_links",
]

JOIN_M = 25.0  # how far the end of a link may lie from the street it is joined to


# what is found anew; every other field of a network stays
_FOUND_ANEW = ("junction_", "edge_", "vertex_", "ways", "island", "source")


@dataclass(frozen=True)
class Changed:
    """A network with changes, and what they did.

    ``notes`` (Chinese, English); ``removed_m`` metres of street inside barriers, ``added_m`` of
    links, legs to the streets included; ``new_island_m`` metres of street that became part of an
    island, ``freed_m`` that ceased to be; ``barriers`` and ``links``: how many were applied
    (a barrier that touches no street is not).
    """

    network: WalkNetwork
    notes: tuple[Note, ...] = ()
    removed_m: float = 0.0
    added_m: float = 0.0
    new_island_m: float = 0.0
    freed_m: float = 0.0
    barriers: int = 0
    links: int = 0


def apply_changes(
    network: WalkNetwork,
    *,
    barriers: gpd.GeoDataFrame | None = None,
    links: gpd.GeoDataFrame | None = None,
    island_share: float = ISLAND_SHARE,
    join_m: float = JOIN_M,
) -> Changed:
    """The network without the streets inside ``barriers`` and with ``links``; neither is changed.

    ``barriers`` and ``links`` as `read_barriers` and `read_links` give them (only geometry is
    needed). Streets are cut at a barrier's boundary; a new dead end, like a link's vertices, gets
    a node id below zero that the network does not use. Ways of links are -2, -3 … and tagged
    ``highway=footway``. Islands are found anew. Without any change the very same network comes
    back.

    Raises `TableError` for a link that meets no street within ``join_m`` metres or has no length,
    `NetworkError` when barriers take every street, ValueError for geometry of another kind and
    for a network whose efforts are already set (slopes come after changes).
    """
    if network.vertex_forward is not None or network.vertex_backward is not None:
        raise ValueError("changes come before efforts: apply them to the network without slopes")
    barriers = _checked(barriers, (3, 6), "polygons")
    links = _checked(links, (1, 5), "lines")
    if barriers is None and links is None:
        return Changed(network)
    before = Straights.of(network)
    after, ways, notes = before, network.ways, list[Note]()
    ids = itertools.count(min(int(network.vertex_id.min()), 0) - 1, -1)
    bars, added_m = np.empty(0, bool), 0.0
    if barriers is not None:
        after, bars = _without(before, network, barriers, ids)
        notes += _idle(barriers, bars)
        if not bars.any():
            after = before
    removed_m = float(before.metres.sum() - after.metres.sum()) if bars.any() else 0.0
    if links is not None:
        after, ways, added_m = add_links(after, links, ways, network.plane, ids, join_m)
    elif not bars.any():
        return Changed(network, tuple(notes))
    kept: dict[str, Any] = {
        f.name: getattr(network, f.name)
        for f in fields(network)
        if not f.name.startswith(_FOUND_ANEW)
    }
    changed = build_network(
        after.pieces(), ways, island_share=island_share, source=network.source, **kept
    )
    off = _on_island(changed, after.a)
    result = Changed(
        changed,
        removed_m=removed_m,
        added_m=added_m,
        new_island_m=float(after.metres[off & ~after.island].sum()),
        freed_m=float(after.metres[~off & after.island].sum()),
        barriers=int(bars.sum()),
        links=0 if links is None else len(links),
    )
    return _with_notes(result, [*_said(result), *notes])


def inside_barriers(
    barriers: gpd.GeoDataFrame, demand: gpd.GeoDataFrame, sites: gpd.GeoDataFrame
) -> list[Note]:
    """A note where demand or sites lie in the interior of barriers: their legs lead out of them."""
    shapes = shapely.force_2d(barriers.geometry.to_numpy())
    tree = shapely.STRtree(shapes)
    n, m = (
        len(np.unique(tree.query(t.geometry.to_numpy(), predicate="within")[0]))
        for t in (demand, sites)
    )
    if not n + m:
        return []
    return [
        (
            f"{n:,} 个需求点、{m:,} 个站点在禁行面里面：按直线走到面外最近的道路计算。"
            "确实进不去的，请从表里删去。",
            f"{n:,} demand points and {m:,} sites lie inside barriers: a straight leg to the "
            "nearest street outside is counted. Delete from the tables what cannot be reached.",
        )
    ]


def _checked(
    layer: gpd.GeoDataFrame | None, kinds: tuple[int, ...], what: str
) -> gpd.GeoDataFrame | None:
    """The layer in degrees; None where it holds nothing."""
    if layer is None or len(layer) == 0:
        return None
    shapes = layer.geometry.to_numpy()
    right = np.isin(shapely.get_type_id(shapes), kinds) & ~shapely.is_empty(shapes)
    if not right.all() or (what == "polygons" and not shapely.is_valid(shapes).all()):
        raise ValueError(f"{what} are wanted, valid and none of them empty")
    if layer.crs is not None and layer.crs != "EPSG:4326":
        layer = layer.to_crs("EPSG:4326")
    return layer


def _without(
    streets: Straights, network: WalkNetwork, barriers: gpd.GeoDataFrame, ids: Any
) -> tuple[Straights, NDArray[np.bool_]]:
    """The streets outside the barriers, and which of these bar any."""
    none = np.zeros(len(barriers), bool)
    passes = barriers["bridges"].to_numpy(bool) if "bridges" in barriers else none
    bridge = np.zeros(len(streets), bool)
    if passes.any():
        tags = network.ways[["bridge", "tunnel"]]
        spans = network.ways.index[(~tags.isin(["", "no"])).any(axis=1)].to_numpy()
        bridge = np.isin(streets.way, spans)
    shapes = shapely.force_2d(barriers.geometry.to_numpy())  # a copy: GEOS keeps notes on them
    left, bars = cut_out(streets, shapes, passes, bridge, ids)
    if not len(left):
        raise NetworkError(
            "禁行面盖住了全部步行道路，没有路可走。请检查禁行面的范围和坐标系。",
            "The barriers cover every walkable street. Check their extent and their datum.",
        )
    return left, bars


def _on_island(network: WalkNetwork, node: Ints) -> NDArray[np.bool_]:
    """Which of the nodes belong to an island."""
    vertices = np.repeat(network.edge_island, np.diff(network.vertex_start))
    return np.isin(node, network.vertex_id[vertices])


def _with_notes(result: Changed, notes: list[Note]) -> Changed:
    known = {f.name: getattr(result, f.name) for f in fields(result)}
    return Changed(**known | {"notes": tuple(notes)})


def _said(result: Changed) -> list[Note]:
    """What the changes did, in sentences."""
    notes: list[Note] = []
    if result.barriers:
        notes.append(
            (
                f"{result.barriers} 个禁行面：去掉 {result.removed_m:,.0f} 米步行道路。",
                f"Barriers that bar streets: {result.barriers}. {result.removed_m:,.0f} m of "
                "walkable street taken out.",
            )
        )
    if result.links:
        notes.append(
            (
                f"{result.links} 条新连线：增加 {result.added_m:,.0f} 米步行道路。",
                f"Links: {result.links}. {result.added_m:,.0f} m of walkable street added.",
            )
        )
    if result.new_island_m > 0:
        notes.append(
            (
                f"另有 {result.new_island_m:,.0f} 米道路因此成为孤岛（与主路网断开），不参与规划。",
                f"{result.new_island_m:,.0f} m more of street became islands, cut off from the "
                "rest: nothing is planned on them.",
            )
        )
    if result.freed_m > 0:
        notes.append(
            (
                f"{result.freed_m:,.0f} 米道路不再是孤岛。",
                f"{result.freed_m:,.0f} m of street are no longer islands.",
            )
        )
    return notes


def _idle(barriers: gpd.GeoDataFrame, bars: NDArray[np.bool_]) -> list[Note]:
    """A note that names the barriers which bar no street."""
    idle = np.flatnonzero(~bars)
    if not len(idle):
        return []
    names = barriers["name"].to_numpy(object) if "name" in barriers else [""] * len(barriers)
    shown = "、".join(clean(str(names[i]), SHOWN_CHARACTERS) or f"#{i + 1}" for i in idle[:5])
    shown += " …" if len(idle) > 5 else ""
    return [
        (
            f"{len(idle)} 个禁行面没有碰到任何步行道路（{shown}）。请检查其位置和坐标系。",
            f"Barriers that bar no walkable street: {len(idle)} ({shown}). Check where they lie, "
            "and their datum.",
        )
    ]
