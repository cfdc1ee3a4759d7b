"""What a new object takes over from its source: patient, study, character set, frame of reference, losses.

The attributes of the Patient, General Study, Patient Study, Clinical Trial Subject and Clinical Trial Study
modules are copied as they stand, so that an archive files the object beside its source. What would make the
new object invalid is not: an optional attribute whose value breaks its value representation or whose items
lack what the standard requires of them is left out, a required one that may be empty is left empty, and an
optional module that lacks attributes of its own is left out whole. Each such omission is a note that names
attribute keywords and no value. Attributes that identify patient and study are never changed.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydicom import config
from pydicom.charset import python_encoding
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.valuerep import validate_value

from aimi.dicom.header import Plane, Stack
from aimi.dicom.uids import derive_uid
from aimi.image import Note

__all__ = ["inherit_compression", "inherit_frame_of_reference", "inherit_patient_and_study", "is_lossy"]

LOSSY_METHODS: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
"""Lossy Image Compression Method by transfer syntaxes that are lossy unless the header denies it."""

_IDENTIFYING = frozenset({"PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber"})
_MAY_BE_EMPTY = frozenset(
    {"PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "ReferringPhysicianName"}
)
_GROUPS_OF_PATIENT_AND_STUDY = frozenset({0x0008, 0x0010, 0x0012, 0x0020, 0x0032, 0x0038, 0x0040})
_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UR"})
_NAME_PARTS = 5
_UTF_8 = "ISO_IR 192"

_ENUMERATED: Mapping[str, frozenset[str]] = {
    "PatientSex": frozenset({"M", "F", "O", ""}),
    "PatientSexNeutered": frozenset({"ALTERED", "UNALTERED", ""}),
    "PatientIdentityRemoved": frozenset({"YES", "NO"}),
    "PregnancyStatus": frozenset({"1", "2", "3", "4"}),
    "QualityControlSubject": frozenset({"YES", "NO"}),
    "SmokingStatus": frozenset({"YES", "NO", "UNKNOWN"}),
}
_REQUIRED_IN_ITEMS: Mapping[str, tuple[str, ...]] = {
    "ReferencedPatientSequence": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
    "ReferencedStudySequence": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
    "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
    "ConsentForClinicalTrialUseSequence": ("ConsentForDistributionFlag", "DistributionType"),
}
_CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")
_ENTITY_IDS = ("LocalNamespaceEntityID", "UniversalEntityID")
_INSTITUTIONS = ("InstitutionName", "InstitutionCodeSequence")


@dataclass(frozen=True, slots=True)
class _Group:
    """Optional attributes that stand or fall together.

    Parameters
    ----------
    keywords : all attributes of the group.
    triggers : any of these being there makes the others required; empty means any attribute of the group.
    required : must have values.
    present : must be there, with or without a value.
    one_of : one of them must have a value.
    """

    name: str
    keywords: tuple[str, ...]
    triggers: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    def is_broken(self, dataset: Dataset) -> bool:
        if not any(keyword in dataset for keyword in self.triggers or self.keywords):
            return False
        has_required = all(_has_value(dataset, keyword) for keyword in self.required)
        has_one = not self.one_of or any(_has_value(dataset, keyword) for keyword in self.one_of)
        return not (has_required and has_one and all(keyword in dataset for keyword in self.present))


GROUPS = (
    _Group(  # PS3.3 C.7.1.3
        name="Clinical Trial Subject module",
        keywords=(
            "ClinicalTrialSponsorName",
            "ClinicalTrialProtocolID",
            "IssuerOfClinicalTrialProtocolID",
            "OtherClinicalTrialProtocolIDsSequence",
            "ClinicalTrialProtocolName",
            "ClinicalTrialSiteID",
            "IssuerOfClinicalTrialSiteID",
            "ClinicalTrialSiteName",
            "ClinicalTrialSubjectID",
            "IssuerOfClinicalTrialSubjectID",
            "ClinicalTrialSubjectReadingID",
            "IssuerOfClinicalTrialSubjectReadingID",
            "ClinicalTrialProtocolEthicsCommitteeName",
            "ClinicalTrialProtocolEthicsCommitteeApprovalNumber",
        ),
        required=("ClinicalTrialSponsorName", "ClinicalTrialProtocolID"),
        present=("ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName"),
        one_of=("ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID"),
    ),
    _Group(  # PS3.3 C.7.2.3
        name="temporal event of the clinical trial",
        keywords=("LongitudinalTemporalOffsetFromEvent", "LongitudinalTemporalEventType"),
        required=("LongitudinalTemporalOffsetFromEvent", "LongitudinalTemporalEventType"),
    ),
    _Group(  # PS3.3 C.7.2.3
        name="Clinical Trial Study module",
        keywords=(
            "ClinicalTrialTimePointID",
            "IssuerOfClinicalTrialTimePointID",
            "ClinicalTrialTimePointDescription",
            "ClinicalTrialTimePointTypeCodeSequence",
            "LongitudinalTemporalOffsetFromEvent",
            "LongitudinalTemporalEventType",
            "ConsentForClinicalTrialUseSequence",
        ),
        present=("ClinicalTrialTimePointID",),
    ),
    _Group(  # PS3.3 C.7.1.1
        name="dates in another calendar",
        keywords=(
            "PatientBirthDateInAlternativeCalendar",
            "PatientDeathDateInAlternativeCalendar",
            "PatientAlternativeCalendar",
        ),
        required=("PatientAlternativeCalendar",),
        one_of=("PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar"),
    ),
    _Group(  # PS3.3 C.7.1.1
        name="responsible person",
        keywords=("ResponsiblePerson", "ResponsiblePersonRole"),
        triggers=("ResponsiblePersonRole", "ResponsiblePerson"),
        required=("ResponsiblePerson", "ResponsiblePersonRole"),
    ),
    _Group(  # PS3.3 C.7.1.1 and C.7.2.2: required of animals
        name="description of an animal",
        keywords=(
            "PatientSpeciesDescription",
            "PatientSpeciesCodeSequence",
            "PatientBreedDescription",
            "PatientBreedCodeSequence",
            "BreedRegistrationSequence",
            "PatientSexNeutered",
        ),
        triggers=("PatientSpeciesDescription", "PatientSpeciesCodeSequence"),
        present=(
            "PatientBreedDescription",
            "PatientBreedCodeSequence",
            "BreedRegistrationSequence",
            "ResponsiblePerson",
            "ResponsibleOrganization",
            "PatientSexNeutered",
        ),
    ),
)


def inherit_patient_and_study(dataset: Dataset, header: Dataset) -> tuple[Note, ...]:
    """Copy patient and study, and the character set they are written in, from a header; note what is left out.

    Elements of the header that cannot be read at all are removed from it.
    """
    with warnings.catch_warnings():
        # pydicom warns of each odd value when it is read; they are judged one by one instead.
        warnings.simplefilter("ignore")
        unreadable = _remove_unreadable(header)
        notes = list(_inherit_character_set(dataset, header))
        dataset.copy_patient_and_study_information(header)
        copied = [element for element in dataset if header.get(element.tag) is element]
        broken = {element.keyword for element in copied if not _is_valid(element)}
        if not header.get("SpecificCharacterSet"):
            broken |= {element.keyword for element in copied if not str(element.value).isascii()}
    if dataset.get("PatientIdentityRemoved") == "YES" and not _tells_deidentification(dataset):
        broken.add("PatientIdentityRemoved")
    _leave_out(dataset, broken - _IDENTIFYING)
    notes += _leave_out_groups(dataset)
    if omitted := sorted((broken - _IDENTIFYING).union(unreadable)):
        sentence = f"Attributes of the source break the standard and were left out: {', '.join(omitted)}."
        notes.append(Note("invalid-attributes-left-out", sentence))
    if kept := sorted(broken & _IDENTIFYING):
        sentence = f"Identifying attributes of the source break the standard and were kept: {', '.join(kept)}."
        notes.append(Note("invalid-identity-kept", sentence))
    return tuple(notes)


def _remove_unreadable(header: Dataset) -> list[str]:
    """Remove the elements of patient and study that pydicom cannot convert; give their keywords."""
    tags = [tag for tag in header.keys() if tag.group in _GROUPS_OF_PATIENT_AND_STUDY]  # noqa: SIM118 - converts
    unreadable = [tag for tag in tags if not _is_readable(header, tag)]
    for tag in unreadable:
        del header[tag]
    return [keyword_for_tag(tag) for tag in unreadable]


def _is_readable(header: Dataset, tag: BaseTag) -> bool:
    try:
        header[tag]
    except ValueError:
        return False
    return True


def _inherit_character_set(dataset: Dataset, header: Dataset) -> Iterator[Note]:
    """Keep the source's character set; text in one that nobody knows is written as UTF-8."""
    if "SpecificCharacterSet" not in header:
        return
    element = header["SpecificCharacterSet"]
    terms = element.value if isinstance(element.value, MultiValue) else [element.value or ""]
    if all(term in python_encoding for term in terms):
        dataset["SpecificCharacterSet"] = element
    else:
        dataset.SpecificCharacterSet = _UTF_8
        yield Note("character-set-unknown", "The source's character set is none of the standard's; UTF-8 was written.")


def _leave_out_groups(dataset: Dataset) -> Iterator[Note]:
    for group in GROUPS:
        if group.is_broken(dataset):
            _leave_out(dataset, [keyword for keyword in group.keywords if keyword in dataset])
            sentence = f"The source's {group.name} lacks attributes that the standard requires; it was left out."
            yield Note("incomplete-module-left-out", sentence)


def _tells_deidentification(dataset: Dataset) -> bool:
    return any(_has_value(dataset, one) for one in ("DeidentificationMethod", "DeidentificationMethodCodeSequence"))


def _leave_out(dataset: Dataset, keywords: Iterable[str]) -> None:
    for keyword in keywords:
        if keyword in _MAY_BE_EMPTY:
            setattr(dataset, keyword, "")
        else:
            delattr(dataset, keyword)


def _has_value(dataset: Dataset, keyword: str) -> bool:
    return dataset.get(keyword) not in (None, "", [])


def _is_valid(element: DataElement) -> bool:
    """Tell whether an element obeys its value representation and its items hold what they must."""
    if element.VR == "SQ":
        return len(element.value) > 0 and all(_is_valid_item(item, element.keyword) for item in element.value)
    if element.keyword in _ENUMERATED and str(element.value or "") not in _ENUMERATED[element.keyword]:
        return False
    if element.VR not in _TEXT_VRS or element.value is None:
        return True
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    return all(_is_valid_text(element.VR, str(value)) for value in values)


def _is_valid_text(representation: str, text: str) -> bool:
    try:
        validate_value(representation, text, config.RAISE)
    except ValueError:
        return False
    # pydicom does not count the parts of a name (PS3.5 6.2.1).
    return representation != "PN" or all(part.count("^") < _NAME_PARTS for part in text.split("="))


def _is_valid_item(item: Dataset, keyword: str) -> bool:
    required = _REQUIRED_IN_ITEMS.get(keyword, ())
    if keyword.endswith("CodeSequence"):
        required = ("CodeMeaning",) if _has_value(item, "URNCodeValue") else ("CodeMeaning", "CodingSchemeDesignator")
    try:
        is_obeyed = all(_has_value(item, one) for one in required) and all(_is_valid(element) for element in item)
    except ValueError:
        return False
    return is_obeyed and _names_its_subject(item, keyword)


def _names_its_subject(item: Dataset, keyword: str) -> bool:
    """Tell whether an item of a code, person or issuer names it (PS3.3 8.8, 10.1, 10.14)."""
    if keyword.endswith("CodeSequence"):
        return any(_has_value(item, one) for one in _CODE_VALUES)
    if keyword.endswith("IdentificationSequence"):
        is_placed = any(_has_value(item, one) for one in _INSTITUTIONS)
        return is_placed and _has_value(item, "PersonIdentificationCodeSequence")
    if keyword.startswith("IssuerOf"):
        is_typed = _has_value(item, "UniversalEntityID") == _has_value(item, "UniversalEntityIDType")
        return is_typed and any(_has_value(item, one) for one in _ENTITY_IDS)
    return True


def inherit_frame_of_reference(dataset: Dataset, stack: Stack, header: Dataset) -> Iterator[Note]:
    """Copy the frame of reference, or derive one from the series if the source has none."""
    dataset.PositionReferenceIndicator = header.get("PositionReferenceIndicator")
    dataset.FrameOfReferenceUID = stack.header.frame_of_reference_uid
    if stack.header.frame_of_reference_uid is None:
        dataset.FrameOfReferenceUID = derive_uid(stack.header.series_instance_uid.encode(), "frame of reference")
        yield Note(
            "frame-of-reference-derived",
            "The source has no Frame of Reference UID; the segmentation's is derived from the series.",
        )


def is_lossy(stack: Stack, plane: Plane) -> bool:
    """Tell whether a plane's pixels were once compressed with losses, by its flag or else its transfer syntax."""
    instance = stack.instances[plane.instance]
    flag = instance.header.lossy_image_compression
    return flag == "01" or (flag != "00" and instance.pixels.transfer_syntax_uid in LOSSY_METHODS)


def inherit_compression(dataset: Dataset, stack: Stack, header: Dataset) -> Iterator[Note]:
    """Say so if the source was compressed with losses; the header is that of such a plane (PS3.3 C.7.6.1.1.5)."""
    lossy = next((plane for plane in stack.planes if is_lossy(stack, plane)), None)
    dataset.LossyImageCompression = "00"
    if lossy is None:
        return
    dataset.LossyImageCompression = "01"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if _has_value(header, keyword):
            dataset[keyword] = header[keyword]
    syntax = stack.instances[lossy.instance].pixels.transfer_syntax_uid
    if "LossyImageCompressionMethod" not in dataset and syntax in LOSSY_METHODS:
        dataset.LossyImageCompressionMethod = LOSSY_METHODS[syntax]
    yield Note("lossy-source", "The source images were compressed with losses.")
