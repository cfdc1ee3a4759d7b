"""What a new object takes over from its source: patient, study, character set, frame of reference, losses.

The attributes of the Patient, General Study, Patient Study, Clinical Trial Subject and Clinical Trial Study
modules are copied as they stand, so that an archive files the object beside its source. What would make the
new object invalid is not: an optional attribute whose value breaks its value representation or whose items
lack what the standard requires of them is left out, a required one that may be empty is left empty, and an
optional module that lacks attributes of its own is left out whole. Each such omission is a note that names
attribute keywords and no value. Attributes that identify patient and study are never changed.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
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

_IDENTIFYING = frozenset({"PatientID", "PatientName", "StudyInstanceUID", "AccessionNumber", "StudyID"})
_MAY_BE_EMPTY = frozenset({"PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName"})
_TEXT_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", "UR"})
_ENUMERATED: Mapping[str, frozenset[str]] = {
    "PatientSex": frozenset({"M", "F", "O", ""}),
    "PatientIdentityRemoved": frozenset({"YES", "NO"}),
}

_REQUIRED_IN_ITEMS: Mapping[str, tuple[str, ...]] = {
    "ReferencedPatientSequence": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
    "ReferencedStudySequence": ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"),
    "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
    "ConsentForClinicalTrialUseSequence": ("ConsentForDistributionFlag",),
}
_CODE_VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")


@dataclass(frozen=True, slots=True)
class _Module:
    """A group of attributes that stands or falls together.

    Parameters
    ----------
    required : must have values when any attribute of the group is present.
    present : must be there, with or without a value.
    one_of : one of them must have a value.
    """

    name: str
    keywords: tuple[str, ...]
    required: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    def is_whole(self, dataset: Dataset) -> bool:
        has_required = all(_has_value(dataset, keyword) for keyword in self.required)
        has_one = not self.one_of or any(_has_value(dataset, keyword) for keyword in self.one_of)
        return has_required and has_one and all(keyword in dataset for keyword in self.present)


MODULES = (
    _Module(  # PS3.3 C.7.1.3
        name="Clinical Trial Subject",
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
    _Module(  # PS3.3 C.7.2.3
        name="Clinical Trial Study",
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
)


def inherit_patient_and_study(dataset: Dataset, header: Dataset) -> Iterator[Note]:
    """Copy patient and study, and the character set they are written in, from a header; note what is left out."""
    with warnings.catch_warnings():
        # pydicom warns of each odd value when it is read; they are judged one by one below.
        warnings.simplefilter("ignore")
        if "SpecificCharacterSet" in header:
            dataset["SpecificCharacterSet"] = header["SpecificCharacterSet"]
        dataset.copy_patient_and_study_information(header)
        copied = [element for element in dataset if header.get(element.tag) is element]
        invalid = sorted(one.keyword for one in copied if one.keyword not in _IDENTIFYING and not _is_valid(one))
    _leave_out(dataset, invalid)
    if invalid:
        sentence = f"Attributes of the source that break the standard were left out: {', '.join(invalid)}."
        yield Note("invalid-attributes-left-out", sentence)
    for module in MODULES:
        present = [keyword for keyword in module.keywords if keyword in dataset]
        if present and not module.is_whole(dataset):
            _leave_out(dataset, present)
            sentence = f"The source's {module.name} lacks attributes that the standard requires; it was left out."
            yield Note(f"{module.name.lower().replace(' ', '-')}-left-out", sentence)


def _leave_out(dataset: Dataset, keywords: Sequence[str]) -> None:
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
        return all(_is_valid_item(item, element.keyword) for item in element.value)
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
    return True


def _is_valid_item(item: Dataset, keyword: str) -> bool:
    required = _REQUIRED_IN_ITEMS.get(keyword, ())
    if keyword.endswith("CodeSequence"):
        is_urn = _has_value(item, "URNCodeValue")
        required = ("CodeMeaning",) if is_urn else ("CodeMeaning", "CodingSchemeDesignator")
        if not any(_has_value(item, value) for value in _CODE_VALUES):
            return False
    return all(_has_value(item, one) for one in required) and all(_is_valid(element) for element in item)


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
