"""What is done in a folder of tiles, so that a broken run can be taken up: manifest, journal, lock.

``manifest.json`` names by a hash what the tiles are made of, and the state: ``clearing``,
``painting`` or ``done``. While painting, ``.tiles-journal`` holds a line per finished block with
the number and the bytes of its tiles; a block whose tiles on disk do not add up is painted again.
Tiles are written beside and renamed. Only pictures named ``z/x/y.png`` and our own files are ever
removed; whatever else lies in the folder stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from servicecircle.errors import OutputError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["MANIFEST", "Journal", "Tally", "alone", "tiles_in"]

MANIFEST = "manifest.json"
MADE_BY = "servicecircle tiles"
JOURNAL, LOCK, PARTIAL = ".tiles-journal", ".tiles-lock", ".tiles-partial"
_NUMBER = re.compile(r"-?\d+")


class Tally(NamedTuple):
    """How many tiles, and their bytes."""

    tiles: int = 0
    size: int = 0


class Journal:
    """The state of one folder, for one set of inputs (``key``). Used under `alone`."""

    def __init__(self, folder: Path, key: str, block_of: Callable[[int, int, int], str]) -> None:
        self.folder, self.key, self._block_of = folder, key, block_of
        self.done: dict[str, Tally] = {}

    def finished(self) -> Tally | None:
        """The tally of a finished run of the same inputs whose tiles are all still there."""
        said = self._manifest()
        if said.get("key") != self.key or said.get("state") != "done":
            return None
        wanted = Tally(said.get("tiles", -1), said.get("bytes", -1))
        return wanted if _total(self._on_disk()) == wanted else None

    def open(self, *, resume: bool) -> None:
        """Make the folder ready: keep the finished blocks of the same inputs, clear what is else.

        Raises `OutputError` where the folder holds tiles that are not ours.
        """
        said = self._manifest()
        if not said and (next(tiles_in(self.folder), None) or (self.folder / MANIFEST).exists()):
            raise OutputError(
                f"{self.folder}：里面已有别的瓦片或 {MANIFEST}，不是本程序写的。请换一个空文件夹。",
                f"{self.folder}: holds tiles or a {MANIFEST} that this program did not write. "
                "Choose an empty folder.",
            )
        shutil.rmtree(self.folder / PARTIAL, ignore_errors=True)
        if resume and said.get("key") == self.key and said.get("state") == "painting":
            there = self._on_disk()
            kept = self._lines()
            self.done = {block: tally for block, tally in kept.items() if there[block] == tally}
        else:
            self._clear()
        (self.folder / PARTIAL).mkdir()
        lines = [_line(block, tally) for block, tally in self.done.items()]
        put(self.folder / JOURNAL, "".join(lines).encode())

    def note(self, block: str, tally: Tally) -> None:
        """A block's tiles are all in their places."""
        self.done[block] = tally
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as handle:
            handle.write(_line(block, tally))

    def close(self, **facts: Any) -> Tally:
        """All blocks are done: say so, and remove what was needed on the way."""
        total = _total(self.done)
        self._say("done", **facts, tiles=total.tiles, bytes=total.size)
        (self.folder / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.folder / PARTIAL, ignore_errors=True)
        return total

    def _clear(self) -> None:
        self._say("clearing")  # first: broken off here, the next run clears again
        (self.folder / "tiles.json").unlink(missing_ok=True)
        (self.folder / JOURNAL).unlink(missing_ok=True)
        for _, _, _, path in tiles_in(self.folder):
            Path(path).unlink()
        for parent in _numbered(self.folder):
            for inner in _numbered(Path(parent.path)):
                with contextlib.suppress(OSError):  # somebody else's files in it
                    Path(inner.path).rmdir()
            with contextlib.suppress(OSError):
                Path(parent.path).rmdir()
        self._say("painting")

    def _say(self, state: str, **facts: Any) -> None:
        said = {"made_by": MADE_BY, "key": self.key, "state": state, **facts}
        put(self.folder / MANIFEST, (json.dumps(said, indent=1) + "\n").encode())

    def _manifest(self) -> dict[str, Any]:
        try:
            said = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) and said.get("made_by") == MADE_BY else {}

    def _lines(self) -> dict[str, Tally]:
        """The journal's whole lines; the last one may be torn."""
        kept = {}
        with contextlib.suppress(OSError):
            for line in (self.folder / JOURNAL).read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    block, tiles, size, end = line.split(" ")
                    if end == ".":
                        kept[block] = Tally(int(tiles), int(size))
        return kept

    def _on_disk(self) -> dict[str, Tally]:
        found: dict[str, Tally] = defaultdict(Tally)
        for z, x, y, path in tiles_in(self.folder):
            block = self._block_of(z, x, y)
            tiles, size = found[block]
            found[block] = Tally(tiles + 1, size + os.stat(path).st_size)  # noqa: PTH116
        return found


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While no other run writes into ``folder``, which is made. Raises `OutputError` at once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError) as error:
            os.close(handle)
            raise OutputError(
                f"{folder}：另一次导出正在写这个文件夹。请等它结束，或换一个文件夹。",
                f"{folder}: another export is writing into this folder. Wait, or choose another.",
            ) from error
        except OSError:  # a network drive without locks: the planner's own care must do
            break
        if _still_there(handle, path):  # else the run before took its lock file away meanwhile
            break
        os.close(handle)
    try:
        yield
    finally:  # taken away while it is held, so that nobody else holds this very file
        if fcntl is not None:
            path.unlink(missing_ok=True)
        os.close(handle)
        if fcntl is None:  # Windows: an open file cannot be removed
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def tiles_in(folder: Path) -> Iterator[tuple[int, int, int, str]]:
    """(z, x, y, path) of every picture named z/x/y.png, in the order of the numbers."""
    for level in _numbered(folder):
        for column in _numbered(Path(level.path)):
            rows = []
            for entry in os.scandir(column.path):
                stem, dot, rest = entry.name.partition(".")
                if dot and rest == "png" and _NUMBER.fullmatch(stem):
                    rows.append((int(stem), entry.path))
            for y, path in sorted(rows):
                yield int(level.name), int(column.name), y, path


def put(path: Path, content: bytes) -> None:
    """Write a file beside and rename it into its place."""
    beside = path.with_name(f".{path.name}.partial")
    beside.write_bytes(content)
    beside.replace(path)


def _numbered(folder: Path) -> list[os.DirEntry[str]]:
    entries = [e for e in os.scandir(folder) if _NUMBER.fullmatch(e.name) and e.is_dir()]
    return sorted(entries, key=lambda entry: int(entry.name))


def _still_there(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except OSError:
        return False


def _lock(handle: int) -> None:
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt  # noqa: PLC0415

    msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]


def _line(block: str, tally: Tally) -> str:
    return f"{block} {tally.tiles} {tally.size} .\n"


def _total(parts: dict[str, Tally]) -> Tally:
    return Tally(sum(t.tiles for t in parts.values()), sum(t.size for t in parts.values()))
