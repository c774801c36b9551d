"""Signs to files: Typst sets our template with the plan's data; the folder appears whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servicecircle.errors import Note, OutputError
from servicecircle.export.export_plan import ExportPlan, file_part, writing
from servicecircle.export.fonts import VARIABLE, Font, chinese_font
from servicecircle.export.links import MAKERS
from servicecircle.export.signs.content import Printer, sign_data, titles

PAPERS = {"a4": (210, 297), "a3": (297, 420)}  # width and height, mm
PNG_DPI = 150
PART = 500  # signs in one file of all: Typst holds about 1 MB for each until it is written


def write_signs(
    plan: ExportPlan,
    folder: str | Path,
    *,
    paper: str = "a4",
    link: str = "gaode",
    png: bool = True,
    progress: Callable[[int, int], None] | None = None,
    notes: list[Note] | None = None,
) -> list[Path]:
    """Write ``<folder>/<title>-signs-<paper>/``: a sign per station, all of them, and a sheet.

    ``all.pdf`` holds every sign, ``sheet.pdf`` cards with name, code and QR code (``all-1.pdf``,
    ``sheet-1.pdf`` … where there are more than `PART` stations), ``<number>-<code>.pdf`` and
    ``.png`` (`PNG_DPI`) one station each; the paths returned begin with those of all. The QR codes
    open a station on the map of ``link`` (gaode, baidu, tencent). ``progress(done, total)`` counts
    stations; ``notes`` receives what could not be printed as it was written. Raises `OutputError`.
    """
    if paper not in PAPERS or link not in MAKERS:
        raise OutputError(
            f"标牌纸张可选 {'、'.join(PAPERS)}，二维码地图可选 {'、'.join(MAKERS)}。",
            f"paper is one of {', '.join(PAPERS)}, the map of the QR codes one of "
            f"{', '.join(MAKERS)}.",
        )
    printer = Printer(chinese_font())
    signs = sign_data(plan, link, printer)
    press = _Press(printer.font, PAPERS[paper], titles(plan, printer))
    target = Path(folder) / f"{plan.stem}-signs-{paper}"
    together: list[str] = []
    single: list[str] = []
    with writing(target) as beside:
        beside.mkdir(parents=True)
        # by parts, the single signs of each after it: Typst forgets what ten runs did not use
        for start in range(0, len(signs), PART):
            part = signs[start : start + PART]
            end = f"-{start // PART + 1}.pdf" if len(signs) > PART else ".pdf"
            for kind, name in (("signs", f"all{end}"), ("sheet", f"sheet{end}")):
                (beside / name).write_bytes(press.pdf(kind, part))
                together.append(name)
            for done, sign in enumerate(part, start=start + 1):
                single += _write_one(press, sign, beside / _stem(done, plan), png)
                if progress:
                    progress(done, len(signs))
    if notes is not None:
        notes += printer.notes()
    return [target / name for name in (*together, *single)]


def _stem(number: int, plan: ExportPlan) -> str:
    """``<number>-<code>``: the number keeps codes apart that are one as file names."""
    codes = plan.stations["site_id"]
    return f"{number:0{len(str(len(codes)))}d}-{file_part(str(codes.iloc[number - 1]), 'station')}"


def _write_one(press: _Press, sign: dict[str, Any], base: Path, png: bool) -> list[str]:
    """Write one sign; returns the names. ``base`` may have dots of its own in its name."""
    files = {f"{base.name}.pdf": press.pdf("signs", [sign])}
    if png:
        files[f"{base.name}.png"] = press.png([sign])
    for name, content in files.items():
        base.with_name(name).write_bytes(content)
    return list(files)


class _Press:
    """Typst with our template and the font's two faces, and nothing else of this machine."""

    def __init__(self, font: Font, paper: tuple[int, int], shared: dict[str, Any]) -> None:
        import typst  # noqa: PLC0415

        files = [font.single_file(), font.bold_file()]
        found = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=sorted({str(file.parent) for file in files}),
        )
        ours = [file.resolve() for file in files]
        names = {Path(f.path).resolve(): f.family for f in found.fonts() if f.path}
        families = list(dict.fromkeys(names[file] for file in ours if file in names))
        self._data = shared | {"fonts": families, "width": paper[0], "height": paper[1]}
        template = Path(__file__).with_name("sign.typ")
        self._compiler = typst.Compiler(
            template, root=template.parent, font_paths=found, ignore_system_fonts=True
        )

    def pdf(self, kind: str, signs: list[dict[str, Any]]) -> bytes:
        return self._compile(kind, signs, format="pdf")

    def png(self, signs: list[dict[str, Any]]) -> bytes:
        return self._compile("signs", signs, format="png", ppi=PNG_DPI)

    def _compile(self, kind: str, signs: list[dict[str, Any]], **how: Any) -> bytes:
        data = json.dumps(self._data | {"kind": kind, "signs": signs}, ensure_ascii=False)
        try:
            made = self._compiler.compile(sys_inputs={"data": data}, **how)
        except RuntimeError as error:  # Typst's own; no text of a plan leads here, a font may
            raise OutputError(
                f"标牌排版失败（{error}）。请用环境变量 {VARIABLE} 换一种中文字体再试。",
                f"typesetting the signs failed ({error}). Try another Chinese font, named in "
                f"{VARIABLE}.",
            ) from error
        assert isinstance(made, bytes)
        return made
