"""The attack table: hostile texts, and a plan folder whose stations, title and federation are made
of them. Every export has to come out of it harmless and legible.

Each text carries a word of its own, ``站<key>``, that must still be readable wherever the text is
shown (`word`); where texts are cut, the word stands first. A page or file is harmed where
``window.hacked`` is set, an ``alert`` opens, 49 or `LEAKED` appears, or a file lies elsewhere.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w

from plans import demand_row, saved, site_row, write_scenario
from servicecircle.plan_folder import write_csv
from servicecircle.scenario import OSM_ATTRIBUTION

LEAKED = "leaked-9f1c"  # what an expanded entity or template would bring in
LONG = 10_000

#: key → text; the texts are what a name, an address, services, hours, a phone number may hold
TEXTS: dict[str, str] = {
    # markup and scripts
    "script": "<script>window.hacked=1;alert(1)</script>站script",
    "image": '<img src=x onerror="window.hacked=1">站image',
    "attribute": "\"'><svg/onload=window.hacked=1>站attribute",
    "handler": "' onmouseover='window.hacked=1' x='站handler",
    "endscript": "</script><script>window.hacked=1</script>站endscript",
    "endtitle": "</title></style></textarea><script>window.hacked=1</script>站endtitle",
    "comment": "--><script>window.hacked=1</script><!--站comment",
    "link": "javascript:window.hacked=1//站link",
    "entities": "&lt;b&gt;&amp;&#60;&quot;站entities",  # must be read as these very characters
    "cdata": "]]><script>window.hacked=1</script>站cdata",
    "kml": "</name></Placemark></Document></kml>站kml",
    "svg": "</text></svg><script>window.hacked=1</script>站svg",
    "doctype": f'<!DOCTYPE x [<!ENTITY e "{LEAKED}">]>&e;站doctype',
    "instruction": "<?xml version='1.0'?><?php echo 1 ?>站instruction",
    # templates and formats
    "braces": "{{7*7}}{% raw %}{#站braces",
    "dollar": "${window.hacked=1}`${7*7}`站dollar",
    "format": "{0.__class__}{name!r}%s%n%(name)s{z}/{x}/{y}站format",
    "backslash": "\\\\server\\share\\u003cscript\\x3e\\'\\\"站backslash",
    "latex": "$x_1^2$ \\input{/etc/passwd} #set 站latex",
    "markdown": "[站markdown](javascript:window.hacked=1) **b** `c` <!--",
    "sql": "'; DROP TABLE stations; --站sql",
    # formulas
    "equals": '=HYPERLINK("http://x.invalid","站equals")',
    "plus": "+SUM(1,2)站plus",
    "minus": "-2+3+cmd|' /C calc'!A0站minus",
    "at": "@SUM(1+9)*cmd|' /C calc'!A0站at",
    "tab": "\t=1+1站tab",
    "return": "\r=1+1站return",
    "newline": "站newline\n=1+1\r\n第三行",
    "wide": "＝1+1＋站wide",  # full-width signs
    # paths
    "path": "../../../站path",
    "root": "/etc/站root",
    "drive": "C:\\Windows\\站drive",
    "device": "CON.站device",
    "dots": "...站dots . ",
    # separators of links, tables and text formats
    "separators": "站separators,;|:&?#%+=/ a\t\"b\" 'c' 100%25 %zz",
    "quotes": '"站quotes","二"\'三\'',
    # characters
    "nul": "站nul\x00后面",
    "controls": "站controls\x01\x07\x08\x0b\x0c\x1b[31m\x7f\x85\u2028\u2029末",
    "bidi": "站bidi\u202egnp.exe\u2066\u200f",
    "invisible": "\ufeff站invisible\u200b后\u00ad面\u200d",
    "noncharacter": "站noncharacter\ufffe\uffff\U0001ffff",
    "emoji": "站emoji😀👩‍👩‍👧‍👦🇨🇳👍🏽",
    "rare": "站rare𠮷𪚥𬺰㐂䶮",
    "combining": "站combiningn̈́ͫͨ́ͧ̔e̾͗ͥ́ͪ" + "\u0301" * 60,
    "private": "站private\ue000\U000f0000",
    # numbers that are none, and sizes
    "zeros": "007站zeros",
    "power": "1E5站power",
    "long": "站long" + "长" * LONG,
    "lines": "站lines\n" * 200,
    "unbroken": "站unbroken" + "W" * 2000,
}
#: ids that the table door lets pass, and that no file name and no number may be made of
IDS = (
    "../../../etc/passwd", "/root", "C:x", "-1", "001", "1E5", "CON", "a/b", "a:b", "a.b", "..",
    ".", "-", "编号", "𠮷", "node/1", "way/2", "1-2", "3.10", "x" * 300,
)  # fmt: skip
TITLE = "../../=站title<script>window.hacked=1</script>]]>&{{7*7}}\t\"'"
FEDERATION = "</script><script>window.hacked=1</script>站federation${7*7}&lt;"
COLUMNS = ("name", "address", "services", "hours", "phone", "kind", "共建单位", "备注")


def word(key: str) -> str:
    """What must still be legible of a text."""
    return f"站{key}"


def hostile_plan(
    folder: Path,
    texts: Mapping[str, str] = TEXTS,
    *,
    columns: Sequence[str] = COLUMNS,
    title: str = TITLE,
    attribution: str = OSM_ATTRIBUTION,
) -> Path:
    """The plan folder of a small town on the equator: one existing station per text, in its order.

    The texts come in by the same door as planners' tables (Parquet carries every character), which
    trims them at the ends; the folder then gets them as they are, as a hand-edited one might.
    Station ids are `IDS`, then ``h20``, ``h21``, …. To see a datum's shift ask for
    ``read_plan(folder, area="all")``: the town lies outside China.
    """
    ids = [*IDS, *(f"h{i}" for i in range(len(IDS), len(texts)))][: len(texts)]
    rows = [
        site_row(site, 60.0 * i) | dict.fromkeys(columns, text) | {"area_m2": 10.0 + i}
        for i, (site, text) in enumerate(zip(ids, texts.values(), strict=True))
    ]
    path = write_scenario(
        folder / "town",
        demand=[demand_row("d1", 100, 10), demand_row("d2", 2500, 20)],
        candidates=[site_row("C1", 5000)],
        new_sites=0,
    )
    pd.DataFrame(rows).drop(columns=["cost", "status"]).to_parquet(
        folder / "town" / "existing.parquet"
    )
    _change_scenario(path, title=title, attribution=attribution)
    plan = saved(path, folder / "plan")
    _put_back(plan, columns, texts)
    return plan


def _change_scenario(path: Path, *, title: str, attribution: str) -> None:
    scenario: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    scenario["title"], scenario["federation"] = title, FEDERATION
    scenario["network"]["attribution"] = attribution
    scenario["sites"]["existing"] = "existing.parquet"
    path.write_text(tomli_w.dumps(scenario), encoding="utf-8")


def _put_back(plan: Path, columns: Sequence[str], texts: Mapping[str, str]) -> None:
    """The texts as they are into ``stations.csv`` and ``stations.geojson``."""
    layer = json.loads((plan / "stations.geojson").read_text(encoding="utf-8"))
    for feature, text in zip(layer["features"], texts.values(), strict=True):
        feature["properties"] |= dict.fromkeys(columns, text)
    (plan / "stations.geojson").write_text(json.dumps(layer, ensure_ascii=False), encoding="utf-8")
    table = pd.read_csv(
        plan / "stations.csv", dtype=str, keep_default_na=False, encoding="utf-8-sig"
    )
    for name in columns:
        table[name] = list(texts.values())
    write_csv(table, plan / "stations.csv")
