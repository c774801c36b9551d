"""A folder of tiles, ``{z}/{x}/{y}.png``: every tile that the bands touch, and no other.

The zooms are cut into tiers of four; a node at the top of a tier, with all its tiles of that tier,
is a block. Blocks are painted by threads (the kernels, zlib and the file system let go of Python's
lock), and noted when all their tiles are in place. A tile's bytes depend on its own square alone:
neither the number of threads nor a break in the middle changes anything.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np

from servicecircle.errors import OutputError, QuestionError
from servicecircle.export.tiles import quadtree
from servicecircle.export.tiles.grids import TILE_PX, Grid
from servicecircle.export.tiles.journal import PARTIAL, Journal, Tally, alone, put
from servicecircle.export.tiles.metadata import TILEJSON, Metadata, TileSet, legend_of
from servicecircle.export.tiles.outlines import Band, Outlines, outlines_of
from servicecircle.export.tiles.painting import Painter
from servicecircle.export.tiles.quadtree import Node

__all__ = ["MOST_TILES", "Band", "Metadata", "TileSet", "write_tiles"]

MOST_TILES = 5_000_000
TIER = 4  # zooms of a block
FORMAT = 1  # rises when the same bands give other bytes

Progress = Callable[[int, int], None]


def write_tiles(
    bands: Sequence[Band],
    folder: Path | str,
    grid: Grid,
    *,
    shifted: bool,
    metadata: Metadata,
    zooms: tuple[int, int] | None = None,
    scale: int = 1,
    workers: int = 2,
    resume: bool = True,
    most_tiles: int = MOST_TILES,
    progress: Progress | None = None,
) -> TileSet:
    """Paint ``bands`` (WGS-84, the last on top) as tiles of ``grid`` into ``folder``.

    ``shifted`` says whether the grid's datum shift applies (`coordinates.shift_applies`, decided
    once for the layer). ``zooms`` (lowest, highest), by default from where the whole layer is no
    wider than a tile to 17 (Baidu: 18, the same size). ``scale`` 2 paints 512 pixels for the same
    squares: a folder of its own, shown at 256 points on fine screens. ``progress`` is told the
    number of tiles done and expected. An unfinished run of the same inputs is taken up where it
    broke (``resume``); other tiles of ours in the folder are removed.

    Raises `QuestionError` (zooms that the grid does not have, more than ``most_tiles``) and
    `OutputError` (a folder in use, not ours, or not to be written).
    """
    if scale not in {1, 2}:
        raise ValueError(f"scale is 1 or 2, not {scale!r}")
    folder = Path(folder)
    outlines = outlines_of(bands, grid, shifted=shifted, workers=workers)
    low, high = _zooms(outlines, grid, zooms)
    roots = quadtree.roots_of(outlines, grid, _tier(grid, high, low))
    expected = _affordable(quadtree.count_tiles(roots, low, high), most_tiles)
    key = _key(bands, outlines, grid, scale, (low, high))
    run = _Run(bands, folder, grid, scale, (low, high))

    def tell(done: int) -> None:
        if progress is not None:
            progress(done, max(done, expected))

    try:
        with alone(folder):
            journal = Journal(folder, key, run.block_of)
            total = journal.finished() if resume else None
            if total is None:
                journal.open(resume=resume)
                run.paint(roots, journal, workers, tell)
                total = journal.close(grid=grid.name, scale=scale, zooms=[low, high])
            written = TileSet(
                folder, grid, grid.datum if shifted else "wgs84", scale, (low, high),
                total.tiles, total.size, outlines.bounds_wgs84, outlines.bounds_datum,
                legend_of(bands), metadata,
            )  # fmt: skip
            put(folder / TILEJSON, written.text().encode())
    except OSError as error:
        raise OutputError(
            f"{folder}：瓦片写不进去（{error}）。腾出空间或换一个文件夹后再运行，会从断点继续。",
            f"{folder}: tiles cannot be written ({error}). Make room or choose another folder; "
            "the next run goes on from here.",
        ) from error
    return written


class _StoppedError(Exception):
    """The run ends early; the block under way is not noted."""


class _Run:
    """Paints the blocks of one folder."""

    def __init__(
        self, bands: Sequence[Band], folder: Path, grid: Grid, scale: int, zooms: tuple[int, int]
    ) -> None:
        self._bands, self._folder, self._grid, self._scale = bands, folder, grid, scale
        self._low, self._high = zooms
        self._own = threading.local()
        self._stop = threading.Event()
        self._columns: set[str] = set()

    def block_of(self, z: int, x: int, y: int) -> str:
        """The name of the block that a tile belongs to, whether it is among the zooms or not."""
        up = max(0, z - self._tier(z))
        return f"{z - up}/{x >> up}/{y >> up}"

    def paint(
        self, roots: list[Node], journal: Journal, workers: int, tell: Callable[[int], object]
    ) -> None:
        """Paint the blocks that are not done, ``workers`` at once, and note them."""
        done = sum(tally.tiles for tally in journal.done.values())
        running: dict[Future[Tally], str] = {}
        with ThreadPoolExecutor(workers) as pool:
            try:
                blocks = self._blocks(roots)
                while True:
                    for name, node in blocks:
                        if name not in journal.done:
                            running[pool.submit(self._block, node)] = name
                        if len(running) >= 4 * workers:
                            break
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        tally = future.result()
                        journal.note(running.pop(future), tally)
                        done += tally.tiles
                        tell(done)
            except BaseException:  # Ctrl-C too: what is under way ends after its tile
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _tier(self, zoom: int) -> int:
        """The zoom at which the blocks begin that hold the tiles of ``zoom``."""
        return _tier(self._grid, self._high, zoom)

    def _blocks(self, nodes: list[Node]) -> Iterator[tuple[str, Node]]:
        for node in nodes:
            if self._tier(node.zoom) == node.zoom and node.zoom > self._low - TIER:
                yield f"{node.zoom}/{node.column}/{self._grid.number(node.row)}", node
            if node.zoom < self._tier(self._high):
                yield from self._blocks(quadtree.children(node))

    def _block(self, node: Node) -> Tally:
        """Paint a block's tiles; their tally."""
        last = next(z for z in range(self._high, -1, -1) if self._tier(z) == node.zoom)
        tiles = size = 0
        waiting = [node]
        while waiting:
            here = waiting.pop()
            if self._stop.is_set():
                raise _StoppedError
            png = self._painter().paint(here) if here.zoom >= self._low else None
            if png is not None:
                self._write(here, png)
                tiles, size = tiles + 1, size + len(png)
            if here.zoom < last:
                waiting += quadtree.children(here)
        return Tally(tiles, size)

    def _painter(self) -> Painter:
        if not hasattr(self._own, "painter"):
            self._own.painter = Painter(self._bands, TILE_PX * self._scale)
            name = f"{threading.get_ident()}.png"
            self._own.beside = os.fspath(self._folder / PARTIAL / name)
        painter: Painter = self._own.painter
        return painter

    def _write(self, node: Node, png: bytes) -> None:
        column = os.path.join(self._folder, str(node.zoom), str(node.column))  # noqa: PTH118
        if column not in self._columns:
            os.makedirs(column, exist_ok=True)  # noqa: PTH103 (a tenth of a tile's time)
            self._columns.add(column)
        with open(self._own.beside, "wb", buffering=0) as handle:  # noqa: PTH123
            handle.write(png)
        y = self._grid.number(node.row)
        os.replace(self._own.beside, f"{column}{os.sep}{y}.png")  # noqa: PTH105


def _tier(grid: Grid, high: int, zoom: int) -> int:
    """The zoom at which the blocks begin that hold ``zoom``: tiers of four, from the highest."""
    return max(grid.zoom_range[0], high - TIER * ((high - zoom) // TIER) - TIER + 1)


def _zooms(outlines: Outlines, grid: Grid, zooms: tuple[int, int] | None) -> tuple[int, int]:
    """The zooms asked for, or those that fit the layer. Raises `QuestionError`."""
    least, most = grid.zoom_range
    if zooms is None:
        fitting = quadtree.fitting_zoom(outlines, grid)
        top = grid.usual_top_zoom if len(outlines.band) else fitting
        return min(fitting, top), top
    low, high = zooms
    if not least <= low <= high <= most:
        raise QuestionError(
            f"缩放级别 {low}–{high} 不可用：{grid.name} 网格为 {least} 到 {most}，先小后大。",
            f"zooms {low} to {high}: the grid {grid.name} has {least} to {most}, low before high.",
        )
    return low, high


def _affordable(counts: dict[int, int], most: int) -> int:
    """The sum of the tiles. Raises `QuestionError` with the highest zoom that stays below."""
    sums = dict(zip(counts, np.cumsum(list(counts.values())).tolist(), strict=True))
    total = int(max(sums.values()))
    if total <= most:
        return total
    high = max(counts)
    within = [zoom for zoom, tiles in sums.items() if tiles <= most]
    zh = f"最高可到 {max(within)} 级" if within else "请缩小范围，或提高最低级别"
    en = f"zoom {max(within)} is possible" if within else "take a smaller area or a higher zoom"
    raise QuestionError(
        f"到 {high} 级约有 {total:,} 张瓦片，超过上限 {most:,} 张：{zh}。",
        f"up to zoom {high} there would be about {total:,} tiles, more than {most:,}: {en}.",
    )


def _key(
    bands: Sequence[Band], outlines: Outlines, grid: Grid, scale: int, zooms: tuple[int, int]
) -> str:
    """A hash of all that a tile's bytes depend on."""
    facts = (FORMAT, zlib.ZLIB_RUNTIME_VERSION, grid.name, scale, zooms)
    inks = [(tuple(band.colour), float(band.opacity)) for band in bands]
    digest = hashlib.sha256(repr((facts, inks)).encode())
    for array in (outlines.across, outlines.down, outlines.starts, outlines.band):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
