"""Opening hours as stations write them, read into weekdays and intervals, or said not to be.

Understood: Chinese as planners write it ("周一至周五 8:30-12:00、13:30-17:30；周六 9:00-12:00",
"24小时", "工作日 上午9点-下午5点半", "8:00-18:00 周日休息") and the common forms of OSM's
``opening_hours`` ("Mo-Fr 08:00-18:00; Sa 09:00-12:00", "24/7", "PH off"). What is not understood
stays the text that it was, with a note that says why: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from servicecircle.errors import Note
from servicecircle.export.plain_text import cut, one_line
from servicecircle.export.stations.hours_words import (
    DAY,
    HOLIDAYS,
    WEEK,
    Interval,
    Token,
    UnclearError,
    tokens_of,
)

MAX_CHARACTERS = 300
_ZH = (*(f"周{c}" for c in "一二三四五六日"), "节假日")
_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "holidays")
_ZH_WORDS = {"all": "24小时", "off": "休息", "every": "每天", "next": "次日", "space": ""}
_EN_WORDS = {
    "all": "24 hours", "off": "closed", "every": "daily", "next": "next day ", "space": " ",
}  # fmt: skip


@dataclass(frozen=True)
class Hours:
    """Opening hours: ``week`` is day (0 Monday … 6, 7 public holidays) → intervals, () for closed.

    A day that is not in ``week`` was not spoken of. ``days_said`` is false where the text names no
    days ("8:00-18:00": taken for every day, and written without days again). ``problems`` are (zh,
    en) notes; where there are any, ``week`` is empty and the texts are the cell's own.
    """

    raw: str
    week: Mapping[int, tuple[Interval, ...]] = field(default_factory=dict)
    days_said: bool = False
    problems: tuple[Note, ...] = ()

    @property
    def understood(self) -> bool:
        """Whether there are hours, and they are known."""
        return bool(self.week)

    def text_zh(self) -> str:
        """The normal form in Chinese: 周一至周五 08:30-12:00、13:30-17:30；周六 09:00-12:00。"""
        return self._text(_ZH, "至", "、", "；", _ZH_WORDS)

    def text_en(self) -> str:
        """The normal form in English."""
        return self._text(_EN, "-", ", ", "; ", _EN_WORDS)

    def _text(
        self, names: Sequence[str], to: str, comma: str, stop: str, words: Mapping[str, str]
    ) -> str:
        if not self.week:
            return self.raw
        parts = []
        for days, intervals in _groups(self.week):
            spans = [_span(i, words["all"], words["next"]) for i in intervals]
            what = comma.join(spans) or words["off"]
            label = _named(days, names, to, comma)
            if tuple(days) == WEEK:
                label = words["every"] if self.days_said or not intervals else ""
            parts.append(f"{label}{words['space'] if not intervals else ' '}{what}".strip())
        return stop.join(parts)


def parse_hours(text: str) -> Hours:
    """What a cell says of opening hours. Never raises; an empty cell gives empty `Hours`."""
    raw = one_line(text)
    if not raw:
        return Hours("")
    try:
        if len(raw) > MAX_CHARACTERS:
            raise UnclearError("写得太长", "too long")
        clauses = _clauses(tokens_of(raw))
        week = _week(clauses)
        always = all(week.get(day) == ((0, DAY),) for day in WEEK)
        return Hours(raw, week, days_said=not always and any(c.days for c in clauses))
    except UnclearError as error:
        shown = cut(raw, 40)
        zh, en = error.args
        return Hours(
            raw,
            problems=(
                (f"开放时间“{shown}”看不懂：{zh}", f"hours “{shown}” are not understood: {en}"),
            ),
        )


# --- clauses --------------------------------------------------------------------------------------


@dataclass
class _Clause:
    """Days, and what holds for them."""

    days: list[int] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    off: bool = False
    osm: bool = False
    closed: bool = False  # nothing more may be added

    @property
    def content(self) -> bool:
        return bool(self.intervals) or self.off


def _clauses(tokens: list[Token]) -> list[_Clause]:
    clauses, at, after_days = [_Clause()], 0, False
    while at < len(tokens):
        token, here = tokens[at], clauses[-1]
        if token.kind == "open":
            named, end = _days_in_brackets(tokens, at)
            if named and here.content and not here.days:
                here.days, here.closed, at = named, True, end
                continue
        elif token.kind == "days":
            if token.bare and not after_days:
                raise UnclearError("有单独的“一二三…”", "a weekday without 周 before it")
            days, at = _day_range(tokens, at)
            if here.content or here.closed:
                clauses.append(_Clause())
            clauses[-1].days += days
            clauses[-1].osm |= token.osm
            after_days = True
            continue
        elif token.kind == "dash":
            raise UnclearError("有多余的“-”", "there is a dash too many")
        elif token.kind in ("range", "off"):
            if here.closed:
                clauses.append(_Clause())
            clauses[-1].intervals += [token.interval] if token.kind == "range" else []
            clauses[-1].off |= token.kind == "off"
            after_days = False
        at += 1
    return _checked(clauses)


def _days_in_brackets(tokens: list[Token], at: int) -> tuple[list[int], int]:
    """The days in brackets, and the place behind; nothing where they hold anything else."""
    days: list[int] = []
    at += 1
    while at < len(tokens) and tokens[at].kind != "close":
        if tokens[at].kind == "comma":
            at += 1
        elif tokens[at].kind == "days":
            more, at = _day_range(tokens, at)
            days += more
        else:
            return [], at
    return days, at + 1


def _day_range(tokens: list[Token], at: int) -> tuple[list[int], int]:
    """A day, or from one to another, over the week's end where need be."""
    days = list(tokens[at].days)
    after = tokens[at + 1 : at + 3]
    if len(after) == 2 and after[0].kind == "dash" and after[1].kind == "days":
        last = after[1].days
        if len(days) != 1 or len(last) != 1 or HOLIDAYS in (days[0], last[0]):
            raise UnclearError(
                "“至”的两边不是星期几", "a range of days needs a weekday at both ends"
            )
        days = [(days[0] + i) % 7 for i in range((last[0] - days[0]) % 7 + 1)]
        return days, at + 3
    return days, at + 1


def _checked(clauses: list[_Clause]) -> list[_Clause]:
    """Every clause with content; days that stand behind the only one belong to it."""
    if len(clauses) == 2 and not clauses[1].content and clauses[0].content and not clauses[0].days:
        clauses = [_Clause(clauses[1].days, clauses[0].intervals, clauses[0].off, clauses[1].osm)]
    for clause in clauses:
        if not clause.content:
            raise UnclearError("没有写时间", "no times are given")
        if clause.off and clause.intervals:
            raise UnclearError("又开放又休息", "it is open and closed at once")
        if clause.off and not clause.days:
            raise UnclearError("没有写哪天休息", "it does not say which day is closed")
    return clauses


def _week(clauses: list[_Clause]) -> dict[int, tuple[Interval, ...]]:
    """Day → intervals; a narrower clause after a wider one takes its days over."""
    week: dict[int, tuple[Interval, ...]] = {}
    before: list[set[int]] = []
    for clause in clauses:
        days = set(clause.days or WEEK)
        again = days & set().union(*before)
        if days in before and not clause.osm and not clause.off:  # a second line on the same days
            for day in days:
                week[day] += tuple(clause.intervals)
        elif again and not any(days < wider for wider in before):
            names = "、".join(_ZH[day] for day in sorted(again))
            raise UnclearError(f"{names}写了两次", "some days are written twice")
        else:
            week |= dict.fromkeys(days, tuple(clause.intervals))
        before.append(days)
    week = {day: tuple(sorted(week[day])) for day in sorted(week)}
    _refuse_overlaps(week)
    return week


def _refuse_overlaps(week: Mapping[int, tuple[Interval, ...]]) -> None:
    for day, intervals in week.items():
        spans = list(intervals)
        if day != HOLIDAYS:  # what is left of the night before
            spans += [(0, end - DAY) for _, end in week.get((day - 1) % 7, ()) if end > DAY]
        for (_, end), (start, _) in pairwise(sorted(spans)):
            if start < end:
                raise UnclearError(f"{_ZH[day]}的时段重叠", "its intervals overlap")


# --- writing --------------------------------------------------------------------------------------


def _groups(week: Mapping[int, tuple[Interval, ...]]) -> Iterator[tuple[list[int], tuple]]:
    """Days with the same intervals, public holidays by themselves, in the order of their days."""
    groups: dict[tuple[Any, bool], list[int]] = {}
    for day, intervals in sorted(week.items()):
        groups.setdefault((intervals, day == HOLIDAYS), []).append(day)
    for (intervals, _), days in groups.items():
        yield days, intervals


def _named(days: Sequence[int], names: Sequence[str], to: str, comma: str) -> str:
    """Days by name, three and more in a row as a range."""
    parts: list[str] = []
    for _, run in groupby(enumerate(days), key=lambda item: item[1] - item[0]):
        row = [names[day] for _, day in run]
        parts += row if len(row) < 3 else [f"{row[0]}{to}{row[-1]}"]
    return comma.join(parts)


def _span(interval: Interval, always: str, tomorrow: str) -> str:
    start, end = interval
    if (start, end) == (0, DAY):
        return always
    ends = _clock(end) if end <= DAY else tomorrow + _clock(end - DAY)
    return f"{_clock(start)}-{ends}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
