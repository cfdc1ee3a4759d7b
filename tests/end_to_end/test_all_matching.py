"""Every series that suits, one result each: together or not at all, by both roads."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aimi.dicom import ct_criteria
from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.threshold_task import PROOF, make_models
from tests.made import Made, make_slices, write_made, write_series

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

SPACING = (2.5, 0.9, 0.7)
ALL = RunOptions(all_matching=True)
NAMES = {f"proof-{number}.{last}" for number in (1, 2, 3) for last in ("seg.dcm", "report.json", "preview.png")}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return make_models(tmp_path / "models", SPACING, 500.0)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three series; the one with more slices goes first."""
    chance = np.random.default_rng(5)
    for series, slices in ((2, 9), (3, 12), (4, 9)):
        array = chance.integers(0, 1000, (slices, 12, 10), dtype=np.int16)
        write_made(tmp_path / "study" / str(series), Made(array, spacing=SPACING, series=series))
    return tmp_path / "study"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("road", roads.ROADS)
def test_each_series_has_its_files_and_one_report_tells_of_all(
    road: str, study: Path, models: Path, tmp_path: Path
) -> None:
    end = roads.run(road, PROOF, study, tmp_path / "out", models, ALL)
    assert (end.status, end.message) == (0, "")
    assert set(contents(end.folder)) == NAMES | {"proof.report.json"}
    summary = json.loads((end.folder / "proof.report.json").read_bytes())
    own = [json.loads((end.folder / f"proof-{number}.report.json").read_bytes()) for number in (1, 2, 3)]
    assert [one["fingerprint"] for one in summary["results"]] == [one["fingerprint"] for one in own]
    chosen = [one["selection"]["chosen"]["image"]["series_number"] for one in own]
    assert sorted(chosen) == [2, 3, 4]


def test_the_first_result_is_the_one_that_a_single_run_gives(study: Path, models: Path, tmp_path: Path) -> None:
    import pydicom

    single = roads.run("command", PROOF, study, tmp_path / "one", models)
    every = roads.run("command", PROOF, study, tmp_path / "all", models, ALL)
    objects = [pydicom.dcmread(single.folder / "proof.seg.dcm"), pydicom.dcmread(every.folder / "proof-1.seg.dcm")]
    assert objects[0].PixelData == objects[1].PixelData


def test_both_roads_give_the_same_objects(study: Path, models: Path, tmp_path: Path) -> None:
    ends = [roads.run(road, PROOF, study, tmp_path / road, models, ALL) for road in roads.ROADS]
    found = [{name: data for name, data in contents(end.folder).items() if "report" not in name} for end in ends]
    assert found[0] == found[1]


def write_described(study: Path, descriptions: dict[int, str]) -> None:
    for series, description in descriptions.items():
        made = Made(np.full((9, 12, 10), 600, np.int16), spacing=SPACING, series=series)
        slices = make_slices(made)
        for one in slices:
            one.SeriesDescription = description
        write_series(study / str(series), slices)


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        ({2: "CTAC 3.75", 3: "CHEST", 4: "CHEST LUNG"}, [3, 4]),
        ({2: "CTAC 3.75", 3: "CT WB 5.0"}, [2, 3]),
        ({2: "CHEST", 3: "CTAC 3.75"}, [2]),
    ],
)
def test_the_attenuation_ct_is_annotated_only_where_it_is_all_there_is(
    descriptions: dict[int, str], expected: list[int], models: Path, tmp_path: Path
) -> None:
    write_described(tmp_path / "study", descriptions)
    task = replace(PROOF, rules=(replace(PROOF.rules[0], leading=(ct_criteria.diagnostic_first(),)),))
    end = roads.run("command", task, tmp_path / "study", tmp_path / "out", models, ALL)
    assert end.status == 0
    summary = json.loads((end.folder / "proof.report.json").read_bytes())
    assert sorted(one["chosen"]["image"]["series_number"] for one in summary["results"]) == expected
    left = [note["sentence"] for note in summary["notes"] if note["code"] == "left-out"]
    assert bool(left) == (len(expected) < len(descriptions))


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_repeated_run_is_already_done(road: str, study: Path, models: Path, tmp_path: Path) -> None:
    first = contents(roads.run("command", PROOF, study, tmp_path / "out", models, ALL).folder)
    again = roads.run(road, PROOF, study, tmp_path / "out", models, ALL)
    assert (again.status, "Already done" in again.message) == (0, True)
    assert contents(again.folder) == first


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_series_with_a_gap_refuses_all_of_them(road: str, study: Path, models: Path, tmp_path: Path) -> None:
    (study / "4" / "0004.dcm").unlink()
    end = roads.run(road, PROOF, study, tmp_path / "out", models, ALL)
    assert end.status == 4
    assert set(contents(end.folder)) == {"proof.report.json"}


def test_results_of_another_model_are_not_touched(study: Path, models: Path, tmp_path: Path) -> None:
    first = contents(roads.run("command", PROOF, study, tmp_path / "out", models, ALL).folder)
    other = make_models(tmp_path / "other", SPACING, 400.0)
    again = roads.run("command", PROOF, study, tmp_path / "out", other, ALL)
    assert again.status == 7
    assert contents(again.folder) == first


def test_a_single_run_does_not_replace_several_results(study: Path, models: Path, tmp_path: Path) -> None:
    first = contents(roads.run("command", PROOF, study, tmp_path / "out", models, ALL).folder)
    assert roads.run("command", PROOF, study, tmp_path / "out", models).status == 7
    assert contents(tmp_path / "out") == first


def test_one_more_series_is_another_result(study: Path, models: Path, tmp_path: Path) -> None:
    roads.run("command", PROOF, study, tmp_path / "out", models, ALL)
    write_series(study / "5", make_slices(Made(np.zeros((9, 12, 10), np.int16), spacing=SPACING, series=5)))
    assert roads.run("command", PROOF, study, tmp_path / "out", models, ALL).status == 7


def test_overwrite_leaves_nothing_of_the_old_results(study: Path, models: Path, tmp_path: Path) -> None:
    roads.run("command", PROOF, study, tmp_path / "out", models, ALL)
    for path in (study / "4").iterdir():
        path.unlink()
    end = roads.run("command", PROOF, study, tmp_path / "out", models, RunOptions(all_matching=True, overwrite=True))
    assert end.status == 0
    assert set(contents(end.folder)) == {name for name in NAMES if "-3." not in name} | {"proof.report.json"}


def test_an_empty_study_has_no_series_to_annotate(models: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    assert roads.run("command", PROOF, tmp_path / "study", tmp_path / "out", models, ALL).status == 3
