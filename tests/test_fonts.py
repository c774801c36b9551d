"""Finding a Chinese font: on folders made here, and on this machine against another reader."""

from __future__ import annotations

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont
from PIL import Image, ImageDraw, ImageFont

from servicecircle.errors import OutputError
from servicecircle.export import fonts
from servicecircle.export.fonts import chinese_font

CHINESE = "总工会户外劳动者服务站点饮水驿站骑手开放时间中文"


def font(family: str, *, weight: int = 400, characters: str = CHINESE, width: int = 500) -> TTFont:
    """A small font whose every glyph is a bar, as wide as asked: that tells faces apart."""
    builder = FontBuilder(1000, isTTF=True)
    names = {ord(c): f"u{ord(c):X}" for c in dict.fromkeys(characters)}
    order = [".notdef", *names.values()]
    pen = TTGlyphPen(None)
    for k, point in enumerate([(50, 0), (50, 700), (width, 700), (width, 0)]):
        (pen.lineTo if k else pen.moveTo)(point)
    pen.closePath()
    bar = pen.glyph()
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(order, bar))
    builder.setupHorizontalMetrics(dict.fromkeys(order, (1000, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable(
        {"familyName": family, "styleName": "Bold" if weight > 500 else "Regular"}
    )
    builder.setupOS2(usWeightClass=weight)
    builder.setupPost()
    return builder.font


def collection(*members: TTFont) -> TTCollection:
    made = TTCollection()
    made.fonts = list(members)
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only folder with fonts, and no fontconfig beside it."""
    home = tmp_path / "字体 fonts"
    home.mkdir()
    monkeypatch.delenv(fonts.VARIABLE, raising=False)
    monkeypatch.setattr(fonts, "font_folders", lambda: [home, tmp_path / "none"])
    monkeypatch.setattr(fonts, "_of_fontconfig", list)
    return home


def noto(folder, name="NotoSansCJK-Regular.ttc", weight=400):
    faces = [font(f"Noto Sans CJK {area}", weight=weight, width=300 + 100 * k)
             for k, area in enumerate(("JP", "KR", "SC", "TC"))]  # fmt: skip
    collection(*faces).save(folder / name)
    return folder / name


def test_the_chinese_face_of_a_collection_is_found_by_its_name(folder):
    regular, bold = noto(folder), noto(folder, "NotoSansCJK-Bold.ttc", 700)
    found = chinese_font()
    assert (found.path, found.index, found.family) == (regular, 2, "Noto Sans CJK SC")
    assert (found.bold_path, found.bold_index) == (bold, 2)
    collection(font("Noto Sans CJK SC"), font("Noto Sans CJK JP")).save(
        folder / "NotoSansCJK-Regular.ttc"
    )
    fonts._search.cache_clear()
    fonts.faces.cache_clear()
    assert chinese_font().index == 0  # by name, not by number


def test_a_face_becomes_a_file_of_its_own(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "缓存"))
    noto(folder)
    found = chinese_font()
    single = found.single_file()
    with TTFont(single) as read:
        assert read["name"].getDebugName(1) == "Noto Sans CJK SC"
        assert read["glyf"]["u4E2D"].xMax == 500  # the third face's bar
    assert single == found.single_file() and found.bold_file() == single  # no bold there
    assert [p.name for p in single.parent.iterdir()] == [single.name]
    assert ImageFont.truetype(str(single), 20).getname()[0] == "Noto Sans CJK SC"


def test_without_a_cache_the_face_goes_to_the_temporary_folder(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(fonts.tempfile, "gettempdir", lambda: str(tmp_path / "t"))
    noto(folder)
    assert chinese_font().single_file().parent == tmp_path / "t" / "servicecircle-fonts"
    (tmp_path / "t" / "servicecircle-fonts").rename(tmp_path / "gone")
    (tmp_path / "t" / "servicecircle-fonts").write_text("no folder either")
    with pytest.raises(OutputError, match="SERVICECIRCLE_CACHE"):
        chinese_font().single_file()


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("msyh.ttf", "Microsoft YaHei"),
        ("PingFang.ttf", "PingFang SC"),
        ("wqy-microhei.ttf", "WenQuanYi Micro Hei"),
        ("SourceHanSansSC-Regular.otf", "Source Han Sans SC"),
        ("simhei.ttf", "SimHei"),
        ("SomeThing.ttf", "Nobody Knows"),
    ],
)
def test_other_fonts_do_too(folder, file, family):
    font("Latin Only", characters="abc").save(folder / "aaa.ttf")
    (folder / "broken.ttf").write_bytes(b"\x00\x01\x00\x00 not a font")
    (folder / "inner").mkdir()
    font(family).save(folder / "inner" / file)
    found = chinese_font()
    assert (found.path.name, found.family, found.bold_path) == (file, family, found.path)
    assert found.single_file() == found.path


def test_the_best_known_one_wins_and_weights_are_told_apart(folder):
    font("Microsoft YaHei", weight=290).save(folder / "msyhl.ttf")
    font("Microsoft YaHei", weight=700).save(folder / "msyhbd.ttf")
    font("Microsoft YaHei", weight=400).save(folder / "msyh.ttf")
    font("SimHei").save(folder / "simhei.ttf")
    found = chinese_font()
    assert (found.path.name, found.bold_path.name) == ("msyh.ttf", "msyhbd.ttf")


def test_a_known_name_without_the_characters_is_passed_over(folder):
    font("Microsoft YaHei", characters="abc").save(folder / "msyh.ttf")
    font("SimHei").save(folder / "simhei.ttf")
    assert chinese_font().family == "SimHei"


def test_a_named_file_wins_and_a_wrong_one_is_an_error(folder, tmp_path, monkeypatch):
    noto(folder)
    mine = tmp_path / "我的.ttf"
    font("Mine").save(mine)
    monkeypatch.setenv(fonts.VARIABLE, str(mine))
    assert chinese_font().path == mine
    font("Latin", characters="abc").save(tmp_path / "latin.ttf")
    for wrong in ("latin.ttf", "absent.ttf", ""):
        monkeypatch.setenv(fonts.VARIABLE, str(tmp_path / wrong))
        with pytest.raises(OutputError) as error:
            chinese_font()
        assert fonts.VARIABLE in error.value.zh and fonts.VARIABLE in error.value.en


def test_no_font_says_what_to_install(folder):
    font("Latin", characters="abc").save(folder / "latin.ttf")
    with pytest.raises(OutputError) as error:
        chinese_font()
    for text in (error.value.zh, error.value.en):
        assert "fonts-noto-cjk" in text and fonts.VARIABLE in text


def test_what_cannot_be_drawn_is_known(folder):
    noto(folder)
    assert chinese_font().missing("中文 \n\t𠮷😀") == {"𠮷", "😀"}


# --- this machine ---------------------------------------------------------------------------------


def drawn(path, index, text="骨直门总"):
    picture = Image.new("L", (400, 130))
    ImageDraw.Draw(picture).text((5, 5), text, 255, ImageFont.truetype(str(path), 90, index=index))
    return np.asarray(picture)


def test_the_font_of_this_machine_draws_chinese(monkeypatch):
    monkeypatch.delenv(fonts.VARIABLE, raising=False)
    found = chinese_font()
    names = ImageFont.truetype(str(found.path), 20, index=found.index).getname()
    assert names[0] == found.family or not names[0].isascii()
    nothing = drawn(found.path, found.index, "\U0010fffd" * 4)
    assert np.abs(drawn(found.path, found.index).astype(int) - nothing).mean() > 5
    assert np.array_equal(drawn(found.single_file(), 0), drawn(found.path, found.index))
    assert np.array_equal(drawn(found.bold_file(), 0), drawn(found.bold_path, found.bold_index))
    if found.bold_path != found.path:  # bold is darker
        assert drawn(found.bold_file(), 0).mean() > 1.1 * drawn(found.single_file(), 0).mean()
    if found.family == "Noto Sans CJK SC":  # 骨 is drawn differently in Japan
        assert not np.array_equal(drawn(found.path, 0), drawn(found.path, found.index))
