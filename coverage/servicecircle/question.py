"""The question of a scenario: what is asked of the sites, and what goes with what."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from servicecircle.errors import ScenarioError

Model = Literal["mclp", "lscp", "partial_cover", "p_median", "p_center"]
TARGETS = ("new_sites", "budget", "share")
TARGETS_OF: dict[Model, tuple[str, ...]] = {  # one of these is needed, where there are any
    "mclp": ("new_sites", "budget"), "lscp": (), "partial_cover": ("share",),
    "p_median": ("new_sites", "budget"), "p_center": ("new_sites", "budget"),
}  # fmt: skip


class Part(BaseModel):
    """Every part is frozen, refuses unknown keys, and takes numbers for numbers only."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, strict=True, allow_inf_nan=False
    )


class QuestionPart(Part):
    """What is asked: a standard in minutes, and at most one target.

    With ``decay_to_minutes``, ``mclp`` credits walks beyond the standard too: less and less, down
    to nothing at so many minutes. With ``capacities`` a station serves at most its capacity.
    """

    model: Model | None = None
    minutes: float = Field(15.0, gt=0, le=240)
    new_sites: int | None = Field(None, ge=0)
    budget: float | None = Field(None, ge=0)
    share: float | None = Field(None, gt=0, le=1)
    minimise: Literal["stations", "cost"] = "stations"
    decay_to_minutes: float | None = Field(None, gt=0, le=240)
    capacities: bool = False
    time_limit: float = Field(60.0, gt=0)
    seed: int = Field(0, ge=0, lt=2**31)

    @property
    def target(self) -> str | None:
        """Which of new_sites, budget, share is set; None asks to cover all that can be."""
        given = [t for t in TARGETS if getattr(self, t) is not None]
        return given[0] if given else None

    @property
    def resolved_model(self) -> Model:
        """The model asked for, or the one that the target implies."""
        if self.model is not None:
            return self.model
        by_target: dict[str | None, Model] = {"share": "partial_cover", None: "lscp"}
        return by_target.get(self.target, "mclp")

    @property
    def by_distance(self) -> bool:
        """Whether the model counts minutes, and needs walks of any length."""
        return self.resolved_model in ("p_median", "p_center")

    @property
    def counts(self) -> str:
        """What the objective counts: a key of `steps.OBJECTIVES`."""
        model = self.resolved_model
        if model == "mclp":
            if self.decay_to_minutes is not None:
                return "credited"
            return "served" if self.capacities else "covered"
        if self.by_distance:
            return "mean_minutes" if model == "p_median" else "most_minutes"
        return "cost" if self.minimise == "cost" else "stations"


def check_question(q: QuestionPart, where: str, where_en: str) -> None:
    """Raise `ScenarioError` for what contradicts itself; messages begin with ``where``."""
    given = [t for t in TARGETS if getattr(q, t) is not None]
    if len(given) > 1:
        raise ScenarioError(
            f"{where}[question] 同时给了 {' 和 '.join(given)}：三个目标只能给一个，请删去其余。",
            f"{where_en}[question] sets {' and '.join(given)}: only one of new_sites, budget, "
            "share can be the target; delete the others.",
        )
    _check_gradations(q, where, where_en)
    model = q.resolved_model
    fitting = TARGETS_OF[model]
    if (not given and not fitting) or set(given) & set(fitting):
        return
    wanted = f"要给 {' 或 '.join(fitting)}" if fitting else "不带目标"
    wanted_en = f"wants {' or '.join(fitting)}" if fitting else "takes no target"
    raise ScenarioError(
        f"{where}[question] 模型 {model} {wanted}，实际给了 {''.join(given) or '无'}。"
        "请改 model 或目标。",
        f"{where_en}[question] model {model} {wanted_en}, but {''.join(given) or 'none'} was "
        "given: change the model or the target.",
    )


def _check_gradations(q: QuestionPart, where: str, where_en: str) -> None:
    """Decay and capacities go with mclp alone, and not with each other."""
    model = q.resolved_model
    given = [k for k in ("decay_to_minutes", "capacities") if getattr(q, k) not in (None, False)]
    if len(given) > 1:
        raise ScenarioError(
            f"{where}[question] decay_to_minutes（随距离递减）和 capacities（站点容量）不能同时用，"
            "请删去其中一个。",
            f"{where_en}[question] decay_to_minutes and capacities cannot be combined: delete one.",
        )
    if given and model != "mclp":
        raise ScenarioError(
            f"{where}[question] {given[0]} 只能用于模型 mclp，这里是 {model}。请删去它，或改用 "
            "new_sites、budget 作目标。",
            f"{where_en}[question] {given[0]} goes with the model mclp only, this is {model}: "
            "delete it, or make new_sites or budget the target.",
        )
    end = q.decay_to_minutes
    if end is not None and end <= q.minutes:
        raise ScenarioError(
            f"{where}[question] decay_to_minutes = {end:g} 要大于标准 minutes = {q.minutes:g}。",
            f"{where_en}[question] decay_to_minutes = {end:g} must be above the standard, "
            f"minutes = {q.minutes:g}.",
        )
