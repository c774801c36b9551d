"""The columns of a table: which is which, and their cells as text, ids and numbers.

Names are compared without case, spaces, underscores, full-width forms and units in parentheses:
``经度（°）`` is ``经度``. English names are the contract's; Chinese ones are those in use.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .raw_table import RawTable, cell_text

ID_PATTERN = re.compile(r"[\w/.:-]+")
MISSING = frozenset({"", "nan", "null", "none", "n/a", "#n/a"})
SHOWN_VALUE_CHARACTERS = 40

# target: the names it goes by, and the weak ones, used only where none of the first is there
NAMES: dict[str, tuple[str, str]] = {
    "demand_id": ("demand_id 需求点编号 需求编号 点编号 编号 编码 代码", "id 序号"),
    "site_id": ("site_id 站点编号 站点编码 站点代码 编号 编码 代码", "id 序号"),
    "lng": ("lng lon long longitude 经度", "x"),
    "lat": ("lat latitude 纬度", "y"),
    "weight": ("weight 权重 人数 人口 人口数 常住人口 总人口 职工人数 劳动者人数 population", ""),
    "district": ("district 区 区县 县区 行政区 行政区划 区域 所属区 所在区", ""),
    "group": ("group 人群 群体 职业 人群类别", ""),
    # in demand.parquet of a plan, minutes is the walk and minutes_required the standard
    "minutes": ("minutes_required 分钟 分钟数 时限 服务标准", "minutes"),
    "name": ("name 名称 站点名称 站名 站点", ""),
    "status": ("status 状态 站点状态", ""),
    "kind": ("kind 类别 类型 站点类型 站点类别", ""),
    "cost": ("cost 费用 造价 成本 投资 预算", ""),
    "address": ("address 地址 详细地址", ""),
    "services": ("services 服务 服务项目 服务内容", ""),
    "hours": ("hours 开放时间 营业时间 服务时间", ""),
    "phone": ("phone 电话 联系电话 联系方式", ""),
    "area_m2": ("area_m2 面积 建筑面积 使用面积", ""),
    "level": ("level 级别 等级 层级", ""),
    "capacity": ("capacity 容量 容纳人数", ""),
}
DISTRICT_WEAK_NAMES = "name 名称"  # of a layer of districts
LABELS = {
    "demand_id": "编号",
    "site_id": "编号",
    "lng": "经度",
    "lat": "纬度",
    "weight": "权重",
    "district": "区县",
    "minutes": "分钟",
}
# units in a header that would make the figures wrong if they were overlooked
UNIT_FACTORS: dict[str, dict[str, float]] = {
    "cost": {"万元": 1e4, "千元": 1e3},
    "weight": {"万人": 1e4, "千人": 1e3, "百人": 1e2},
    "minutes": {"小时": 60, "h": 60, "hours": 60, "秒": 1 / 60, "s": 1 / 60},
}

# what people write around such a number in its cell: 约 12.5 平方米
WRITTEN_UNITS = {
    "area_m2": re.compile(r"^\s*约\s*|\s*(㎡|m2|m²|平方米|平米)\s*$", re.IGNORECASE),
    "cost": re.compile(r"^\s*[¥￥]\s*|\s*元\s*$"),
}


def plain(name: str) -> str:
    """A column name as it is compared."""
    text = unicodedata.normalize("NFKC", name).strip().casefold()
    return re.sub(r"\(.*?\)|\[.*?\]|[\s_°-]", "", text)


def _known(target: str) -> tuple[list[str], list[str]]:
    strong, weak = NAMES[target]
    return [plain(name) for name in strong.split()], [plain(name) for name in weak.split()]


def looks_like_header(
    names: Sequence[str], targets: Sequence[str], columns: Mapping[str, str]
) -> bool:
    """Whether a row of cells names every one of ``targets``."""
    have = {plain(name) for name in names}
    for target in targets:
        strong, weak = _known(target)
        accepted = [plain(columns[target])] if target in columns else strong + weak
        if have.isdisjoint(accepted):
            return False
    return True


@dataclass
class Columns:
    """A raw table with its columns told apart; hands out checked cells.

    ``found`` maps targets to the file's names, ``own`` are the planner's other columns, ``notes``
    collects (zh, en) sentences on what was assumed.
    """

    raw: RawTable
    found: dict[str, str]
    notes: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def match(
        cls,
        raw: RawTable,
        targets: Sequence[str],
        columns: Mapping[str, str] | None = None,
        *,
        weak: Mapping[str, str] | None = None,
    ) -> Columns:
        """Tell the columns apart: ``columns`` (target → name in the file) first, then by name.

        Raises `TableError` for an unknown target, a name that is not in the file, and two columns
        for one target.
        """
        found = {t: _asked(raw, t, n, targets) for t, n in (columns or {}).items()}
        taken = set(found.values())
        for target in targets:
            if target in found:
                continue
            strong, faint = _known(target)
            faint = faint + [plain(name) for name in (weak or {}).get(target, "").split()]
            free = [name for name in raw.frame.columns if name not in taken]
            hits = [n for n in free if plain(n) in strong] or [n for n in free if plain(n) in faint]
            if len(hits) > 1 or (hits and hits[0] in raw.repeated):
                raise _ambiguous(raw, target, hits if len(hits) > 1 else hits * 2)
            if hits:
                found[target] = hits[0]
                taken.add(hits[0])
        return cls(raw, found)

    @property
    def own(self) -> list[str]:
        """The columns that are no target's, in the file's order."""
        return [name for name in self.raw.frame.columns if name not in self.found.values()]

    def require(self, *targets: str) -> None:
        """Raise a `TableError` that lists the file's columns unless all ``targets`` were found."""
        for target in targets:
            if target not in self.found:
                label, names = LABELS.get(target, target), self.raw.column_list()
                raise self.raw.error(
                    f"没有{label}列（{target}）。文件里的列：{names}。"
                    f'请改列名，或用 columns 指明，如 columns = {{ {target} = "…" }}。',
                    f"No column for {target}. The file has: {names}. "
                    f'Rename one, or say which: columns = {{ {target} = "…" }}.',
                )

    def text(self, target: str) -> list[str]:
        """Cells as trimmed text, "" where missing or where there is no such column."""
        if target not in self.found:
            return [""] * len(self.raw.frame)
        cells = self.raw.frame[self.found[target]]
        return [cell_text(cell).strip() for cell in cells]

    def ids(self, target: str) -> list[str]:
        """Cells as ids: text of letters, digits and ``_ / . : -``, unique and never empty."""
        ids = self.text(target)
        self._refuse_text(
            target,
            ids,
            np.array([not ID_PATTERN.fullmatch(i) for i in ids]),
            "编号只能由文字、数字和 _ / . : - 组成，不能为空，也不能含空格",
            "an id is made of letters, digits and _ / . : -, and is never empty",
        )
        self.unique(target, ids)
        return ids

    def unique(self, target: str, cells: Sequence[str]) -> None:
        """Raise a `TableError` that names the cells which occur more than once."""
        twice = pd.Series(cells, dtype=object).duplicated(keep=False).to_numpy()
        if twice.any():
            names = ", ".join(dict.fromkeys(c for c, t in zip(cells, twice, strict=True) if t))
            raise self.raw.error(
                f"有重复：{_short(names)}。每行要有自己的值，请改掉重复的。",
                f"Repeated: {_short(names)}. Every row needs its own; change the repeated ones.",
                column=self.found[target],
                where=twice,
            )

    def numbers(
        self, target: str, *, blank: bool = True, low: float = 0.0, low_itself: bool = True
    ) -> NDArray[np.float64]:
        """Cells as float64, NaN where missing; tolerant of full-width digits and ``1,200``.

        Raises `TableError` for anything else that is no finite number, for a value below ``low``
        (or equal to it, unless ``low_itself``), and for a missing one unless ``blank``.
        """
        if target not in self.found:
            return np.full(len(self.raw.frame), np.nan)
        cells = self.raw.frame[self.found[target]]
        if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
            values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
            wrong = np.isinf(values)
        else:
            units = WRITTEN_UNITS.get(target)
            texts = map(cell_text, cells)
            parsed = [_number(units.sub("", text) if units else text) for text in texts]
            values = np.array([np.nan if n is None else n for n in parsed], dtype=np.float64)
            wrong = np.array([n is None for n in parsed]) | np.isinf(values)
        refuse = self._refuse_number
        refuse(target, wrong, "不是数字", "not a number", "请改成普通数字，如 12.5", "Write 12.5")
        if not blank:
            refuse(
                target, np.isnan(values), "没有填", "missing", "请补上，或删去这些行", "Fill it in"
            )
        if low_itself:
            refuse(target, values < low, f"小于 {low:g}", f"less than {low:g}", "请改正", "Mend it")
        else:
            too_low = values <= low
            refuse(target, too_low, f"不大于 {low:g}", f"not above {low:g}", "请改正", "Mend it")
        return values * self._unit_factor(target)

    def _unit_factor(self, target: str) -> float:
        header = unicodedata.normalize("NFKC", self.found[target]).casefold()
        for unit in re.findall(r"[\(\[](.*?)[\)\]]", header):
            factor = UNIT_FACTORS.get(target, {}).get(unit.strip())
            if factor is not None:
                name = self.found[target]
                zh = f"“{name}”按单位“{unit}”换算，乘以 {factor:g}。"
                self.notes.append((zh, f"“{name}” is in “{unit}”: multiplied by {factor:g}."))
                return factor
        return 1.0

    def _refuse_number(
        self, target: str, bad: NDArray[np.bool_], zh: str, en: str, mend: str, mend_en: str
    ) -> None:
        if bad.any():
            found = _short(self.text(target)[int(np.argmax(bad))])
            raise self.raw.error(
                f"{zh}（“{found}”）。{mend}。" if found else f"{zh}。{mend}。",
                f"{en}: “{found}”. {mend_en}." if found else f"{en}. {mend_en}.",
                column=self.found[target],
                where=bad,
            )

    def _refuse_text(
        self, target: str, cells: Sequence[str], bad: NDArray[np.bool_], zh: str, en: str
    ) -> None:
        if bad.any():
            found = _short(cells[int(np.argmax(bad))])
            raise self.raw.error(
                f"“{found}”不行：{zh}。", f"“{found}”: {en}.", column=self.found[target], where=bad
            )


def _short(text: str) -> str:
    text = " ".join(text.split())
    cut = SHOWN_VALUE_CHARACTERS
    return text if len(text) <= cut else text[:cut] + " …"


def _number(text: str) -> float | None:
    """The number a cell means, NaN for a missing one, None for anything else."""
    text = unicodedata.normalize("NFKC", text).strip().replace("\u2212", "-").removesuffix("°")
    if text.casefold() in MISSING:
        return np.nan
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?", text):
        text = text.replace(",", "")
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    return float(text)


def _asked(raw: RawTable, target: str, name: str, targets: Sequence[str]) -> str:
    """The file's column for an entry of ``columns``."""
    if target not in targets:
        near = difflib.get_close_matches(target, targets, 1, 0.5)
        hint = (f"（是“{near[0]}”吗？）", f" (perhaps “{near[0]}”?)") if near else ("", "")
        known = ", ".join(targets)
        raise raw.error(
            f"columns 里的“{target}”不是这张表的列{hint[0]}。可用：{known}。",
            f"“{target}” in columns is no column of this table{hint[1]}. Known: {known}.",
        )
    names = list(raw.frame.columns)
    hits = [n for n in names if n == name] or [n for n in names if plain(n) == plain(name)]
    if len(hits) > 1 or (hits and hits[0] in raw.repeated):
        raise _ambiguous(raw, target, hits if len(hits) > 1 else hits * 2)
    if not hits:
        near = difflib.get_close_matches(name, names, 1, 0.4)
        hint = (f"最接近的是“{near[0]}”。", f" The nearest is “{near[0]}”.") if near else ("", "")
        raise raw.error(
            f"columns 指明 {target} 是“{name}”，可文件里没有这一列。{hint[0]}"
            f"文件里的列：{raw.column_list()}。",
            f"columns says {target} is “{name}”, which the file does not have.{hint[1]} "
            f"The file has: {raw.column_list()}.",
        )
    return hits[0]


def _ambiguous(raw: RawTable, target: str, hits: Sequence[str]) -> Exception:
    both = ", ".join(f"“{name}”" for name in hits)
    return raw.error(
        f"{both} 都可能是 {target}。请用 columns 指明一列，"
        f'如 columns = {{ {target} = "{hits[0]}" }}；同名的列请先改名。',
        f"{both} could each be {target}. Say which: columns = "
        f'{{ {target} = "{hits[0]}" }}; rename columns of the same name.',
    )
