"""Asking a map server politely: who asks, how often, how long, and what a refusal means.

A request that fails raises `RefusalError`: the error a planner reads, and whether asking again can
help. `persist` asks again, a bounded number of times; what it gives up on, it raises as
`FetchError`. Only `fetch.py` and `overpass.py` talk to servers.
"""

from __future__ import annotations

import html
import importlib.metadata
import re
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlsplit

from servicecircle.errors import FetchError
from servicecircle.steps import Progress

ATTEMPTS = 4
FIRST_WAIT_S = 5.0  # doubled with every attempt, unless the server says how long
LONGEST_WAIT_S = 120.0  # a server that wants more is not waited for
CONNECT_TIMEOUT_S = 10.0
BUSY = frozenset({429, 502, 503, 504})  # the server has too much to do: asking later can help
LANGUAGES = "zh-CN,zh;q=0.9,en;q=0.7"
_EXCERPT = 200

T = TypeVar("T")


class RefusalError(Exception):
    """One request failed. ``again``: may another try help; ``wait_s``: seconds the server named."""

    def __init__(self, zh: str, en: str, *, again: bool = False, wait_s: float | None = None):
        super().__init__(zh, en)
        self.zh, self.en, self.again, self.wait_s = zh, en, again, wait_s


def persist(action: Callable[[], T], *, tell: Progress) -> T:
    """What ``action`` returns, tried at most `ATTEMPTS` times.

    ``tell("wait", None)`` is called before every pause. Raises `FetchError`.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except RefusalError as refusal:
            wait = FIRST_WAIT_S * 2 ** (attempt - 1) if refusal.wait_s is None else refusal.wait_s
            if not refusal.again or attempt == ATTEMPTS or wait > LONGEST_WAIT_S:
                raise _given_up(refusal, attempt, wait) from refusal
        tell("wait", None)
        time.sleep(wait)
    raise AssertionError("unreachable")


def _given_up(refusal: RefusalError, attempts: int, wait: float) -> FetchError:
    zh, en = refusal.zh, refusal.en
    if attempts > 1:
        zh, en = f"{zh}已试 {attempts} 次。", f"{en} Tried {attempts} times."
    if refusal.again and wait > LONGEST_WAIT_S:
        zh, en = f"{zh}服务器要求 {wait:.0f} 秒后再来。", f"{en} It asks to wait {wait:.0f} s."
    return FetchError(zh, en)


def headers() -> dict[str, str]:
    """Who asks: public servers want to know the program."""
    version = importlib.metadata.version("servicecircle")
    return {"User-Agent": f"servicecircle/{version}", "Accept-Language": LANGUAGES}


def base_url(url: str, endpoint: str) -> str:
    """A server's address without a trailing slash or ``endpoint``. Raises `FetchError`."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise FetchError(
            f"服务器地址“{clean(url)}”不对：要写成 https://主机/路径。",
            f"“{clean(url)}” is no server address: write it as https://host/path.",
        )
    return url.strip().rstrip("/").removesuffix(f"/{endpoint}").rstrip("/")


def host_of(url: str) -> str:
    """Host and port of an address, without any password in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def refused_status(
    url: str, status: int, retry_after: str | None, body: bytes, *, content_type: str = ""
) -> RefusalError:
    """What an HTTP status other than 200 means, with the server's own words."""
    said = excerpt(body, content_type)
    host = host_of(url)
    if status in BUSY:
        return RefusalError(
            f"{host} 正忙（HTTP {status}：{said}），请过几分钟再试，或换一个服务器。",
            f"{host} is busy (HTTP {status}: {said}); try again in some minutes, or choose "
            "another server.",
            again=True,
            wait_s=seconds_of(retry_after),
        )
    return RefusalError(
        f"{host} 拒绝了请求（HTTP {status}：{said}）。请检查服务器地址。",
        f"{host} refused the request (HTTP {status}: {said}). Check the server's address.",
    )


def no_answer(url: str, timeout: float) -> RefusalError:
    """What to say of a server that stays silent."""
    return RefusalError(
        f"{host_of(url)} 在 {timeout:g} 秒内没有回答。请检查网络、加长时限，或换一个较小的地方。",
        f"{host_of(url)} did not answer within {timeout:g} s. Check the connection, allow more "
        "time, or choose a smaller place.",
    )


def unreachable(url: str, error: Exception, *, again: bool) -> RefusalError:
    """What to say where no connection comes about, or where it breaks."""
    return RefusalError(
        f"连不上 {host_of(url)}（{type(error).__name__}）。请检查网络和服务器地址；没有网络时，"
        "请用 --osm 给出 OSM 文件。",
        f"{host_of(url)} cannot be reached ({type(error).__name__}). Check the connection and the "
        "address; without a network, hand in an OSM file with --osm.",
        again=again,
    )


def seconds_of(retry_after: str | None) -> float | None:
    """Seconds named by a ``Retry-After`` header (a number or a date); None where it says none."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def excerpt(body: bytes, content_type: str = "") -> str:
    """The first words of an answer, without markup, for an error message."""
    text = body.decode("utf-8", errors="replace")
    if "html" in content_type or "<" in text[:200]:
        text = re.sub(r"(?is)<(script|style|title).*?</\1>|<[^>]*>", " ", text)
        text = re.sub(r"\s+:", ":", html.unescape(text))
        at = text.find("Error")  # Overpass puts the licence before what went wrong
        text = text[at:] if at > 0 else text
    return clean(text) or "—"


def clean(text: str, longest: int = _EXCERPT) -> str:
    """``text`` on one line, without control characters, cut to ``longest`` characters."""
    printable = "".join(
        " " if c.isspace() or unicodedata.category(c)[0] == "C" else c for c in text[:20_000]
    )
    line = " ".join(printable.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
