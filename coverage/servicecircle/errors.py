"""What can go wrong, as a tree; every leaf says what was found, where, and how to mend it.

    PlannerError                 anything a planner can mend; the command line exits with 2
    ├── InputError               a file that was handed in cannot be used
    │   ├── TableError           a table: names file, sheet, column, first bad rows
    │   ├── NetworkError         an OSM file or graph
    │   └── FetchError           a place's map cannot be downloaded; quotes the server
    ├── ScenarioError            the scenario (TOML, options) contradicts itself, or an unknown key
    ├── QuestionError            the question cannot be answered as asked
    │   └── InfeasibleError      no allowed set of sites does it; carries rows or attainable share
    └── OutputError              a folder that cannot be written, or is no plan

Each error carries its message in Chinese and in English. ``str()`` gives the Chinese one followed
by the English one; ``text(lang)`` gives one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Lang = Literal["zh", "en"]
Note = tuple[str, str]  # something worth knowing, in Chinese and in English


class PlannerError(Exception):
    """Anything a planner can mend, said in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.zh = zh
        self.en = en

    def text(self, lang: Lang = "zh") -> str:
        """The message in one language, ``"zh"`` or ``"en"``."""
        return self.zh if lang == "zh" else self.en

    def __str__(self) -> str:
        return f"{self.zh}\n{self.en}"


class InputError(PlannerError):
    """A file that was handed in cannot be used."""


class TableError(InputError):
    """A table cannot be used: file, sheet, column, the first bad rows, what was found, the mend.

    ``rows`` are the numbers a planner sees: the line of a CSV file, the row of an Excel sheet
    (the header is row 1), the feature number in other formats.
    """

    def __init__(
        self,
        zh: str,
        en: str,
        *,
        file: str = "",
        sheet: str | None = None,
        column: str | None = None,
        rows: Sequence[int] = (),
    ) -> None:
        self.file, self.sheet, self.column, self.rows = file, sheet, column, tuple(rows)
        super().__init__(self._where("zh") + zh, self._where("en") + en)

    def _where(self, lang: Lang) -> str:
        first = ", ".join(str(r) for r in self.rows[:5]) + (" …" if len(self.rows) > 5 else "")
        labels = {
            "zh": ("工作表 {}", "列“{}”", "第 {} 行", "，", "："),
            "en": ("sheet {}", "column “{}”", "row {}", ", ", ": "),
        }[lang]
        parts: list[Any] = [self.file] if self.file else []
        for template, value in zip(labels, (self.sheet, self.column, first or None), strict=False):
            if value is not None:
                parts.append(template.format(value))
        return labels[3].join(parts) + labels[4] if parts else ""


class NetworkError(InputError):
    """An OSM file or graph cannot be read, or holds nothing to walk on."""


class FetchError(InputError):
    """The map of a place cannot be downloaded: no such place, server refuses, answer damaged."""


class ScenarioError(PlannerError):
    """The scenario contradicts itself, or has a key that nobody knows."""


class QuestionError(PlannerError):
    """The question cannot be answered as asked (say, more required sites than allowed)."""


class InfeasibleError(QuestionError):
    """No allowed set of sites does what was asked.

    ``rows`` lists the demand rows that nothing covers (``lscp``); ``attainable`` is the largest
    share that can be reached, 0 to 1 (``partial_cover``).
    """

    def __init__(
        self, zh: str, en: str, *, rows: Sequence[int] = (), attainable: float | None = None
    ) -> None:
        super().__init__(zh, en)
        self.rows = tuple(int(r) for r in rows)
        self.attainable = attainable


class OutputError(PlannerError):
    """A folder cannot be written, or is not a plan."""
