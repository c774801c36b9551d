"""How far the junctions are from a station: what both kinds of service circles start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from servicecircle.reach import MINUTES_TOLERANCE, WALK_SPEED_KMH, walks_to
from servicecircle.snapping import Snapped
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork


class Walk(NamedTuple):
    """How far junctions are from some sites, and these sites themselves.

    ``junction``, ``metres``: junctions within the cutoff, and effort (metres on the flat) of
    walking from each to the nearest of the sites, the site's own leg included. ``sites``: where
    the sites stand on their streets. ``leg``: effort per metre of a leg beside the streets.
    """

    junction: Ints
    metres: Floats
    sites: Snapped
    leg: float

    def to_junctions(self, count: int) -> Floats:
        """The metres of all ``count`` junctions, inf where beyond the cutoff."""
        to = np.full(count, np.inf)
        to[self.junction] = self.metres
        return to


class Pace(NamedTuple):
    """Walking speeds in km/h: along the streets, and on the legs beside them (None: the same)."""

    speed_kmh: float = WALK_SPEED_KMH
    leg_speed_kmh: float | None = None

    @property
    def per_minute(self) -> float:
        """Metres walked along a street in a minute."""
        return self.speed_kmh * 1000.0 / 60.0

    def limit(self, minutes: float) -> float:
        """Metres that count as within so many minutes."""
        return (minutes + MINUTES_TOLERANCE) * self.per_minute


def junction_walks(
    network: WalkNetwork, sites: Snapped, cutoff: float, pace: Pace
) -> Iterator[list[tuple[int, Walk]]]:
    """The walk to each snapped site by itself, (position, walk), some sites at a time.

    ``cutoff`` in minutes. The walks come in the order of the sites.
    """
    leg = float(pace.speed_kmh / (pace.leg_speed_kmh or pace.speed_kmh))
    feet = _junction_feet(network)
    for found in walks_to(
        network, feet, sites,
        speed_kmh=pace.speed_kmh, leg_speed_kmh=pace.leg_speed_kmh, cutoff=cutoff,
    ):  # fmt: skip
        metres, ends = found.minutes * pace.per_minute, np.cumsum(found.counts)
        part = zip(found.site.tolist(), ends - found.counts, ends, strict=True)
        yield [
            (site, Walk(found.point[a:b], metres[a:b], sites.take(np.array([site])), leg))
            for site, a, b in part
        ]


class Together:
    """The walk to the nearest of several sites, gathered walk by walk."""

    def __init__(self, network: WalkNetwork) -> None:
        self._best = np.full(network.n_junctions, np.inf)
        self._sites: list[Snapped] = []
        self._leg = 1.0

    def add(self, walk: Walk) -> None:
        """Take in one more walk."""
        self._best[walk.junction] = np.minimum(self._best[walk.junction], walk.metres)
        self._sites.append(walk.sites)
        self._leg = walk.leg

    @property
    def walk(self) -> Walk | None:
        """The walk to the nearest of all; None where there was no site."""
        if not self._sites:
            return None
        names = [field.name for field in fields(Snapped)]
        sites = [np.concatenate([getattr(s, name) for s in self._sites]) for name in names]
        reached = np.flatnonzero(np.isfinite(self._best))
        return Walk(reached, self._best[reached], Snapped(*sites), self._leg)


def checked_levels(minutes: Sequence[float]) -> list[float]:
    """The values of ``minutes``, each once, ascending; ValueError where one is no time."""
    levels = sorted({float(m) for m in minutes})
    if not all(np.isfinite(m) and m >= 0 for m in levels):
        raise ValueError(f"minutes must be finite and not negative: {list(minutes)!r}")
    return levels


def _junction_feet(net: WalkNetwork) -> Snapped:
    """The junctions as points on a street that ends there; islands' junctions are unsnapped."""
    edge = np.full(net.n_junctions, -1)
    offset, forward, backward = np.full((3, net.n_junctions), np.nan)
    main = np.flatnonzero(~net.edge_island)
    for ends, share in ((net.edge_v, 1.0), (net.edge_u, 0.0)):
        at = ends[main]
        edge[at], offset[at] = main, share * net.edge_length[main]
        forward[at], backward[at] = (share * effort[main] for effort in net.edge_effort)
    gap = np.where(edge >= 0, 0.0, np.inf)
    none = np.full(net.n_junctions, -1)
    return Snapped(
        edge, offset, forward, backward, gap, net.junction_lng, net.junction_lat, none, none
    )
