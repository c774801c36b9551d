"""Hold a value to ``plan.schema.json``, with the few keywords of JSON Schema that it uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

SHARE_SLACK = 1e-9  # sums may round a share past 1
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "number": (int, float), "null": (type(None),),
}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    """The schema that ships with the package."""
    text = resources.files("servicecircle").joinpath("plan.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def misfits(value: Any, rule: dict[str, Any], at: str = "plan.json") -> Iterator[str]:
    """Where ``value`` is not what ``rule`` (a part of `schema`) asks for: path and keyword."""
    if "$ref" in rule:
        yield from misfits(value, schema()["$defs"][rule["$ref"].rsplit("/", maxsplit=1)[-1]], at)
    choices = rule.get("anyOf")
    if choices and all(any(misfits(value, choice, at)) for choice in choices):
        yield f"{at}: anyOf"
    if "type" in rule and not _is_of(value, rule["type"]):
        yield f"{at}: type"
    elif "const" in rule and value != rule["const"]:
        yield f"{at}: const"
    elif "enum" in rule and value not in rule["enum"]:
        yield f"{at}: enum"
    elif isinstance(value, dict):
        yield from _in_object(value, rule, at)
    elif isinstance(value, list):
        yield from _in_array(value, rule, at)
    elif isinstance(value, str):
        if len(value) < rule.get("minLength", 0):
            yield f"{at}: minLength"
        if not re.search(rule.get("pattern", ""), value):
            yield f"{at}: pattern"
    elif _is_of(value, "number"):
        yield from _in_number(value, rule, at)


def _is_of(value: Any, names: str | list[str]) -> bool:
    known = [names] if isinstance(names, str) else names
    if isinstance(value, bool):
        return "boolean" in known
    return any(isinstance(value, TYPES[name]) for name in known)


def _in_object(value: dict[str, Any], rule: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}.{key}: required" for key in rule.get("required", ()) if key not in value)
    parts, others = rule.get("properties", {}), rule.get("additionalProperties", {})
    for key, part in value.items():
        if key in parts or others is not False:
            yield from misfits(part, parts.get(key, others), f"{at}.{key}")
        else:
            yield f"{at}.{key}: additionalProperties"


def _in_array(value: list[Any], rule: dict[str, Any], at: str) -> Iterator[str]:
    if len(value) < rule.get("minItems", 0):
        yield f"{at}: minItems"
    wrong = [
        m
        for i, part in enumerate(value)
        for m in misfits(part, rule.get("items", {}), f"{at}[{i}]")
    ]
    yield from wrong
    if rule.get("uniqueItems") and not wrong and len(set(value)) < len(value):
        yield f"{at}: uniqueItems"


def _in_number(value: float, rule: dict[str, Any], at: str) -> Iterator[str]:
    if value < rule.get("minimum", value):
        yield f"{at}: minimum"
    if value <= rule.get("exclusiveMinimum", value - 1):
        yield f"{at}: exclusiveMinimum"
    if value > rule.get("maximum", value) + SHARE_SLACK:
        yield f"{at}: maximum"
