"""Effort: what a walk costs beyond its metres, for slopes, steps and traffic lights.

Effort is counted in metres on the flat, so that a walk takes effort / speed; it differs between the
two directions of a street. Slopes come from an elevation model (`terrain.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from servicecircle.errors import Note
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.terrain import street_profile

#: Steeper than 45° nothing is walked on: what is beyond it is noise of the model (roofs, trees,
#: cliffs beside the street) and counts as this, so that no street becomes endlessly long.
STEEPEST = 1.0
WALKERS_WAYS = ("footway", "path", "pedestrian", "steps", "cycleway")


@dataclass(frozen=True)
class Effort:
    """A network whose metres are weighed, and what there is to say about it.

    ``network``: with ``vertex_forward`` and ``vertex_backward`` (the very network that was given
    where nothing weighs). ``notes``: (Chinese, English). ``heights``: metres above the model's
    zero, one per vertex, NaN where unknown; None without an elevation model.
    """

    network: WalkNetwork
    notes: tuple[Note, ...] = ()
    heights: Floats | None = None


def slope_factor(slope: Floats) -> Floats:
    """Flat metres that one metre (on the map) at ``slope`` (rise / run) costs; exactly 1 at 0.

    Tobler's hiking function scaled to 1 on the flat: exp(3.5 (|s + 0.05| − 0.05)), least at a
    slope of −5 %. W. Tobler (1993), Three presentations on geographical analysis and modeling,
    NCGIA Technical Report 93-1. Slopes are clipped at ± `STEEPEST`.
    """
    s = np.clip(slope, -STEEPEST, STEEPEST)
    return np.asarray(np.exp(3.5 * (np.abs(s + 0.05) - 0.05)))


def walking_effort(
    network: WalkNetwork,
    *,
    dem: Path | None = None,
    steps_factor: float = 1.0,
    signal_seconds: float = 0.0,
    speed_kmh: float = 4.0,
) -> Effort:
    """The network with the effort of slopes, steps and traffic lights, each where it is asked for.

    ``dem``: a GeoTIFF of heights; slopes count by `slope_factor`, streets without a height as
    flat. ``steps_factor`` (at least 1): a metre of ``highway=steps`` costs so many; above 1 it
    stands for their slope as well. ``signal_seconds``: the wait at a crossing with traffic lights,
    in flat metres by ``speed_kmh``: half of it on each segment of a way for walkers
    (`WALKERS_WAYS`) where it meets a node with lights, so that who walks through waits once and
    who stays on the carriageway never; on a ``footway=crossing`` with lights but without such a
    node once, spread over its length. Streets that a source has joined from ways of several kinds
    count as steps, or as walkers', only where all of them are.

    Without any of the three the same network comes back. Raises `InputError` for a model that
    cannot be used, ValueError for numbers out of range or a network with efforts already.
    """
    if not (1.0 <= steps_factor < np.inf and 0.0 <= signal_seconds < np.inf):
        raise ValueError("steps_factor must be at least 1, signal_seconds at least 0")
    if not 0.0 < speed_kmh < np.inf:
        raise ValueError("speed_kmh must be above 0")
    if network.vertex_forward is not None or network.vertex_backward is not None:
        raise ValueError("this network has its efforts already")
    if dem is None and steps_factor == 1.0 and signal_seconds == 0.0:
        return Effort(network)
    streets = _Segments(network)
    along, against = np.zeros((2, len(network.vertex_way)))  # beyond the metres, by segment
    notes: list[Note] = []
    heights = None
    if dem is not None:
        along, against, heights, notes = _slopes(streets, Path(dem))
    if steps_factor > 1.0:
        steps = streets.only("highway", ("steps",))
        along[steps] = against[steps] = (steps_factor - 1.0) * streets.metres[steps]
        notes += _steps_note(streets, steps, steps_factor)
    if signal_seconds > 0.0:
        wait, said = _waits(streets, signal_seconds * speed_kmh / 3.6)
        along += wait
        against += wait
        notes += said
    weighed = replace(
        network,
        vertex_forward=network.vertex_offset + _summed(network, along),
        vertex_backward=network.vertex_offset + _summed(network, against),
    )
    return Effort(weighed, tuple(notes), heights)


class _Segments:
    """The segments of a network by the vertex they begin at; at an edge's last vertex none does.

    ``begins``: does one begin there? ``metres``: its length, ``row``: its way's row in the table
    of ways, -1 where there is none.
    """

    def __init__(self, network: WalkNetwork) -> None:
        self.network = network
        self.begins = network.vertex_segment >= 0
        self.metres = np.where(self.begins, np.diff(network.vertex_offset, append=np.nan), 0.0)
        self.row = np.where(
            self.begins, network.ways.index.get_indexer(pd.Index(network.vertex_way)), -1
        )

    def of(self, ways: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which segments belong to these ways (one boolean per row of the table)."""
        return np.asarray((self.row >= 0) & ways[self.row])

    def only(self, key: str, values: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which segments belong to ways with these values of a tag and no others."""
        tags = self.network.ways[key]
        kinds = {tag: set(tag.split(";")) <= set(values) for tag in tags.unique()}
        return self.of(tags.map(kinds).to_numpy(bool))


def _summed(network: WalkNetwork, values: Floats) -> Floats:
    """Per vertex, the sum over the segments of its edge from the u end to it."""
    before = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    start = network.vertex_start
    return np.asarray(before - np.repeat(before[start[:-1]], np.diff(start)))


# --- slopes ---------------------------------------------------------------------------------------


def _slopes(streets: _Segments, dem: Path) -> tuple[Floats, Floats, Floats, list[Note]]:
    """Per segment, what its slope costs beyond its metres along and against it; heights; notes."""
    network, n = streets.network, len(streets.begins)
    tags = network.ways[["bridge", "tunnel"]]
    spans = streets.of((~tags.isin(["", "no"])).any(axis=1).to_numpy())
    profile = street_profile(network, dem, spans)
    known = ~np.isnan(profile.rise) & (profile.metres > 0)
    slope = np.divide(profile.rise, profile.metres, out=np.zeros(len(known)), where=known)
    along, against = (
        np.bincount(profile.segment, (slope_factor(s) - 1.0) * profile.metres, n).astype(float)
        for s in (slope, -slope)
    )
    steep_m = float(profile.metres[np.abs(slope) > STEEPEST].sum())
    notes = [*profile.notes, *_steep_note(steep_m, network.length)]
    return along, against, profile.heights, notes


def _steep_note(metres: float, length: float) -> list[Note]:
    if metres == 0.0:
        return []
    km, share = metres / 1000.0, metres / length
    return [
        (
            f"有 {km:,.1f} 公里道路（{share:.1%}）按高程数据比 {STEEPEST:.0%} 还陡，应是高程误差"
            f"（房屋、树木、陡坎），按 {STEEPEST:.0%} 计。",
            f"{km:,.1f} km of street ({share:.1%}) would be steeper than {STEEPEST:.0%} by the "
            "elevation model: its noise (roofs, trees, cliffs), counted as "
            f"{STEEPEST:.0%}.",
        )
    ]


# --- steps and traffic lights ---------------------------------------------------------------------


def _steps_note(streets: _Segments, steps: NDArray[np.bool_], factor: float) -> list[Note]:
    km = float(streets.metres[steps].sum()) / 1000.0
    if not steps.any():
        return [
            (
                "路网里没有台阶（highway=steps），steps_factor 不起作用。",
                "The streets hold no steps (highway=steps): steps_factor changes nothing.",
            )
        ]
    return [
        (
            f"台阶 {km:,.1f} 公里，每米按 {factor:g} 米计。",
            f"{km:,.1f} km of steps; each metre counts as {factor:g}.",
        )
    ]


def _waits(streets: _Segments, wait_m: float) -> tuple[Floats, list[Note]]:
    """Per segment, the flat metres that waiting at lights costs on it."""
    net, n = streets.network, len(streets.begins)
    lights = np.isin(net.vertex_id, net.signal_nodes)
    begin = np.flatnonzero(streets.only("highway", WALKERS_WAYS))
    halves = np.zeros(n)
    halves[begin] = lights[begin].astype(float) + lights[begin + 1]
    wait = 0.5 * wait_m * halves
    nodes = np.unique(net.vertex_id[np.concatenate([begin, begin + 1])])
    crossings = int(np.isin(nodes, net.signal_nodes).sum())
    tags = net.ways
    lit = (tags["crossing"] == "traffic_signals") | (tags["crossing:signals"] == "yes")
    lit_way = ((tags["footway"] == "crossing") & lit).to_numpy(bool)
    on_it = np.flatnonzero(streets.of(lit_way))
    has_node = np.zeros(len(tags), bool)
    has_node[streets.row[on_it[lights[on_it] | lights[on_it + 1]]]] = True
    on_it = on_it[~has_node[streets.row[on_it]]]
    wait[on_it] += wait_m * _share(streets, on_it)
    return wait, _signals_note(crossings + len(np.unique(streets.row[on_it])))


def _share(streets: _Segments, segments: Ints) -> Floats:
    """What share of its way's length each of the segments is."""
    row, metres = streets.row[segments], streets.metres[segments]
    whole = np.bincount(row, metres, len(streets.network.ways))[row]
    return np.divide(metres, whole, out=np.zeros(len(metres)), where=whole > 0)


def _signals_note(crossings: int) -> list[Note]:
    if crossings == 0:
        return [
            (
                "路网里没有行人要等的信号灯路口，signal_seconds 不起作用。",
                "No crossing with traffic lights lies on a way for walkers: signal_seconds changes "
                "nothing.",
            )
        ]
    return [
        (
            f"{crossings:,} 处有信号灯的行人过街点计入等候时间。",
            f"Waiting counts at {crossings:,} crossings with traffic lights.",
        )
    ]
