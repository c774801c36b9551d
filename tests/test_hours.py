"""Opening hours: every cell is read as a person would, or said not to be understood."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hostile
from servicecircle.export.stations.hours import Hours, parse_hours

MON_FRI, WEEK = range(5), range(7)


def at(*spans: str) -> tuple[tuple[int, int], ...]:
    """Minutes of "8:30-12:00", counted by hand; an end above 24:00 is the next day's."""
    clocks = [[clock.split(":") for clock in span.split("-")] for span in spans]
    return tuple(tuple(int(h) * 60 + int(m) for h, m in pair) for pair in clocks)


def on(days, *spans: str) -> dict[int, tuple[tuple[int, int], ...]]:
    return dict.fromkeys(days, at(*spans))


ALWAYS = on(WEEK, "0:00-24:00")

#: what stations write → day → intervals, and the normal form
UNDERSTOOD = {
    "24小时": (ALWAYS, "24小时"),
    "全天": (ALWAYS, "24小时"),
    "全天候开放": (ALWAYS, "24小时"),
    "二十四小时": (ALWAYS, "24小时"),
    "7×24小时": (ALWAYS, "24小时"),
    "24小时营业": (ALWAYS, "24小时"),
    "24/7": (ALWAYS, "24小时"),
    "每天 00:00-24:00": (ALWAYS, "24小时"),
    "8:00-18:00": (on(WEEK, "8:00-18:00"), "08:00-18:00"),
    "8:30-11:00 13:30-17:00": (on(WEEK, "8:30-11:00", "13:30-17:00"), "08:30-11:00、13:30-17:00"),
    "13:30-17:00，8:30-11:00": (on(WEEK, "8:30-11:00", "13:30-17:00"), "08:30-11:00、13:30-17:00"),
    "８：００—１８：００": (on(WEEK, "8:00-18:00"), "08:00-18:00"),
    "08：00～18：00": (on(WEEK, "8:00-18:00"), "08:00-18:00"),
    "8:00至18:00": (on(WEEK, "8:00-18:00"), "08:00-18:00"),
    "8.30-17.30": (on(WEEK, "8:30-17:30"), "08:30-17:30"),
    "9点-17点半": (on(WEEK, "9:00-17:30"), "09:00-17:30"),
    "9时15分至17时": (on(WEEK, "9:15-17:00"), "09:15-17:00"),
    "9-17点": (on(WEEK, "9:00-17:00"), "09:00-17:00"),
    "早八点到晚十点": (on(WEEK, "8:00-22:00"), "08:00-22:00"),
    "上午8:30-11:30，下午2:00-5:30": (
        on(WEEK, "8:30-11:30", "14:00-17:30"), "08:30-11:30、14:00-17:30",
    ),
    "中午12点-下午2点": (on(WEEK, "12:00-14:00"), "12:00-14:00"),
    "每天9:00-21:00": (on(WEEK, "9:00-21:00"), "每天 09:00-21:00"),
    "全年无休 8:00-22:00": (on(WEEK, "8:00-22:00"), "每天 08:00-22:00"),
    "星期一到星期日：8:00-20:00": (on(WEEK, "8:00-20:00"), "每天 08:00-20:00"),
    "开放时间：周一至周日 8:00-20:00": (on(WEEK, "8:00-20:00"), "每天 08:00-20:00"),
    "工作日 8:30-17:30": (on(MON_FRI, "8:30-17:30"), "周一至周五 08:30-17:30"),
    "周一至五9:00-17:00": (on(MON_FRI, "9:00-17:00"), "周一至周五 09:00-17:00"),
    "周1-周5 9:00-17:00": (on(MON_FRI, "9:00-17:00"), "周一至周五 09:00-17:00"),
    "周1-5 9:00-17:00": (on(MON_FRI, "9:00-17:00"), "周一至周五 09:00-17:00"),
    "礼拜六 9:00-12:00": (on([5], "9:00-12:00"), "周六 09:00-12:00"),
    "周六日 10:00-16:00": (on([5, 6], "10:00-16:00"), "周六、周日 10:00-16:00"),
    "周末10:00-16:00": (on([5, 6], "10:00-16:00"), "周六、周日 10:00-16:00"),
    "周一、三、五 9:00-12:00": (on([0, 2, 4], "9:00-12:00"), "周一、周三、周五 09:00-12:00"),
    "周六至周一 9:00-12:00": (on([5, 6, 0], "9:00-12:00"), "周一、周六、周日 09:00-12:00"),
    "8:30-17:30（周一至周五）": (on(MON_FRI, "8:30-17:30"), "周一至周五 08:30-17:30"),
    "8:30-17:30 周一至周五": (on(MON_FRI, "8:30-17:30"), "周一至周五 08:30-17:30"),
    "8:30-17:30（周一至周五），9:00-12:00（周六）": (
        on(MON_FRI, "8:30-17:30") | on([5], "9:00-12:00"),
        "周一至周五 08:30-17:30；周六 09:00-12:00",
    ),
    "周一至周五 8:30-12:00、13:30-17:30；周六 9:00-12:00": (
        on(MON_FRI, "8:30-12:00", "13:30-17:30") | on([5], "9:00-12:00"),
        "周一至周五 08:30-12:00、13:30-17:30；周六 09:00-12:00",
    ),
    "周一 8:00-9:00；周一 10:00-11:00": (
        on([0], "8:00-9:00", "10:00-11:00"), "周一 08:00-09:00、10:00-11:00",
    ),
    "8:00-18:00 周日休息": (
        on(range(6), "8:00-18:00") | on([6]), "周一至周六 08:00-18:00；周日休息",
    ),
    "每天8:00-18:00，周六9:00-12:00": (
        on(WEEK, "8:00-18:00") | on([5], "9:00-12:00"),
        "周一至周五、周日 08:00-18:00；周六 09:00-12:00",
    ),
    "周日休息": (on([6]), "周日休息"),
    "周一闭馆": (on([0]), "周一休息"),
    "周一至周五 8:00-18:00 法定节假日休息": (
        on(MON_FRI, "8:00-18:00") | on([7]), "周一至周五 08:00-18:00；节假日休息",
    ),
    "8:00-18:00，节假日除外": (on(WEEK, "8:00-18:00") | on([7]), "每天 08:00-18:00；节假日休息"),
    "22:00-6:00": (on(WEEK, "22:00-30:00"), "22:00-次日06:00"),
    "18:00-次日2:00": (on(WEEK, "18:00-26:00"), "18:00-次日02:00"),
    "晚上8点-凌晨2点": (on(WEEK, "20:00-26:00"), "20:00-次日02:00"),
    "10:00-02:00": (on(WEEK, "10:00-26:00"), "10:00-次日02:00"),
    "周五20:00-次日8:00 周六 8:00-9:00": (
        on([4], "20:00-32:00") | on([5], "8:00-9:00"), "周五 20:00-次日08:00；周六 08:00-09:00",
    ),
    # OSM's own syntax
    "Mo-Fr 08:00-18:00; Sa 09:00-12:00": (
        on(MON_FRI, "8:00-18:00") | on([5], "9:00-12:00"),
        "周一至周五 08:00-18:00；周六 09:00-12:00",
    ),
    "Mo-Fr 08:00-12:00,13:00-17:00": (
        on(MON_FRI, "8:00-12:00", "13:00-17:00"), "周一至周五 08:00-12:00、13:00-17:00",
    ),
    "Mo-Su 08:00-20:00; Sa 09:00-12:00": (
        on(WEEK, "8:00-20:00") | on([5], "9:00-12:00"),
        "周一至周五、周日 08:00-20:00；周六 09:00-12:00",
    ),
    "Mo,We 09:00-10:00, Fr 09:00-11:00": (
        on([0, 2], "9:00-10:00") | on([4], "9:00-11:00"),
        "周一、周三 09:00-10:00；周五 09:00-11:00",
    ),
    "Mo-Sa 08:00-20:00; Su off; PH off": (
        on(range(6), "8:00-20:00") | on([6, 7]), "周一至周六 08:00-20:00；周日休息；节假日休息",
    ),
    "Mo-Su,PH 08:00-20:00": (on(range(8), "8:00-20:00"), "每天 08:00-20:00；节假日 08:00-20:00"),
    "Fr-Mo 08:00-09:00": (on([4, 5, 6, 0], "8:00-9:00"), "周一、周五至周日 08:00-09:00"),
    "Monday-Friday 09:00-17:00": (on(MON_FRI, "9:00-17:00"), "周一至周五 09:00-17:00"),
}  # fmt: skip

#: what nobody can be sure of → a word of the reason
UNCLEAR = {
    "夏季 8:00-19:00": "夏季",
    "5月至10月 8:00-19:00": "5月",
    "8:00-18:00（夏季8:00-19:00）": "夏季",
    "随时": "随时",
    "见门口": "见门口",
    "预约开放": "预约",
    "25:00-26:00": "没有这样的时刻",
    "8:60-9:00": "没有这样的时刻",
    "8:00-24:30": "没有这样的时刻",
    "8:00-12:00 11:00-14:00": "重叠",
    "周五18:00-次日8:00 周六 7:00-9:00": "重叠",
    "周日22:00-6:00；周一5:00-9:00": "重叠",
    "12:30-1:30": "不晚于开始",
    "17:00-13:30": "不晚于开始",
    "8:00-8:00": "不晚于开始",
    "24:00-8:00": "24:00 开始",
    "8:00-次日9:00": "超过 24 小时",
    "9-17": "没有写",
    "9:00-17": "不全",
    "9:00-17:00:00": "不认识",
    "8:00": "不认识",
    "周一至周五": "没有写时间",
    "周一至周五 8:00-9:00 周六": "没有写时间",
    "休息": "哪天",
    "off": "哪天",
    "周日休息 8:00-9:00": "又开放又休息",
    "周一至周五 8:00-9:00；周五至周日 10:00-11:00": "两次",
    "Mo-Fr 08:00-12:00; Mo-Fr 13:00-17:00": "两次",
    "不休息": "不休息",
    "一 8:00-9:00": "单独",
    "周一至 8:00-9:00": "多余",
    "每天至周五 8:00-9:00": "两边",
    "sunrise-sunset": "sunrise",
    "08:00+": "不认识",
    "Mo-Fr 08:00-18:00 open \"by appointment\"": "by",
    "Mo[1] 08:00-18:00": "不认识",
    "May-Oct 08:00-18:00": "May",
    "8:00-18:00" * 60: "太长",
}  # fmt: skip


@pytest.mark.parametrize("text", list(UNDERSTOOD))
def test_hours_are_read_as_a_person_would(text):
    week, normal = UNDERSTOOD[text]
    hours = parse_hours(text)
    assert hours.problems == () and hours.understood
    assert hours.week == week
    assert hours.text_zh() == normal


@pytest.mark.parametrize("text", list(UNCLEAR))
def test_what_is_unclear_stays_text_and_says_why(text):
    hours = parse_hours(text)
    assert hours.week == {} and not hours.understood
    assert hours.text_zh() == hours.text_en() == text
    ((zh, en),) = hours.problems
    assert UNCLEAR[text] in zh and "not understood" in en


def test_nothing_is_nothing():
    for text in ("", "  ", "\n", "\u3000"):
        assert parse_hours(text) == Hours("")
        assert parse_hours(text).text_zh() == ""


@pytest.mark.parametrize("text", list(UNDERSTOOD))
def test_the_normal_form_reads_back_the_same(text):
    hours = parse_hours(text)
    for normal in (hours.text_zh(),):
        again = parse_hours(normal)
        assert again.week == hours.week and again.text_zh() == normal


def test_the_english_form():
    assert parse_hours("24小时").text_en() == "24 hours"
    text = "周一至周五 8:30-12:00、13:30-17:30；周六 22:00-6:00；周日休息；节假日休息"
    assert parse_hours(text).text_en() == (
        "Mon-Fri 08:30-12:00, 13:30-17:30; Sat 22:00-next day 06:00; Sun closed; holidays closed"
    )
    assert parse_hours("每天 8:00-9:00").text_en() == "daily 08:00-09:00"


@pytest.mark.parametrize("key", list(hostile.TEXTS))
def test_attacks_are_never_an_exception(key):
    hours = parse_hours(hostile.TEXTS[key])
    assert hours.week == {} and len(hours.problems) == 1
    assert all(len(text) < 200 for text in hours.problems[0])


@given(st.text(max_size=60))
def test_any_text_is_read_or_said_not_to_be(text):
    hours = parse_hours(text)
    assert bool(hours.week) != bool(hours.problems) or not text.strip()


ALPHABET = st.sampled_from(
    ["周一", "周", "一", "六", "日", "至", "-", "8:00", "18:00", "8", "点", "半", "：", "；", "，",
     " ", "(", ")", "24小时", "休息", "Mo", "-Fr", "PH", "off", "次日", "下午", "25:61", "每天"]
)  # fmt: skip


@given(st.lists(ALPHABET, max_size=12).map("".join))
def test_any_mixture_of_its_words_is_sound(text):
    """Whatever is understood: minutes in range, sorted, apart; the normal form reads the same."""
    hours = parse_hours(text)
    assert not (hours.week and hours.problems)
    for day, intervals in hours.week.items():
        assert 0 <= day <= 7
        assert all(0 <= start < 1440 and start < end <= start + 1440 for start, end in intervals)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(intervals))
    if hours.week:
        again = parse_hours(hours.text_zh())
        assert again.week == hours.week and again.text_zh() == hours.text_zh()


DAYS = "一二三四五六日"


@given(
    st.dictionaries(
        st.integers(0, 6),
        st.lists(st.integers(0, 1440), min_size=2, max_size=6, unique=True).map(sorted),
        min_size=1,
    )
)
def test_written_week_by_week_it_comes_back(days):
    """A week written out plainly, a line a day, is read back to the minute."""
    week = {}
    for day, ticks in days.items():
        pairs = list(zip(ticks[::2], ticks[1::2], strict=False))
        week[day] = tuple(pairs)
    text = "；".join(
        f"周{DAYS[day]} "
        + "，".join(f"{a // 60}:{a % 60:02d}-{b // 60}:{b % 60:02d}" for a, b in pairs)
        for day, pairs in week.items()
    )
    assert parse_hours(text).week == week
