"""KML 2.2 written with the standard library: folders of places, styles, and what they say.

Everything is escaped as XML; descriptions, which viewers show as HTML, are escaped once more.
"""

from __future__ import annotations

import html
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAMESPACE = "http://www.opengis.net/kml/2.2"


@dataclass(frozen=True)
class Style:
    """How places look: ``colour`` is KML's aabbggrr; ``scale`` sizes a pin, None fills an area."""

    name: str
    colour: str
    scale: float | None = None


@dataclass(frozen=True)
class Place:
    """A point, polygon or multipolygon (degrees, WGS-84) with a name and facts by label."""

    name: str
    shape: Any
    style: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Folder:
    """Places under one heading."""

    name: str
    places: Sequence[Place]
    visible: bool = True


def kml_document(
    name: str,
    about: Sequence[tuple[str, str]],
    styles: Sequence[Style],
    folders: Sequence[Folder],
) -> bytes:
    """A document (UTF-8): ``about`` is its description. Texts may hold anything XML can carry."""
    root = ET.Element("kml", xmlns=NAMESPACE)
    document = ET.SubElement(root, "Document")
    _text(document, "name", name)
    _text(document, "open", "1")
    _text(document, "description", _as_html(about))
    for style in styles:
        _style(document, style)
    for folder in folders:
        element = ET.SubElement(document, "Folder")
        _text(element, "name", folder.name)
        for place in folder.places:
            _place(element, place, folder.visible)
    document_bytes: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document_bytes


def _style(parent: ET.Element, style: Style) -> None:
    element = ET.SubElement(parent, "Style", id=style.name)
    if style.scale is not None:
        icon = ET.SubElement(element, "IconStyle")
        _text(icon, "color", style.colour)
        _text(icon, "scale", f"{style.scale:g}")
        return
    line = ET.SubElement(element, "LineStyle")
    _text(line, "color", "ff" + style.colour[2:])
    _text(line, "width", "1")
    _text(ET.SubElement(element, "PolyStyle"), "color", style.colour)


def _place(parent: ET.Element, place: Place, visible: bool) -> None:
    element = ET.SubElement(parent, "Placemark")
    _text(element, "name", place.name)
    _text(element, "visibility", "1" if visible else "0")
    ET.SubElement(element, "Snippet", maxLines="0")
    _text(element, "description", _as_html(list(place.facts.items())))
    _text(element, "styleUrl", f"#{place.style}")
    data = ET.SubElement(element, "ExtendedData")
    for label, value in place.facts.items():
        _text(ET.SubElement(data, "Data", name=label), "value", value)
    _shape(element, place.shape)


def _as_html(lines: Sequence[tuple[str, str]]) -> str:
    return "<br/>".join(
        f"{html.escape(label)}：{html.escape(text)}".replace("\n", "<br/>") for label, text in lines
    )


def _shape(parent: ET.Element, shape: Any) -> None:
    if shape.geom_type == "Point":
        point = ET.SubElement(parent, "Point")
        _text(point, "coordinates", f"{shape.x!r},{shape.y!r}")
    elif shape.geom_type == "Polygon":
        polygon = ET.SubElement(parent, "Polygon")
        _text(polygon, "tessellate", "1")
        for kind, rings in (
            ("outerBoundaryIs", [shape.exterior]), ("innerBoundaryIs", shape.interiors),
        ):  # fmt: skip
            for ring in rings:
                line = ET.SubElement(ET.SubElement(polygon, kind), "LinearRing")
                _text(line, "coordinates", " ".join(f"{x!r},{y!r}" for x, y in ring.coords))
    else:
        many = ET.SubElement(parent, "MultiGeometry")
        for part in shape.geoms:
            _shape(many, part)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text
