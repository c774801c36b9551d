"""A Chinese font of this machine, for everything that is printed: signs, charts, papers.

Well-known fonts are found by their file names, without opening the others. Of a collection (.ttc)
the Simplified Chinese face is taken, chosen by its name table: the first face of Noto Sans CJK is
the Japanese one.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from servicecircle.cache import cache_folder
from servicecircle.errors import OutputError

VARIABLE = "SERVICECIRCLE_FONT"
REGULAR, BOLD = 400, 700  # weights as OpenType counts them
_SEMIBOLD = 550  # what is at least as heavy can stand for bold
_SAMPLE = "总工会户外劳动者服务站点饮水驿站骑手开放时间"  # no Simplified font lacks one
_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")

#: file names (as they begin, in lower case) → families of the Simplified Chinese face; best first
KNOWN: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("notosanscjk", "notosanscjksc"), ("Noto Sans CJK SC",)),
    (("sourcehansans", "思源黑体"), ("Source Han Sans SC", "Source Han Sans CN", "思源黑体")),
    (("notosanssc",), ("Noto Sans SC",)),
    (("msyh",), ("Microsoft YaHei", "微软雅黑")),
    (("pingfang",), ("PingFang SC", "苹方-简")),
    (("hiragino sans gb",), ("Hiragino Sans GB", "冬青黑体简体中文")),
    (("stheiti",), ("Heiti SC", "STHeiti", "黑体-简", "华文黑体")),
    (("harmonyos_sans_sc",), ("HarmonyOS Sans SC",)),
    (("alibabapuhuiti",), ("Alibaba PuHuiTi",)),
    (("deng",), ("DengXian", "等线")),
    (("simhei",), ("SimHei", "黑体")),
    (("wqy-microhei",), ("WenQuanYi Micro Hei", "文泉驿微米黑")),
    (("wqy-zenhei",), ("WenQuanYi Zen Hei", "文泉驿正黑")),
    (("droidsansfallback",), ("Droid Sans Fallback",)),
    (("notoserifcjk", "sourcehanserif"), ("Noto Serif CJK SC", "Source Han Serif SC")),
    (("simsun",), ("SimSun", "宋体")),
)


@dataclass(frozen=True)
class Face:
    """One face of a font file: which (``index`` counts from 0), its names and its weight."""

    path: Path
    index: int
    families: tuple[str, ...]
    weight: int
    variable: bool


@dataclass(frozen=True)
class Font:
    """A Chinese font: its regular face and its bold one (the regular again where there is none).

    ``index`` and ``bold_index`` say which face of a collection (0 for a single font).
    """

    path: Path
    index: int
    family: str
    bold_path: Path
    bold_index: int

    def single_file(self) -> Path:
        """The regular face as a font file of its own, which readers without collections can take.

        A single font is itself; a collection's face is written into the cache once. Raises
        `OutputError` where it can be kept nowhere.
        """
        return _single(self.path, self.index)

    def bold_file(self) -> Path:
        """The bold face likewise."""
        return _single(self.bold_path, self.bold_index)

    def missing(self, text: str) -> set[str]:
        """Characters of ``text`` that the regular face cannot draw; spaces are no matter."""
        return {
            c for c in set(text) if not c.isspace() and ord(c) not in _cover(self.path, self.index)
        }


def chinese_font() -> Font:
    """The best Chinese font of this machine; ``SERVICECIRCLE_FONT`` names another one.

    Raises `OutputError`, which says what to install, where there is none.
    """
    named = os.environ.get(VARIABLE, "").strip()
    return _named(Path(named).expanduser()) if named else _search(tuple(map(str, font_folders())))


def font_folders() -> list[Path]:
    """Where this machine keeps fonts; the user's own folder first."""
    home = Path.home()
    if sys.platform == "win32":
        windows = Path(os.environ.get("WINDIR", r"C:\Windows"))
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return [local / "Microsoft" / "Windows" / "Fonts", windows / "Fonts"]
    if sys.platform == "darwin":
        assets = Path("/System/Library/AssetsV2")  # fonts that macOS downloads when asked for
        return [
            home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"),
            *sorted(assets.glob("com_apple_MobileAsset_Font*")),
        ]  # fmt: skip
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    system = [Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]
    # WSL shows the fonts of Windows
    return [data / "fonts", home / ".fonts", *system, Path("/mnt/c/Windows/Fonts")]


# --- searching ------------------------------------------------------------------------------------


@cache
def _search(folders: tuple[str, ...]) -> Font:
    files = _font_files(folders)
    for begins, families in KNOWN:
        near = [path for path in files if path.name.casefold().startswith(begins)]
        font = _pick([face for path in near for face in faces(path)], families)
        if font:
            return font
    for path in _of_fontconfig() or files:  # none of the known ones: any that has the characters
        for face in faces(path):
            font = _pick([face], face.families)
            if font:
                return font
    raise OutputError(
        "这台电脑上没有找到中文字体，无法排版。请安装思源黑体（Debian、Ubuntu："
        "sudo apt install fonts-noto-cjk），"
        f"或用环境变量 {VARIABLE} 指定一个中文字体文件（.ttf、.otf、.ttc）。",
        "no Chinese font was found on this machine. Install Noto Sans CJK (Debian, Ubuntu: "
        f"sudo apt install fonts-noto-cjk), or name a Chinese font file (.ttf, .otf, .ttc) in the "
        f"environment variable {VARIABLE}.",
    )


def _named(path: Path) -> Font:
    """The font of a file that somebody named; of a collection the Simplified Chinese face."""
    wanted = [family for _, families in KNOWN for family in families]
    found = faces(path) if path.is_file() else []
    font = _pick(found, wanted) or next(filter(None, (_pick([f], f.families) for f in found)), None)
    if font:
        return font
    raise OutputError(
        f"环境变量 {VARIABLE} 指定的 {path} 不是可用的中文字体文件（.ttf、.otf、.ttc）。"
        "请改成一个简体中文字体文件，或删去这个变量。",
        f"{path}, named in the environment variable {VARIABLE}, is no usable Chinese font file "
        "(.ttf, .otf, .ttc). Name a file with Simplified Chinese characters, or unset it.",
    )


def _font_files(folders: Iterable[str]) -> list[Path]:
    """Every font file below the folders, without opening any; in a fixed order."""
    found: list[Path] = []
    for folder in folders:
        for root, inner, names in os.walk(folder):
            inner.sort()
            found += [Path(root, n) for n in sorted(names) if n.lower().endswith(_SUFFIXES)]
    return found


def _of_fontconfig() -> list[Path]:
    """What fontconfig knows to be Chinese, where it is installed."""
    command = ["fc-list", "--format", "%{file}\n", ":lang=zh-cn"]
    try:
        said = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [Path(line) for line in sorted(set(os.fsdecode(said).splitlines())) if line]


def _pick(found: Sequence[Face], families: Iterable[str]) -> Font | None:
    """The usable face of the first family that is there, with its bold; none where there is none.

    A variable font comes last: renderers show its default weight, which is the thinnest.
    """
    for family in families:
        of_family = [face for face in found if family in face.families]
        of_family.sort(key=lambda face: (face.variable, abs(face.weight - REGULAR)))
        for face in of_family:
            if _cover(face.path, face.index).issuperset(map(ord, _SAMPLE)):
                heavy = [f for f in of_family if f.weight >= _SEMIBOLD and not f.variable]
                bold = min(heavy, key=lambda f: abs(f.weight - BOLD), default=face)
                return Font(face.path, face.index, family, bold.path, bold.index)
    return None


# --- reading --------------------------------------------------------------------------------------


@cache
def faces(path: Path) -> tuple[Face, ...]:
    """The faces of a font file that can be drawn; none where it cannot be read."""
    try:
        return tuple(_faces(path))
    except Exception:  # a damaged font makes the reader raise anything; it is none for us
        return ()


def _faces(path: Path) -> Iterator[Face]:
    from fontTools.ttLib import TTFont  # noqa: PLC0415
    from fontTools.ttLib.sfnt import readTTCHeader  # noqa: PLC0415

    with path.open("rb") as file:
        collection = file.read(4) == b"ttcf"
        file.seek(0)
        count = readTTCHeader(file).numFonts if collection else 1
    for index in range(count):
        with TTFont(path, fontNumber=index if collection else -1, lazy=True) as font:
            if "glyf" not in font and "CFF " not in font:
                continue  # bitmaps, or outlines that only macOS reads
            names = [n.toUnicode() for n in font["name"].names if n.nameID in (16, 1)]
            weight = int(font["OS/2"].usWeightClass) if "OS/2" in font else REGULAR
            yield Face(path, index, tuple(dict.fromkeys(names)), weight, "fvar" in font)


@cache
def _cover(path: Path, index: int) -> frozenset[int]:
    """The code points that a face can draw; none where it cannot be read."""
    from fontTools.ttLib import TTFont  # noqa: PLC0415

    try:
        with TTFont(path, fontNumber=index, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except Exception:  # as in `faces`
        return frozenset()


# --- one face as a file ---------------------------------------------------------------------------


def _single(path: Path, index: int) -> Path:
    if path.suffix.lower() not in (".ttc", ".otc"):
        return path
    state = path.stat()
    key = hashlib.sha256(f"{path}|{index}|{state.st_size}|{state.st_mtime_ns}".encode()).hexdigest()
    name = f"{path.stem}-{index}-{key[:12]}.otf"
    try:
        return _extracted(path, index, cache_folder() / "fonts" / name)
    except OSError:  # the cache cannot be written: the system's folder for passing things does
        return _in_temporary(path, index, name)


def _in_temporary(path: Path, index: int, name: str) -> Path:
    folder = Path(tempfile.gettempdir()) / "servicecircle-fonts"
    try:
        return _extracted(path, index, folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder}：字体文件写不进去（{error.strerror}）。请腾出空间，"
            "或用环境变量 SERVICECIRCLE_CACHE 另指缓存文件夹。",
            f"{folder}: the font cannot be written there ({error.strerror}). Make room, or name "
            "another cache folder with SERVICECIRCLE_CACHE.",
        ) from error


def _extracted(path: Path, index: int, target: Path) -> Path:
    """The face of a collection, copied table by table; done once, put in place whole."""
    from fontTools.ttLib import TTFont  # noqa: PLC0415

    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with (
            os.fdopen(handle, "wb") as file,
            TTFont(path, fontNumber=index, lazy=True, recalcTimestamp=False) as font,
        ):
            font.save(file)
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)
    return target
