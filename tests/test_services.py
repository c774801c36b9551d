"""Services as planners write them: the same thing under many words, and what nobody knows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hostile import TEXTS
from servicecircle.export.stations import services
from servicecircle.export.stations.services import (
    ICON_UNITS,
    Service,
    known_services,
    parse_services,
)

EXPECTED = {
    "": [],
    " 、，\n": [],
    "饮水、微波炉、充电、座椅、急救箱、卫生间、无线网、图书": [
        "water", "microwave", "charging", "seat", "first_aid", "toilet", "wifi", "books",
    ],
    "热水 WiFi；妈妈小屋/免费上网\n手机充电": ["water", "wifi", "nursing", "charging"],
    "直饮水,开水，热水": ["water"],
    "服务项目：1.饮水 2.充电": ["water", "charging"],
    "1、饮水；2、充电；": ["water", "charging"],
    "①饮水②充电": ["water", "charging"],
    "饮水微波炉充电和急救箱": ["water", "microwave", "charging", "first_aid"],
    "提供免费饮水服务": ["water"],
    "空调（夏季）": ["air_conditioning"],
    "移动式公共卫生间": ["toilet"],
    "Drinking water, Wi-Fi, first aid kit": ["water", "wifi", "first_aid"],
    "ＷＩＦＩ": ["wifi"],
    "热水淋浴": ["shower"],
    "无障碍、无线网": ["accessible", "wifi"],
    "电动车充电、充电": ["ebike", "charging"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "keys"), EXPECTED.items())
def test_words_that_mean_a_service(text, keys):
    assert [service.key for service in parse_services(text)] == keys


@pytest.mark.parametrize(
    ("text", "kept"),
    {
        "无卫生间": ["无卫生间"],
        "不提供饮水": ["不提供饮水"],
        "绿豆汤": ["绿豆汤"],
        "Free tea": ["Free tea"],
        "24小时": ["24小时"],
        "距地铁站二百米处有公共卫生间可以使用": ["距地铁站二百米处有公共卫生间可以使用"],
    }.items(),
)
def test_what_nobody_knows_stays_as_text(text, kept):
    found = parse_services(text)
    assert [(service.key, service.zh) for service in found] == [("", words) for words in kept]
    assert not any(service.known for service in found)


def test_the_data_are_whole():
    path = Path(services.__file__).with_name("services.toml")
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    owner: dict[str, str] = {}
    for key, entry in entries.items():
        assert set(entry) == {"zh", "en", "also", "icon"}, key
        for word in {entry["zh"], entry["en"], *entry["also"]}:
            folded = "".join(word.casefold().split()).replace("-", "")
            assert owner.setdefault(folded, key) == key, f"{word}: {owner[folded]} and {key}"
            assert [s.key for s in parse_services(word)] == [key], word
        assert 1 <= len(entry["zh"]) <= 5 and len(entry["en"]) <= 16
    assert {
        "water", "microwave", "seat", "charging", "first_aid", "toilet", "air_conditioning",
        "wifi", "books", "nursing", "heating", "meals", "medicine", "umbrella", "parking", "ebike",
    } <= set(entries)  # fmt: skip


def test_every_pictogram_is_one_of_its_own_inside_its_square():
    """Rendered by an independent drawing program; none empty, none cut, no two alike."""
    import typst  # noqa: PLC0415

    pictures = {}
    for key, service in {**known_services(), "": Service.of_text("x")}.items():
        svg = service.svg("#123456")
        assert {e.tag.split("}")[1] for e in ElementTree.fromstring(svg).iter()} <= {
            "svg", "g", "path", "rect", "circle",
        }  # fmt: skip
        page = (
            f"#set page(width: {2 * ICON_UNITS}pt, height: {2 * ICON_UNITS}pt, margin: 0pt)\n"
            f"#place(center + horizon, image(bytes(sys.inputs.svg), width: {ICON_UNITS}pt))"
        )
        png = typst.compile(page.encode(), format="png", ppi=72, sys_inputs={"svg": svg})
        pictures[key] = _darkness(png)
    for key, picture in pictures.items():
        assert 0.04 < picture.mean() / 0.25 < 0.6, key  # of the icon's own square
    keys = list(pictures)
    for i, one in enumerate(keys):
        for other in keys[:i]:
            assert np.abs(pictures[one] - pictures[other]).mean() > 0.01, (one, other)


def _darkness(png: bytes) -> np.ndarray:
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    return 1 - np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float) / 255


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_hostile_text_never_reaches_a_drawing(text):
    for service in parse_services(text):
        ElementTree.fromstring(service.svg())
        assert "hacked" not in service.svg()


def test_a_huge_cell_takes_no_time_to_speak_of():
    found = parse_services("（" * 20_000 + "、" + "饮水" * 20_000 + "、" + "a b " * 5_000)
    assert found and all(isinstance(service, Service) for service in found)
