"""The services that planners name (饮水、微波炉、充电 …) as words and pictograms for a sign.

Which words mean the same, and the drawings, are data: ``services.toml`` beside this file.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ICON_UNITS = 48  # the square that pictograms are drawn on
_NEUTRAL = '<circle cx="24" cy="24" r="20"/><path stroke-width="4" d="M15 24l7 7 12-14"/>'
_BREAKS = re.compile(r"[、，,;；/／|｜\n\r\t·•。+＋①-⑳]+")
_LABEL = re.compile(r"^\s*(服务项目|服务内容|服务|设施|提供|设有|配有|配备)\s*[:：]")
_NUMBER = re.compile(r"^\s*[(（]?(\d{1,2}[.)）．]\s*|\d{1,2}$)(?![\d:：])")
_AROUND = re.compile(
    r"^(免费|提供|爱心|便民|公共|公用|应急|共享|设有|配有|配备)+|(服务|设备|设施|供应|处|区|等)+$"
)
_JOINTS = re.compile(r"[和及与等\s]*")
_REFUSALS = ("无", "不", "没有", "暂无", "未", "禁止", "no ")
_LONGEST_ITEM = 60  # characters; nobody writes more without a separator
_LONGEST_PHRASE = 12  # a longer text that holds a known word says something else besides


@dataclass(frozen=True)
class Service:
    """One thing that a station offers.

    ``key`` is its table in ``services.toml``, empty where the words are not known: then ``zh`` is
    the planner's own text (hostile until escaped) and ``en`` is empty. ``icon`` is our own SVG
    fragment on a square of `ICON_UNITS`, to be stroked.
    """

    key: str
    zh: str
    en: str
    icon: str

    @classmethod
    def of_text(cls, words: str) -> Service:
        """Words that have no pictogram of their own."""
        return cls("", words, "", _NEUTRAL)

    @property
    def known(self) -> bool:
        """Whether the pictogram says what it is."""
        return bool(self.key)

    def svg(self, colour: str = "#000000") -> str:
        """The pictogram as an SVG document in one colour (``#rrggbb``)."""
        size = ICON_UNITS
        body = self.icon.replace('class="dot"', f'fill="{colour}"')
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
            f'width="{size}" height="{size}"><g fill="none" stroke="{colour}" stroke-width="3" '
            f'stroke-linecap="round" stroke-linejoin="round">{body}</g></svg>'
        )


def parse_services(text: str) -> list[Service]:
    """The services a text names, in its order, each once.

    Items are parted by 、，,;；/ spaces and new lines. What nobody knows stays as text with a
    neutral pictogram; so does a refusal (“无卫生间”). An empty text gives an empty list.
    """
    found: dict[str, Service] = {}
    for item in _BREAKS.split(_LABEL.sub("", text)):
        for service in _item(_NUMBER.sub("", item).strip(" ：:.-—…*")):
            found.setdefault(service.key or service.zh, service)
    return list(found.values())


@cache
def known_services() -> dict[str, Service]:
    """Every service with a pictogram, by its key."""
    return {
        key: Service(key, entry["zh"], entry["en"], entry["icon"])
        for key, entry in _tables().items()
    }


@cache
def _tables() -> dict[str, dict]:
    path = Path(__file__).with_name("services.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _words() -> dict[str, Service]:
    """Every word that a service goes by, as `_folded` leaves it."""
    words: dict[str, Service] = {}
    for key, entry in _tables().items():
        for word in (entry["zh"], entry["en"], *entry["also"]):
            words[_folded(word)] = known_services()[key]
    return words


@cache
def _any_word() -> re.Pattern[str]:
    longest_first = sorted(_words(), key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, longest_first)))


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", text).casefold())


def _item(item: str) -> list[Service]:
    """One item between separators: a known thing, several without separators, or text."""
    if not item:
        return []
    whole = _known(item) if len(item) <= _LONGEST_ITEM else []
    if whole:
        return whole
    parts = item.split()
    chinese = any("\u4e00" <= character <= "\u9fff" for character in item)
    if len(parts) > 1 and (chinese or all(map(_known, parts))):
        return [service for part in parts for service in _item(part)]
    return [Service.of_text(" ".join(parts))]


def _known(item: str) -> list[Service]:
    """The services an item certainly means; none where it is not certain."""
    bare = re.sub(r"[(（【\[].*?[)）】\]]", "", item)
    for words in (_folded(item), _folded(bare), _AROUND.sub("", _folded(bare))):
        if words in _words():
            return [_words()[words]]
    words = _folded(bare)
    if words.startswith(_REFUSALS):
        return []
    hits = [_words()[hit.group()] for hit in _any_word().finditer(words)]
    if hits and not _JOINTS.sub("", _any_word().sub("", words)):
        return hits  # 饮水微波炉充电, 饮水和充电
    return hits if len(set(hits)) == 1 and len(words) <= _LONGEST_PHRASE else []
