"""From elements to records: planes of files and of frames, pixel formats, series headers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, EnhancedMRImageStorage, JPEGLSLossless

from aimi.dicom.elements import read_header
from aimi.dicom.mr_criteria import Weighting, weighting_of
from aimi.dicom.parsing import KnownHeaders, ParsedInstance, parse
from tests.made import Made, make_slices
from tests.stacks import make_mr

PIXELS = np.zeros((1, 4, 6), np.int16)


def parse_file(path: Path) -> ParsedInstance:
    header = read_header(path)
    assert header is not None
    return parse(path, header)


def parse_made(folder: Path, modality: str = "CT", **attributes: Any) -> ParsedInstance:
    ds = make_slices(Made(PIXELS, modality=modality, attributes=attributes))[0]
    ds.save_as(folder / "a", enforce_file_format=True)
    return parse_file(folder / "a")


def item(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def make_frame(index: int, **groups: Any) -> Dataset:
    return item(
        PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2.5 * index])],
        FrameContentSequence=[item(TemporalPositionIndex=1 + index % 2, FrameAcquisitionNumber=7)],
        **groups,
    )


def make_enhanced(frames: list[Dataset], count: int, **shared: Any) -> Dataset:
    ds = make_slices(Made(PIXELS, modality="MR"))[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime"):
        delattr(ds, keyword)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    ds.NumberOfFrames = count
    ds.PixelData = bytes(48 * count)
    ds.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[0.9, 0.7], SliceThickness=5)],
            **shared,
        )
    ]
    ds.PerFrameFunctionalGroupsSequence = frames
    return ds


def parse_enhanced(folder: Path, frames: list[Dataset], count: int | None = None, **shared: Any) -> ParsedInstance:
    ds = make_enhanced(frames, len(frames) if count is None else count, **shared)
    ds.save_as(folder / "a", enforce_file_format=True)
    return parse_file(folder / "a")


def test_position_is_kept_as_written(tmp_path: Path) -> None:
    (plane,) = parse_made(tmp_path, ImagePositionPatient=["-1.50", "2e1", "+3"]).planes
    assert plane.position_text == ("-1.50", "2e1", "+3")
    assert plane.position == (-1.5, 20.0, 3.0)


def test_spacing_is_between_rows_and_between_columns(tmp_path: Path) -> None:
    (plane,) = parse_made(tmp_path, PixelSpacing=[2, 3]).planes
    assert plane.pixel_spacing == (2.0, 3.0)


@pytest.mark.parametrize(
    ("keyword", "value", "field"),
    [
        ("ImagePositionPatient", [1, 2], "position"),
        ("ImageOrientationPatient", [1, 0, 0], "orientation"),
        ("PixelSpacing", [1], "pixel_spacing"),
    ],
)
def test_geometry_of_the_wrong_length_is_none(tmp_path: Path, keyword: str, value: Any, field: str) -> None:
    (plane,) = parse_made(tmp_path, **{keyword: value}).planes
    assert getattr(plane, field) is None


def test_equal_numbers_are_one_splitting_value(tmp_path: Path) -> None:
    (plane,) = parse_made(tmp_path, modality="MR", EchoTime="63.0", TriggerTime="0").planes
    assert plane.split["EchoTime"] == "63"
    assert plane.split["TriggerTime"] == "0"
    assert "DiffusionBValue" not in plane.split


def test_image_type_splits_by_its_third_and_fourth_value(tmp_path: Path) -> None:
    (plane,) = parse_made(tmp_path, ImageType=["DERIVED", "SECONDARY", "M", "ND", "NORM"]).planes
    assert plane.split["ImageType"] == "M\\ND"


def test_frames_take_shared_and_own_groups(tmp_path: Path) -> None:
    planes = parse_enhanced(tmp_path, [make_frame(0), make_frame(1)]).planes
    assert [plane.frame_number for plane in planes] == [1, 2]
    assert [plane.position for plane in planes] == [(0.0, 0.0, 0.0), (0.0, 0.0, 2.5)]
    assert {plane.pixel_spacing for plane in planes} == {(0.9, 0.7)}
    assert [plane.split["TemporalPositionIndex"] for plane in planes] == ["1", "2"]
    assert planes[0].split["AcquisitionNumber"] == "7"


def test_own_group_of_a_frame_goes_before_the_shared_one(tmp_path: Path) -> None:
    turned = [item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])]
    planes = parse_enhanced(tmp_path, [make_frame(0), make_frame(1, PlaneOrientationSequence=turned)]).planes
    assert [plane.orientation for plane in planes] == [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1)]


def test_frame_groups_give_rescale_echo_type_and_b_value(tmp_path: Path) -> None:
    groups = {
        "PixelValueTransformationSequence": [item(RescaleSlope="2", RescaleIntercept="-5")],
        "MREchoSequence": [item(EffectiveEchoTime=63.0)],
        "MRImageFrameTypeSequence": [item(FrameType=["ORIGINAL", "PRIMARY", "FIELD_MAP", "NONE"])],
        "MRDiffusionSequence": [item(DiffusionBValue=800.0)],
        "CardiacSynchronizationSequence": [item(NominalCardiacTriggerDelayTime=12.5)],
    }
    parsed = parse_enhanced(tmp_path, [make_frame(0, **groups)])
    (plane,) = parsed.planes
    assert (plane.rescale_slope, plane.rescale_intercept) == (2.0, -5.0)
    expected = {"EchoTime": "63", "DiffusionBValue": "800", "TriggerTime": "12.5"}
    assert expected.items() <= plane.split.items()
    assert plane.split["FrameType"] == "ORIGINAL\\PRIMARY\\FIELD_MAP\\NONE"
    assert (parsed.instance.header.echo_time, parsed.instance.header.slice_thickness) == (63.0, 5.0)


def test_private_group_of_a_vendor_moves_no_frame(tmp_path: Path) -> None:
    frame = make_frame(1)
    block = frame.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    block.add_new(0x0F, "SQ", [item(ImagePositionPatient=[7, 8, 9], EchoTime="5")])
    (plane,) = parse_enhanced(tmp_path, [frame]).planes
    assert plane.position == (0.0, 0.0, 2.5)
    assert "EchoTime" not in plane.split


def test_contrast_phase_of_a_frame_is_found(tmp_path: Path) -> None:
    usage = [item(ContrastBolusAgentPhase="PORTAL_VENOUS")]
    (plane,) = parse_enhanced(tmp_path, [make_frame(0, ContrastBolusUsageSequence=usage)]).planes
    assert plane.split["ContrastBolusAgentPhase"] == "PORTAL_VENOUS"


def test_contrast_phases_of_all_agents_are_found(tmp_path: Path) -> None:
    phases = ("", "ARTERIAL", "POST_CONTRAST")
    usage = [item(ContrastBolusAgentNumber=number, ContrastBolusAgentPhase=one) for number, one in enumerate(phases)]
    (plane,) = parse_enhanced(tmp_path, [make_frame(0)], ContrastBolusUsageSequence=usage).planes
    assert plane.split["ContrastBolusAgentPhase"] == "ARTERIAL\\POST_CONTRAST"


def code(meaning: str, **more: Any) -> Dataset:
    return item(CodeValue="1", CodingSchemeDesignator="99TEST", CodeMeaning=meaning, **more)


ROUTES = ("Oral route", "Intravenous route")


def test_coded_routes_of_contrast_are_read(tmp_path: Path) -> None:
    routes = [code(route) for route in ROUTES]
    header = parse_made(tmp_path, ContrastBolusAdministrationRouteSequence=routes).instance.header
    assert header.contrast_bolus_route == "Oral route & Intravenous route"


def test_coded_agents_of_an_enhanced_object_tell_their_routes(tmp_path: Path) -> None:
    agents = [
        code(agent, ContrastBolusAdministrationRouteSequence=[code(route)])
        for agent, route in zip(("Barium sulfate", "Iopamidol"), ROUTES, strict=True)
    ]
    header = parse_made(tmp_path, ContrastBolusAgentSequence=agents).instance.header
    assert header.contrast_bolus_agent == "Barium sulfate & Iopamidol"
    assert header.contrast_bolus_route == "Oral route & Intravenous route"


def test_slices_of_other_coded_routes_have_their_own_headers(tmp_path: Path) -> None:
    known: KnownHeaders = {}
    read = []
    for route in ROUTES:
        made = Made(PIXELS, attributes={"ContrastBolusAdministrationRouteSequence": [code(route)]})
        make_slices(made)[0].save_as(tmp_path / "a", enforce_file_format=True)
        header = read_header(tmp_path / "a")
        assert header is not None
        read.append(parse(tmp_path / "a", header, known).instance.header.contrast_bolus_route)
    assert tuple(read) == ROUTES


@pytest.mark.parametrize(
    ("attributes", "groups", "sequence", "variant"),
    [
        ({"EchoPulseSequence": "SPIN"}, {}, ("SE",), ()),
        ({"EchoPulseSequence": "GRADIENT", "SteadyStatePulseSequence": "NONE"}, {}, ("GR",), ()),
        ({"EchoPulseSequence": "BOTH"}, {}, (), ()),
        ({"EchoPulseSequence": "SPIN", "EchoPlanarPulseSequence": "YES"}, {}, ("SE", "EP"), ()),
        (
            {"EchoPulseSequence": "SPIN", "EchoPlanarPulseSequence": "NO"},
            {"InversionRecovery": "YES"},
            ("SE", "IR"),
            (),
        ),
        ({"EchoPulseSequence": "GRADIENT", "SteadyStatePulseSequence": "FREE_PRECESSION"}, {}, ("GR",), ("SS",)),
        ({"EchoPulseSequence": "GRADIENT"}, {"Spoiling": "RF"}, ("GR",), ("SP",)),
        ({"EchoPulseSequence": "GRADIENT"}, {"Spoiling": "NONE"}, ("GR",), ()),
        ({"ScanningSequence": ["SE", "IR"], "EchoPulseSequence": "GRADIENT"}, {}, ("SE", "IR"), ()),
    ],
)
def test_sequence_of_an_enhanced_object_is_read(
    tmp_path: Path,
    attributes: dict[str, Any],
    groups: dict[str, str],
    sequence: tuple[str, ...],
    variant: tuple[str, ...],
) -> None:
    ds = make_enhanced([make_frame(0)], 1, MRModifierSequence=[item(**groups)])
    del ds.ScanningSequence, ds.SequenceVariant
    for keyword, value in {"MagneticFieldStrength": "3", **attributes}.items():
        setattr(ds, keyword, value)
    ds.save_as(tmp_path / "a", enforce_file_format=True)
    header = parse_file(tmp_path / "a").instance.header
    assert (header.scanning_sequence, header.sequence_variant) == (sequence, variant)
    assert header.magnetic_field_strength == 3.0


@pytest.mark.parametrize(("planar", "expected"), [("NO", Weighting.T1), ("YES", Weighting.ECHO_PLANAR)])
def test_weighting_of_an_enhanced_object_follows_its_sequence(tmp_path: Path, planar: str, expected: Weighting) -> None:
    timing = [item(RepetitionTime=4.0, FlipAngle=12.0)]
    frames = [make_frame(0, MREchoSequence=[item(EffectiveEchoTime=1.4)])]
    ds = make_enhanced(frames, 1, MRTimingAndRelatedParametersSequence=timing)
    del ds.ScanningSequence, ds.SequenceVariant
    ds.EchoPulseSequence, ds.EchoPlanarPulseSequence, ds.SeriesDescription = "GRADIENT", planar, "unnamed"
    ds.save_as(tmp_path / "a", enforce_file_format=True)
    stack = replace(make_mr(), header=parse_file(tmp_path / "a").instance.header)
    assert weighting_of(stack) is expected


def test_frame_without_a_group_stands_without_position(tmp_path: Path) -> None:
    parsed = parse_enhanced(tmp_path, [make_frame(0), make_frame(1)], count=5)
    assert [plane.position is None for plane in parsed.planes] == [False, False, True]


def test_groups_without_a_frame_are_short_pixels(tmp_path: Path) -> None:
    parsed = parse_enhanced(tmp_path, [make_frame(index) for index in range(5)], count=3)
    assert not parsed.instance.pixels.is_whole


def test_multi_frame_object_without_groups_has_no_position(tmp_path: Path) -> None:
    parsed = parse_made(tmp_path, NumberOfFrames=3, PixelData=bytes(48 * 3))
    assert [plane.position for plane in parsed.planes] == [None]
    assert parsed.instance.pixels.is_whole


@pytest.mark.parametrize(
    ("attributes", "is_whole"),
    [
        ({}, True),
        ({"PixelData": bytes(46)}, False),
        ({"PixelData": bytes(50)}, True),
        ({"NumberOfFrames": 2}, False),
        ({"BitsAllocated": 32}, False),
        ({"SamplesPerPixel": 3, "BitsAllocated": 8, "PixelData": bytes(72)}, True),
        ({"SamplesPerPixel": 3, "BitsAllocated": 8, "PixelData": bytes(70)}, False),
        (
            {
                "SamplesPerPixel": 3,
                "BitsAllocated": 8,
                "PhotometricInterpretation": "YBR_FULL_422",
                "PixelData": bytes(48),
            },
            True,
        ),
    ],
)
def test_pixels_are_whole_if_they_fill_all_frames(tmp_path: Path, attributes: dict[str, Any], is_whole: bool) -> None:
    assert parse_made(tmp_path, **attributes).instance.pixels.is_whole == is_whole


@pytest.mark.parametrize(("fragments", "is_whole"), [(3, True), (2, False)])
def test_encapsulated_object_needs_a_fragment_for_each_frame(tmp_path: Path, fragments: int, is_whole: bool) -> None:
    ds = make_slices(Made(PIXELS, attributes={"NumberOfFrames": 3}))[0]
    ds.PixelData = encapsulate([bytes(10)] * fragments)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = UID(JPEGLSLossless)
    ds.save_as(tmp_path / "a", enforce_file_format=True)
    assert parse_file(tmp_path / "a").instance.pixels.is_whole == is_whole


def test_tracer_is_taken_from_the_radiopharmaceutical_sequence(tmp_path: Path) -> None:
    drug = [item(CodeValue="C-B1031", CodingSchemeDesignator="SRT", CodeMeaning="FDG")]
    nuclide = [item(CodeValue="C-111A1", CodingSchemeDesignator="SRT", CodeMeaning="18F")]
    tracer = item(Radiopharmaceutical="FDG", RadiopharmaceuticalCodeSequence=drug, RadionuclideCodeSequence=nuclide)
    header = parse_made(tmp_path, "PT", RadiopharmaceuticalInformationSequence=[tracer]).instance.header
    assert header.radiopharmaceutical == "FDG"
    assert (header.radiopharmaceutical_codes, header.radionuclide_codes) == (("C-B1031",), ("C-111A1",))


def test_acquisition_moment_is_read_in_either_form(tmp_path: Path) -> None:
    header = parse_made(
        tmp_path, AcquisitionDate="", AcquisitionTime="", AcquisitionDateTime="20200102030405"
    ).instance.header
    assert (header.acquisition_date, header.acquisition_time) == ("20200102", 11045.0)


TEXTS = {
    "modality": "Modality",
    "sop_class_uid": "SOPClassUID",
    "series_instance_uid": "SeriesInstanceUID",
    "series_description": "SeriesDescription",
    "protocol_name": "ProtocolName",
    "body_part_examined": "BodyPartExamined",
    "manufacturer_model_name": "ManufacturerModelName",
    "contrast_bolus_agent": "ContrastBolusAgent",
    "contrast_bolus_route": "ContrastBolusRoute",
    "sequence_name": "SequenceName",
    "units": "Units",
    "attenuation_correction_method": "AttenuationCorrectionMethod",
}
LISTS = {
    "image_type": "ImageType",
    "convolution_kernel": "ConvolutionKernel",
    "scanning_sequence": "ScanningSequence",
    "corrected_image": "CorrectedImage",
    "series_type": "SeriesType",
}
NUMBERS = {
    "series_number": "SeriesNumber",
    "slice_thickness": "SliceThickness",
    "kvp": "KVP",
    "echo_time": "EchoTime",
    "magnetic_field_strength": "MagneticFieldStrength",
    "repetition_time": "RepetitionTime",
    "flip_angle": "FlipAngle",
}


def as_texts(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(each) for each in value)


@pytest.mark.parametrize("name", ["petct_acrin_042", "mr_prostatex", "mr_abdomen_cmb_crc", "ct_abdomen_crlm_1004"])
def test_series_headers_are_what_pydicom_reads(real_data: Callable[[str], Path], name: str) -> None:
    for path in sorted(real_data(name).rglob("*.dcm"))[::40]:
        header, ds = parse_file(path).instance.header, pydicom.dcmread(path, stop_before_pixels=True)
        assert {field: getattr(header, field) for field in TEXTS} == {
            f: str(ds.get(k) or "").strip() for f, k in TEXTS.items()
        }
        assert {field: getattr(header, field) for field in LISTS} == {f: as_texts(ds.get(k)) for f, k in LISTS.items()}
        assert {field: getattr(header, field) for field in NUMBERS} == {f: ds.get(k) for f, k in NUMBERS.items()}


@pytest.mark.parametrize("name", ["petct_acrin_042", "mr_prostatex", "awkward"])
def test_known_headers_give_the_same_records(name: str, real_data: Callable[[str], Path]) -> None:
    known: KnownHeaders = {}
    headers = [(path, read_header(path)) for path in sorted(real_data(name).rglob("*")) if path.is_file()]
    whole = [(path, header) for path, header in headers if header is not None and header.is_whole]
    assert [parse(path, header, known) for path, header in whole] == [parse(path, header) for path, header in whole]
    assert len(known) < len(whole)
