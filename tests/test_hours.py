"""Opening hours: every cell is read as a person would, or said not to be understood."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
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
    "周五20:00-次日8:00 周六 8:00-9:00": (
        on([4], "20:00-32:00") | on([5], "8:00-9:00"), "周五 20:00-次日08:00；周六 08:00-09:00",
    ),
    # the end is the next day's: it takes no part of the day over
    "夜间22:00-次日6:00": (on(WEEK, "22:00-30:00"), "22:00-次日06:00"),
    "夜间22:00-6:00": (on(WEEK, "22:00-30:00"), "22:00-次日06:00"),
    "晚8点-次日2点": (on(WEEK, "20:00-26:00"), "20:00-次日02:00"),
    "下午2点-次日2点": (on(WEEK, "14:00-26:00"), "14:00-次日02:00"),
    "晚8点-第二天8点": (on(WEEK, "20:00-32:00"), "20:00-次日08:00"),
    "晚8点-次日晚8点": (on(WEEK, "20:00-44:00"), "20:00-次日20:00"),
    "晚八点半-次日凌晨两点一刻": (on(WEEK, "20:30-26:15"), "20:30-次日02:15"),
    "晚上8点-早上8点": (on(WEEK, "20:00-32:00"), "20:00-次日08:00"),
    "晚上11:00-1:00": (on(WEEK, "23:00-25:00"), "23:00-次日01:00"),
    "22:00-10:00": (on(WEEK, "22:00-34:00"), "22:00-次日10:00"),
    "17:00-09:00": (on(WEEK, "17:00-33:00"), "17:00-次日09:00"),
    "15:00-03:00": (on(WEEK, "15:00-27:00"), "15:00-次日03:00"),
    # twelve at night
    "早8点-晚12点": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "早上8:00-晚上12:00": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "早8点-夜里12点": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "早8点-午夜12点": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "早8点-晚0点": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "晚上8点-12点": (on(WEEK, "20:00-24:00"), "20:00-24:00"),
    "8:00-零点": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "8:00-0:00": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "8点-24点": (on(WEEK, "8:00-24:00"), "08:00-24:00"),
    "0:00-24:00": (ALWAYS, "24小时"),
    # parts of the day
    "下午1点到5点半": (on(WEEK, "13:00-17:30"), "13:00-17:30"),
    "下午14:00-5:30": (on(WEEK, "14:00-17:30"), "14:00-17:30"),
    "下午12:30-5:30": (on(WEEK, "12:30-17:30"), "12:30-17:30"),
    "中午11:30-1:30": (on(WEEK, "11:30-13:30"), "11:30-13:30"),
    "晚6点-9点": (on(WEEK, "18:00-21:00"), "18:00-21:00"),
    "上午9-11点半下午2-5点": (on(WEEK, "9:00-11:30", "14:00-17:00"), "09:00-11:30、14:00-17:00"),
    "凌晨2:00-6:00": (on(WEEK, "2:00-6:00"), "02:00-06:00"),
    "02:00-06:00": (on(WEEK, "2:00-6:00"), "02:00-06:00"),
    "8:30-12:00，凌晨1:30-5:30": (on(WEEK, "1:30-5:30", "8:30-12:00"), "01:30-05:30、08:30-12:00"),
    "5:00-9:00，16:00-20:00": (on(WEEK, "5:00-9:00", "16:00-20:00"), "05:00-09:00、16:00-20:00"),
    "4:00-22:00": (on(WEEK, "4:00-22:00"), "04:00-22:00"),
    # signs and numbers
    "6时至22时": (on(WEEK, "6:00-22:00"), "06:00-22:00"),
    "8:00——18:00": (on(WEEK, "8:00-18:00"), "08:00-18:00"),
    "8：30～11：30/14：00～17：00": (
        on(WEEK, "8:30-11:30", "14:00-17:00"), "08:30-11:30、14:00-17:00",
    ),
    "8.30-11.30，14.00-17.30": (on(WEEK, "8:30-11:30", "14:00-17:30"), "08:30-11:30、14:00-17:30"),
    "十八点三十分-二十二点": (on(WEEK, "18:30-22:00"), "18:30-22:00"),
    "八点零五-十点二十五": (on(WEEK, "8:05-10:25"), "08:05-10:25"),
    # days
    "逢周三闭馆": (on([2]), "周三休息"),
    "每周一至周五 8:00-9:00": (on(MON_FRI, "8:00-9:00"), "周一至周五 08:00-09:00"),
    "全年周一至周五 8:00-9:00": (on(MON_FRI, "8:00-9:00"), "周一至周五 08:00-09:00"),
    "工作日（周一至周五）8:00-9:00": (on(MON_FRI, "8:00-9:00"), "周一至周五 08:00-09:00"),
    "周末（周六、周日）8:00-9:00": (on([5, 6], "8:00-9:00"), "周六、周日 08:00-09:00"),
    "8:00-18:00 周六、周日休息": (
        on(MON_FRI, "8:00-18:00") | on([5, 6]), "周一至周五 08:00-18:00；周六、周日休息",
    ),
    "8:00-18:00，周一休息，周二休息": (
        on(range(2, 7), "8:00-18:00") | on([0, 1]), "周一、周二休息；周三至周日 08:00-18:00",
    ),
    "周末不开": (on([5, 6]), "周六、周日休息"),
    "8:00-18:00 双休": (
        on(MON_FRI, "8:00-18:00") | on([5, 6]), "周一至周五 08:00-18:00；周六、周日休息",
    ),
    "8:00-18:00，法定节假日除外": (
        on(WEEK, "8:00-18:00") | on([7]), "每天 08:00-18:00；节假日休息",
    ),
    "周一至周日8:00-18:00（周三除外）": (
        on([0, 1, 3, 4, 5, 6], "8:00-18:00") | on([2]),
        "周一、周二、周四至周日 08:00-18:00；周三休息",
    ),
    "8:30-12:00、14:00-17:30（周一至周五）": (
        on(MON_FRI, "8:30-12:00", "14:00-17:30"), "周一至周五 08:30-12:00、14:00-17:30",
    ),
    "周一至周五 8:30-12:00；13:30-17:30": (
        on(MON_FRI, "8:30-12:00", "13:30-17:30"), "周一至周五 08:30-12:00、13:30-17:30",
    ),
    # a narrower clause that cannot be an addition
    "周一至周五 8:00-18:00；周三 9:00-12:00": (
        on([0, 1, 3, 4], "8:00-18:00") | on([2], "9:00-12:00"),
        "周一、周二、周四、周五 08:00-18:00；周三 09:00-12:00",
    ),
    "每天 8:00-18:00，周末及节假日 9:00-12:00": (
        on(MON_FRI, "8:00-18:00") | on([5, 6, 7], "9:00-12:00"),
        "周一至周五 08:00-18:00；周六、周日 09:00-12:00；节假日 09:00-12:00",
    ),
    # OSM's own syntax: ";" replaces, "," adds, the clock has 24 hours
    "Mo-Fr 08:00-12:00; Mo 14:00-18:00": (
        on([0], "14:00-18:00") | on([1, 2, 3, 4], "8:00-12:00"),
        "周一 14:00-18:00；周二至周五 08:00-12:00",
    ),
    "Mo-Fr 08:00-12:00, Mo 14:00-18:00": (
        on([0], "8:00-12:00", "14:00-18:00") | on([1, 2, 3, 4], "8:00-12:00"),
        "周一 08:00-12:00、14:00-18:00；周二至周五 08:00-12:00",
    ),
    "Mo-Sa 10:00-02:00; Su closed": (
        on(range(6), "10:00-26:00") | on([6]), "周一至周六 10:00-次日02:00；周日休息",
    ),
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
    "周日22:00-6:00；周一05:00-9:00": "重叠",
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
    # the morning's or the afternoon's
    "8:30-12:00，1:30-5:30": "上午还是下午",
    "上午8:00-12:00，2:00-6:00": "上午还是下午",
    "08:30-12:00，01:30-05:30": "上午还是下午",
    "8:30-12:00；1:30-5:30": "上午还是下午",
    "周一 8:00-12:00；周一 2:00-6:00": "上午还是下午",
    "下午2:00-5:00，6:00-9:00": "上午还是下午",
    "下午2:00-5:00，7:00-9:00": "上午还是下午",
    "9:00-11:00，7:00-8:30": "上午还是下午",
    "2:00-6:00": "上午还是下午",
    "周日一点-五点": "上午还是下午",
    "2:00-下午5:00": "上午还是下午",
    "2点-次日2点": "上午还是下午",
    "晚1点-5点": "钟点不合",
    "晚8点-晚2点": "钟点不合",
    "夜间0:00-6:00": "钟点不合",
    "夜间6:00-22:00": "钟点不合",
    "下午0:30-5:00": "钟点不合",
    "凌晨12:00-6:00": "钟点不合",
    "上午12:00-18:00": "钟点不合",
    "早上18:00-20:00": "钟点不合",
    "晚12点-早6点": "24:00 开始",
    "晚19:00-9:00": "不晚于开始",
    "9:00-05:00": "不晚于开始",
    "8:30-05:30": "不晚于开始",
    "10:00-02:00": "不晚于开始",
    "20:00-10:00": "不晚于开始",
    "下午2:00-12:00": "不晚于开始",
    "00:00-00:00": "不晚于开始",
    # added or instead, before or behind
    "周一至周五 8:00-12:00 周一 14:00-18:00": "另加还是改成",
    "每天 8:00-18:00；周六日 18:00-20:00": "另加还是改成",
    "8:00-12:00，周六日 14:00-17:00": "另加还是改成",
    "周末休息，周六 9:00-12:00": "另加还是改成",
    "周一休息；周一8:00-9:00": "两次",
    "周一、周一 8:00-9:00": "两次",
    "周一至周五无休 8:00-9:00": "两次",
    "每天 8:00-18:00；周一、周二 9:00-12:00；周二、周三 10:00-11:00": "两次",
    "8:00-18:00（周一至周五、周六日休息）": "两次",
    "8:00-18:00 周一至周五、节假日休息": "两次",
    "8:00-18:00（周一至周五，周六日休息）": "前面还是后面",
    "8:00-18:00 周一至周五，节假日休息": "前面还是后面",
    "8:00-18:00 周一至周五 周六 9:00-12:00": "前面还是后面",
    "8:00-18:00 周六，周日休息": "前面还是后面",
    "8:00-18:00，周一至周五，周六 9:00-12:00": "前面还是后面",
    "8:00-18:00、19:00-21:00（周五）": "哪个时段",
    "周一；周二 8:00-9:00": "没有写时间",
    "Mo-Fr 08:00-12:00; 13:00-17:00": "没有写时间",
    "PH Mo-Fr 10:00-12:00": "没有写时间",
    "Mo-Fr 08:00-18:00, We 12:00-14:00": "重叠",
    "周一至周五/周六日 8:00-12:00/14:00-17:00": "对应",
    "开放时间8:00-12:00 办公时间13:00-17:00": "又是",
    # exceptions, brackets, breaks, seasons
    "周一闭馆，节假日除外": "除外",
    "周二至周日 9:00-17:00，周一闭馆（法定节假日除外）": "除外",
    "法定节假日除外": "除外",
    "双休 8:00-18:00": "又开放又休息",
    "9:00-17:00（午休12:00-14:00）": "午休",
    "9:00-17:00（12:00-14:00休息）": "括号",
    "8:30-12:00（14:00-17:00）": "括号",
    "8:00-18:00(周一-周五": "括号",
    "周一8:00-9:00)周二(8:00-9:00": "括号",
    "24小时（冬季8-20点）": "冬季",
    "8:00-18:00(冬)9:00-17:00(夏)": "冬",
    "1.01-2.28 8:00-18:00": "日期",
    "10.01-10.07 12:00-14:00": "日期",
    "5.10-9.30": "日期",
    "每月第一个周一休息": "每月",
    "单双日": "单双",
    "早9晚5": "早9晚5",
    "「8.30-17.30」": "「",
    "周五天 8:00-9:00": "天",
    "周一至周一 8:00-9:00": "两边",
    "周一二十点-二十二点": "周一二十",
    "8点5-9点": "8点5",
    "不定时": "不定时",
    "国庆休息": "国庆",
    "8:00-18:00+": "+",
    "Mo-Fr 08:00-17:00 || Sa 09:00-10:00": "||",
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


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_said_not_to_be(text):
    hours = parse_hours(text)
    assert bool(hours.week) != bool(hours.problems) or not text.strip()


ALPHABET = st.sampled_from(
    ["周一", "周", "一", "六", "日", "至", "-", "8:00", "18:00", "8", "点", "半", "：", "；", "，",
     " ", "(", ")", "24小时", "休息", "Mo", "-Fr", "PH", "off", "次日", "下午", "25:61", "每天"]
)  # fmt: skip


@settings(deadline=None)
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
SMALL_HOURS, LAST_MINUTE = 6 * 60, 24 * 60


@st.composite
def weeks(draw, earliest: int):
    """Day → intervals as hours are: apart, in order, some over midnight, some days closed."""
    week = {}
    for day in draw(st.sets(st.integers(0, 6), min_size=1)):
        ticks = sorted(draw(st.lists(st.integers(earliest, LAST_MINUTE), max_size=6, unique=True)))
        week[day] = tuple(zip(ticks[::2], ticks[1::2], strict=False))
        if week[day] and draw(st.booleans()):  # the last one lasts until the small hours
            end = LAST_MINUTE + draw(st.integers(1, SMALL_HOURS))
            week[day] = (*week[day][:-1], (week[day][-1][0], end))
    return week


def digits(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def hanzi(minute: int) -> str:
    def number(n: int) -> str:
        tens, ones = divmod(n, 10)
        low = "零一二三四五六七八九"[ones] if ones or not tens else ""
        return ("" if tens < 2 else "一二三四五"[tens - 1]) + ("十" if tens else "") + low

    hour, rest = divmod(minute, 60)
    return f"{number(hour)}点" + (f"{number(rest)}分" if rest else "")


def by_the_part(minute: int) -> str:
    """On a 12-hour clock, with the part of the day."""
    hour, rest = divmod(minute, 60)
    part, hour = next(
        (part, hour - less)
        for last, part, less in (
            (5, "凌晨", 0), (11, "上午", 0), (12, "中午", 0), (17, "下午", 12), (24, "晚上", 12),
        )
        if hour <= last
    )  # fmt: skip
    return f"{part}{hour}:{rest:02d}"


def spans_in(clock, pairs, dash: str, comma: str, tomorrow: str) -> str:
    return comma.join(
        clock(a) + dash + (clock(b) if b <= LAST_MINUTE else tomorrow + clock(b - LAST_MINUTE))
        for a, b in pairs
    )


def a_line_a_day(week, clock, day_word: str, dash: str, comma: str, stop: str) -> str:
    return stop.join(
        f"{day_word}{DAYS[day]} " + (spans_in(clock, pairs, dash, comma, "次日") or "休息")
        for day, pairs in week.items()
    )


def days_together(week, clock, dash: str) -> str:
    """Days with the same hours on one line, the hours before the days in brackets."""
    lines = {}
    for day, pairs in week.items():
        lines.setdefault(pairs, []).append(f"星期{DAYS[day]}")
    return "；".join(
        "、".join(days) + "：" + (spans_in(clock, pairs, dash, "，", "次日") or "闭馆")
        for pairs, days in lines.items()
    )


def in_osm(week) -> str:
    return "; ".join(
        ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")[day]
        + " "
        + (spans_in(digits, pairs, "-", ",", "") or "off")
        for day, pairs in week.items()
    )


NOTATIONS = {
    "plain": lambda week: a_line_a_day(week, digits, "周", "-", "，", "；"),
    "spaces": lambda week: a_line_a_day(week, digits, "礼拜", " ～ ", " ", " "),
    "hanzi": lambda week: a_line_a_day(week, hanzi, "星期", "至", "、", "。"),
    "parts": lambda week: a_line_a_day(week, by_the_part, "每周", "到", "，", "；"),
    "together": lambda week: days_together(week, digits, "—"),
    "together, by parts": lambda week: days_together(week, by_the_part, "至"),
    "osm": in_osm,
}


def sound(week) -> bool:
    """Whether no night runs into the next day's first hours, and no day of OSM's turns round."""
    return all(
        pairs[-1][1] - LAST_MINUTE <= (week.get((day + 1) % 7) or ((LAST_MINUTE, 0),))[0][0]
        and pairs[-1][1] - pairs[-1][0] < LAST_MINUTE
        for day, pairs in week.items()
        if pairs
    )


@pytest.mark.parametrize("notation", list(NOTATIONS))
@settings(deadline=None)
@given(data=st.data())
def test_a_week_comes_back_from_every_way_of_writing_it(notation, data):
    earliest = SMALL_HOURS if notation == "hanzi" else 0  # 两点 alone may be the afternoon's
    week = data.draw(weeks(earliest).filter(sound))
    text = NOTATIONS[notation](week)
    hours = parse_hours(text)
    if len(text) <= 300:
        assert hours.problems == () and hours.week == week
    else:
        assert "太长" in hours.problems[0][0]


@settings(deadline=None)
@given(st.integers(7 * 60, 11 * 60), st.integers(1, 4), st.integers(1, 4), st.integers(0, 59))
def test_an_afternoon_on_a_clock_of_twelve_is_never_read_as_the_morning(first, hour, more, minute):
    """8:30-12:00，1:30-5:30, where nothing says that the clock begins again."""
    morning = f"{first // 60}:{first % 60:02d}-12:00"
    afternoon = f"{hour}:{minute:02d}-{hour + more}:{minute:02d}"
    for text in (f"{morning}，{afternoon}", f"上午{morning} {afternoon}", afternoon):
        assert "上午还是下午" in parse_hours(text).problems[0][0]
    start = (12 + hour) * 60 + minute
    week = dict.fromkeys(WEEK, ((first, 720), (start, start + more * 60)))
    assert parse_hours(f"上午{morning}，下午{afternoon}").week == week
