"""What a check reports: claims in both languages, whether each holds, and the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from servicecircle.errors import Lang

PROVED, FALSE_CLAIM, SOLVER_ONLY = 0, 1, 3


@dataclass(frozen=True)
class Claim:
    """One thing that the folder says, in both languages; whether it holds; what was found."""

    zh: str
    en: str
    holds: bool
    found: tuple[str, str] = ("", "")

    def text(self, lang: Lang) -> str:
        """A mark, what was checked, and what was found where it does not hold."""
        what, found = (self.zh, self.found[0]) if lang == "zh" else (self.en, self.found[1])
        return f"{'✓' if self.holds else '✗'} {what}" + (f": {found}" if found else "")


@dataclass
class Report:
    """What was checked, and how it came out."""

    claims: list[Claim] = field(default_factory=list)
    solver_only: bool = False

    def claim(self, zh: str, en: str, holds: Any, found: tuple[str, str] = ("", "")) -> None:
        """Note one claim, and what was found (in both languages)."""
        self.claims.append(Claim(zh, en, bool(holds), found))

    def equal(self, name: str, said: Any, counted: Any) -> None:
        """Note a figure (number, text, truth or null) that must agree; numbers to 1e-9 of it."""
        if is_number(said) and is_number(counted):
            holds = bool(np.isclose(said, counted, rtol=1e-9, atol=1e-12))
        else:
            holds = type(said) is type(counted) and said == counted
        found = ("", "")
        if not holds:
            one, other = repr(said)[:200], repr(counted)[:200]
            found = f"所述 {one}，复算 {other}", f"said {one}, counted {other}"
        self.claims.append(Claim(name, name, holds, found))

    def misfit(self, error: Exception) -> None:
        """Note that the files contradict each other so much that counting broke off."""
        found = f"{type(error).__name__}: {error}"[:300]
        zh, en = "各文件彼此吻合", "the folder's files fit together"
        self.claims.append(Claim(zh, en, False, (found, found)))

    @property
    def failed(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if not claim.holds]

    @property
    def exit_code(self) -> int:
        """0 all proved · 1 a claim is false · 3 all holds, but the bound is the solver's word."""
        if self.failed:
            return FALSE_CLAIM
        return SOLVER_ONLY if self.solver_only else PROVED


# what counting on contradictory files may run into
MISFITS = (
    KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError, MemoryError,
    ArithmeticError,
)  # fmt: skip


def summary(claims: Iterable[Claim], lang: Lang = "zh") -> str:
    """Claims as lines of text."""
    return "\n".join(claim.text(lang) for claim in claims)


def is_number(value: Any) -> bool:
    """A number in JSON's sense: truths are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
