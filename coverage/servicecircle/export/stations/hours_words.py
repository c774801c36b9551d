"""The words of opening hours: a text into tokens, or an error that says what is unclear."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from servicecircle.export.plain_text import cut

Interval = tuple[int, int]  # minutes after midnight; the end is above 1,440 where it is tomorrow's

HOUR = 60
DAY, NOON = 24 * HOUR, 12 * HOUR
MORNING, EVENING = 10 * HOUR, 16 * HOUR
WEEK = tuple(range(7))  # 0 is Monday
HOLIDAYS = 7  # public holidays, beside the weekdays


class UnclearError(Exception):
    """Why a text is no opening hours, in Chinese and in English."""


_WEEKDAY = "(?:周|星期|礼拜)"
_DASH = r"\s*(?:[-~‐-―−〜]{1,2}|[至到])\s*"
_CN_DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2}
_CN_9 = "[一二三四五六七八九]"
_PART = (
    r"(?P<part{n}>凌晨|清晨|早上|早晨|上午|中午|正午|下午|傍晚|晚上|晚间|夜间|夜里|夜晚|深夜|半夜"
    r"|午夜|早|晚|夜)?\s*"
)
_TIME = (
    r"(?P<next{n}>次日|翌日|第二天)?\s*"
    + _PART
    + r"(?:(?P<h{n}>\d{{1,2}})\s*(?P<sign{n}>[:.])\s*(?P<m{n}>\d{{2}})(?!\d)"
    + rf"|(?P<hc{{n}}>\d{{{{1,2}}}}|二十[一二三四]?|十{_CN_9}?|[零两]|{_CN_9})\s*[点时]\s*"
    + r"(?:(?P<half{n}>半)|(?P<quarter{n}>[一三])刻|(?P<mc{n}>\d\d|\d(?=分)"
    + rf"|[二三四五]?十{_CN_9}?|零{_CN_9}|{_CN_9}(?=分))分?)?|(?P<bare{{n}}>\d{{{{1,2}}}}))"
)
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("all", r"24\s*/\s*7\b|[7七]\s*天?\s*[x×*]\s*(?:24|二十四)(?:\s*小时)?|24\s*[x×*]\s*7"),
        ("all", r"(?:24|二十四)\s*(?:小时|个小时|h(?:ours)?\b)|全天候?|全日"),
        ("range", _TIME.format(n=1) + _DASH + _TIME.format(n=2) + r"(?![\d:点时])"),
        ("every", r"每天|每日|天天|全周|全年无休|无休|daily\b"),
        ("work", r"工作日"),
        ("rest", r"双休(?!日)"),
        ("end", r"周末|双休日|星期六日|周六日"),
        ("holiday", r"(?:国家)?法定(?:节?假日|节日)|(?:国家)?节假日|公众假[期日]|\bPH\b"),
        ("unknown", rf"{_WEEKDAY}[一二三四五六]+二十"),  # 周一、二 十点 or 周一 二十点
        ("days", rf"{_WEEKDAY}[一二三四五六日]{{2,7}}(?![点时十])"),
        ("digits", rf"{_WEEKDAY}(?P<from>[1-7]){_DASH}{_WEEKDAY}?(?P<to>[1-7])(?![\d:.点时])"),
        ("day", rf"{_WEEKDAY}(?P<zh>[一二三四五六日天]|[1-7](?![\d:.点时]))"),
        ("day", r"\b(?P<en>Mo(?:n(?:days?)?)?|Tu(?:e(?:s(?:days?)?)?)?|We(?:d(?:nesdays?)?)?"
                r"|Th(?:u(?:r(?:s(?:days?)?)?)?)?|Fr(?:i(?:days?)?)?|Sa(?:t(?:urdays?)?)?"
                r"|Su(?:n(?:days?)?)?)\b"),
        ("bare", r"(?P<zh>[一二三四五六日])(?![点时])"),
        ("dash", _DASH),
        ("unknown", r"不(?:休息|闭馆|闭站|关闭|休)"),
        ("except", r"除外"),
        ("off", r"休息|闭馆|闭站|关闭|不(?:对外)?(?:开放|营业|办公|开门|开|上班)|休"
                r"|\b(?:off|closed)\b"),
        ("open", r"\("), ("close", r"\)"),
        ("label", r"(?:对外)?(?P<label>开放|营业|服务|办公|工作)(?:时间)?|(?P<open>open)\b"),
        ("skip", r"时间段?|[均和及与为是的]|全年|[每逢]+(?=周|星期|礼拜)"),
        ("stop", r"[;；。\n]"),
        ("slash", r"/"),
        ("comma", r"[、&]"),
        ("pause", r","),
        ("skip", r"[\s:]+"),
    )
)  # fmt: skip
_ZH_DAY = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6}
_EN_DAY = {name: i for i, name in enumerate(("mo", "tu", "we", "th", "fr", "sa", "su"))}
_DAY_WORDS = {"every": WEEK, "work": WEEK[:5], "end": WEEK[5:], "holiday": (HOLIDAYS,)}
#: text in OSM's own syntax: two letters for a day, two digits for an hour. There, and only there,
#: the 24-hour clock is certain
_OSM = re.compile(r"(?=.*\b(?:Mo|Tu|We|Th|Fr|Sa|Su|PH)\b)(?!.*(?<!\d)\d:)[\x20-\x7e]+")


@dataclass
class Token:
    """What a word means: days, times, closed, or a sign between them."""

    kind: str  # days, dash, range, off, except, open, close, stop, slash, comma, pause or label
    days: tuple[int, ...] = ()
    interval: Interval = (0, 0)
    bare: bool = False  # a day without 周 before it
    osm: bool = False
    clock: str = "marked"  # how sure a start is: marked (下午…), wide (13:00), zero (08:00), plain
    vague: bool = False  # it could as well be the afternoon's: 2:00-5:00
    dotted: str = ""  # "date" where 8.30-11.30 could be days of the year, "clock" where it cannot
    label: str = ""  # 开放, 营业, 服务 …


def tokens_of(raw: str) -> list[Token]:
    """The tokens of a text on one line. Raises `UnclearError` at the first unknown word."""
    text = unicodedata.normalize("NFKC", raw)
    osm = _OSM.fullmatch(text) is not None
    found, at = [], 0
    while at < len(text):
        for kind, pattern in _RULES:
            match = pattern.match(text, at)
            if match:
                found.extend(_meaning(kind, match, osm))
                at = match.end()
                break
        else:
            shown = cut(text[at:], 12)
            raise UnclearError(f"不认识“{shown}”", f"“{shown}” is not known")
    _refuse_open_brackets(found)
    _refuse_dates(found)
    _refuse_pairs(found)
    _refuse_labels(found)
    return [token for token in found if token.kind != "label"]


def _meaning(kind: str, match: re.Match[str], osm: bool) -> list[Token]:
    groups, text = match.groupdict(), match.group()
    if kind == "unknown":
        raise UnclearError(f"不认识“{text}”", f"“{text}” is not known")
    if kind == "range":
        return [_range(groups, text, osm)]
    if kind == "digits":
        first, last = int(groups["from"]) - 1, int(groups["to"]) - 1
        return [Token("days", (first,)), Token("dash"), Token("days", (last,))]
    if kind == "days":
        return [Token("days", (_ZH_DAY[c],)) for c in text if c in _ZH_DAY]
    plain = {
        "skip": [],
        "label": [Token("label", label=groups.get("label") or "")],
        "all": [Token("range", interval=(0, DAY))],
        "rest": [Token("days", WEEK[5:]), Token("off")],
    }
    return plain[kind] if kind in plain else [_day(kind, groups, text)]


def _day(kind: str, groups: Mapping[str, str | None], text: str) -> Token:
    """Words for a day or several; punctuation is its own token."""
    if kind in _DAY_WORDS:
        return Token("days", _DAY_WORDS[kind], osm=text.upper() == "PH")
    if kind not in ("day", "bare"):
        return Token(kind)
    if english := groups.get("en"):
        return Token("days", (_EN_DAY[english[:2].lower()],), osm=len(english) == 2)
    sign = groups["zh"] or ""
    day = int(sign) - 1 if sign.isdigit() else _ZH_DAY[sign]
    return Token("days", (day,), bare=kind == "bare")


# --- what only the whole text shows ---------------------------------------------------------------


def _refuse_open_brackets(tokens: list[Token]) -> None:
    kinds = [token.kind for token in tokens if token.kind in ("open", "close")]
    if kinds != ["open", "close"] * (len(kinds) // 2):
        raise UnclearError("括号不成对", "its brackets do not match")


def _refuse_dates(tokens: list[Token]) -> None:
    """No 5.10-9.30 that could be days of the year; 8.30-11.30 stands beside 14.00-17.30."""
    clocks = any(token.dotted == "clock" for token in tokens)
    for token in tokens:
        start, end = token.interval
        halves = start % HOUR == end % HOUR == 30 and start >= 7 * HOUR
        if token.dotted == "date" and not (clocks and halves):
            raise UnclearError("“.”写的像日期，也像时刻", "with “.” it may be dates or times")


def _refuse_pairs(tokens: list[Token]) -> None:
    """No 周一至周五/周六 8:00-12:00/14:00-17:00, which may be meant pair by pair."""
    sides = {
        tokens[i + 1].kind
        for i, token in enumerate(tokens[:-1])
        if token.kind == "slash" and i and tokens[i - 1].kind == tokens[i + 1].kind
    }
    if sides >= {"days", "range"}:
        raise UnclearError("“/”两边不知怎样对应", "it is not clear what belongs together at “/”")


def _refuse_labels(tokens: list[Token]) -> None:
    """No hours of two sorts: 开放时间 8:00-12:00 办公时间 13:00-17:00."""
    told = [token.label or token.kind for token in tokens if token.label or token.kind == "range"]
    labels = [(i, label) for i, label in enumerate(told) if label != "range"]
    for (i, first), (j, second) in pairwise(labels):
        if first != second and j - i > 1:
            raise UnclearError(
                f"又是“{first}”又是“{second}”的时间", f"it has hours for “{first}” and “{second}”"
            )


# --- times ----------------------------------------------------------------------------------------

_DAWN_WORDS = ("凌晨",)
_MORNING_WORDS = ("清晨", "早上", "早晨", "上午", "早")
_NOON_WORDS = ("中午", "正午")
_EVENING_WORDS = ("晚上", "晚间", "晚")
_NIGHT_WORDS = ("夜间", "夜里", "夜晚", "深夜", "半夜", "午夜", "夜")
_AFTER_NOON = (*_NOON_WORDS, "下午", "傍晚", *_EVENING_WORDS, *_NIGHT_WORDS)


def _same(*hours: int) -> dict[int, int]:
    return {hour: hour for hour in hours}


def _later(first: int, last: int) -> dict[int, int]:
    return {hour: hour + 12 for hour in range(first, last + 1)}


def _by_part() -> dict[str, dict[int, int]]:
    """Part of the day → hour as written → hour of the day; others contradict the word."""
    late = _same(*range(17, 25)) | {12: 24}
    groups = (
        (_DAWN_WORDS, _same(*range(7))),
        (_MORNING_WORDS, _same(*range(4, 12))),
        (_NOON_WORDS, _same(*range(10, 16)) | _later(1, 3)),
        (("下午",), _same(*range(13, 24)) | _later(1, 11)),
        (("傍晚",), _same(*range(16, 21)) | _later(4, 8)),
        (_EVENING_WORDS, late | _later(5, 11)),
        (_NIGHT_WORDS, late | _later(7, 11)),  # 夜里1点 is after midnight: of which day?
    )
    return {word: hours for words, hours in groups for word in words}


_HOURS = _by_part()
_FROM_ONLY = {("下午", 12): 12}  # 下午12:30-5:00
_TO_ONLY = {("上午", 12): 12} | {(w, 0): 24 for w in (*_EVENING_WORDS, *_NIGHT_WORDS)}


def _range(groups: Mapping[str, str | None], text: str, osm: bool) -> Token:
    """From one time to another, with how sure its clock is."""
    if groups["bare1"] and groups["bare2"]:
        raise UnclearError(f"“{text}”没有写“点”或“:00”", f"“{text}” has no “:00”")
    if groups["bare2"] or (groups["bare1"] and not groups["hc2"]):
        raise UnclearError(f"“{text}”写得不全", f"“{text}” is not complete")
    if groups["next1"]:
        raise UnclearError(f"“{text}”从次日开始", f"“{text}” begins on the next day")
    hour, minute = _written(groups, 1)
    part = groups["part1"] or ""
    start = _minutes(_FROM_ONLY.get((part, hour), _hour(part, hour)), minute, text)
    if start >= DAY:
        raise UnclearError(f"“{text}”从 24:00 开始", f"“{text}” begins at 24:00")
    end = _end(groups, start, text, osm)
    if end <= start:
        raise UnclearError(f"“{text}”的结束不晚于开始", f"“{text}” does not end after it begins")
    if end - start > DAY:
        raise UnclearError(f"“{text}”超过 24 小时", f"“{text}” is longer than 24 hours")
    clock = "marked" if part or osm else "zero" if _zero(groups, 1) else "plain"
    clock = "wide" if clock != "marked" and hour >= 13 else clock
    late = end < MORNING or end > DAY or groups["part2"] in _AFTER_NOON
    return Token(
        "range",
        interval=(start, end),
        clock=clock,
        vague=clock == "plain" and 1 <= hour <= 5 and late,
        dotted=_dotted(groups),
    )


def _end(groups: Mapping[str, str | None], start: int, text: str, osm: bool) -> int:
    """When it ends, in minutes after the first day's midnight; not after the start where unsure."""
    hour, minute = _written(groups, 2)
    part = groups["part2"] or ""
    if part:
        end = _minutes(_TO_ONLY.get((part, hour), _hour(part, hour)), minute, text)
        at_dawn = part in _DAWN_WORDS or (part in _MORNING_WORDS and start >= NOON)
        return end + DAY if groups["next2"] or (end < start and at_dawn) else end
    end = _minutes(hour, minute, text)
    if groups["next2"]:  # 夜间22:00-次日6:00: the part of the day is the first day's
        return end + DAY
    if osm:
        return end + DAY if end < start else end
    first = groups["part1"] or ""
    if first in _AFTER_NOON and (shifted := _shifted(groups, first, start, hour, minute, text)):
        return shifted
    return end + DAY if end < start and _overnight(start, end, _zero(groups, 2)) else end


def _shifted(
    groups: Mapping[str, str | None], first: str, start: int, hour: int, minute: int, text: str
) -> int | None:
    """The end under the start's part of the day (下午2:00-5:30), or none where it is not."""
    inherited = _TO_ONLY.get((first, hour), _hour(first, hour))
    if inherited is None:
        return None
    end = _minutes(inherited, minute, text)
    if _written(groups, 1)[0] <= 12:  # a 12-hour clock; 晚11:00-7:00 is the next morning's
        return end if end > start or first in ("下午", "傍晚") else None
    if end <= start or _zero(groups, 2):
        return None
    both = start >= EVENING and 0 < hour * HOUR + minute <= MORNING
    return -1 if both else end  # 晚19:00-9:00: 21:00, or tomorrow's 9:00


def _overnight(start: int, end: int, zero: bool) -> bool:
    """Whether an end before the start is the next day's: 22:00-6:00, 8:00-0:00, no 9:00-05:00.

    Only where it cannot be the afternoon's on a 12-hour clock.
    """
    if end < HOUR:
        return True
    surely = end + NOON <= start or (zero and start >= EVENING)
    return start >= 13 * HOUR and end <= MORNING and surely


def _dotted(groups: Mapping[str, str | None]) -> str:
    if groups["sign1"] != "." or groups["sign2"] != ".":
        return ""
    pairs = [_written(groups, n) for n in (1, 2)]
    return "date" if all(1 <= h <= 12 and 1 <= m <= 31 for h, m in pairs) else "clock"


def _zero(groups: Mapping[str, str | None], n: int) -> bool:
    return (groups[f"h{n}"] or groups[f"hc{n}"] or "").startswith("0")


def _written(groups: Mapping[str, str | None], n: int) -> tuple[int, int]:
    """Hour and minute as they stand there."""
    hour = _number(groups[f"h{n}"] or groups[f"hc{n}"] or groups[f"bare{n}"] or "")
    quarter = {"一": 15, "三": 45}.get(groups[f"quarter{n}"] or "", 0)
    minute = groups[f"m{n}"] or groups[f"mc{n}"]
    return hour, 30 if groups[f"half{n}"] else _number(minute) if minute else quarter


def _number(words: str) -> int:
    """12, 十二, 二十, 零五 as a number."""
    if words.isdigit():
        return int(words)
    tens, ten, ones = words.rpartition("十")
    if not ten:
        return _CN_DIGIT[words[-1]]
    return 10 * _CN_DIGIT.get(tens, 1) + _CN_DIGIT.get(ones, 0)


def _hour(part: str, hour: int) -> int | None:
    return _HOURS[part].get(hour) if part else hour


def _minutes(hour: int | None, minute: int, text: str) -> int:
    if hour is None:
        raise UnclearError(f"“{text}”的时段词与钟点不合", f"“{text}” names no such part of the day")
    if hour > 24 or minute > 59 or (hour == 24 and minute > 0):
        raise UnclearError(f"“{text}”里没有这样的时刻", f"“{text}” has a time that does not exist")
    return hour * HOUR + minute
