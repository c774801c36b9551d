"""What is raised for a file that would burst; each door says it as its own error."""

from __future__ import annotations


class ExcessError(Exception):
    """What a file would grow to, and how to mend it, in Chinese and in English.

    Never leaves the package: doors turn it into a `PlannerError` that names the file.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.zh, self.en = zh, en
