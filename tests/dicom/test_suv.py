"""SUV factors: real headers against independent values, each vendor's case, and reasons where there are none."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimi.dicom import study as studies
from aimi.dicom import volume
from aimi.dicom.header import Stack
from aimi.dicom.pet_header import PetFrame, PetHeader, PetSeries, read_pet_headers
from aimi.dicom.suv import SuvKind, calibrate, mean_count_rate_time, suv_factors, to_suv
from tests.made import Made, write_made
from tests.made_pet_ct import MadePetCt, tracer, write_pet_ct

RealData = Callable[[str], Path]
ACRIN = "1.3.6.1.4.1.14519.5.2.1.7009.2403."
PET_AC = ACRIN + "879445243400782656317561081015"
RIGHT_MAP = "1.2.276.0.7230010.3.1.4.0.90015.1672969359.829512"
WITHOUT_FACTOR_IN_THE_TABLE_AND_A_DOSE_ABOVE_OUR_LIMIT = {"made_lutetium"}


def stack_of(source: Path, series_uid: str | None = None) -> Stack:
    series = studies.read(source).series
    return next(one.stacks[0] for one in series if one.stacks and series_uid in {None, one.header.series_instance_uid})


def pet_stack(source: Path) -> Stack:
    stacks = (stack for series in studies.read(source).series for stack in series.stacks)
    return next(stack for stack in stacks if stack.header.modality == "PT")


def expectations() -> list[str]:
    return [
        *("SIEMENS", "GE_MEDICAL_AND_BQML", "PHILIPS_BQML", "PHILIPS_CNTS_AND_BQML_SUV", "PHILIPS_CNTS_AND_SUV"),
        *("BQML_AC_DT_lessThan_S_DT_SIEMENS", "CPS_AND_BQML_AC_DT_-_S_DT", "RADIOPHARM_DATETIME_UNDEFINED"),
        *("made_GML", "made_CM2ML", "made_PROPCPS", "made_CNTS_without_private", "made_CNTS_activity_only"),
        *("made_ADMIN", "made_decay_NONE", "made_weight_missing", "made_weight_zero", "made_dose_missing"),
        *("made_dose_in_MBq", "made_midnight_with_date", "made_midnight_without_date", "made_negative_decay"),
        *("made_start_datetime_shifted_date", "made_GE_post_processed", "made_lutetium", "made_NAC"),
        "made_not_decay_corrected_list",
    ]


@pytest.mark.parametrize("name", expectations())
def test_every_case_has_the_expected_factor_or_a_reason(name: str, real_data: RealData) -> None:
    folder = real_data("awkward") / "pet_headers"
    with (folder / "EXPECTED_SUV.csv").open(newline="") as table:
        row = next(row for row in csv.DictReader(table) if row["folder"] == name)
    found = suv_factors(stack_of(folder / "made_dicom" / name))
    if row["suvbw_factor"] and name not in WITHOUT_FACTOR_IN_THE_TABLE_AND_A_DOSE_ABOVE_OUR_LIMIT:
        assert found.body_weight == pytest.approx((float(row["suvbw_factor"]),), rel=1e-9)
        assert (found.reason, bool(found.method)) == ("", True)
    else:
        assert found.body_weight is None
        assert found.reason.endswith(".")


def test_every_case_of_the_collection_is_tested(real_data: RealData) -> None:
    folders = (real_data("awkward") / "pet_headers" / "made_dicom").iterdir()
    assert {folder.name for folder in folders} == set(expectations())


def test_acrin_equals_its_own_real_world_value_map(real_data: RealData) -> None:
    source = real_data("petct_acrin_042")
    objects = (pydicom.dcmread(path) for path in source.rglob("*RWV*"))
    stated = next(one for one in objects if one.SeriesInstanceUID == RIGHT_MAP)
    mappings = [item.RealWorldValueMappingSequence[0] for item in stated.ReferencedImageRealWorldValueMappingSequence]
    values = {one.MeasurementUnitsCodeSequence[0].CodeValue: float(one.RealWorldValueSlope) for one in mappings}
    found = suv_factors(stack_of(source, PET_AC))
    assert found.decay_s == 9527.0
    for unit, kind, times in (
        ("{SUVbw}g/ml", SuvKind.BODY_WEIGHT, 1),
        ("{SUVlbm}g/ml", SuvKind.LEAN_JAMES, 1),
        ("{SUVibw}g/ml", SuvKind.IDEAL_WEIGHT, 1),
        ("{SUVbsa}cm2/ml", SuvKind.BODY_SURFACE, 10),  # the file's own error, DATA_FACTS 1.6
    ):
        assert found.by_kind[kind] == pytest.approx((times * values[unit],), rel=2e-5)


def test_a_converted_multi_frame_pet_has_the_factors_of_its_single_frames(real_data: RealData) -> None:
    single = suv_factors(stack_of(real_data("petct_acrin_042"), PET_AC))
    converted = suv_factors(stack_of(real_data("awkward") / "enhanced" / "made_legacy_enhanced_pet"))
    assert converted == single


# --- rules that no file shows ---

SCAN = datetime(2026, 3, 1, 10, 0, 0)
HALF_LIFE = 6586.2
FRAME = PetFrame(SCAN, 0.0, 120.0, None, None)
HEADER = PetHeader(
    units="BQML",
    suv_type="",
    corrected_image=frozenset({"ATTN", "DECY"}),
    decay_correction="START",
    weight_kg=80.0,
    size_m=1.75,
    sex="F",
    dose_bq=300e6,
    half_life_s=HALF_LIFE,
    injection=SCAN - timedelta(hours=1),
    injection_time_s=9 * 3600.0,
    series=SCAN,
    ge_scan=None,
)


def pet(frame: PetFrame = FRAME, **values: Any) -> PetSeries:
    return PetSeries(replace(HEADER, **values), (), (frame, frame))


def factor(series: PetSeries) -> float:
    found = calibrate(series)
    assert found.body_weight is not None, found.reason
    return found.body_weight[0]


def test_a_uniform_cylinder_that_holds_the_whole_dose_has_suv_1() -> None:
    activity = 300e6 * 2 ** (-3600 / HALF_LIFE) / 80_000
    assert activity * factor(pet()) == pytest.approx(1.0, rel=1e-12)


@given(hours=st.floats(0.0, 10.0))
def test_later_scans_have_larger_factors_by_the_decay(hours: float) -> None:
    late, early = (pet(injection=SCAN - timedelta(hours=one), injection_time_s=None) for one in (hours, 0.0))
    assert factor(late) / factor(early) == pytest.approx(2 ** (hours * 3600 / HALF_LIFE), rel=1e-6)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"weight_kg": 1.9}, "weight lies outside 2 to 400 kg"),
        ({"weight_kg": 400.1}, "weight lies outside"),
        ({"dose_bq": 5001e6}, "5001 MBq as written, lies outside 1 to 5000 MBq"),
        ({"dose_bq": 0.9e6}, "lies outside 1 to 5000 MBq"),
        ({"injections": 2}, "2 injections; which one the image shows is not known"),
        ({"half_life_s": None}, "half-life is missing"),
        ({"half_life_s": 0.0}, "half-life is zero or negative, which is not a possible value"),
        ({"half_life_s": -6586.2}, "half-life is zero or negative, which is not a possible value"),
        ({"weight_kg": None}, "weight is missing"),
        ({"weight_kg": 0.0}, "weight is zero or negative, which is not a possible value"),
        ({"weight_kg": -80.0}, "weight is zero or negative, which is not a possible value"),
        ({"dose_bq": None}, "dose is missing"),
        ({"dose_bq": 0.0}, "dose is zero or negative, which is not a possible value"),
        ({"dose_bq": -300e6}, "dose is zero or negative, which is not a possible value"),
        ({"half_life_s": 109.77}, "109.77 s as written, is not that of fluorine-18, 6586 s"),
        ({"half_life_s": 65880.0}, "65880 s as written, is not that of fluorine-18"),
        ({"half_life_s": 6586.0 * 1.011}, "is not that of fluorine-18"),
        ({"half_life_s": 6586.0 * 0.989}, "is not that of fluorine-18"),
        ({"half_life_s": 65880.0, "decay_correction": "ADMIN"}, "is not that of fluorine-18"),
        (
            {"injection": SCAN - timedelta(hours=20), "injection_time_s": None},
            "10.9 half-lives between injection and scan are implausible",
        ),
        ({"injection": None, "injection_time_s": None}, "time of injection is missing"),
        ({"injection": SCAN + timedelta(seconds=1), "injection_time_s": None}, "later than the scan"),
        ({"injection": None, "injection_time_s": 10.5 * 3600}, "half-lives lie between injection and scan"),
        ({"injection": SCAN - timedelta(hours=2)}, "differ; which one is right is not known"),
        ({"injection": SCAN + timedelta(hours=1)}, "differ; which one is right is not known"),
        ({"injection": SCAN - timedelta(days=40), "injection_time_s": 0.0}, "which one is right is not known"),
        ({"injection": datetime(1900, 1, 1), "injection_time_s": None}, "are a dummy, and Start Time is missing"),
        ({"series": None}, "series date or time is missing"),
        ({"decay_correction": ""}, "Decay Correction is absent"),
        ({"units": ""}, "unit is absent"),
        ({"units": "GML", "suv_type": "ODD"}, "type that is not known"),
        ({"units": "GML", "suv_type": "LBM", "size_m": None}, "lean-body-mass-james SUV, and weight, height or sex"),
        ({"units": "GML", "suv_type": "LBM", "size_m": -1.75}, "is missing or not possible"),
        ({"units": "GML", "suv_type": "LBM", "sex": "O"}, "is missing or not possible"),
        ({"corrected_image": frozenset({"DECY"})}, "lacks ATTN"),
    ],
)
def test_there_is_no_suv_and_the_reason_says_why(values: dict[str, Any], reason: str) -> None:
    found = calibrate(pet(**values))
    assert found.body_weight is None
    assert reason in found.reason


@pytest.mark.parametrize("half_life_s", [6588.0, 6584.04, 6586.0 * 1.009, 6586.0 * 0.991])
def test_half_lives_of_fluorine_18_as_they_are_written_are_taken(half_life_s: float) -> None:
    expected = 80_000 / (300e6 * 2 ** (-3600 / half_life_s))
    assert factor(pet(half_life_s=half_life_s)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("tracer_text", "has_suv"), [("Ga-68 DOTATATE", True), ("FDG", False), ("", False)])
def test_another_half_life_is_taken_only_where_the_tracer_is_another(
    tracer_text: str, has_suv: bool, tmp_path: Path
) -> None:
    gallium = tracer(Radiopharmaceutical=tracer_text, RadionuclideHalfLife="4057.7")
    attributes = {"RadiopharmaceuticalInformationSequence": [gallium]}
    found = suv_factors(pet_stack(write_pet_ct(tmp_path, MadePetCt(pet_attributes=attributes))))
    assert (found.body_weight is not None) == has_suv
    assert ("is not that of fluorine-18" in found.reason) != has_suv


LATER = replace(FRAME, acquisition=SCAN - timedelta(1 / 24), reference_time_s=9.0)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (replace(FRAME, acquisition=None), "acquisition date or time is missing"),
        (replace(FRAME, acquisition=SCAN - timedelta(1 / 24), reference_time_s=None), "Frame Reference Time"),
        (replace(LATER, reference_time_s=1e30), "Frame Reference Time is absurd"),
        (replace(LATER, duration_s=None), "Actual Frame Duration is missing"),
        (replace(LATER, duration_s=0.0), "Actual Frame Duration is zero or negative"),
        (replace(LATER, duration_s=-120.0), "Actual Frame Duration is zero or negative"),
    ],
)
def test_a_series_made_later_needs_the_times_of_its_frames(frame: PetFrame, reason: str) -> None:
    assert reason in calibrate(pet(frame)).reason


def test_slices_that_disagree_on_the_dose_give_no_suv() -> None:
    assert "disagree on dose bq" in calibrate(replace(pet(), disagreements=("dose_bq",))).reason


def test_private_scan_times_that_disagree_are_not_used() -> None:
    frame = replace(FRAME, acquisition=SCAN - timedelta(minutes=5))
    series = replace(pet(frame, ge_scan=SCAN), disagreements=("ge_scan",))
    assert calibrate(series).method == "earliest acquisition"


@pytest.mark.parametrize(
    ("ge_scan", "day"),
    [
        (SCAN - timedelta(minutes=5), ""),
        (SCAN - timedelta(days=23, minutes=5), " on the day of the acquisition"),  # as in ACRIN
        (SCAN + timedelta(days=4000) - timedelta(minutes=5), " on the day of the acquisition"),
    ],
)
def test_the_private_scan_time_of_ge_is_on_the_day_of_the_acquisition(ge_scan: datetime, day: str) -> None:
    found = calibrate(pet(series=SCAN + timedelta(hours=3), ge_scan=ge_scan))
    assert (found.decay_s, found.method, found.notes) == (3300.0, f"private scan time of GE{day}", ())


@pytest.mark.parametrize("later", [timedelta(seconds=2), timedelta(hours=2.5), timedelta(days=-23, hours=2.5)])
def test_a_private_scan_time_of_ge_after_the_first_acquisition_gives_no_suv(later: timedelta) -> None:
    found = calibrate(pet(series=SCAN + timedelta(hours=3), ge_scan=SCAN + later))
    assert found.body_weight is None
    assert "GE is later than the earliest acquisition" in found.reason


def test_the_earliest_bed_gives_the_time_of_a_series_made_later() -> None:
    beds = tuple(replace(FRAME, acquisition=SCAN - timedelta(minutes=minutes)) for minutes in (20, 30, 25))
    assert calibrate(PetSeries(HEADER, (), beds)).decay_s == 1800.0


def test_injection_on_the_day_before_is_found_without_a_date() -> None:
    early = datetime(2026, 3, 1, 0, 15)
    frame = replace(FRAME, acquisition=early)
    found = calibrate(pet(frame, series=early, injection=None, injection_time_s=23.25 * 3600))
    assert (found.decay_s, "day before" in found.method) == (3600.0, True)


def test_an_injection_dated_by_another_rule_is_taken_by_its_time_of_day_and_noted() -> None:
    found = calibrate(pet(injection=SCAN - timedelta(days=7000, hours=1)))
    assert (found.decay_s, [note.code for note in found.notes]) == (3600.0, ["suv-injection-date"])


@pytest.mark.parametrize(
    ("injection", "time_s", "taken"),
    [
        (datetime(1900, 1, 1), 9 * 3600.0, "Start DateTime of the injection is a dummy; SUV takes Start Time."),
        (datetime(1999, 1, 1, 8), 9 * 3600.0, "Start DateTime of the injection is a dummy; SUV takes Start Time."),
        (datetime(2026, 3, 1), 9 * 3600.0, "Start DateTime of the injection is a dummy; SUV takes Start Time."),
        (datetime(2026, 3, 1, 9), 0.0, "Start Time of the injection is 00:00:00; SUV takes Start DateTime."),
    ],
)
def test_of_two_times_of_injection_a_dummy_is_not_used(injection: datetime, time_s: float, taken: str) -> None:
    found = calibrate(pet(injection=injection, injection_time_s=time_s))
    assert (found.decay_s, [note.sentence for note in found.notes]) == (3600.0, [taken])


@pytest.mark.parametrize("time_s", [9 * 3600 - 59.0, 9 * 3600 + 59.0])  # rounded to the minute
def test_times_of_injection_less_than_a_minute_apart_are_the_same(time_s: float) -> None:
    found = calibrate(pet(injection_time_s=time_s))
    assert (found.decay_s, found.notes) == (3600.0, ())


def test_unknown_sex_gives_weight_and_surface_only() -> None:
    assert set(calibrate(pet(sex="O")).by_kind) == {SuvKind.BODY_WEIGHT, SuvKind.BODY_SURFACE}


@pytest.mark.parametrize("size_m", [175.0, 0.0, -1.75])  # the first in centimetres
def test_a_height_that_cannot_be_is_not_used(size_m: float) -> None:
    assert set(calibrate(pet(size_m=size_m)).by_kind) == {SuvKind.BODY_WEIGHT}


def test_stated_lean_suv_is_converted_to_body_weight() -> None:
    found = calibrate(pet(units="GML", suv_type="LBMJAMES128"))
    lean = 1.07 * 80 - 148 * (80 / 175) ** 2
    assert found.by_kind[SuvKind.LEAN_JAMES] == (1.0,)
    assert found.body_weight == pytest.approx((80 / lean,))


@given(duration=st.floats(1.0, 3600.0))
def test_activity_at_the_mean_count_rate_time_is_the_mean_over_the_frame(duration: float) -> None:
    decay = math.log(2) / HALF_LIFE
    mean = -math.expm1(-decay * duration) / (decay * duration)
    assert math.exp(-decay * mean_count_rate_time(duration, HALF_LIFE)) == pytest.approx(mean, rel=1e-12)


def test_philips_factors_that_differ_by_slice_are_given_slice_by_slice() -> None:
    frames = (replace(FRAME, philips_suv=0.5), replace(FRAME, philips_suv=0.25))
    series = PetSeries(replace(HEADER, units="CNTS"), (), frames)
    assert calibrate(series).body_weight == (0.5, 0.25)


def test_a_factor_of_each_slice_scales_that_slice(tmp_path: Path) -> None:
    array = np.full((8, 4, 4), 100, np.int16)
    stack = stack_of(write_made(tmp_path, Made(array, modality="PT")))
    scaled = to_suv(volume.load(stack, units="BQML"), tuple(float(k) for k in range(8)))
    assert scaled.units == "GML"
    np.testing.assert_array_equal(scaled.volume.array[:, 1, 2], np.arange(8) * 100.0)


def test_a_date_time_with_an_offset_is_brought_to_the_zone_of_the_data_set(tmp_path: Path) -> None:
    injected = pydicom.Dataset()
    injected.RadiopharmaceuticalStartDateTime = "20200101110100.5+0000"
    attributes = {"TimezoneOffsetFromUTC": "+0100", "RadiopharmaceuticalInformationSequence": [injected]}
    made = Made(np.zeros((8, 4, 4), np.int16), modality="PT", attributes=attributes)
    header = read_pet_headers(stack_of(write_made(tmp_path, made))).header
    assert header.injection == datetime(2020, 1, 1, 12, 1, 0, 500000)
    assert header.injections == 1


@pytest.mark.parametrize(
    ("start", "zone", "decay_s", "reason"),
    [
        ({"DateTime": "20200101100100+0000", "Time": "110100"}, "+0100", 3600.0, ""),
        ({"DateTime": "20200101110100+0000", "Time": "110100"}, None, 3600.0, ""),
        ({"DateTime": "20200101100100+0000", "Time": "110100"}, None, None, "has an offset from UTC"),
        ({"DateTime": "20200101110100+0000"}, None, None, "has an offset from UTC"),
        ({"DateTime": "19000101000000+0000", "Time": "110100"}, None, 3600.0, ""),
        ({"DateTime": "00010101000000+0000", "Time": "110100"}, "-0500", 3600.0, ""),
        ({"DateTime": "99991231235959+0000", "Time": "110100"}, "+0500", 3600.0, ""),
        ({"DateTime": "99991231250000", "Time": "110100"}, None, 3600.0, ""),
        ({"DateTime": "20200101110100"}, None, 3600.0, ""),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR DT")
def test_an_offset_from_utc_without_that_of_the_data_set_needs_the_same_start_time(
    start: dict[str, str], zone: str | None, decay_s: float | None, reason: str, tmp_path: Path
) -> None:
    injected = tracer(RadiopharmaceuticalStartTime="")
    for name, value in start.items():
        setattr(injected, f"RadiopharmaceuticalStart{name}", value)
    attributes: dict[str, Any] = {"RadiopharmaceuticalInformationSequence": [injected]}
    if zone is not None:
        attributes["TimezoneOffsetFromUTC"] = zone
    found = suv_factors(pet_stack(write_pet_ct(tmp_path, MadePetCt(pet_attributes=attributes))))
    assert (found.decay_s, found.body_weight is None) == (decay_s, decay_s is None)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("series", "beds", "injected", "decay_s", "method"),
    [
        ("235000", ("235200", "000200"), "225000", 3600.0, "series time"),
        ("235000", ("000010", "000200"), "225000", 3600.0, "series time"),
        ("000500", ("235800", "000300"), "225800", 3600.0, "earliest acquisition"),
        ("235000", ("090000", "091000"), "080000", 3600.0, "earliest acquisition"),
    ],
)
@pytest.mark.parametrize("has_date", [False, True])
def test_an_acquisition_without_a_date_is_on_the_day_that_brings_it_to_the_series(
    series: str, beds: tuple[str, str], injected: str, decay_s: float, method: str, has_date: bool, tmp_path: Path
) -> None:
    day = {"000500": "20200102"}.get(series, "20200101")
    start = tracer(RadiopharmaceuticalStartTime=injected)
    if has_date:
        start.RadiopharmaceuticalStartDateTime = f"20200101{injected}"
    attributes = {"SeriesDate": day, "SeriesTime": series, "RadiopharmaceuticalInformationSequence": [start]}
    write_pet_ct(tmp_path, MadePetCt(pet_attributes=attributes))
    for number, path in enumerate(sorted(path for path in (tmp_path / "pet").rglob("*") if path.is_file())):
        ds = pydicom.dcmread(path)
        ds.AcquisitionDate, ds.AcquisitionTime = "", beds[number >= 10]
        ds.save_as(path)
    found = suv_factors(pet_stack(tmp_path))
    assert (found.decay_s, found.method, found.reason) == (decay_s, method, "")


def test_every_injection_is_counted(tmp_path: Path) -> None:
    attributes = {"RadiopharmaceuticalInformationSequence": [pydicom.Dataset(), pydicom.Dataset()]}
    made = Made(np.zeros((8, 4, 4), np.int16), modality="PT", attributes=attributes)
    assert read_pet_headers(stack_of(write_made(tmp_path, made))).header.injections == 2
