"""PET/CT on made studies: what is kept, sources of the region, uptake, and every refusal, by both roads."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydicom
import pytest

from aimi import model_runs, pipeline
from aimi.errors import UsageError
from aimi.options import RunOptions
from tests.end_to_end import roads
from tests.end_to_end.pet_ct import BREAST_PROOF, LUNG_PROOF, TUMOR_MODEL, make_pet_ct_models, region_of_masks
from tests.end_to_end.threshold_task import MODEL, PROOF, make_models
from tests.engine.threshold_model import make_threshold_model
from tests.made import Made, write_made
from tests.made_pet_ct import CT_SPACING, HOT, PET_SPACING, SUV_FACTOR, WARM, MadePetCt, tracer, write_pet_ct

pytestmark = [pytest.mark.torch, pytest.mark.holoscan]

ROOT = Path(__file__).resolve().parents[2]
MADE = MadePetCt()
KEPT = 27 + 18
"""Voxels of the tumor inside a lung and of the one that touches it; the third lies elsewhere."""
ELSEWHERE = MadePetCt(lung_bqml=200, ct_attributes={"FrameOfReferenceUID": "2.25.9"})
"""A pair whose CT has a frame of reference of its own; both show the lungs."""
Models = Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return make_pet_ct_models(folder, ct=CT_SPACING, pet=PET_SPACING, hu=300.0, activity=9000.0)


def run(
    tmp_path: Path, models: Path, made: MadePetCt = MADE, road: str = "command", task: Any = LUNG_PROOF, **options: Any
) -> roads.End:
    source = write_pet_ct(tmp_path / "study", made)
    return roads.run(road, task, source, tmp_path / "out", models, RunOptions(**options), demo=True)


def voxels(end: roads.End, segment: int) -> int:
    assert (end.status, end.message) == (0, "")
    assert end.report is not None
    return int(next(one["voxels"] for one in end.report["segments"] if one["number"] == segment))


def labels_on(end: roads.End, name: str) -> int:
    return int(pydicom.dcmread(end.folder / name).pixel_array.sum())


@pytest.mark.parametrize("road", roads.ROADS)
def test_tumors_in_and_at_the_lungs_stay_and_others_go(road: str, tmp_path: Path, models: Models) -> None:
    end = run(tmp_path, models, road=road)
    assert voxels(end, 2) == KEPT
    assert voxels(end, 1) == MADE.lung_mask.sum() - (MADE.lung_mask & MADE.tumor_mask).sum()


def test_on_the_grid_of_the_ct_a_voxel_of_the_pet_is_eight(tmp_path: Path, models: Models) -> None:
    end = run(tmp_path, models, grid="ct")
    assert voxels(end, 2) == 8 * KEPT
    ds = pydicom.dcmread(end.folder / "lung_pet_ct.seg.dcm")
    source = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


def centroid_as_written(path: Path, number: int) -> np.ndarray:
    """Give the mean position of a segment's voxels, as the frames of the object state it."""
    ds = pydicom.dcmread(path)
    dy, dx = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    places = []
    for frame, groups in zip(ds.pixel_array, ds.PerFrameFunctionalGroupsSequence, strict=True):
        if groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            x, y, z = groups.PlanePositionSequence[0].ImagePositionPatient
            places += [(x + i * dx, y + j * dy, z) for j, i in np.argwhere(frame)]
    centroid: np.ndarray = np.mean(places, axis=0)
    return centroid


def test_positions_of_segments_are_those_of_the_segmentation_on_a_registered_ct_too(
    tmp_path: Path, models: Models
) -> None:
    made = replace(ELSEWHERE, ct_moved_by=(9.0, -6.0, 7.0))
    end = run(tmp_path, models, made, register=True, grid="ct")
    report: Any = end.report
    place = np.array(report["segments"][1]["centroid_lps_mm"])
    assert place == pytest.approx(centroid_as_written(end.folder / "lung_pet_ct.seg.dcm", 2), abs=0.01)
    lesions = report["uptake"]["lesions"]
    on_pet = np.average([one["centroid_lps_mm"] for one in lesions], axis=0, weights=[one["voxels"] for one in lesions])
    assert place + report["registration"]["translation_lps_mm"] == pytest.approx(on_pet, abs=CT_SPACING[2] / 2)
    assert {part: one["image"] for part, one in report["positions"].items()} == {
        "segments": "ct",
        "removed": "pet",
        "uptake": "pet",
    }
    assert report["positions"]["segments"]["frame_of_reference_uid"] == "2.25.9"


def test_the_uptake_of_each_lesion_and_of_the_patient_is_reported(tmp_path: Path, models: Models) -> None:
    report: Any = run(tmp_path, models).report
    jsonschema.validate(report, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    suv = HOT * SUV_FACTOR
    assert [one["suv_max"] for one in report["uptake"]["lesions"]] == pytest.approx([suv, suv], rel=1e-4)
    assert report["uptake"]["patient"]["mtv_ml"] == pytest.approx(KEPT * 0.1, rel=1e-6)
    assert report["uptake"]["patient"]["tlg"] == pytest.approx(KEPT * 0.1 * suv, rel=1e-4)
    frames = {"image": "pet", "frame_of_reference_uid": "2.25.1000.1.99"}
    assert report["positions"] == {"segments": frames, "removed": frames, "uptake": frames}


def test_a_missing_weight_gives_a_result_without_suv_and_the_reason(tmp_path: Path, models: Models) -> None:
    end = run(tmp_path, models, MadePetCt(pet_attributes={"PatientWeight": ""}))
    report: Any = end.report
    assert voxels(end, 2) == KEPT
    assert report["uptake"]["suv"]["reason"] == "The patient's weight is missing."
    assert (report["uptake"]["lesions"][0]["suv_max"], report["uptake"]["patient"]["tlg"]) == (None, None)


def test_a_region_from_our_own_segmentation_gives_the_same_tumors(tmp_path: Path, models: Models) -> None:
    first = run(tmp_path / "first", models)
    seg = first.folder / "lung_pet_ct.seg.dcm"
    second = run(tmp_path / "second", models, region=str(seg))
    assert voxels(second, 2) == KEPT
    report: Any = second.report
    assert [model["name"] for model in report["models"]] == ["PROOF-tumor"]
    assert str(tmp_path) not in json.dumps(report)


def one_sided_region(tmp_path: Path, models: Path, name: str) -> Path:
    """Give a segmentation of this study that shows the lung without tumors alone, under a name."""
    first = run(tmp_path / "first", models, MadePetCt(lungs=MADE.lungs[1:]))
    seg = pydicom.dcmread(first.folder / "lung_pet_ct.seg.dcm")
    seg.SegmentSequence[0].SegmentLabel = name
    seg.save_as(tmp_path / "one.dcm")
    return tmp_path / "one.dcm"


def test_a_region_of_one_lung_is_taken_and_the_report_says_that_the_other_is_not_shown(
    tmp_path: Path, models: Models
) -> None:
    region = one_sided_region(tmp_path, models, "lung_left")
    end = run(tmp_path / "second", models, region=str(region))
    assert voxels(end, 2) == 0
    assert end.report is not None
    (note,) = [note["sentence"] for note in end.report["notes"] if note["code"] == "region-part-missing"]
    assert note.startswith("The region does not show the right lung: findings there count as outside")


@pytest.mark.parametrize("order", [("lung", "lung_left", "lung_right"), ("lung_left", "lung", "lung_right")])
def test_in_a_region_of_overlapping_segments_the_sides_are_not_hidden_by_the_lung(
    order: tuple[str, ...], tmp_path: Path, models: Models
) -> None:
    from aimi.regions import dilate

    # Each side reaches a voxel further than the lung that both segmentations show.
    wide = dilate(MADE.lung_mask, (1.0, 1.0, 1.0), 1.0)
    right, left = wide.copy(), wide.copy()
    right[:, :, 12:], left[:, :, :12] = False, False
    masks = {"lung": MADE.lung_mask, "lung_left": left, "lung_right": right}
    region = region_of_masks(tmp_path / "other", {name: masks[name] for name in order})
    end = run(tmp_path, models, region=str(region))
    tumors = MADE.tumor_mask
    tumors[MADE.tumors[2]] = False
    assert voxels(end, 2) == KEPT
    assert voxels(end, 1) == np.count_nonzero(wide & ~tumors)


@pytest.mark.parametrize(
    ("task", "names", "missing"),
    [
        (LUNG_PROOF, ["lung"], []),
        (LUNG_PROOF, ["lung_left", "lung_right"], []),
        (LUNG_PROOF, ["lung_right"], ["left lung"]),
        (LUNG_PROOF, ["lung", "lung_left"], ["right lung"]),  # where sides are shown, they alone count
        (LUNG_PROOF, ["lung_upper_lobe_left", "lung_lower_lobe_left", "lung_right", "liver"], []),
        (LUNG_PROOF, ["lung_upper_lobe_left", "lung_right"], ["lung lower lobe left"]),
        (
            LUNG_PROOF,
            ["lung_lower_lobe_right", "heart"],
            ["left lung", "lung upper lobe right", "lung middle lobe right"],
        ),
        (BREAST_PROOF, ["breast", "lung_left"], []),
    ],
)
def test_parts_that_a_region_lacks_are_named(task: Any, names: list[str], missing: list[str]) -> None:
    from aimi.models.totalsegmentator_classes import ANATOMY
    from aimi.paired import _parts_not_shown
    from tests.tasks.grids import on_grid

    region = on_grid(np.array([[[0, *(ANATOMY[name] for name in names)]]], np.uint8))
    notes = _parts_not_shown(task.region, region)
    assert [note.sentence.split("show the ")[1].split(":")[0] for note in notes] == missing


def test_a_region_of_another_frame_of_reference_is_refused(tmp_path: Path, models: Models) -> None:
    seg = pydicom.dcmread(run(tmp_path / "first", models).folder / "lung_pet_ct.seg.dcm")
    seg.FrameOfReferenceUID = "2.25.9"
    seg.save_as(tmp_path / "other.dcm")
    end = run(tmp_path / "second", models, region=str(tmp_path / "other.dcm"))
    assert (end.status, "another frame of reference" in end.message) == (4, True)


def test_a_region_whose_organs_have_no_voxels_is_refused(tmp_path: Path, models: Models) -> None:
    seg = pydicom.dcmread(run(tmp_path / "first", models).folder / "lung_pet_ct.seg.dcm")
    seg.PixelData = bytes(len(seg.PixelData))
    seg.save_as(tmp_path / "empty.dcm")
    end = run(tmp_path / "second", models, region=str(tmp_path / "empty.dcm"))
    assert (end.status, "shows none" in end.message) == (4, True)


def test_a_region_that_shows_no_breast_is_refused(tmp_path: Path, models: Models) -> None:
    seg = run(tmp_path / "first", models).folder / "lung_pet_ct.seg.dcm"
    end = run(tmp_path / "second", models, task=BREAST_PROOF, region=str(seg))
    assert (end.status, "breast" in end.message) == (4, True)


def test_tumors_of_the_breast_are_those_inside_it(tmp_path: Path, models: Models) -> None:
    end = run(tmp_path, models, task=BREAST_PROOF)
    assert voxels(end, 1) == KEPT  # the "lungs" are the breasts here; the second tumor lies within 5 mm


@pytest.mark.parametrize("road", roads.ROADS)
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (MadePetCt(ct_slices=(20, 40)), "covers 50 % of the PET's slices"),
        (MadePetCt(ct_attributes={"FrameOfReferenceUID": "2.25.9"}), "frames of reference differ"),
        (MadePetCt(ct_attributes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}), "role ct"),
        (
            MadePetCt(pet_attributes={"CorrectedImage": ["DECY"], "AttenuationCorrectionMethod": ""}),
            "attenuation correction 1",
        ),
        (
            MadePetCt(pet_attributes={"RadiopharmaceuticalInformationSequence": [tracer(Radiopharmaceutical="PSMA")]}),
            "tracer 1",
        ),
        (MadePetCt(pet_attributes={"SeriesType": ["DYNAMIC", "IMAGE"]}), "static 1"),
    ],
)
def test_a_pair_that_does_not_suit_is_refused_with_3(
    made: MadePetCt, said: str, road: str, tmp_path: Path, models: Models
) -> None:
    end = run(tmp_path, models, made, road=road)
    assert (end.status, said in end.message) == (3, True)
    assert roads.segmentations(end.folder) == []


def test_half_a_ct_is_taken_on_request_and_nothing_is_annotated_outside(tmp_path: Path, models: Models) -> None:
    end = run(tmp_path, models, MadePetCt(ct_slices=(16, 40)), allow_partial_ct=True)
    assert voxels(end, 2) == 18 + 9  # of the first tumor one slice lies above the CT's end


@pytest.mark.parametrize("moved_by", [(9.0, -6.0, 7.0), (20.0, 10.0, -12.0)])
def test_another_frame_of_reference_is_registered_on_request(
    moved_by: tuple[float, float, float], tmp_path: Path, models: Models
) -> None:
    end = run(tmp_path, models, replace(ELSEWHERE, ct_moved_by=moved_by), register=True)
    report: Any = end.report
    assert end.status == 0
    jsonschema.validate(report, json.loads((ROOT / "docs" / "report.schema.json").read_text()))
    found = report["registration"]
    assert set(found) == {"translation_lps_mm", "start_lps_mm", "metric_at_start", "metric", "iterations", "stop"}
    # A PET voxel's center lies between 8 CT voxels of one value: up to half a CT voxel off nothing is another.
    assert (np.abs(np.add(found["translation_lps_mm"], moved_by)) <= np.array(CT_SPACING[::-1]) / 2).all()
    assert found["metric"] < found["metric_at_start"]
    codes = {note["code"] for note in report["notes"]}
    assert {code for code in codes if code.startswith("regist")} == {"registered"}


def test_a_pair_in_which_nothing_can_be_compared_is_registered_with_doubt(tmp_path: Path, models: Models) -> None:
    # The PET is flat but for tumors, which the CT does not show: any translation is as good as any other.
    end = run(tmp_path, models, replace(ELSEWHERE, lung_bqml=WARM), register=True)
    report: Any = end.report
    assert "registration-poor" in {note["code"] for note in report["notes"]}


def test_a_pair_that_fits_already_is_not_moved_and_the_report_says_that_nothing_was_gained(
    tmp_path: Path, models: Models
) -> None:
    report: Any = run(tmp_path, models, ELSEWHERE, register=True).report
    assert report["registration"]["translation_lps_mm"] == [0.0, 0.0, 0.0]
    assert report["registration"]["stop"] == "start"
    assert "registration-without-gain" in {note["code"] for note in report["notes"]}


@pytest.mark.parametrize(
    "options",
    [{"grid": "pet"}, {"region": "own"}, {"fast_region": True}, {"register": True}, {"allow_partial_ct": True}],
)
def test_options_of_pairs_are_wrong_usage_for_one_series(options: dict[str, Any], tmp_path: Path) -> None:
    from aimi.tasks.liver_ct import LIVER_CT

    end = roads.run("command", LIVER_CT, tmp_path, tmp_path / "out", None, RunOptions(**options))
    assert end.status == 2


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (LUNG_PROOF, {"region": "nowhere.dcm"}),
        (BREAST_PROOF, {"region": "own"}),
        (LUNG_PROOF, {"region": "own", "rule_set": "mhub"}),
    ],
)
def test_a_region_that_cannot_be_is_wrong_usage(task: Any, options: dict[str, Any], tmp_path: Path) -> None:
    assert roads.run("command", task, tmp_path, tmp_path / "out", None, RunOptions(**options)).status == 2


@pytest.mark.parametrize("road", roads.ROADS)
@pytest.mark.parametrize(
    ("demo", "region", "said"),
    [
        (False, "own", "With this --region no region model runs"),
        (False, "FILE", "With this --region no region model runs"),
        (True, None, "demo models of the region have no faster ones"),
    ],
)
def test_a_fast_region_where_no_region_model_could_be_faster_is_wrong_usage(
    demo: bool, region: str | None, said: str, road: str, tmp_path: Path
) -> None:
    from aimi.tasks import get

    (tmp_path / "FILE").touch()
    options = RunOptions(fast_region=True, region=str(tmp_path / "FILE") if region == "FILE" else region)
    end = roads.run(road, get("lung_pet_ct"), tmp_path, tmp_path / "out", None, options, demo=demo)
    assert (end.status, said in end.message) == (2, True)


def test_a_demo_model_without_organs_cannot_give_the_region(tmp_path: Path) -> None:
    from aimi.paired import require_fitting_options
    from aimi.tasks import get

    job = roads.make_job(get("lung_pet_ct"), tmp_path, None, RunOptions(region="own"), demo=True)
    with pytest.raises(UsageError, match="DEMO-pet-ct-tumor do not show"):
        require_fitting_options(job)


def test_organ_labels_of_the_tumor_model_are_the_region_on_request(tmp_path: Path, models: Models) -> None:
    from aimi.image import LabelMap
    from aimi.model_runs import plan_of
    from aimi.models import totalsegmentator_classes as classes
    from aimi.paired import region_on
    from aimi.result import Aligned, Region
    from tests.tasks.grids import on_grid

    job = roads.make_job(LUNG_PROOF, tmp_path, models, RunOptions(region="own"), demo=True)
    labels: LabelMap = on_grid(np.array([[[0, 1, 5, 9]]], np.uint8))
    found = region_on(job, Aligned({}, {}, {}, None), Region("", None, {}), {"Task762_PET_CT_Breast": labels})
    assert found is not None
    names = classes.ANATOMY
    assert found.labels.ravel().tolist() == [0, names["liver"], names["lung"], 0]
    assert [one.place.name for one in plan_of(job)] == ["Task762_PET_CT_Breast"]


def test_the_fast_region_is_the_3_mm_model_once(tmp_path: Path) -> None:
    from aimi.tasks import get
    from aimi.tasks.task import plan_models

    names = {
        task: [one.spec.name for one in plan_models(get(task), rules, demo=False, with_region=True, fast_region=True)]
        for task, rules in (("lung_pet_ct", "paper"), ("breast", "published-code"))
    }
    three = "Dataset297_TotalSegmentator_total_3mm_1559subj"
    assert names == {
        "lung_pet_ct": [three, "Task762_PET_CT_Breast"],
        "breast": [*[three] * 5, "Task762_PET_CT_Breast"],
    }


def test_a_repeated_run_is_already_done_and_another_region_is_another_result(tmp_path: Path, models: Models) -> None:
    first = run(tmp_path, models)
    assert first.status == 0
    source = tmp_path / "study"
    again = roads.run("command", LUNG_PROOF, source, tmp_path / "out", models, demo=True)
    assert "lready done" in again.message
    other = RunOptions(allow_partial_ct=True)
    assert roads.run("command", LUNG_PROOF, source, tmp_path / "out", models, other, demo=True).status == 7


def test_a_corrected_weight_is_another_result(tmp_path: Path, models: Models) -> None:
    assert run(tmp_path, models, MadePetCt(pet_attributes={"PatientWeight": "80"})).status == 0
    shutil.rmtree(tmp_path / "study")
    assert run(tmp_path, models, MadePetCt(pet_attributes={"PatientWeight": "40"})).status == 7


@pytest.mark.parametrize("road", roads.ROADS)
def test_what_the_tumor_model_needs_is_told_before_the_region_model_runs(road: str, tmp_path: Path) -> None:
    models = make_pet_ct_models(tmp_path / "models", ct=CT_SPACING, pet=PET_SPACING, hu=300.0, activity=9000.0)
    make_threshold_model(models / TUMOR_MODEL.name, PET_SPACING, 9000.0, channels=2, patch=(64, 256, 256))
    end = run(tmp_path, models, road=road, max_memory=500 << 20)
    report = json.loads((end.folder / "lung_pet_ct.report.json").read_text())
    assert (end.status, "more than the 0.49 GiB that are allowed" in end.message) == (5, True)
    assert [stage for stage in report["timings_s"] if "predict" in stage or "models" in stage] == []


@pytest.mark.parametrize("road", roads.ROADS)
def test_what_the_second_of_two_models_needs_is_told_before_the_first_runs(road: str, tmp_path: Path) -> None:
    second = replace(MODEL, name="PROOF-second")
    models = make_models(tmp_path / "models", (2.5, 0.9, 0.7), 100.0)
    make_threshold_model(models / second.name, (2.5, 0.9, 0.7), 100.0, patch=(64, 256, 256))
    source = write_made(tmp_path / "study", Made(np.ones((8, 16, 16), np.int16), (2.5, 0.9, 0.7)))
    task, options = replace(PROOF, models=(MODEL, second)), RunOptions(max_memory=500 << 20)
    end = roads.run(road, task, source, tmp_path / "out", models, options)
    report = json.loads((end.folder / "proof.report.json").read_text())
    assert (end.status, "more than the 0.49 GiB that are allowed" in end.message) == (5, True)
    assert [stage for stage in report["timings_s"] if "predict" in stage or "models" in stage] == []


def test_progress_says_which_model_of_how_many_and_only_rises(tmp_path: Path, models: Models) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    job = pipeline.with_progress(
        roads.make_job(LUNG_PROOF, tmp_path / "out", models, demo=True),
        lambda stage, done, total: told.setdefault(stage, []).append((done, total)),
    )
    pipeline.segment_case(job, write_pet_ct(tmp_path / "study"))
    predicting = {stage: counts for stage, counts in told.items() if stage.startswith("Predicting")}
    assert list(predicting) == ["Predicting, model 1 of 2", "Predicting, model 2 of 2"]
    assert all(counts == sorted(counts) and counts[-1][0] == counts[-1][1] for counts in predicting.values())


def test_tiles_of_a_widened_region_are_counted_on(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    job = pipeline.with_progress(roads.make_job(PROOF, tmp_path, None), lambda *one: told.append(one))
    tell = model_runs._tiles_told(job, MODEL)
    for done, total in ((1, 2), (2, 2), (1, 1), (1, 2)):
        tell(done, total)
    assert told == [("Predicting", *count) for count in ((1, 2), (2, 2), (3, 3), (4, 5))]
