"""XML: no document type (entities expand without end, and name other files), nothing malformed."""

from __future__ import annotations

import re
from xml.parsers import expat

from servicecircle.unpacking.excess import ExcessError

MAX_TAG_BYTES = 1 << 16
_TAG = re.compile(rb"""<(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")


class MalformedError(ExcessError):
    """What is no XML; some readers put up with it."""


class PlainXml:
    """Takes XML in pieces. Raises `ExcessError` at a document type, else `MalformedError`.

    Memory stays small whatever comes: nothing is kept, and entities are never expanded.
    """

    def __init__(self, *, until_root: bool = False) -> None:
        self.done = False
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse
        if until_root:
            self._parser.StartElementHandler = self._root

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """The next piece; ``last`` where nothing follows."""
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError as error:
            if self.done:
                return
            raise MalformedError(
                f"XML 已损坏（{error}）。请重新导出。",
                f"its XML is damaged ({error}). Export it again.",
            ) from error

    def _refuse(self, *_: object) -> None:
        raise ExcessError(
            "含 DOCTYPE 声明，不予打开。请去掉这个声明，或重新导出。",
            "it has a DOCTYPE and is not opened. Take the declaration out, or export it again.",
        )

    def _root(self, *_: object) -> None:
        self.done = True


def whole_markup(text: bytes, *, ahead: int = 0) -> tuple[bytes, bytes]:
    """Well-formed XML cut in two: what can be looked through, and a last tag that may go on.

    A last tag that is whole and has ``ahead`` bytes behind it is not kept back. Raises
    `ExcessError` where a tag is longer than any that a program writes.
    """
    at = text.rfind(b"<")
    if at < 0:
        return text, b""
    tag = _TAG.match(text, at)
    if tag is None and len(text) - at > MAX_TAG_BYTES:
        raise ExcessError(
            "XML 里有一个过长的标签，不予打开。", "a tag in its XML is too long: it is not opened."
        )
    if tag is None or len(text) - tag.end() < ahead:
        return text[:at], text[at:]
    return text, b""
