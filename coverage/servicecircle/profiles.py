"""Who moves, how fast, and where: speed profiles as data."""

from __future__ import annotations

from typing import NamedTuple


class Profile(NamedTuple):
    """Names for planners, speeds in km/h, and a filter of `walk_filter.FILTERS`.

    ``leg_speed_kmh`` holds on the legs beside the streets; None: the same as along them.
    """

    zh: str
    en: str
    speed_kmh: float
    leg_speed_kmh: float | None
    walk_filter: str


#: name in the scenario → profile; whatever the scenario says of speeds and filter goes first
PROFILES: dict[str, Profile] = {
    # the standard equates 1 km with 15 minutes
    "foot": Profile("步行", "on foot", 4.0, None, "osmnx"),
    # GB 17761-2018 lets electric bicycles go 25 km/h at most; in town, with stops, riders make 15.
    # The last metres to the street are walked.
    "ebike": Profile("电动自行车", "by e-bike", 15.0, 4.0, "ebike"),
}
