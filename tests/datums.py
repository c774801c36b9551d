"""GCJ-02 and BD-09 written out once more, and an inverse: none of it from the package."""

from __future__ import annotations

import math

import numpy as np


def gcj02(lng, lat):
    """WGS-84 → GCJ-02 written out once more."""
    a, ee, x, y = 6378245.0, 0.00669342162296594323, lng - 105, lat - 35
    s, pi = math.sin, math.pi
    waves = 2 / 3 * (20 * s(6 * x * pi) + 20 * s(2 * x * pi))
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * abs(x) ** 0.5 + waves
    north += 2 / 3 * (20 * s(y * pi) + 40 * s(y / 3 * pi))
    north += 2 / 3 * (160 * s(y / 12 * pi) + 320 * s(y * pi / 30))
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * abs(x) ** 0.5 + waves
    east += 2 / 3 * (20 * s(x * pi) + 40 * s(x / 3 * pi))
    east += 2 / 3 * (150 * s(x / 12 * pi) + 300 * s(x / 30 * pi))
    phi = math.radians(lat)
    magic = 1 - ee * s(phi) ** 2
    return (
        lng + math.degrees(east / (a / magic**0.5 * math.cos(phi))),
        lat + math.degrees(north / (a * (1 - ee) / magic**1.5)),
    )


def bd09(lng, lat):
    """WGS-84 → BD-09 likewise."""
    x, y = gcj02(lng, lat)
    k = math.pi * 3000 / 180
    z = math.hypot(x, y) + 0.00002 * math.sin(y * k)
    angle = math.atan2(y, x) + 0.000003 * math.cos(x * k)
    return z * math.cos(angle) + 0.0065, z * math.sin(angle) + 0.006


FORWARD = {"gcj02": gcj02, "bd09": bd09, "wgs84": lambda lng, lat: (lng, lat)}


def back_to_wgs84(forward, lng, lat):
    """The place whose image this is, by Newton's method with differences."""
    here = np.array([lng, lat])
    for _ in range(30):
        image = np.array(forward(*here))
        columns = [(np.array(forward(*(here + d))) - image) / 1e-6 for d in np.eye(2) * 1e-6]
        here = here - np.linalg.solve(np.column_stack(columns), image - [lng, lat])
    return here
