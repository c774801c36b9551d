"""The paper's styles: East-Asian fonts on every one, numbered headings, figures and tables.

Fonts are those that Chinese Windows has (仿宋, 黑体, 宋体); elsewhere the font table's other names
lead to them, and where there is none Word and LibreOffice take a font of their own.
"""

from __future__ import annotations

from typing import Any

from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Pt, RGBColor

from servicecircle.errors import Lang

BODY, HEAD, LATIN = "仿宋", "黑体", "Times New Roman"
#: names of the same fonts in other systems
OTHER_NAMES = {"仿宋": "FangSong,FangSong_GB2312,STFangsong", "黑体": "SimHei,STHeiti"}
_DIGITS = "〇一二三四五六七八九"
_GREEN = RGBColor(0x00, 0x4D, 0x35)
#: name → East-Asian font, points, bold, alignment, points before and after, lines, keep with next
_STYLES: dict[str, tuple[str, float, bool, Any, float, float, float, bool]] = {
    "Normal": (BODY, 12, False, None, 0, 0, 1.5, False),
    "Body Text": (BODY, 12, False, None, 0, 3, 1.4, False),
    "Title": (HEAD, 22, False, ALIGN.CENTER, 0, 4, 1.2, True),
    "Subtitle": (BODY, 14, False, ALIGN.CENTER, 0, 8, 1.2, True),
    "Heading 1": (HEAD, 15, False, None, 14, 6, 1.2, True),
    "Heading 2": (HEAD, 13, False, None, 10, 4, 1.2, True),
    "Contents Title": (HEAD, 15, False, ALIGN.CENTER, 6, 6, 1.2, True),
    "toc 1": (BODY, 12, False, None, 0, 0, 1.4, False),
    "Caption": (HEAD, 10, False, ALIGN.CENTER, 4, 4, 1.1, False),
    "Figure": (BODY, 10, False, ALIGN.CENTER, 4, 0, 1.0, True),
    "Table Text": (BODY, 9.5, False, None, 1.5, 1.5, 1.05, False),
    "Table Gap": (BODY, 5, False, None, 0, 0, 1.0, False),
    "Remark": (BODY, 10, False, None, 0, 4, 1.25, False),
    "List Bullet": (BODY, 12, False, None, 0, 2, 1.4, False),
    "Footer": (BODY, 8, False, ALIGN.CENTER, 0, 0, 1.0, False),
}


def apply(doc: Any, lang: Lang) -> None:
    """Set the styles, headings' numbers, the fonts' other names, and the language of a document."""
    _defaults(doc)
    for name, (font, size, bold, align, before, after, lines, keep) in _STYLES.items():
        style = _style(doc, name)
        _fonts(style, font)
        style.font.size, style.font.bold, style.font.italic = Pt(size), bold, False
        style.font.color.rgb = (
            _GREEN if name.startswith(("Heading", "Title")) else RGBColor(0, 0, 0)
        )
        form = style.paragraph_format
        form.space_before, form.space_after, form.line_spacing = Pt(before), Pt(after), lines
        form.keep_with_next = keep
        form.widow_control = True
        if align is not None:
            form.alignment = align
    _details(doc, lang)
    _number_headings(doc, lang)
    _name_fonts(doc)
    _modernise(doc)


def numbered(number: int, text: str, lang: Lang) -> str:
    """A heading of the first level with its number, as the contents show it."""
    return f"{chinese_numeral(number)}、{text}" if lang == "zh" else f"{number}. {text}"


def chinese_numeral(number: int) -> str:
    """1 to 99 in Chinese."""
    tens, ones = divmod(number, 10)
    head = "" if tens == 0 else ("十" if tens == 1 else f"{_DIGITS[tens]}十")
    return head + (_DIGITS[ones] if ones or not tens else "")


def _style(doc: Any, name: str) -> Any:
    if name in [style.name for style in doc.styles]:
        return doc.styles[name]
    # Word knows "toc 1" as its own, and sets new contents in it
    made = doc.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH, builtin=name == "toc 1")
    made.base_style = doc.styles["Normal"]
    made.quick_style = True
    return made


def _defaults(doc: Any) -> None:
    """The document's default run: our fonts instead of the theme's, and the right language."""
    defaults = doc.styles.element.find(qn("w:docDefaults")).find(qn("w:rPrDefault"))[0]
    _set_fonts(defaults.find(qn("w:rFonts")), BODY)
    language = defaults.find(qn("w:lang"))
    language.set(qn("w:eastAsia"), "zh-CN")
    language.set(qn("w:val"), "en-US")  # of Latin words, also in Chinese text


def _fonts(style: Any, east_asian: str) -> None:
    properties = style.element.get_or_add_rPr()
    fonts = properties.find(qn("w:rFonts"))
    if fonts is None:
        fonts = parse_xml(f"<w:rFonts {nsdecls('w')}/>")
        properties.insert(0, fonts)
    _set_fonts(fonts, east_asian)


def _set_fonts(fonts: Any, east_asian: str) -> None:
    """Replace whatever the theme says: a theme's font would win over a named one."""
    for name in list(fonts.attrib):
        del fonts.attrib[name]
    for script, font in (
        ("ascii", LATIN),
        ("hAnsi", LATIN),
        ("cs", LATIN),
        ("eastAsia", east_asian),
    ):
        fonts.set(qn(f"w:{script}"), font)


def _details(doc: Any, lang: Lang) -> None:
    if lang == "zh":  # paragraphs begin two characters in
        indent = parse_xml(f'<w:ind {nsdecls("w")} w:firstLineChars="200" w:firstLine="480"/>')
        doc.styles["Body Text"].element.get_or_add_pPr().append(indent)
    for name in ("Title", "Subtitle"):  # the template draws a line under its titles
        properties = doc.styles[name].element.get_or_add_pPr()
        for tag in ("w:pBdr",):
            for line in properties.findall(qn(tag)):
                properties.remove(line)
        run = doc.styles[name].element.get_or_add_rPr()
        for tag in ("w:spacing", "w:kern"):
            for element in run.findall(qn(tag)):
                run.remove(element)
    # a caption names its figure or table in a field: bold and blue in the template
    doc.styles["Caption"].font.bold = False


def _number_headings(doc: Any, lang: Lang) -> None:
    """Number headings by their styles: 一、（一）, or 1. and 1.1."""
    numbering = doc.part.numbering_part.element
    ids = [int(e.get(qn("w:abstractNumId"))) for e in numbering.findall(qn("w:abstractNum"))]
    own = max(ids, default=0) + 1
    nums = [int(e.get(qn("w:numId"))) for e in numbering.findall(qn("w:num"))]
    used = max(nums, default=0) + 1
    levels = {
        "zh": (("chineseCountingThousand", "%1、"), ("chineseCountingThousand", "（%2）")),
        "en": (("decimal", "%1."), ("decimal", "%1.%2")),
    }[lang]
    after = "nothing" if lang == "zh" else "space"
    rows = "".join(
        f'<w:lvl w:ilvl="{i}"><w:start w:val="1"/><w:numFmt w:val="{form}"/>'
        f'<w:pStyle w:val="Heading{i + 1}"/><w:suff w:val="{after}"/>'
        f'<w:lvlText w:val="{text}"/><w:lvlJc w:val="left"/>'
        '<w:pPr><w:ind w:left="0" w:firstLine="0"/></w:pPr></w:lvl>'
        for i, (form, text) in enumerate(levels)
    )
    abstract = parse_xml(
        f'<w:abstractNum {nsdecls("w")} w:abstractNumId="{own}">'
        f'<w:multiLevelType w:val="multilevel"/>{rows}</w:abstractNum>'
    )
    numbering.insert(len(ids), abstract)
    numbering.append(
        parse_xml(
            f'<w:num {nsdecls("w")} w:numId="{used}"><w:abstractNumId w:val="{own}"/></w:num>'
        )
    )
    for level in (1, 2):
        properties = doc.styles[f"Heading {level}"].element.get_or_add_pPr()
        for old in properties.findall(qn("w:numPr")):
            properties.remove(old)
        number = parse_xml(
            f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level - 1}"/><w:numId w:val="{used}"/>'
            "</w:numPr>"
        )
        properties._insert_numPr(number)


def _modernise(doc: Any) -> None:
    """Without this Word shows the paper in its compatibility mode of 2010."""
    for setting in doc.settings.element.iter(qn("w:compatSetting")):
        if setting.get(qn("w:name")) == "compatibilityMode":
            setting.set(qn("w:val"), "15")


def _name_fonts(doc: Any) -> None:
    """Say in the font table what our fonts are called elsewhere."""
    for part in doc.part.package.iter_parts():
        if str(part.partname) == "/word/fontTable.xml":
            made = "".join(
                f'<w:font w:name="{name}"><w:altName w:val="{other}"/><w:charset w:val="86"/>'
                f'<w:family w:val="auto"/></w:font>'
                for name, other in OTHER_NAMES.items()
            )
            part._blob = part.blob.replace(b"</w:fonts>", made.encode() + b"</w:fonts>")
