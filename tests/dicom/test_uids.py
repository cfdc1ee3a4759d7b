"""UIDs: the same content has the same identity, other content another."""

import doctest
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from aimi.dicom import uids
from aimi.dicom.uids import CLOCK_KEYWORDS, content_digest, derive_uid, identify

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def small_segmentation(content: str = "a") -> Dataset:
    """Give the parts of a segmentation that carry UIDs."""
    organization, index, segment = Dataset(), Dataset(), Dataset()
    organization.DimensionOrganizationUID = UID("1.2.3")
    index.DimensionOrganizationUID = UID("1.2.3")
    segment.SegmentNumber = 1
    segment.TrackingUID = UID("1.2.4")
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.SOPInstanceUID = UID("1.2.5")
    ds.SeriesInstanceUID = UID("1.2.6")
    ds.SeriesDescription = content
    ds.DimensionOrganizationSequence = [organization]
    ds.DimensionIndexSequence = [index]
    ds.SegmentSequence = [segment]
    return ds


def identity(ds: Dataset) -> tuple[str, ...]:
    segment = ds.SegmentSequence[0]
    organization = ds.DimensionOrganizationSequence[0].DimensionOrganizationUID
    return ds.SOPInstanceUID, ds.SeriesInstanceUID, organization, segment.TrackingUID


def test_the_examples_are_true() -> None:
    assert doctest.testmod(uids).failed == 0


@given(digest=st.binary(min_size=32, max_size=32), role=st.text(max_size=30))
def test_a_derived_uid_is_valid(digest: bytes, role: str) -> None:
    uid = UID(derive_uid(digest, role))
    assert uid.is_valid
    assert uid.startswith("2.25.")
    assert int(uid.removeprefix("2.25.")) < 2**128


def test_roles_have_different_uids() -> None:
    ds = small_segmentation()
    identify(ds, NOON)
    assert len(set(identity(ds))) == 4


def test_one_dimension_organization_has_one_uid() -> None:
    ds = small_segmentation()
    identify(ds, NOON)
    listed = ds.DimensionOrganizationSequence[0].DimensionOrganizationUID
    assert ds.DimensionIndexSequence[0].DimensionOrganizationUID == listed


def test_uids_and_times_that_an_object_has_already_do_not_count() -> None:
    first, second = small_segmentation(), small_segmentation()
    second.SOPInstanceUID = UID("1.9.9")
    second.SegmentSequence[0].TrackingUID = UID("1.9.8")
    second.ContentTime = "070000"
    assert identify(first, NOON) == identify(second, NOON)
    assert first == second


def test_an_object_keeps_its_uids_when_it_is_identified_again() -> None:
    ds = small_segmentation()
    identify(ds, NOON)
    before = identity(ds)
    identify(ds, datetime(2030, 1, 1, tzinfo=UTC))
    assert identity(ds) == before
    assert ds.ContentDate == "20300101"


@given(first=st.text("abcde", min_size=1, max_size=8), second=st.text("abcde", min_size=1, max_size=8))
def test_another_content_has_other_uids(first: str, second: str) -> None:
    one, other = small_segmentation(first), small_segmentation(second)
    identify(one, NOON)
    identify(other, NOON)
    assert (identity(one) == identity(other)) == (first == second)


def test_the_digest_covers_nested_elements() -> None:
    one, other = small_segmentation(), small_segmentation()
    other.SegmentSequence[0].SegmentNumber = 2
    assert content_digest(one) != content_digest(other)


def test_times_are_the_clocks_and_the_file_meta_names_the_instance() -> None:
    ds = small_segmentation()
    identify(ds, NOON)
    assert [ds[keyword].value for keyword in CLOCK_KEYWORDS] == ["20260102", "120000"] * 3
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
