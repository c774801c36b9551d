"""A scenario's walking: its streets, changed and graded as it asks, and the times along them.

Everything here is a pure function of files and settings, so it is remembered on disk (`cache.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from servicecircle import cache
from servicecircle.errors import Note, ScenarioError
from servicecircle.legs import OpenLegs, snap_around
from servicecircle.obstacles import read_obstacles
from servicecircle.reach import TravelTimes, travel_times
from servicecircle.scenario import NetworkPart, Scenario
from servicecircle.snapping import Snapped, Streets, snap
from servicecircle.steps import Progress
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.street_files import is_osm, read_streets

_BLOCK = 1 << 20  # bytes read at a time


def sha256(path: Path) -> str:
    """Hex digest of a file; of a Shapefile, of all that belongs to it, one after another."""
    digest = hashlib.sha256()
    parts = [path]
    if path.suffix.lower() == ".shp":
        beside = {p.suffix.lower(): p for p in path.parent.iterdir() if p.stem == path.stem}
        parts += [beside[end] for end in (".dbf", ".shx", ".prj", ".cpg") if end in beside]
    for part in parts:
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def located(scenario: Scenario, progress: Progress) -> Scenario:
    """The scenario with the files of its place, which is fetched where no file is named.

    Raises `FetchError` when the place cannot be fetched.
    """
    part = scenario.network
    if part.osm or not part.place:
        return scenario
    from servicecircle.fetching.fetch import fetch_place  # noqa: PLC0415

    fetched = fetch_place(part.place, progress=progress)
    files = {
        "osm": str(fetched.osm), "outline": str(fetched.outline), "osm_date": fetched.date,
    }  # fmt: skip
    return scenario.model_copy(update={"network": part.model_copy(update=files)})


@dataclass
class Walking:
    """The streets of a scenario and the ways to walk on them.

    ``fresh``: take nothing from the cache, as who checks a plan must; ``notes``: what went wrong
    with the cache.
    """

    scenario: Scenario
    fresh: bool = False
    notes: list[Note] = dataclasses.field(default_factory=list)

    @property
    def part(self) -> NetworkPart:
        """What the scenario says of streets and speeds."""
        return self.scenario.network

    @property
    def osm(self) -> Path:
        """The file of the streets. Raises `ScenarioError` where none is named."""
        if self.part.osm:
            return self.scenario.path(self.part.osm)
        raise ScenarioError(
            "缺少 network.osm：请在方案文件里写 network.osm，或在命令行用 --osm 给出文件"
            "（或用 --place 按地名下载）。",
            "network.osm is missing: set it in the scenario, or hand in a file with --osm (or "
            "fetch a place with --place).",
        )

    @cached_property
    def osm_sha256(self) -> str:
        """Hex digest of the streets' file."""
        return sha256(self.osm)

    @cached_property
    def network(self) -> WalkNetwork:
        """The streets with every change that the scenario makes to them."""
        if not self._changes:
            return self._from_file
        key = cache.key_of(*self._network_key)
        return self._remembered("network", key, self._change, pack_network, unpack_network)

    @cached_property
    def _network_key(self) -> tuple[Any, ...]:
        return *self._file_key, self._changes

    @cached_property
    def _file_key(self) -> tuple[Any, ...]:
        return self.osm_sha256, self.osm.name, self.part.walk_filter, self.part.island_share

    @cached_property
    def _from_file(self) -> WalkNetwork:
        def read() -> WalkNetwork:
            return read_streets(
                self.osm, walk_filter=self.part.walk_filter, island_share=self.part.island_share
            )

        if not self.osm.is_file():
            if self.part.place:
                raise ScenarioError(
                    f"{self.osm}：按地名下载的地图已不在缓存里。"
                    f"请用 --place {self.part.place} 重新规划。",
                    f"{self.osm}: the map fetched for this place is no longer in the cache. Plan "
                    f"again with --place {self.part.place}.",
                )
            return read()  # which says what is wrong
        key = cache.key_of(*self._file_key)
        network = self._remembered("network", key, read, pack_network, unpack_network)
        # the same file may lie elsewhere now
        return replace(network, source=str(self.osm), date=self.part.osm_date or network.date)

    @cached_property
    def _changes(self) -> dict[str, Any]:
        """What turns the file's streets into the scenario's; empty where nothing does."""
        part = self.part
        found: dict[str, Any] = {}
        for name in ("barriers", "links"):
            layer = getattr(part, name)
            if layer is not None and layer.file:
                file = self.scenario.path(layer.file)
                found[name] = (sha256(file) if file.is_file() else "", layer.datum, layer.area)
        if part.dem:
            file = self.scenario.path(part.dem)
            found["dem"] = sha256(file) if file.is_file() else ""
        if part.steps_factor != 1 or part.signal_seconds:
            found["penalties"] = (part.steps_factor, part.signal_seconds)
        if "dem" in found or "penalties" in found:
            found["speed"] = part.speed_kmh  # seconds of waiting become metres by it
        return found

    def _change(self) -> WalkNetwork:
        from servicecircle.streets.changes import (  # noqa: PLC0415
            apply_changes,
            read_barriers,
            read_links,
        )
        from servicecircle.streets.effort import walking_effort  # noqa: PLC0415

        part, network = self.part, self._from_file
        layers: dict[str, gpd.GeoDataFrame] = {}
        said: list[Note] = []
        for name, read in (("barriers", read_barriers), ("links", read_links)):
            layer = getattr(part, name)
            if layer is not None and layer.file:
                path = self.scenario.path(layer.file)
                layers[name] = read(path, datum=layer.datum, area=layer.area)
                said += [
                    (f"{path.name}：{zh}", f"{path.name}: {en}")
                    for zh, en in layers[name].attrs["notes"]
                ]
        if layers:
            changed = apply_changes(network, **layers, island_share=part.island_share)
            network = replace(changed.network, notes=(*network.notes, *said, *changed.notes))
        effort = walking_effort(
            network,
            dem=self.scenario.path(part.dem) if part.dem else None,
            steps_factor=part.steps_factor,
            signal_seconds=part.signal_seconds,
            speed_kmh=part.speed_kmh,
        )
        return replace(effort.network, notes=(*network.notes, *effort.notes))

    @cached_property
    def streets(self) -> Streets:
        """The index that points are snapped by."""
        return Streets(self.network)

    @cached_property
    def obstacles(self) -> gpd.GeoDataFrame | None:
        """What legs beside the streets may not cross; None where they may cross anything.

        Raises `ScenarioError` where the streets' file cannot tell what lies beside them.
        """
        kinds = sorted(set(self.part.legs_avoid))
        if not kinds:
            return None
        if not is_osm(self.osm):
            raise ScenarioError(
                f"{self.osm.name} 只有道路，看不出水面和铁路：请删去 network.legs_avoid，"
                "或改用 OSM 文件。",
                f"{self.osm.name} holds streets alone and tells nothing of water or railways: "
                "delete network.legs_avoid, or use an OSM file.",
            )
        found: gpd.GeoDataFrame = self.table(
            "obstacles", kinds, lambda: read_obstacles(self.osm, kinds)
        )
        return found

    @cached_property
    def _legs(self) -> OpenLegs:
        return OpenLegs(self.streets, self.obstacles)

    def feet(self, table: gpd.GeoDataFrame, *, straight: bool = False) -> Snapped:
        """Where the points of a table (columns ``lng``, ``lat``) meet the streets.

        ``straight``: as if their legs might cross anything.
        """
        lng, lat = (table[axis].to_numpy(float) for axis in ("lng", "lat"))
        around = [] if straight else sorted(set(self.part.legs_avoid))
        key = cache.key_of(*self._network_key, self.part.max_snap_m, around, lng, lat)

        def meet() -> Snapped:
            if straight or self.obstacles is None:
                return snap(self.streets, lng, lat, max_snap_m=self.part.max_snap_m)
            return snap_around(self._legs, lng, lat, max_snap_m=self.part.max_snap_m)

        feet: Snapped = self._remembered("feet", key, meet, vars, lambda a: Snapped(**a))
        return feet

    def times(
        self,
        demand: Snapped,
        sites: Snapped,
        cutoff: float,
        progress: Callable[[int, int], None] | None = None,
    ) -> TravelTimes:
        """Walking minutes demand × sites up to ``cutoff``; the matrix that all else filters."""
        key = cache.key_of(
            *self._network_key, cutoff, self.pace, *_feet_arrays(demand), *_feet_arrays(sites),
        )  # fmt: skip

        def walk() -> TravelTimes:
            return travel_times(
                self.network, demand, sites, **self.pace, cutoff=cutoff, progress=progress
            )

        return self._remembered("times", key, walk, _pack_times, _unpack_times)

    @property
    def pace(self) -> dict[str, Any]:
        """Speeds, as `travel_times` and the service circles take them."""
        return {"speed_kmh": self.part.speed_kmh, "leg_speed_kmh": self.part.leg_speed_kmh}

    def table(self, kind: str, settings: Any, read: Callable[[], Any]) -> Any:
        """A table out of the OSM file, remembered; None stays None."""
        key = cache.key_of(self.osm_sha256, self.osm.name, settings)
        return self._remembered(kind, key, read, _pack_table, _unpack_table)

    def notes_on(self, points: Sequence[Any], make: Callable[[], list[Note]]) -> list[Note]:
        """Notes on how some points lie on the streets; ``points``: all that they depend on."""
        key = cache.key_of(*self._network_key, *points)
        notes: list[Note] = self._remembered(
            "fit", key, make,
            lambda said: {"notes": cache.pack_facts({"said": said})},
            lambda a: [(zh, en) for zh, en in cache.unpack_facts(a["notes"])["said"]],
        )  # fmt: skip
        return notes

    def _remembered(
        self, kind: str, key: str, make: Callable[[], Any], pack: Any, unpack: Any
    ) -> Any:
        if self.fresh:
            return make()
        return cache.remembered(kind, key, make, pack, unpack, self.notes)


# --- to and from the cache ------------------------------------------------------------------------


def pack_network(network: WalkNetwork) -> cache.Arrays:
    """A network as arrays."""
    arrays: cache.Arrays = {}
    facts: dict[str, Any] = {}
    for f in dataclasses.fields(network):
        value = getattr(network, f.name)
        if isinstance(value, np.ndarray):
            arrays[f.name] = value
        elif f.name != "ways":
            facts[f.name] = value
    return {**arrays, "ways": cache.pack_table(network.ways), "facts": cache.pack_facts(facts)}


def unpack_network(arrays: cache.Arrays) -> WalkNetwork:
    """The network that `pack_network` packed."""
    rest: dict[str, Any] = {name: a for name, a in arrays.items() if name not in ("ways", "facts")}
    facts = cache.unpack_facts(arrays["facts"])
    facts["notes"] = tuple((zh, en) for zh, en in facts["notes"])
    return WalkNetwork(**rest, ways=cache.unpack_table(arrays["ways"]), **facts)


def _feet_arrays(feet: Snapped) -> list[Any]:
    return [feet.edge, feet.offset, feet.forward, feet.backward, feet.gap]


def _pack_times(times: TravelTimes) -> cache.Arrays:
    facts = cache.pack_facts({"n_sites": times.n_sites, "cutoff": times.cutoff})
    return {"indptr": times.indptr, "indices": times.indices, "minutes": times.minutes, "f": facts}


def _unpack_times(arrays: cache.Arrays) -> TravelTimes:
    facts = cache.unpack_facts(arrays["f"])
    return TravelTimes(arrays["indptr"], arrays["indices"], arrays["minutes"], **facts)


def _pack_table(table: Any) -> cache.Arrays:
    if table is None:
        return {}
    is_layer = isinstance(table, gpd.GeoDataFrame)
    return {"layer" if is_layer else "table": cache.pack_table(table)}


def _unpack_table(arrays: cache.Arrays) -> Any:
    if "layer" in arrays:
        return cache.unpack_table(arrays["layer"], gpd.read_parquet)
    return cache.unpack_table(arrays["table"]) if arrays else None
