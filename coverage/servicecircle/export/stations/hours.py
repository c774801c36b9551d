"""Opening hours as stations write them, read into weekdays and intervals, or said not to be.

Understood: Chinese as planners write it ("周一至周五 8:30-12:00、13:30-17:30；周六 9:00-12:00",
"24小时", "工作日 上午9点-下午5点半", "8:00-18:00 周日休息") and the common forms of OSM's
``opening_hours`` ("Mo-Fr 08:00-18:00; Sa 09:00-12:00", "24/7", "PH off"). What is not understood
stays the text that it was, with a note that says why: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from servicecircle.errors import Note
from servicecircle.export.plain_text import cut, one_line
from servicecircle.export.stations.hours_words import (
    DAY,
    HOLIDAYS,
    NOON,
    WEEK,
    Interval,
    Token,
    UnclearError,
    tokens_of,
)

MAX_CHARACTERS = 300
EARLIEST = 7 * 60  # a start before it, behind a later one, may be the afternoon's
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
        clauses = _Reader(tokens_of(raw)).clauses_of()
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
    spans: list[Token] = field(default_factory=list)  # as written
    off: bool = False
    osm: bool = False
    closed: bool = False  # nothing more may be added
    joined: str = ""  # the sign before its days: stop, comma, or none
    paused: bool = False  # 周六，周日 and not 周六、周日

    @property
    def content(self) -> bool:
        return bool(self.spans) or self.off

    def add_days(self, days: list[int]) -> None:
        """More days; all of them again only as an explanation: 工作日（周一至周五）."""
        again = set(days) & set(self.days)
        if again and not (len(days) > 1 and set(days) == set(self.days)):
            raise _twice(again)
        self.days += [day for day in days if day not in again]


class _Reader:
    """The tokens of a text, one after another, into clauses."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.clauses = [_Clause()]
        self.sign = ""  # the strongest since the last word
        self.after_days = False
        self.bracket: _Clause | None = None  # the clause whose content stands before the bracket

    def clauses_of(self) -> list[_Clause]:
        """Every clause, as they stand. Raises `UnclearError` at what cannot be told."""
        at = 0
        while at < len(self.tokens):
            at = getattr(self, f"_{self.tokens[at].kind}", self._sign)(at)
        return _checked(self.clauses)

    def _sign(self, at: int) -> int:
        stop = self.sign == "stop" or self.tokens[at].kind == "stop"
        self.sign = "stop" if stop else "comma"
        return at + 1

    def _open(self, at: int) -> int:
        here = self.clauses[-1]
        named, end = _days_in_brackets(self.tokens, at)
        if named and not (here.content and here.days):
            if here.content:
                _refuse_loose_days(named, here)
            here.add_days(named)
            here.closed, self.after_days, self.sign = here.content, not here.content, "comma"
            return end
        self.bracket = here if here.content else None
        return self._sign(at)

    def _close(self, at: int) -> int:
        self.bracket = None
        return self._sign(at)

    def _dash(self, at: int) -> int:
        raise UnclearError("有多余的“-”", "there is a dash too many")

    def _days(self, at: int) -> int:
        token = self.tokens[at]
        if token.bare and not self.after_days:
            raise UnclearError("有单独的“一二三…”", "a weekday without 周 before it")
        paused = self.tokens[at - 1].kind == "pause"
        days, at = _day_range(self.tokens, at)
        if self.clauses[-1].content or self.clauses[-1].closed:
            self.clauses.append(_Clause(joined=self.sign))
        elif self.clauses[-1].days and (self.sign == "stop" or (token.osm and not self.sign)):
            raise _no_times()  # "PH Mo-Fr" in OSM's syntax: holidays that are weekdays
        here = self.clauses[-1]
        here.paused |= bool(here.days) and paused
        here.osm |= token.osm
        here.add_days(days)
        self.after_days, self.sign = True, ""
        return at

    def _content(self) -> _Clause:
        """The clause that times or a 休息 belong to."""
        if self.clauses[-1].closed:
            self.clauses.append(_Clause(joined=self.sign))
        here = self.clauses[-1]
        if self.sign == "stop" and here.days and (here.osm or not here.content):
            raise _no_times()  # in OSM's syntax what follows ";" without days is for all days
        self.after_days, self.sign = False, ""
        return here

    def _range(self, at: int) -> int:
        here = self._content()
        if here is self.bracket or (self.bracket and not here.days):
            raise UnclearError("括号里又有时间", "there are other times in brackets")
        here.spans.append(self.tokens[at])
        return at + 1

    def _off(self, at: int) -> int:
        self._content().off = True
        return at + 1

    def _except(self, at: int) -> int:
        before = self.clauses[:-1]
        if not before or any(clause.off for clause in before):  # 周一闭馆，节假日除外: open then?
            raise UnclearError("“除外”不知除的是什么", "it is not clear what the exception is from")
        self._content().off = True
        return at + 1


def _twice(days: Iterable[int]) -> UnclearError:
    names = "、".join(_ZH[day] for day in sorted(days))
    return UnclearError(f"{names}写了两次", "some days are written twice")


def _no_times() -> UnclearError:
    return UnclearError("没有写时间", "no times are given")


def _refuse_loose_days(days: list[int], clause: _Clause) -> None:
    """No 8:00-18:00，19:00-21:00（周五）: days behind several times may belong to the last only."""
    if len(clause.spans) > 1 and len(days) < 5:
        raise UnclearError(
            "后面的日子不知管哪个时段", "it is not clear which times the days are for"
        )


def _days_in_brackets(tokens: list[Token], at: int) -> tuple[list[int], int]:
    """The days in brackets, and the place behind; nothing where they hold anything else."""
    days: list[int] = []
    at += 1
    if tokens[at].bare and tokens[at + 1].kind == "close":  # （一） may be a number
        return [], at
    while at < len(tokens) and tokens[at].kind != "close":
        if tokens[at].kind in ("comma", "pause"):
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
        if len(days) != 1 or len(last) != 1 or HOLIDAYS in (days[0], last[0]) or days[0] == last[0]:
            raise UnclearError(
                "“至”的两边不是星期几", "a range of days needs a weekday at both ends"
            )
        days = [(days[0] + i) % 7 for i in range((last[0] - days[0]) % 7 + 1)]
        return days, at + 3
    return days, at + 1


def _checked(clauses: list[_Clause]) -> list[_Clause]:
    """Every clause with content; days that stand behind the only one belong to it."""
    if len(clauses) == 2 and not clauses[1].content and clauses[0].content and not clauses[0].days:
        first, last = clauses
        _refuse_loose_days(last.days, first)
        clauses = [_Clause(last.days, first.spans, first.off, last.osm)]
    for clause in clauses:
        if not clause.content:
            raise _no_times()
        if clause.off and clause.spans:
            raise UnclearError("又开放又休息", "it is open and closed at once")
        if clause.off and not clause.days:
            raise UnclearError("没有写哪天休息", "it does not say which day is closed")
    _refuse_days_between(clauses)
    return clauses


def _refuse_days_between(clauses: list[_Clause]) -> None:
    """No 8:00-18:00 周一至周五 9:00-12:00: days between two times, and no days before the first."""
    if clauses[0].days:
        return
    paused = any(c.off and c.paused for c in clauses)  # 8:00-18:00 周六，周日休息
    others = [c for c in clauses[1:] if c.spans and not (c.osm and c.joined == "stop")]
    if (
        paused
        or any(not c.joined for c in others)
        or len({d for c in others for d in c.days} & {*WEEK}) > 3
    ):
        raise UnclearError("日子不知管前面还是后面的时间", "days stand between two times")


# --- the week -------------------------------------------------------------------------------------


def _week(clauses: list[_Clause]) -> dict[int, tuple[Interval, ...]]:
    """Day → intervals. A narrower clause takes its days over where it cannot be an addition."""
    spans: dict[int, list[Token]] = {}
    owners: dict[int, set[int]] = {}  # day → all the days of the clause that spoke of it last
    for clause in clauses:
        days = set(clause.days or WEEK)
        adds = _adds(clause, days, spans, owners)
        for day in days:
            spans[day] = [*(spans.get(day, []) if adds else []), *clause.spans]
            owners[day] = days
    for written in spans.values():
        _refuse_afternoons(written)
    week = {day: tuple(sorted(span.interval for span in spans[day])) for day in sorted(spans)}
    _refuse_overlaps(week)
    return week


def _adds(
    clause: _Clause,
    days: set[int],
    spans: Mapping[int, list[Token]],
    owners: Mapping[int, set[int]],
) -> bool:
    """Whether a clause adds to the days that it shares with those before; else it replaces."""
    again = days & set(spans)
    if not again:
        return False
    if clause.osm and clause.joined == "comma" and clause.spans:
        return True
    if all(owners[day] == days for day in again):  # a second line on the same days
        if clause.off or clause.osm or not all(spans[day] for day in again):
            raise _twice(again)
        return True
    weekdays = days if HOLIDAYS in again else days - {HOLIDAYS}
    most = clause.off and not clause.osm and len(again) > 3  # 8:00-18:00（周一至周五，周末休息）
    if most or not all(owners[day] > weekdays for day in again):
        raise _twice(again)
    replaces = clause.off or (clause.osm and clause.joined == "stop")
    if replaces or all(_overlap(spans[day], clause.spans) for day in again):
        return False
    names = "、".join(_ZH[day] for day in sorted(again))
    raise UnclearError(
        f"{names}写了两次，不知后一次是另加还是改成",
        "some days are written twice, added or instead is not clear",
    )


def _overlap(some: Sequence[Token], others: Sequence[Token]) -> bool:
    pairs = [(a.interval, b.interval) for a in some for b in others]
    return any(a[0] < b[1] and b[0] < a[1] for a, b in pairs)


def _refuse_afternoons(spans: Sequence[Token]) -> None:
    """No 8:30-12:00，1:30-5:30 and no 2:00-6:00 without 凌晨 or 下午: which half of the day?"""
    shown = UnclearError("不知是上午还是下午", "morning or afternoon is not clear")
    ascending = all(a.interval[0] <= b.interval[0] for a, b in pairwise(spans))
    for span in spans:
        later = any(other.interval[0] >= NOON for other in spans)
        if span.vague and not (later and ascending):
            raise shown
    for before, span in pairwise(spans):
        if span.interval[0] >= before.interval[0] or span.clock == "marked":
            continue
        sure = span.clock in ("zero", "wide") or before.clock == "wide"
        if not sure or span.interval[0] < EARLIEST:
            raise shown


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
