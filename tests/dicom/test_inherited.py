"""What a new object takes over: all that is valid, nothing that would make it invalid, and identity always."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from aimi.dicom.segmentation import Encoded
from tests.dicom.segs import MADE, errors_of, file_of, scattered, written
from tests.dicom.stacks import read_stack
from tests.made import make_slices, write_made, write_series

RealData = Callable[[str], Path]

INVALID = "invalid-attributes-left-out"
INCOMPLETE = "incomplete-module-left-out"
TRIAL = {
    "ClinicalTrialSponsorName": "Sponsor",
    "ClinicalTrialProtocolID": "P-1",
    "ClinicalTrialProtocolName": "",
    "ClinicalTrialSiteID": "",
    "ClinicalTrialSiteName": "",
    "ClinicalTrialSubjectID": "S-1",
}


def item(**values: Any) -> list[Dataset]:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return [ds]


def put(ds: Dataset, keyword: str, value: Any) -> None:
    """Set an attribute without pydicom's judgement of its value."""
    tag = Tag(keyword)
    ds[tag] = DataElement(tag, ds_vr(keyword), value, validation_mode=config.IGNORE)


def ds_vr(keyword: str) -> str:
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(keyword)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Encoded]:
    """Write a segmentation of a made series with some attributes set."""

    def of(**values: Any) -> Encoded:
        slices = make_slices(MADE["axial"])
        for ds in slices:
            for keyword, value in values.items():
                put(ds, keyword, value)
        stack = read_stack(write_series(tmp_path / "source", slices))
        return written(stack, scattered(stack))

    return of


BROKEN: Sequence[tuple[str, Any]] = (
    ("PatientAge", "45"),
    ("PatientBirthDate", "1990.01"),
    ("PatientBirthTime", "99"),
    ("PatientSex", "X"),
    ("PatientState", "x" * 70),
    ("PatientComments", "x" * 11000),
    ("PregnancyStatus", 9),
    ("SmokingStatus", "NEVER"),
    ("QualityControlSubject", "MAYBE"),
    ("StudyTime", "25:00:00"),
    ("StudyID", "1" * 20),
    ("StudyDescription", "x" * 70),
    ("ReferringPhysicianName", "a^b^c^d^e^f"),
    ("PatientIdentityRemoved", "YES"),
    ("ReferencedStudySequence", []),
    ("ReferencedStudySequence", item()),
    ("ReferencedPatientSequence", item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.1.1")),
    ("ProcedureCodeSequence", item(CodeMeaning="x")),
    ("ProcedureCodeSequence", item(CodeMeaning="x", CodeValue="1")),
    ("OtherPatientIDsSequence", item(PatientID="1")),
    ("IssuerOfAccessionNumberSequence", item(UniversalEntityID="1.2.3")),
    ("ReferringPhysicianIdentificationSequence", item()),
    ("PhysiciansOfRecordIdentificationSequence", item(InstitutionName="x")),
)


@pytest.mark.parametrize(("keyword", "value"), BROKEN)
def test_an_attribute_that_breaks_the_standard_is_left_out(
    write: Callable[..., Encoded], tmp_path: Path, keyword: str, value: Any
) -> None:
    encoded = write(**{keyword: value})
    assert errors_of(file_of(encoded, tmp_path)) == []
    assert [note.code for note in encoded.notes] == [INVALID]
    assert encoded.notes[0].sentence.endswith(f"left out: {keyword}.")
    assert not encoded.dataset.get(keyword)


WHOLE: Sequence[tuple[str, Any]] = (
    ("PatientAge", "045Y"),
    ("PatientSex", "F"),
    ("StudyDescription", "A study"),
    ("ProcedureCodeSequence", item(CodeMeaning="x", CodeValue="1", CodingSchemeDesignator="99X")),
    (
        "ReferencedStudySequence",
        item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID="1.2.3"),
    ),
    ("IssuerOfAccessionNumberSequence", item(LocalNamespaceEntityID="HERE")),
)


@pytest.mark.parametrize(("keyword", "value"), WHOLE)
def test_a_valid_attribute_of_patient_and_study_is_copied(
    write: Callable[..., Encoded], tmp_path: Path, keyword: str, value: Any
) -> None:
    encoded = write(**{keyword: value})
    assert errors_of(file_of(encoded, tmp_path)) == []
    assert encoded.dataset[keyword].value == value
    assert encoded.notes == ()


GROUPS: Sequence[dict[str, Any]] = (
    {"ClinicalTrialSponsorName": "Sponsor"},
    {keyword: value for keyword, value in TRIAL.items() if keyword != "ClinicalTrialSiteName"},
    {**TRIAL, "ClinicalTrialSubjectID": ""},
    {"ClinicalTrialTimePointDescription": "later"},
    {"ClinicalTrialTimePointID": "1", "LongitudinalTemporalOffsetFromEvent": 2.0},
    {"PatientBirthDateInAlternativeCalendar": "x"},
    {"PatientSpeciesDescription": "Canis lupus familiaris"},
    {"ResponsiblePerson": "A^B"},
)


@pytest.mark.parametrize("values", GROUPS)
def test_an_incomplete_module_is_left_out_whole_with_a_note(
    write: Callable[..., Encoded], tmp_path: Path, values: dict[str, Any]
) -> None:
    encoded = write(**values)
    assert errors_of(file_of(encoded, tmp_path)) == []
    assert [note.code for note in encoded.notes] == [INCOMPLETE]
    kept = {"ClinicalTrialTimePointID"} & values.keys() if len(values) == 2 else set()
    assert {keyword for keyword in values if keyword in encoded.dataset} == kept


def test_a_whole_clinical_trial_module_is_copied(write: Callable[..., Encoded], tmp_path: Path) -> None:
    encoded = write(**TRIAL)
    assert errors_of(file_of(encoded, tmp_path)) == []
    assert {keyword: encoded.dataset[keyword].value or "" for keyword in TRIAL} == TRIAL
    assert encoded.notes == ()


@pytest.mark.parametrize(("keyword", "value"), [("PatientID", "1" * 70), ("AccessionNumber", "1" * 20)])
def test_identity_is_kept_even_if_it_breaks_the_standard(
    write: Callable[..., Encoded], keyword: str, value: str
) -> None:
    encoded = write(**{keyword: value})
    assert encoded.dataset[keyword].value == value
    assert [note.code for note in encoded.notes] == ["invalid-identity-kept"]
    assert value not in encoded.notes[0].sentence


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jürg"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_a_name_keeps_its_characters_and_character_set(
    write: Callable[..., Encoded], tmp_path: Path, character_set: str | list[str], name: str
) -> None:
    path = file_of(write(SpecificCharacterSet=character_set, PatientName=name), tmp_path)
    again = dcmread(path)
    assert again.PatientName == name
    assert again.SpecificCharacterSet == character_set
    assert errors_of(path) == []


def test_an_unknown_character_set_is_written_as_utf_8(write: Callable[..., Encoded], tmp_path: Path) -> None:
    slices = make_slices(MADE["axial"])
    stack = read_stack(write_series(tmp_path / "strange", slices))
    for instance in stack.instances:
        content = instance.path.read_bytes().replace(
            b"\x08\x00\x08\x00CS", b"\x08\x00\x05\x00CS\x06\x00latin1\x08\x00\x08\x00CS", 1
        )
        instance.path.write_bytes(content)
    encoded = written(stack, scattered(stack))
    assert encoded.dataset.SpecificCharacterSet == "ISO_IR 192"
    assert [note.code for note in encoded.notes] == ["character-set-unknown"]


def test_a_number_that_is_none_is_left_out(tmp_path: Path) -> None:
    slices = make_slices(replace(MADE["axial"], attributes={"PatientWeight": "71.5"}))
    stack = read_stack(write_series(tmp_path / "strange", slices))
    for instance in stack.instances:
        instance.path.write_bytes(instance.path.read_bytes().replace(b"71.5", b"heav"))
    encoded = written(stack, scattered(stack))
    assert "PatientWeight" not in encoded.dataset
    assert [note.code for note in encoded.notes] == [INVALID]


def test_the_trial_subject_of_the_acrin_study_is_left_out_and_its_time_point_kept(real_data: RealData) -> None:
    stack = read_stack(real_data("awkward") / "enhanced" / "made_legacy_enhanced_pet")
    encoded = written(stack, scattered(stack))
    assert [note.code for note in encoded.notes] == [INCOMPLETE]
    assert not {"ClinicalTrialSponsorName", "ClinicalTrialProtocolID"}.intersection(encoded.dataset.dir())
    assert "ClinicalTrialTimePointID" in encoded.dataset


def test_the_frame_of_reference_is_the_sources(tmp_path: Path) -> None:
    stack = read_stack(write_made(tmp_path / "source", MADE["axial"]))
    assert written(stack, scattered(stack)).dataset.FrameOfReferenceUID == stack.header.frame_of_reference_uid


def test_a_missing_frame_of_reference_is_derived_from_the_series(write: Callable[..., Encoded], tmp_path: Path) -> None:
    first, again = write(FrameOfReferenceUID=None), write(FrameOfReferenceUID=None)
    assert [note.code for note in first.notes] == ["frame-of-reference-derived"]
    assert first.dataset.FrameOfReferenceUID == again.dataset.FrameOfReferenceUID
    assert first.dataset.FrameOfReferenceUID.is_valid
    assert errors_of(file_of(first, tmp_path)) == []


def test_losses_of_the_source_are_told(write: Callable[..., Encoded], tmp_path: Path) -> None:
    encoded = write(
        LossyImageCompression="01", LossyImageCompressionRatio="10.5", LossyImageCompressionMethod="ISO_15444_1"
    )
    assert encoded.dataset.LossyImageCompression == "01"
    assert encoded.dataset.LossyImageCompressionRatio == 10.5
    assert encoded.dataset.LossyImageCompressionMethod == "ISO_15444_1"
    assert [note.code for note in encoded.notes] == ["lossy-source"]
    assert errors_of(file_of(encoded, tmp_path)) == []


@pytest.mark.parametrize(("flag", "told"), [("", "01"), ("00", "00")])
def test_a_lossy_transfer_syntax_counts_unless_the_header_denies_it(tmp_path: Path, flag: str, told: str) -> None:
    stack = read_stack(write_made(tmp_path / "source", MADE["axial"]))
    instances = tuple(
        replace(
            one,
            header=replace(one.header, lossy_image_compression=flag),
            pixels=replace(one.pixels, transfer_syntax_uid="1.2.840.10008.1.2.4.81"),
        )
        for one in stack.instances
    )
    stack = replace(stack, instances=instances)
    dataset = written(stack, scattered(stack)).dataset
    assert dataset.LossyImageCompression == told
    assert dataset.get("LossyImageCompressionMethod") == ("ISO_14495_1" if told == "01" else None)


def test_without_losses_the_object_says_so(write: Callable[..., Encoded]) -> None:
    assert write().dataset.LossyImageCompression == "00"
