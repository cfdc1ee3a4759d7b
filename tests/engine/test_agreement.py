import numpy as np
import numpy.typing as npt
import pytest

from aimi.engine.agreement import count_near_ties, fold_disagreement, vote
from tests.engine.test_export import make_plans


def labels(*values: int) -> npt.NDArray[np.uint8]:
    return np.array([[values]], np.uint8)


def test_folds_that_agree_have_no_disagreement() -> None:
    assert fold_disagreement([labels(0, 1, 2)] * 5, 2) == {1: 0.0, 2: 0.0}


def test_disagreement_is_the_share_of_voxels_of_any_fold() -> None:
    folds = [labels(1, 1, 1, 0, 2), labels(1, 1, 0, 0, 2), labels(1, 0, 0, 1, 2)]
    assert fold_disagreement(folds, 3) == {1: pytest.approx(3 / 4), 2: 0.0}


def test_voxel_that_changes_its_label_counts_for_both() -> None:
    assert fold_disagreement([labels(1, 1), labels(1, 2)], 2) == {1: pytest.approx(1 / 2), 2: 1.0}


def test_disagreement_is_of_all_planes_together() -> None:
    folds = [np.concatenate([labels(1, 1), labels(0, 1)]), np.concatenate([labels(1, 1), labels(1, 0)])]
    assert fold_disagreement(folds, 1) == {1: pytest.approx(2 / 4)}


@pytest.mark.parametrize(("folds", "needed"), [(5, 3), (3, 2), (4, 3), (2, 2), (1, 1)])
def test_vote_needs_sixty_percent(folds: int, needed: int) -> None:
    for votes in range(folds + 1):
        given = [labels(7)] * votes + [labels(0)] * (folds - votes)
        assert vote(given, 7)[0, 0, 0] == (7 if votes >= needed else 0)


def test_vote_is_per_label() -> None:
    assert vote([labels(1), labels(1), labels(2), labels(2), labels(2)], 2)[0, 0, 0] == 2
    assert vote([labels(1), labels(1), labels(2), labels(2), labels(3)], 3)[0, 0, 0] == 0


def test_near_ties_are_of_the_two_best_classes() -> None:
    outputs = np.array([[5.0, 1.0, 1.0, 1.0], [5.0005, 1.01, 3.0, 0.9995], [0.0, 0.0, 3.0, 2.0]], np.float32)
    assert count_near_ties(outputs[:, None, None], make_plans()) == 2


def test_near_ties_of_regions_are_near_their_limit() -> None:
    outputs = np.array([[0.0005, 1.0, -2.0], [3.0, -0.0001, 2.0], [1.0, 1.0, 1.0]], np.float32)
    assert count_near_ties(outputs[:, None, None], make_plans(regions=(1, 2, 3))) == 2
