"""What every section gets: the plan's figures, the paper to write on, maps, and its language."""

from __future__ import annotations

from dataclasses import dataclass

from servicecircle.errors import Lang, Note
from servicecircle.export.fonts import Font
from servicecircle.export.report.document import TEXT_WIDTH_MM, Paper
from servicecircle.export.report.facts import Facts
from servicecircle.export.report.map_pictures import Maps
from servicecircle.export.report.numbers import number
from servicecircle.plan_words import PLAN_WORDS
from servicecircle.profiles import PROFILES
from servicecircle.steps import UNITS

FRONT_MAP_MM = 104.0  # the map of the first page is at most so high
PAGE_MAP_MM = 190.0
_AS_GOOD = 1.25  # a map that would be only so much higher shows no more


@dataclass(frozen=True)
class Report:
    """A report being written. ``maps`` draw with ``font``."""

    facts: Facts
    paper: Paper
    maps: Maps
    font: Font
    lang: Lang

    def say(self, zh: str, en: str) -> str:
        """One of the two."""
        return zh if self.lang == "zh" else en

    def pick(self, both: Note) -> str:
        """One of a pair."""
        return self.say(*both)

    def word(self, key: str, **values: object) -> str:
        """A plan's words for something (`PLAN_WORDS`), without their markup."""
        text = self.pick(PLAN_WORDS[key])
        text = (text.format(**values) if values else text).replace("**", "").replace("`", "")
        return self.moving(text)

    @property
    def outside(self) -> str:
        """What demand and stations of no district are called."""
        if self.facts.has_outlines:
            return self.word("outside")
        return self.say("未注明区", "no district given")

    def moving(self, text: str) -> str:
        """A text about walkers, for whoever it is that moves."""
        if self.facts.scenario.network.profile == "foot":
            return text
        return text.replace("步行", "骑行").replace("on foot", "by e-bike")

    def share(self, value: float | None) -> str:
        """A share, in per cent."""
        return number(value, "share")

    def weight(self, value: float | None) -> str:
        """People, points or relative units, without the unit."""
        return number(value, "weight")

    def count(self, value: float) -> str:
        """A number of things."""
        return number(value, "count")

    def things(self, count: int, name: str) -> str:
        """So many of something, in English."""
        return f"{count:,} {name}{'' if count == 1 else 's'}"

    @property
    def unit(self) -> str:
        """The unit of the weight."""
        return self.pick(UNITS[str(self.facts.said["weight_unit"])])

    @property
    def standards(self) -> str:
        """The standards that hold, in minutes."""
        minutes = [number(m, "minutes") for m in self.facts.standards]
        if len(minutes) <= 4:
            return self.say(" 或 ", " or ").join(minutes)
        return self.say(f"{minutes[0]}–{minutes[-1]}", f"{minutes[0]} to {minutes[-1]}")

    @property
    def how(self) -> str:
        """Who moves: on foot or otherwise."""
        profile = PROFILES[self.facts.scenario.network.profile]
        return self.say(profile.zh, profile.en)

    @property
    def within(self) -> str:
        """Within the standard, in words."""
        several = len(self.facts.standards) > 1
        return self.say(
            f"{self.how} {self.standards} 分钟{'（按所在地的标准）' if several else ''}内",
            f"within {self.standards} minutes {self.how}"
            + (" (each place by its own standard)" if several else ""),
        )

    @property
    def uncovered(self) -> float:
        """Weight that the plan leaves uncovered."""
        return max(0.0, float(self.facts.said["total_weight"] - self.facts.said["covered_weight"]))

    @property
    def front_map_is_whole(self) -> bool:
        """Whether the first page's map is about as large as a map in the paper gets."""
        return self.maps.natural_mm("plan", TEXT_WIDTH_MM) <= FRONT_MAP_MM * _AS_GOOD
