"""Paper and workbook of one plan, written whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import xlsxwriter.exceptions

from servicecircle.errors import Lang
from servicecircle.export.export_plan import ExportPlan, cannot_write, writing
from servicecircle.export.fonts import chinese_font
from servicecircle.export.report.document import Paper
from servicecircle.export.report.facts import Facts
from servicecircle.export.report.ground import ground_of
from servicecircle.export.report.map_pictures import Maps
from servicecircle.export.report.report import Report
from servicecircle.export.report.sections import SECTIONS
from servicecircle.export.report.workbook import write_workbook
from servicecircle.steps import Progress, silent


def write_report(
    plan: ExportPlan, folder: str | Path, *, lang: Lang = "zh", progress: Progress | None = None
) -> list[Path]:
    """Write ``<stem>-report.docx`` and ``.xlsx`` into ``folder``; returns the two paths.

    ``lang``: the language of both (``zh`` or ``en``); names and notes stay as they are. Streets,
    water and district outlines are on the maps where the files that were planned on are still at
    their places. The same plan gives the same bytes. Raises `OutputError` where a file cannot be
    written, no Chinese font is found, or the plan's files contradict each other.
    """
    tell = progress or silent
    folder = Path(folder)
    tell("report", None)
    facts, font = Facts(plan), chinese_font()
    paper = Paper(lang, title=plan.title, author=plan.federation, footer=plan.attribution)
    report = Report(facts, paper, Maps(facts, ground_of(facts), font, lang), font, lang)
    for i, section in enumerate(SECTIONS):
        section(report)
        tell("report", (i + 1) / (len(SECTIONS) + 1))
    docx, xlsx = (folder / f"{plan.stem}-report.{end}" for end in ("docx", "xlsx"))
    # the workbook gets its place first: where the paper then does not, it is put back
    with _put_back(xlsx), writing(docx) as paper_file, writing(xlsx) as book_file:
        paper.save(paper_file)
        try:
            write_workbook(report, book_file)
        except xlsxwriter.exceptions.XlsxWriterException as error:
            raise cannot_write(xlsx, error) from error
    tell("report", 1.0)
    return [docx, xlsx]


@contextmanager
def _put_back(path: Path) -> Iterator[None]:
    """Whatever fails inside, ``path`` is afterwards what it was: its file, or none.

    Of two files one is replaced first; Windows may then refuse the other, open in Word.
    """
    kept = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        if path.exists():
            shutil.copy2(path, kept)
    except OSError as error:
        kept.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    there = kept.exists()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if there:
                kept.replace(path)
            else:
                path.unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):
            kept.unlink(missing_ok=True)
