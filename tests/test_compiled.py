"""Compiled rooms: random numbers as numpy draws them, and arrays that are too short at first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicecircle import reach_search
from servicecircle.circles import raster_cells
from servicecircle.circles.isochrones import service_circles
from servicecircle.locate.draws import below, draws_of
from servicecircle.reach import travel_times
from servicecircle.snapping import Snapped, Streets, snap
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import read_osm

City = tuple[WalkNetwork, Streets, Snapped, Snapped]


@given(
    seed=st.integers(0, 2**70),
    # just above half of all numbers, every second draw is thrown away and drawn again
    bounds=st.lists(
        st.one_of(st.integers(1, 40), st.integers(2**31 - 2, 2**32 - 1)), min_size=1, max_size=60
    ),
)
def test_numbers_are_those_of_numpy(seed: int, bounds: list[int]) -> None:
    judge, draws = np.random.default_rng(seed), draws_of(seed)
    assert [below(draws, n) for n in bounds] == [judge.integers(0, n) for n in bounds]


def test_a_long_run_of_numbers_is_that_of_numpy() -> None:
    judge, draws = np.random.default_rng(5), draws_of(5)
    bounds = np.random.default_rng(6).integers(1, 2**32 - 1, 20_000).tolist()
    assert [below(draws, n) for n in bounds] == [judge.integers(0, n) for n in bounds]


@pytest.fixture(scope="module")
def city(helsinki: Path) -> City:
    network = read_osm(helsinki)
    streets = Streets(network)
    west, south, east, north = network.bounds
    rng = np.random.default_rng(4)
    demand, sites = (
        snap(streets, rng.uniform(west, east, n), rng.uniform(south, north, n)) for n in (400, 90)
    )
    return network, streets, demand, sites


def test_a_search_grows_its_arrays(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    network, _, demand, sites = city
    whole = travel_times(network, demand, sites)
    monkeypatch.setattr(reach_search, "_ENTRIES", 2)
    monkeypatch.setattr(reach_search, "_WALKS", 1)
    grown = travel_times(network, demand, sites)
    assert len(whole.minutes) > 1000
    for name in ("indptr", "indices", "minutes"):
        assert np.array_equal(getattr(whole, name), getattr(grown, name))


def test_cells_grow_their_arrays(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    network, streets, _, sites = city
    some = sites.take(np.flatnonzero(sites.found)[:3])
    whole = service_circles(network, streets, some, [5, 8])
    for name in ("_NEAR", "_SEGMENTS", "_LOCAL"):
        monkeypatch.setattr(raster_cells, name, 1)
    grown = service_circles(network, streets, some, [5, 8])
    assert not whole.geometry.is_empty.any()
    assert all(a.equals(b) for a, b in zip(whole.geometry, grown.geometry, strict=True))
