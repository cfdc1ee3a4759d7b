from dataclasses import replace
from typing import Any

import pytest

from aimi.dicom import criteria, mr_criteria
from aimi.dicom.mr_criteria import DixonPart, Weighting
from aimi.dicom.selection import Outcome
from tests.stacks import make_mr


def sequence(kind: str, echo: float | None, repetition: float | None, **more: Any) -> dict[str, Any]:
    return {"scanning_sequence": (kind,), "echo_time": echo, "repetition_time": repetition, **more}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (sequence("SE", 104.0, 5660.0), Weighting.T2),
        (sequence("SE", 78.0, 15200.0), Weighting.T2),
        (sequence("SE", 12.0, 550.0), Weighting.T1),
        (sequence("SE", 30.0, 3000.0), Weighting.PROTON_DENSITY),
        (sequence("SE", 60.0, None), Weighting.T2),
        (sequence("SE", 59.0, None), Weighting.UNKNOWN),
        (sequence("SE", None, 500.0), Weighting.UNKNOWN),
        (sequence("SE", 30.0, 1200.0), Weighting.T1),
        (sequence("SE", 31.0, 1200.0), Weighting.UNKNOWN),
        (sequence("SE", 50.0, 1500.0), Weighting.PROTON_DENSITY),
        (sequence("SE", 51.0, 1500.0), Weighting.UNKNOWN),
        (sequence("SE", 30.0, 1499.0), Weighting.UNKNOWN),
        (sequence("IR", 10.0, 2000.0, inversion_time=800.0), Weighting.T1),
        (sequence("IR", 20.0, 9000.0, inversion_time=2500.0), Weighting.T2),
        (sequence("IR", 40.0, 4000.0, inversion_time=160.0), Weighting.UNKNOWN),
        (sequence("GR", 1.42, 3.85, flip_angle=20.0), Weighting.T1),
        (sequence("GR", 4.6, 150.0, flip_angle=70.0), Weighting.T1),
        (sequence("GR", 4.6, 600.0, flip_angle=70.0), Weighting.T1),
        (sequence("GR", 1.53, 800.0, flip_angle=14.0), Weighting.PROTON_DENSITY),
        (sequence("GR", 1.5, 4.0, flip_angle=2.0), Weighting.PROTON_DENSITY),
        (sequence("GR", 1.5, 20.0, flip_angle=4.9), Weighting.PROTON_DENSITY),
        (sequence("GR", 1.5, 20.0, flip_angle=5.0), Weighting.T1),
        (sequence("GR", 1.5, 21.0, flip_angle=4.9), Weighting.T1),
        (sequence("GR", 1.5, 400.0, flip_angle=49.0), Weighting.T1),
        (sequence("GR", 1.5, 401.0, flip_angle=49.0), Weighting.PROTON_DENSITY),
        (sequence("GR", 1.5, 401.0, flip_angle=50.0), Weighting.T1),
        (sequence("GR", 12.0, 150.0, flip_angle=70.0), Weighting.T1),
        (sequence("GR", 12.1, 150.0, flip_angle=70.0), Weighting.T2_STAR),
        (sequence("GR", 1.5, 4.0), Weighting.UNKNOWN),
        (sequence("GR", None, 4.0, flip_angle=12.0), Weighting.UNKNOWN),
        (sequence("GR", 1.5, None, flip_angle=12.0), Weighting.UNKNOWN),
        (sequence("GR", 2.9, 1900.0, flip_angle=9.0, inversion_time=900.0), Weighting.T1),
        (sequence("GR", 20.0, 600.0, flip_angle=20.0), Weighting.T2_STAR),
        (sequence("GR", 1.7, 3.8, flip_angle=60.0, sequence_variant=("SS", "SK")), Weighting.BALANCED),
        (sequence("GR", 1.7, 20.0, flip_angle=30.0, sequence_variant=("SS",)), Weighting.BALANCED),
        (sequence("GR", 1.7, 20.0, flip_angle=29.0, sequence_variant=("SS",)), Weighting.T1),
        (sequence("GR", 1.7, 21.0, flip_angle=30.0, sequence_variant=("SS",)), Weighting.T1),
        (sequence("GR", 1.7, 3.8, flip_angle=60.0, sequence_variant=("SS", "SP")), Weighting.T1),
        (sequence("GR", 1.7, 3.8, flip_angle=60.0, series_description="BTFE cor"), Weighting.BALANCED),
        (sequence("GR", 1.7, 3.8, flip_angle=12.0, series_description="BTFE cor"), Weighting.T1),
        (sequence("GR", 1.7, 3.8, flip_angle=60.0), Weighting.T1),
        (sequence("GR", 1.7, 1900.0, flip_angle=9.0, inversion_time=300.0), Weighting.T1),
        (sequence("GR", 1.7, 1900.0, flip_angle=9.0, inversion_time=299.0), Weighting.PROTON_DENSITY),
        (sequence("EP", 63.0, 2700.0, image_type=("DERIVED", "PRIMARY", "DIFFUSION", "TRACEW")), Weighting.DIFFUSION),
        (sequence("SE", 80.0, 2500.0, image_type=("DERIVED", "SECONDARY", "ADC")), Weighting.DIFFUSION),
        (sequence("EP", 63.0, 2700.0, sequence_name="*ep_b50t"), Weighting.DIFFUSION),
        (sequence("SE", 63.0, 2700.0, split=(("DiffusionBValue", "800.0"),)), Weighting.DIFFUSION),
        (sequence("SE", 70.0, 3000.0, split=(("DiffusionBValue", "0"),)), Weighting.DIFFUSION),
        (sequence("SE", 70.0, 3000.0, series_description="ADC map"), Weighting.DIFFUSION),
        (sequence("SE", 70.0, 3000.0, protocol_name="DWI b0"), Weighting.DIFFUSION),
        (sequence("EP", 30.0, 2000.0), Weighting.ECHO_PLANAR),
        ({"image_type": ("ORIGINAL", "PRIMARY", "T1", "NONE")}, Weighting.T1),
        (sequence("GR", 30.0, 3000.0, image_type=("ORIGINAL", "PRIMARY", "T2", "NONE")), Weighting.T2_STAR),
    ],
)
def test_weighting_follows_the_sequence(header: dict[str, Any], expected: Weighting) -> None:
    assert mr_criteria.weighting_of(make_mr(**header)) is expected


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("AX T1 pre", Weighting.T1),
        ("WATER: AX LAVA", Weighting.T1),
        ("t2_tse_tra", Weighting.T2),
        ("ep2d_diff_tra", Weighting.DIFFUSION),
        ("diffusie t2", Weighting.DIFFUSION),
        ("AX T2* GRE", Weighting.T2_STAR),
        ("PDW_TSE", Weighting.PROTON_DENSITY),
        ("trufi cor", Weighting.BALANCED),
        ("unnamed", Weighting.UNKNOWN),
    ],
)
def test_words_decide_where_parameters_are_silent(description: str, expected: Weighting) -> None:
    assert mr_criteria.weighting_of(make_mr(series_description=description)) is expected


@pytest.mark.parametrize("b_value", ["0", ""])
def test_b_value_of_0_on_its_own_is_no_diffusion(b_value: str) -> None:
    """Some makers write it on every image; a series of which it is the only one was not split by it."""
    stack = make_mr(**sequence("SE", 104.0, 5660.0, split=(("DiffusionBValue", b_value),)))
    assert mr_criteria.weighting_of(replace(stack, split=())) is Weighting.T2


def test_parameters_outrank_words() -> None:
    stack = make_mr(**sequence("SE", 104.0, 5660.0, series_description="AX T1"))
    assert mr_criteria.weighting_of(stack) is Weighting.T2


def test_t2_test_passes_fails_and_leaves_open() -> None:
    judge = mr_criteria.weighted(Weighting.T2).judge
    assert judge(make_mr(**sequence("SE", 104.0, 5660.0))) == (Outcome.PASS, "It is T2-weighted by its parameters.")
    assert judge(make_mr(series_description="T1")) == (
        Outcome.FAIL,
        "It is T1-weighted by its description, not T2-weighted.",
    )
    assert judge(make_mr())[0] is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"image_type": ("DERIVED", "PRIMARY", "DIXON", "WATER")}, DixonPart.WATER),
        ({"image_type": ("ORIGINAL", "PRIMARY", "IP", "IP")}, DixonPart.IN_PHASE),
        ({"image_type": ("ORIGINAL", "PRIMARY", "M", "OPP_PHASE")}, DixonPart.OPPOSED_PHASE),
        ({"series_description": "t1_vibe_dixon_tra_bh_F"}, DixonPart.FAT),
        ({"series_description": "t1_vibe_dixon_tra_bh_opp"}, DixonPart.OPPOSED_PHASE),
        ({"series_description": "t1 in phase tra"}, DixonPart.IN_PHASE),
        ({"series_description": "FAT: AX LAVA FLEX"}, DixonPart.FAT),
        ({"series_description": "Water: AX LAVA"}, DixonPart.WATER),
        ({"series_description": "OutPhase: AX LAVA"}, DixonPart.OPPOSED_PHASE),
        ({"image_type": ("ORIGINAL", "PRIMARY", "M", "INPHASE")}, DixonPart.IN_PHASE),
        ({"series_description": "AX T1 OUT OF PHASE"}, DixonPart.OPPOSED_PHASE),
        ({"series_description": "t1_fl2d_opp"}, DixonPart.OPPOSED_PHASE),
        ({"series_description": "AX IN/OUT PHASE"}, DixonPart.NONE),
        ({"series_description": "IN AND OUT OF PHASE"}, DixonPart.NONE),
        ({"series_description": "IN PHASE OUT PHASE"}, DixonPart.NONE),
        ({"series_description": "t1_fl2d_opp-in"}, DixonPart.NONE),
        ({"series_description": "LIVER IN ARTERIAL PHASE"}, DixonPart.NONE),
        ({"series_description": "AX T1 no fat"}, DixonPart.NONE),
        ({"series_description": "fat sat: AX T1"}, DixonPart.NONE),
        ({"series_description": "AX T1 W"}, DixonPart.NONE),
        ({}, DixonPart.NONE),
    ],
)
def test_dixon_component(header: dict[str, Any], expected: DixonPart) -> None:
    stack = make_mr(**header)
    assert mr_criteria.dixon_part_of(stack) is expected
    assert (mr_criteria.no_fat_image().judge(stack)[0] is Outcome.FAIL) == (expected is DixonPart.FAT)
    assert mr_criteria.water_first().key(stack) == expected.value


def echo(tesla: float | None, milliseconds: float | None, **more: Any) -> dict[str, Any]:
    return {
        "scanning_sequence": ("GR",),
        "image_type": ("ORIGINAL", "PRIMARY", "OTHER"),
        "magnetic_field_strength": tesla,
        "echo_time": milliseconds,
        **more,
    }


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (echo(1.5, 2.3), DixonPart.OPPOSED_PHASE),
        (echo(1.5, 4.6), DixonPart.IN_PHASE),
        (echo(1.5, 4.2), DixonPart.IN_PHASE),
        (echo(1.5, 6.9), DixonPart.OPPOSED_PHASE),
        (echo(1.5, 9.2), DixonPart.IN_PHASE),
        (echo(3.0, 1.15), DixonPart.OPPOSED_PHASE),
        (echo(3.0, 2.3), DixonPart.IN_PHASE),
        (echo(3.0, 3.69), DixonPart.OPPOSED_PHASE),
        (echo(2.893, 2.46), DixonPart.IN_PHASE),
        (echo(1.0, 3.45), DixonPart.OPPOSED_PHASE),
        (echo(1.5, 3.45), DixonPart.NONE),
        (echo(1.5, 0.3), DixonPart.NONE),
        (echo(1.5, 0.0), DixonPart.NONE),
        (echo(1.5, None), DixonPart.NONE),
        (echo(None, 2.3), DixonPart.NONE),
        (echo(15000.0, 2.3), DixonPart.NONE),
        (echo(1.5, 2.3, scanning_sequence=("SE",)), DixonPart.NONE),
        (echo(1.5, 2.3, scanning_sequence=()), DixonPart.OPPOSED_PHASE),
    ],
)
def test_fat_and_water_are_opposed_at_odd_half_cycles_of_their_shift(
    header: dict[str, Any], expected: DixonPart
) -> None:
    """A cycle takes 1 / (3.4e-6 * 42.577 MHz/T * B0): 4.605 ms at 1.5 T, 2.303 ms at 3 T."""
    assert mr_criteria.phase_by_echo_time(make_mr(**header).header) is expected


@pytest.mark.parametrize("description", ["AX IN/OUT PHASE", "IN AND OUT OF PHASE", "t1_fl2d_opp-in", "AX T1 DUAL ECHO"])
def test_echo_time_tells_the_phase_where_words_name_both(description: str) -> None:
    parts = [mr_criteria.dixon_part_of(make_mr(**echo(1.5, one, series_description=description))) for one in (2.3, 4.6)]
    assert parts == [DixonPart.OPPOSED_PHASE, DixonPart.IN_PHASE]


def test_echo_time_tells_the_phases_of_a_series_of_several_echoes() -> None:
    stacks = [make_mr(**echo(3.0, one, split=(("EchoTime", str(one)),))) for one in (1.15, 2.3)]
    assert list(map(mr_criteria.dixon_part_of, stacks)) == [DixonPart.OPPOSED_PHASE, DixonPart.IN_PHASE]


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("AX T1 VIBE FS", DixonPart.NONE),
        ("AX T1 OUT OF PHASE", DixonPart.IN_PHASE),
        ("t1_vibe_dixon_tra_opp", DixonPart.OPPOSED_PHASE),
        ("WATER: AX LAVA", DixonPart.WATER),
        ("OutPhase: AX LAVA FLEX", DixonPart.OPPOSED_PHASE),
    ],
)
def test_echo_time_outranks_words_but_for_plain_and_computed_images(description: str, expected: DixonPart) -> None:
    assert mr_criteria.dixon_part_of(make_mr(**echo(1.5, 4.6, series_description=description))) is expected


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("t1_vibe_fs_tra_SUB", "Its description names a subtraction."),
        ("Subtraktion art-nativ", "Its description names a subtraction."),
        ("t1_vibe_MIP_cor", "Its description names a projection."),
        ("MIP SUB", "Its description names a subtraction."),
        ("ax dynamic-sub1", "Its description names a subtraction."),
        ("AX SUBT", "Its description names a subtraction."),
        ("PJN: AX LAVA", "Its description names a projection."),
        ("T1 MAP MOLLI", "Its description names a map."),
    ],
)
def test_subtraction_and_projection_are_told_by_words_alone(description: str, said: str) -> None:
    stack = make_mr(series_description=description)
    assert stack.header.image_type[:2] == ("ORIGINAL", "PRIMARY")
    assert criteria.no_computed_image().judge(stack) == (Outcome.FAIL, said)


@pytest.mark.parametrize(
    "description", ["", "t1_vibe_subcostal", "AX T1 pre", "AX T1 FSPGR ASSET", "subject1 t1", "AX T1 FF"]
)
def test_other_words_name_no_subtraction(description: str) -> None:
    stack = make_mr(series_description=description)
    assert criteria.no_computed_image().judge(stack)[0] is Outcome.PASS
    assert mr_criteria.no_measurement().judge(stack)[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("Asset Cal", "calibration scan"),
        ("Calibration Scan", "calibration scan"),
        ("Coil sens", "calibration scan"),
        ("shim", "calibration scan"),
        ("FatFrac: IDEAL IQ", "map of a measured quantity"),
        ("PDFF", "map of a measured quantity"),
        ("R2*: IDEAL IQ", "map of a measured quantity"),
        ("MRE stiffness", "map of a measured quantity"),
        ("wash-in", "map of a measured quantity"),
        ("TTP", "map of a measured quantity"),
    ],
)
def test_maps_and_calibrations_are_told_by_words_alone(description: str, said: str) -> None:
    verdict = mr_criteria.no_measurement().judge(make_mr(series_description=description))
    assert verdict == (Outcome.FAIL, f"Its description names a {said}.")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"series_description": "t2_tse_tra"}, 0),
        ({"series_description": "t2_tse_tra", "inversion_time": 0.0}, 0),
        ({"series_description": "tirm_tra"}, 1),
        ({"series_description": "t2 tra", "inversion_time": 160.0}, 1),
        ({"series_description": "AX T2 FS"}, 1),
    ],
)
def test_suppressed_fat_goes_behind(header: dict[str, Any], expected: int) -> None:
    assert mr_criteria.plain_before_fat_suppressed().key(make_mr(**header)) == expected


def test_small_field_of_view_is_preferred() -> None:
    key = mr_criteria.field_of_view_at_most(260.0).key
    assert key(make_mr(size=(384, 384), spacing=(3.0, 0.5, 0.5))) == 0
    assert key(make_mr(size=(256, 512), spacing=(3.0, 1.0, 1.0))) == 1
    assert key(make_mr(spacing=None)) == 1
