"""What the report says where a general sentence would be false: capacities, districts, models."""

from __future__ import annotations

import pytest

from plans import DEMAND, main_street, saved
from report_cases import QUESTIONS, Read, said, share, weight, written


def paper_of(tmp_path, question: str, **changes) -> tuple[Read, dict]:
    path = main_street(tmp_path / "town", **{**QUESTIONS[question], **changes})
    folder = saved(path, tmp_path / "plan")
    return written(folder, tmp_path / "out")[0], said(folder)


def test_with_capacities_what_can_be_served_comes_first(tmp_path):
    paper, f = paper_of(tmp_path, "capacities")
    summary = paper.styled("BodyText")[0]
    of_all = share(f["objective"] / f["total_weight"])
    assert summary.startswith(
        f"按站点容量能服务 {weight(f['objective'])} 人，占全部需求的 {of_all}"
    )
    assert f"其余 {weight(f['total_weight'] - f['objective'])} 人" in summary
    assert f["objective"] < f["covered_weight"]


@pytest.mark.parametrize(
    ("question", "words"),
    [("mclp", "交叉覆盖"), ("capacities", "容纳更多的人"), ("p_median", "让步行更短"),
     ("p_center", "让步行更短")],
)  # fmt: skip
def test_what_a_station_is_for_that_nobody_depends_on(tmp_path, question, words):
    paper, _ = paper_of(tmp_path, question)
    (line,) = [text for text in paper.styled("BodyText") if "没有它就失去" in text]
    assert line.endswith(f"它的作用是{words}。")


def test_districts_that_are_but_names_in_the_demand_table(tmp_path):
    """No outlines: none are missed on the map, and nobody knows where the stations are."""
    names = ["东区", "东区", "西区", "西区", "", "", "东区", "西区"]
    demand = [{**row, "district": name} for row, name in zip(DEMAND, names, strict=True)]
    paper, f = paper_of(tmp_path, "mclp", demand=demand, districts=None)
    assert {row["district"] for row in f["districts"]} == {"", "东区", "西区"}
    assert "区界" not in "".join(text for text in paper.styled("Remark") if "没有画" in text)
    head, *rows = paper.tables()["各区覆盖情况"]
    assert sorted(row[0] for row in rows) == ["东区", "未注明区", "西区"] and len(head) == 8
    assert all(row[-2:] == ["—", "—"] for row in rows)
    assert any("不知道站点在哪个区" in text for text in paper.styled("Remark"))


def test_districts_with_outlines_have_their_stations(tmp_path):
    paper, _ = paper_of(tmp_path, "mclp")
    _, *rows = paper.tables()["各区覆盖情况"]
    assert all(row[-1].isdigit() for row in rows)
    assert not any("不知道站点" in text for text in paper.styled("Remark"))
    assert not any(row[0] == "未注明区" for row in rows)
