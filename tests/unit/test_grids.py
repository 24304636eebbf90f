"""One place on maps of different sizes."""

from __future__ import annotations

import numpy as np
import pytest

from pca_core.grids import move_map, move_pixel

GRIDS = [(4, 6), (6, 9), (12, 18), (5, 7), (2, 3), (1, 1)]


@pytest.mark.parametrize("old", GRIDS)
@pytest.mark.parametrize("new", GRIDS)
def test_the_pixel_holds_the_centre_of_the_other(old, new):
    for index in range(old[0] * old[1]):
        moved = move_pixel(index, old, new)
        for place, other, size, new_size in zip(divmod(index, old[1]), divmod(moved, new[1]), old, new, strict=True):
            assert other / new_size <= (place + 0.5) / size < (other + 1) / new_size
        if new == old:
            assert moved == index


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_what_moved_to_a_finer_map_comes_back(factor):
    fine = (4 * factor, 6 * factor)
    assert [move_pixel(move_pixel(index, (4, 6), fine), fine, (4, 6)) for index in range(24)] == list(range(24))


def test_values_by_hand():
    values = np.array([[1, 2, 3, 4], [5, 6, 7, 8]]).ravel()
    # Centres of a 2 × 2 map lie at 1.0 and 3.0 of four columns: on an edge the later pixel has them.
    assert move_map(values, (2, 2), (2, 4)).tolist() == [2, 4, 6, 8]
    assert move_map(values, (1, 4), (2, 4)).tolist() == [5, 6, 7, 8]
    assert move_map(values, (2, 8), (2, 4)).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]


@pytest.mark.parametrize(("old", "new"), [((4, 6), (6, 9)), ((6, 9), (4, 6))])
def test_a_map_has_the_value_of_the_pixel_that_each_moves_to(old, new):
    values = np.random.default_rng(0).random(new[0] * new[1])
    assert move_map(values, old, new).tolist() == [values[move_pixel(index, old, new)] for index in range(old[0] * old[1])]


@pytest.mark.parametrize("index", [-1, 24])
def test_a_pixel_outside_is_refused(index):
    with pytest.raises(ValueError, match=f"index must lie on a map of 4 × 6 feature pixels, got {index}"):
        move_pixel(index, (4, 6), (6, 9))
