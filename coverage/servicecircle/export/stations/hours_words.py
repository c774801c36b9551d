"""The words of opening hours: a text into tokens, or an error that says what is unclear."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from servicecircle.export.plain_text import cut

Interval = tuple[int, int]  # minutes after midnight; the end is above 1,440 where it is tomorrow's

DAY = 24 * 60
DAWN, MORNING, EVENING = 6 * 60, 10 * 60, 16 * 60
WEEK = tuple(range(7))  # 0 is Monday
HOLIDAYS = 7  # public holidays, beside the weekdays


class UnclearError(Exception):
    """Why a text is no opening hours, in Chinese and in English."""


_WEEKDAY = "(?:周|星期|礼拜)"
_DASH = r"\s*(?:[-~‐-―−〜至到]|--)\s*"
_CN_HOUR = {c: i for i, c in enumerate("零一二三四五六七八九十")} | {
    "两": 2, "十一": 11, "十二": 12,
}  # fmt: skip
_PART = r"(?P<part{n}>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|早|晚|夜间|夜)?\s*"
_TIME = (
    r"(?P<next{n}>次日|翌日|第二天)?\s*"
    + _PART
    + r"(?:(?P<h{n}>\d{{1,2}})\s*[:.]\s*(?P<m{n}>\d{{2}})"
    r"(?!\d)|(?P<hc{n}>\d{{1,2}}|十[一二]|[零一二两三四五六七八九十])\s*[点时]\s*"
    r"(?:(?P<half{n}>半)|(?P<quarter{n}>[一三])刻|(?P<mc{n}>\d{{1,2}})分?)?|(?P<bare{n}>\d{{1,2}}))"
)
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("all", r"24\s*/\s*7\b|[7七]\s*天?\s*[x×*]\s*(?:24|二十四)(?:\s*小时)?|24\s*[x×*]\s*7"),
        ("all", r"(?:24|二十四)\s*(?:小时|个小时|h(?:ours)?\b)|全天候?|全日"),
        ("range", _TIME.format(n=1) + _DASH + _TIME.format(n=2) + r"(?![\d:点时])"),
        ("every", r"每天|每日|天天|全周|全年(?:无休)?|无休|daily\b"),
        ("work", r"工作日"),
        ("end", r"周末|双休日?|星期六日|周六日"),
        ("holiday", r"(?:国家)?法定(?:节?假日|节日)|(?:国家)?节假日|公众假[期日]|\bPH\b"),
        ("days", rf"{_WEEKDAY}[一二三四五六日天]{{2,7}}(?![点时])"),
        ("digits", rf"{_WEEKDAY}(?P<from>[1-7]){_DASH}{_WEEKDAY}?(?P<to>[1-7])(?![\d:.点时])"),
        ("day", rf"{_WEEKDAY}(?P<zh>[一二三四五六日天]|[1-7](?![\d:.点时]))"),
        ("day", r"\b(?P<en>Mo|Tu|We|Th|Fr|Sa|Su)(?:n|e|es|d|u|ur|urs|i|t|"
                r"nday|esday|dnesday|ursday|iday|turday)?\b"),
        ("bare", r"(?P<zh>[一二三四五六日天])(?![点时])"),
        ("dash", _DASH),
        ("not", r"不(?:休息|闭馆|闭站|关闭|休)"),
        ("off", r"休息|闭馆|闭站|关闭|除外|不(?:对外)?(?:开放|营业)|休|\b(?:off|closed)\b"),
        ("open", r"\("), ("close", r"\)"),
        ("fill", r"(?:对外)?(?:开放|营业|服务|办公|工作)(?:时间)?|时间段?|[均和及与为是的]|open\b"),
        ("stop", r"[;；。\n]|\|\|"),
        ("comma", r"[,、/&+]"),
        ("skip", r"[\s:]+"),
    )
)  # fmt: skip
_ZH_DAY = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6}
_EN_DAY = {name.lower(): i for i, name in enumerate(("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"))}


_DAY_WORDS = {"every": WEEK, "work": WEEK[:5], "end": WEEK[5:], "holiday": (HOLIDAYS,)}


@dataclass
class Token:
    """What a word means: days, times, closed, or a sign between them."""

    kind: str  # days, dash, range, off, open, close, stop or comma
    days: tuple[int, ...] = ()
    interval: Interval = (0, 0)
    bare: bool = False  # a day without 周 before it
    osm: bool = False


def tokens_of(raw: str) -> list[Token]:
    """The tokens of a text on one line. Raises `UnclearError` at the first unknown word."""
    text = unicodedata.normalize("NFKC", raw)
    found, at = [], 0
    while at < len(text):
        for kind, pattern in _RULES:
            match = pattern.match(text, at)
            if match:
                found.extend(_meaning(kind, match))
                at = match.end()
                break
        else:
            shown = cut(text[at:], 12)
            raise UnclearError(f"不认识“{shown}”", f"“{shown}” is not known")
    return found


def _meaning(kind: str, match: re.Match[str]) -> list[Token]:
    groups, text = match.groupdict(), match.group()
    if kind == "not":
        raise UnclearError(f"不认识“{text}”", f"“{text}” is not known")
    if kind in ("fill", "skip"):
        return []
    if kind == "all":
        return [Token("range", interval=(0, DAY))]
    if kind == "range":
        return [Token("range", interval=_interval(groups, text))]
    if kind == "digits":
        first, last = int(groups["from"]) - 1, int(groups["to"]) - 1
        return [Token("days", (first,)), Token("dash"), Token("days", (last,))]
    if kind == "days":
        return [Token("days", (_ZH_DAY[c],)) for c in text if c in _ZH_DAY]
    return [_day(kind, groups, text)]


def _day(kind: str, groups: Mapping[str, str | None], text: str) -> Token:
    """Words for a day or several; punctuation is its own token."""
    if kind in _DAY_WORDS:
        return Token("days", _DAY_WORDS[kind], osm=text.upper() == "PH")
    if kind not in ("day", "bare"):
        return Token(kind)
    if english := groups.get("en"):
        return Token("days", (_EN_DAY[english.lower()],), osm=True)
    sign = groups["zh"] or ""
    day = int(sign) - 1 if sign.isdigit() else _ZH_DAY[sign]
    return Token("days", (day,), bare=kind == "bare")


def _interval(groups: Mapping[str, str | None], text: str) -> Interval:
    if groups["bare1"] and groups["bare2"]:
        raise UnclearError(f"“{text}”没有写“点”或“:00”", f"“{text}” has no “:00”")
    if groups["bare1"] and not groups["hc2"]:
        raise UnclearError(f"“{text}”写得不全", f"“{text}” is not complete")
    if groups["bare2"]:
        raise UnclearError(f"“{text}”写得不全", f"“{text}” is not complete")
    first = groups["part1"] or ""
    start = _minutes(groups, 1, first, text)
    end = _minutes(groups, 2, groups["part2"] or (first if start < DAY else ""), text)
    if start >= DAY:
        raise UnclearError(f"“{text}”从 24:00 开始", f"“{text}” begins at 24:00")
    if groups["next1"]:
        raise UnclearError(f"“{text}”从次日开始", f"“{text}” begins on the next day")
    if groups["next2"] or (end < start and _overnight(start, end, groups["h2"] or "")):
        end += DAY
    if end <= start:
        raise UnclearError(f"“{text}”的结束不晚于开始", f"“{text}” does not end after it begins")
    if end - start > DAY:
        raise UnclearError(f"“{text}”超过 24 小时", f"“{text}” is longer than 24 hours")
    return start, end


def _overnight(start: int, end: int, hour: str) -> bool:
    """Whether an end before the start is the next day's: 22:00-6:00, 10:00-02:00, no 12:30-1:30."""
    return (start >= EVENING and end <= MORNING) or (hour.startswith("0") and end <= DAWN)


def _minutes(groups: Mapping[str, str | None], n: int, part: str, text: str) -> int:
    words = groups[f"h{n}"] or groups[f"hc{n}"] or groups[f"bare{n}"] or ""
    hour = int(words) if words.isdigit() else _CN_HOUR[words]
    quarter = {"一": 15, "三": 45}.get(groups[f"quarter{n}"] or "", 0)
    minute = 30 if groups[f"half{n}"] else int(groups[f"m{n}"] or groups[f"mc{n}"] or quarter)
    if part in ("下午", "傍晚", "晚上", "晚", "夜间", "夜") and 1 <= hour < 12:
        hour += 12
    if part == "中午" and 1 <= hour <= 3:
        hour += 12
    if hour > 24 or minute > 59 or (hour == 24 and minute > 0):
        raise UnclearError(f"“{text}”里没有这样的时刻", f"“{text}” has a time that does not exist")
    return hour * 60 + minute
