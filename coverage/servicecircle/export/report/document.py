"""A Word paper, built up piece by piece: headings, tables, figures, captions, contents.

Text is written as text, whatever it holds (`numbers.clean`); there are no links out of it, and the
only fields are page numbers, captions' numbers and the table of contents.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

import docx
from docx.enum.text import WD_BREAK
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm

from servicecircle.errors import Lang
from servicecircle.export.report import document_styles as styles
from servicecircle.export.report.numbers import clean

MARGINS_MM = (25.0, 26.0, 22.0, 26.0)  # top, right, bottom, left
TEXT_WIDTH_MM = 210.0 - MARGINS_MM[1] - MARGINS_MM[3]
KEPT_ROWS = 10  # a table with no more rows stays on one page
CELL_LIMIT = 60  # characters in a table's cell
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal papers are equal bytes
_TWIPS_PER_MM = 1440 / 25.4
_HEAD_FILL = "DDEBE4"

Run = tuple[str, bool]  # text, and whether it is bold


@dataclass(frozen=True)
class Column:
    """A table's column: heading, share of the table's width, and where its cells stand."""

    title: str
    width: float
    align: Literal["left", "right", "center"] = "left"
    limit: int = CELL_LIMIT


class Paper:
    """A paper on A4. ``footer`` (text) stands small on every page, above the page number."""

    def __init__(self, lang: Lang, *, title: str, author: str, footer: str) -> None:
        self._lang = lang
        self._doc = docx.Document()
        self._count = {"figure": 0, "table": 0}
        self._headings: list[tuple[str, str]] = []  # (bookmark, text) of the first level
        styles.apply(self._doc, lang)
        self._page(clean(footer, 160))
        core = self._doc.core_properties
        core.title, core.author = clean(title, 200), clean(author, 200)
        core.comments, core.last_modified_by = "servicecircle", ""
        core.language = "zh-CN" if lang == "zh" else "en"
        core.created = core.modified = dt.datetime(*_EPOCH[:3])
        thumbnails = [
            key
            for key, part in self._doc.part.package.rels.items()
            if part.reltype == RELATIONSHIP_TYPE.THUMBNAIL
        ]
        for key in thumbnails:  # of the template, not of this paper
            del self._doc.part.package.rels[key]

    # --- text ---

    def title(self, text: str, below: str) -> None:
        """The paper's title and the line under it."""
        self._doc.add_paragraph(clean(text, 80), "Title")
        self._doc.add_paragraph(clean(below, 120), "Subtitle")

    def heading(self, text: str, level: int = 1) -> None:
        """A numbered heading; those of the first level get into the contents."""
        paragraph = self._doc.add_paragraph(clean(text, 80), f"Heading {level}")
        if level == 1:
            name = f"_Toc{len(self._headings) + 1:09d}"
            self._headings.append((name, clean(text, 80)))
            number = len(self._headings)
            start = parse_xml(f'<w:bookmarkStart {nsdecls("w")} w:id="{number}" w:name="{name}"/>')
            end = parse_xml(f'<w:bookmarkEnd {nsdecls("w")} w:id="{number}"/>')
            paragraph._p.insert(1, start)
            paragraph._p.append(end)

    def text(self, *runs: str | Run, style: str = "Body Text", keep: bool = False) -> None:
        """A paragraph of runs; ``keep`` holds it on one page with what follows."""
        paragraph = self._doc.add_paragraph(style=style)
        for run in runs:
            words, bold = (run, False) if isinstance(run, str) else run
            lead, end = words[: words[:1] == " "], words[len(words) - (words[-1:] == " ") :]
            paragraph.add_run(f"{lead}{clean(words)}{end}").bold = bold or None
        if keep:
            paragraph.paragraph_format.keep_with_next = True

    def bullets(self, lines: Iterable[str]) -> None:
        """A list."""
        for line in lines:
            self._doc.add_paragraph(clean(line), "List Bullet")

    def page_break(self) -> None:
        """What follows begins on a new page."""
        paragraph = self._doc.add_paragraph(style="Table Text")
        paragraph.add_run().add_break(WD_BREAK.PAGE)

    # --- tables, figures ---

    def table(
        self,
        caption: str,
        columns: Sequence[Column],
        rows: Iterable[Sequence[str]],
    ) -> None:
        """A table with its caption above; the heading row is repeated on every page.

        Cells are cut to their column's ``limit``; a short table is held on one page.
        """
        self._caption("table", caption, keep=True)
        total = sum(column.width for column in columns)
        widths = [round(TEXT_WIDTH_MM * c.width / total * _TWIPS_PER_MM) for c in columns]
        grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
        lines = [tuple(cells) for cells in rows]
        whole = len(lines) <= KEPT_ROWS
        head = _row([c.title for c in columns], columns, widths, head=True)
        body = "".join(
            _row(cells, columns, widths, keep=whole and i < len(lines) - 1)
            for i, cells in enumerate(lines)
        )
        xml = (
            f'<w:tbl {nsdecls("w")}><w:tblPr><w:tblStyle w:val="TableGrid"/>'
            f'<w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:jc w:val="center"/>{_BORDERS}'
            f'<w:tblLayout w:type="fixed"/>{_CELL_MARGINS}</w:tblPr>'
            f"<w:tblGrid>{grid}</w:tblGrid>{head}{body}</w:tbl>"
        )
        self._append(parse_xml(xml))
        self._doc.add_paragraph(style="Table Gap")

    def figure(self, picture: bytes, caption: str, *, width_mm: float, alt: str) -> None:
        """A picture (PNG) in the text's width, its caption below."""
        paragraph = self._doc.add_paragraph(style="Figure")
        shape = paragraph.add_run().add_picture(io.BytesIO(picture), width=Mm(width_mm))
        for side in "TBLR":  # without these LibreOffice keeps 3 mm on every side
            shape._inline.set(f"dist{side}", "0")
        shape._inline.docPr.set("descr", clean(alt, 300))
        shape._inline.docPr.set("name", f"figure {self._count['figure'] + 1}")
        self._caption("figure", caption)

    def _caption(self, kind: Literal["figure", "table"], text: str, *, keep: bool = False) -> None:
        self._count[kind] += 1
        label = {"figure": ("图", "Figure"), "table": ("表", "Table")}[kind][self._lang == "en"]
        paragraph = self._doc.add_paragraph(style="Caption")
        paragraph.paragraph_format.keep_with_next = keep
        paragraph.add_run(f"{label} ")
        _field(paragraph, f"SEQ {label} \\* ARABIC", str(self._count[kind]))
        paragraph.add_run(
            f"　{clean(text, 120)}" if self._lang == "zh" else f". {clean(text, 120)}"
        )

    # --- contents ---

    def contents(self, title: str) -> None:
        """The place of the table of contents; `save` fills it in."""
        self._doc.add_paragraph(clean(title), "Contents Title")
        self._contents = self._doc.add_paragraph(style="toc 1")

    def _fill_contents(self) -> None:
        """All headings, as a field that Word builds anew (with page numbers) when it is asked to.

        The entries are there from the start: a field that Word has to fill on opening makes it ask
        its reader a question first.
        """
        place = self._contents
        paragraphs = [place]
        for _ in self._headings[1:]:
            paragraphs.append(self._doc.add_paragraph(style="toc 1"))
            paragraphs[-2]._p.addnext(paragraphs[-1]._p)
        _mark(place, "begin")
        _instruction(place, 'TOC \\o "1-1" \\h \\z \\u')
        _mark(place, "separate")
        for i, (bookmark, text) in enumerate(self._headings):
            entry = escape(styles.numbered(i + 1, text, self._lang))
            link = (
                f'<w:hyperlink {nsdecls("w")} w:anchor="{bookmark}" w:history="1"><w:r>'
                f'<w:t xml:space="preserve">{entry}</w:t></w:r></w:hyperlink>'
            )
            paragraphs[i]._p.append(parse_xml(link))
        _mark(paragraphs[-1], "end")

    # --- page, file ---

    def _page(self, footer: str) -> None:
        section = self._doc.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        top, right, bottom, left = (Mm(mm) for mm in MARGINS_MM)
        section.top_margin, section.right_margin = top, right
        section.bottom_margin, section.left_margin = bottom, left
        section.header_distance = section.footer_distance = Mm(9)
        below = section.footer
        below.paragraphs[0].text = footer
        number = below.add_paragraph(style="Footer")
        number.add_run("— ")
        _field(number, "PAGE", "1")
        number.add_run(" —")

    def _append(self, element: Any) -> None:
        self._doc.element.body.insert_element_before(element, "w:sectPr")

    def save(self, path: Path) -> None:
        """Write the paper; equal papers are equal bytes. Raises `OSError`."""
        self._fill_contents()
        buffer = io.BytesIO()
        self._doc.save(buffer)
        with zipfile.ZipFile(buffer) as made, zipfile.ZipFile(path, "w") as file:
            for entry in made.infolist():
                info = zipfile.ZipInfo(entry.filename, _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(info, made.read(entry))


# --- pieces of WordprocessingML -------------------------------------------------------------------

_BORDERS = (
    "<w:tblBorders>"
    + "".join(
        f'<w:{side} w:val="single" w:sz="{size}" w:space="0" w:color="{colour}"/>'
        for side, size, colour in (
            ("top", 8, "00734F"),
            ("left", 0, "auto"),
            ("bottom", 8, "00734F"),
            ("right", 0, "auto"),
            ("insideH", 4, "C9D3CE"),
            ("insideV", 0, "auto"),
        )
    ).replace('w:val="single" w:sz="0"', 'w:val="nil" w:sz="0"')
    + "</w:tblBorders>"
)
_CELL_MARGINS = (
    '<w:tblCellMar><w:left w:w="70" w:type="dxa"/><w:right w:w="70" w:type="dxa"/></w:tblCellMar>'
)


def _row(
    cells: Sequence[str],
    columns: Sequence[Column],
    widths: Sequence[int],
    *,
    head: bool = False,
    keep: bool = False,
) -> str:
    """A table row as XML; python-docx would search the whole table for every cell."""
    made = []
    for text, column, width in zip(cells, columns, widths, strict=True):
        fill = f'<w:shd w:val="clear" w:color="auto" w:fill="{_HEAD_FILL}"/>' if head else ""
        place = f'<w:jc w:val="{"center" if head else column.align}"/>'
        heavy = "<w:rPr><w:b/></w:rPr>" if head else ""
        next_too = "<w:keepNext/>" if head or keep else ""
        shown = escape(clean(text, None if head else column.limit))
        made.append(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{fill}<w:vAlign w:val="center"/>'
            f'</w:tcPr><w:p><w:pPr><w:pStyle w:val="TableText"/>{next_too}{place}</w:pPr>'
            f'<w:r>{heavy}<w:t xml:space="preserve">{shown}</w:t></w:r></w:p></w:tc>'
        )
    rule = "<w:trPr><w:cantSplit/>" + ("<w:tblHeader/>" if head else "") + "</w:trPr>"
    return f"<w:tr>{rule}{''.join(made)}</w:tr>"


def _mark(paragraph: Any, kind: str) -> None:
    mark = parse_xml(f'<w:fldChar {nsdecls("w")} w:fldCharType="{kind}"/>')
    paragraph.add_run()._r.append(mark)


def _instruction(paragraph: Any, code: str) -> None:
    run = paragraph.add_run()._r
    text = parse_xml(f'<w:instrText {nsdecls("w")} xml:space="preserve"> {code} </w:instrText>')
    run.append(text)


def _field(paragraph: Any, code: str, shown: str) -> None:
    """A field with what it shows until Word computes it."""
    field = parse_xml(
        f'<w:fldSimple {nsdecls("w")} w:instr=" {escape(code)} "><w:r><w:t>{shown}</w:t></w:r>'
        "</w:fldSimple>"
    )
    assert field.tag == qn("w:fldSimple")
    paragraph._p.append(field)
