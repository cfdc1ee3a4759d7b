"""Reading whole inputs: what counts, what is ignored, what is refused."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, BasicTextSRStorage, ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from aimi.dicom import study
from aimi.dicom.header import Study
from aimi.errors import AimiError, InputError, SelectionError, UsageError
from tests.made import Made, make_slices, write_made, write_series

ARRAY = np.zeros((9, 4, 5), np.int16)


def write_ct(folder: Path, **fields: object) -> Path:
    return write_made(folder, Made(ARRAY, **fields))  # type: ignore[arg-type]  # fields of Made


def describe(found: Study) -> list[tuple[str, list[str], list[str]]]:
    """Give all that a study holds but the places of its files."""
    return [
        (
            stack.name,
            [stack.instances[plane.instance].sop_instance_uid for plane in stack.planes],
            [defect.sentence for defect in stack.defects],
        )
        for series in found.series
        for stack in series.stacks
    ]


def test_folder_of_a_ct_is_one_stack(tmp_path: Path) -> None:
    found = study.read(write_ct(tmp_path / "in"))
    assert [len(stack.planes) for series in found.series for stack in series.stacks] == [9]
    assert (found.study_instance_uid, found.ignored, found.duplicates) == ("2.25.1000.1", 0, 0)
    assert (found.problems, found.notes) == ((), ())


def test_single_file_is_read(tmp_path: Path) -> None:
    found = study.read(write_ct(tmp_path / "in") / "0003.dcm")
    assert [defect.code for defect in found.series[0].stacks[0].defects] == ["too-few-slices"]


def test_series_are_in_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 3, 7):
        write_ct(tmp_path / "in" / str(number), series=number)
    assert [each.header.series_number for each in study.read(tmp_path / "in").series] == [3, 7, 10]


def test_other_files_are_ignored_and_counted(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    (folder / "notes.txt").write_text("no image")
    (folder / "empty").touch()
    (folder / "0001.dcm.json").write_bytes((folder / "0001.dcm").read_bytes())
    found = study.read(folder)
    assert (found.ignored, len(found.series[0].instances)) == (3, 9)


def test_progress_ends_at_the_number_of_files(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    study.read(write_ct(tmp_path / "in"), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (9, 9)


def test_absent_input_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        study.read(tmp_path / "absent")


def test_folder_without_dicom_has_no_series(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(SelectionError, match="0 damaged DICOM files, 1 other files"):
        study.read(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ({"PatientID": "MADE-2"}, "2 different Patient IDs"),
        ({"IssuerOfPatientID": "elsewhere"}, "2 different issuers of the Patient ID"),
        ({"PatientBirthDate": "19700101"}, "2 different birth dates"),
    ],
)
def test_two_patients_are_refused(tmp_path: Path, attributes: dict[str, str], what: str) -> None:
    write_ct(tmp_path / "in" / "a", attributes={"IssuerOfPatientID": "here", "PatientBirthDate": "19600101"})
    both = {"IssuerOfPatientID": "here", "PatientBirthDate": "19600101", **attributes}
    write_ct(tmp_path / "in" / "b", series=3, attributes=both)
    with pytest.raises(InputError, match=what) as caught:
        study.read(tmp_path / "in")
    assert not any(value in str(caught.value) for value in ("MADE", "elsewhere", "1970"))


def test_two_patients_are_refused_whatever_study_is_named(tmp_path: Path) -> None:
    write_ct(tmp_path / "in" / "a")
    write_ct(tmp_path / "in" / "b", study=2, patient="MADE-2")
    with pytest.raises(InputError, match="more than one patient"):
        study.read(tmp_path / "in", study_uid="2.25.1000.1")


@pytest.mark.parametrize("value", [None, ""])
def test_patient_id_in_some_objects_only_is_refused(tmp_path: Path, value: str | None) -> None:
    slices = make_slices(Made(ARRAY))
    del slices[-1].PatientID
    if value is not None:
        slices[-1].PatientID = value
    with pytest.raises(InputError, match=r"1 of 9 objects have no Patient ID .* more than one patient"):
        study.read(write_series(tmp_path / "in", slices))


def test_birth_date_in_some_objects_only_is_one_patient(tmp_path: Path) -> None:
    write_ct(tmp_path / "in" / "a", attributes={"PatientBirthDate": "19600101"})
    write_ct(tmp_path / "in" / "b", series=3)
    assert len(study.read(tmp_path / "in").series) == 2


def test_absent_patient_id_is_noted(tmp_path: Path) -> None:
    (note,) = study.read(write_ct(tmp_path / "in", patient="")).notes
    assert note.code == "no-patient-id"


def test_several_studies_need_a_choice(tmp_path: Path) -> None:
    write_ct(tmp_path / "in" / "a")
    write_ct(tmp_path / "in" / "b", study=2)
    with pytest.raises(SelectionError, match=r"2 studies .* Name one with --study UID"):
        study.read(tmp_path / "in")
    assert study.read(tmp_path / "in", study_uid="2.25.1000.2").study_instance_uid == "2.25.1000.2"


def test_unknown_study_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="--study"):
        study.read(write_ct(tmp_path / "in"), study_uid="1.2.3")


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def place_of(path: Path, tag: bytes) -> int:
    return path.read_bytes().index(tag)


def defects_of(found: Study) -> list[list[str]]:
    return [[defect.code for defect in stack.defects] for series in found.series for stack in series.stacks]


def test_cut_header_is_a_problem_and_leaves_a_gap(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    cut(folder / "0004.dcm", 400)
    found = study.read(folder)
    assert [(problem.path.name, problem.code) for problem in found.problems] == [("0004.dcm", "truncated-header")]
    assert defects_of(found) == [["missing-slices", "unattributable-files"]]
    assert [note.code for note in found.notes] == ["unreadable-files"]


def test_cut_header_of_a_known_series_counts_against_it(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    write_ct(tmp_path / "in" / "other", series=3)
    last = folder / "0008.dcm"
    cut(last, place_of(last, b"\x28\x00\x10\x00"))
    last.write_bytes(last.read_bytes() + b"\x28\x00\x10\x00US\x02")
    damaged, whole = study.read(folder).series
    assert "unreadable-instance" in [defect.code for defect in damaged.stacks[0].defects]
    assert whole.stacks[0].defects == ()


def test_damaged_copy_of_a_whole_object_leaves_no_gap(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    copy = folder / "copy"
    copy.write_bytes((folder / "0008.dcm").read_bytes())
    cut(copy, place_of(copy, b"\x28\x00\x10\x00") + 3)
    found = study.read(folder)
    assert [problem.code for problem in found.problems] == ["truncated-header"]
    assert found.series[0].stacks[0].defects == ()


def test_cut_last_header_without_a_series_counts_against_stacks_of_its_kind(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    write_made(folder / "b", Made(ARRAY, modality="MR", series=3))
    cut(folder / "0008.dcm", place_of(folder / "0008.dcm", b"\x20\x00\x0d\x00") + 3)
    assert defects_of(study.read(folder)) == [["unattributable-files"], []]


def test_cut_bare_data_set_of_an_image_is_a_problem(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    last = folder / "0008.dcm"
    last.write_bytes(last.read_bytes()[place_of(last, b"\x08\x00\x08\x00") : place_of(last, b"\x08\x00\x18\x00")])
    found = study.read(folder)
    assert [problem.code for problem in found.problems] == ["no-sop-instance-uid"]
    assert defects_of(found) == [["unattributable-files"]]


def test_damaged_report_may_be_no_slice(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    report = make_slices(Made(ARRAY[:1], series=5))[0]
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    write_series(folder / "report", [report])
    cut(folder / "report" / "0000.dcm", place_of(folder / "report" / "0000.dcm", b"\x20\x00\x0d\x00") + 3)
    found = study.read(folder)
    assert ([problem.code for problem in found.problems], defects_of(found)) == (["truncated-header"], [[]])


def test_damaged_copy_without_series_of_a_whole_object_leaves_no_gap(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    copy = folder / "copy"
    copy.write_bytes((folder / "0008.dcm").read_bytes())
    cut(copy, place_of(copy, b"\x20\x00\x0d\x00") + 3)
    assert defects_of(study.read(folder)) == [[]]


@pytest.mark.parametrize("value", [None, "", ["1.2.3", "1.2.4"], "1.2.JANE"])
def test_slice_without_a_series_may_be_of_any_stack(tmp_path: Path, value: str | list[str] | None) -> None:
    slices = make_slices(Made(ARRAY))
    del slices[-1].SeriesInstanceUID
    if value is not None:
        slices[-1]["SeriesInstanceUID"] = DataElement("SeriesInstanceUID", "UI", value, validation_mode=IGNORE)
    found = study.read(write_series(tmp_path / "in", slices))
    assert defects_of(found) == [["too-few-slices", "no-uid", "unattributable-files"], ["unattributable-files"]]


def test_study_of_no_uid_is_a_study_with_defects(tmp_path: Path) -> None:
    slices = make_slices(Made(ARRAY))
    for ds in slices:
        ds.StudyInstanceUID = ""
    found = study.read(write_series(tmp_path / "in", slices))
    assert (found.study_instance_uid, defects_of(found)) == ("", [["no-uid"]])


def test_cut_pixels_are_a_problem_and_a_defect(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    cut(folder / "0008.dcm", len((folder / "0008.dcm").read_bytes()) - 1)
    found = study.read(folder)
    assert [(problem.path.name, problem.code) for problem in found.problems] == [("0008.dcm", "pixels-short")]
    assert [defect.code for defect in found.series[0].stacks[0].defects] == ["pixels-short"]


def test_object_without_identity_is_a_problem(tmp_path: Path) -> None:
    slices = make_slices(Made(ARRAY))
    folder = write_series(tmp_path / "in", slices)
    ds = pydicom.dcmread(folder / "0004.dcm")
    del ds.SOPInstanceUID
    ds.save_as(folder / "0004.dcm")
    assert [problem.code for problem in study.read(folder).problems] == ["no-sop-instance-uid"]


@pytest.mark.parametrize("depth", [1, 4])
def test_depth_of_folders_does_not_matter(tmp_path: Path, depth: int) -> None:
    target = tmp_path.joinpath("deep", *["in"] * depth)
    write_ct(target)
    assert describe(study.read(tmp_path / "deep")) == describe(study.read(target))


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_link_that_leads_nowhere_may_be_a_slice_of_any_stack(tmp_path: Path, target: str) -> None:
    folder = write_ct(tmp_path / "in")
    write_made(folder / "b", Made(ARRAY, modality="MR", series=3))
    (folder / "link").symlink_to(folder / target)
    found = study.read(folder)
    assert [problem.code for problem in found.problems] == ["unreadable-file"]
    assert defects_of(found) == [["unattributable-files"]] * 2
    assert "belong: 1; slices" in found.series[0].stacks[0].defects[0].sentence


def test_linked_folders_are_part_of_the_input(tmp_path: Path) -> None:
    write_ct(tmp_path / "elsewhere")
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert describe(study.read(tmp_path / "in")) == describe(study.read(tmp_path / "elsewhere"))


def test_pipe_is_ignored(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    os.mkfifo(folder / "pipe")
    found = study.read(folder)
    assert (found.ignored, defects_of(found)) == (1, [[]])


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """Give a CT with one file and one folder that nobody may read, and give up root's rights."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = write_ct(Path(parent, "in"))
        write_ct(folder / "closed", series=3)
        (folder / "0008.dcm").chmod(0)
        (folder / "closed").chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield folder
        os.seteuid(user)
        (folder / "closed").chmod(0o755)


def test_what_may_not_be_read_is_a_problem(locked_folder: Path) -> None:
    found = study.read(locked_folder)
    assert sorted(problem.code for problem in found.problems) == ["unreadable-file", "unreadable-folder"]
    assert [note.code for note in found.notes] == ["unreadable-files"]
    assert len(found.series[0].instances) == 8
    assert defects_of(found) == [["unattributable-files"]]
    assert "belong: 2; slices" in found.series[0].stacks[0].defects[0].sentence


def test_single_file_that_may_not_be_read_is_wrong_usage(locked_folder: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        study.read(locked_folder / "0008.dcm")


def test_object_without_pixels_is_listed_with_that_defect(tmp_path: Path) -> None:
    report = make_slices(Made(ARRAY[:1], series=5))[0]
    for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "PixelSpacing"):
        delattr(report, keyword)
    report.Modality = "SR"
    (series,) = study.read(write_series(tmp_path / "in", [report])).series
    assert [defect.code for defect in series.stacks[0].defects] == ["pixels-absent"]


def write_directory(folder: Path) -> Path:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    ds.file_meta.MediaStorageSOPInstanceUID = UID("2.25.5")
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.FileSetID = "MADE"
    ds.DirectoryRecordSequence = []
    ds.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder / "DICOMDIR"


def test_dicomdir_stands_for_its_folder(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    found = study.read(write_directory(folder))
    assert [len(each.instances) for each in found.series] == [9]
    assert describe(found) == describe(study.read(folder))
    assert found.ignored == 1


def test_dicomdir_of_three_patients_is_refused(real_data: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="3 different Patient IDs"):
        study.read(real_data("awkward") / "dicomdir" / "DICOMDIR")


def test_same_instance_with_other_pixels_is_refused(real_data: Callable[[str], Path]) -> None:
    with pytest.raises(InputError, match="one SOP Instance UID but different pixels"):
        study.read(real_data("awkward") / "made" / "same_uid_other_pixels")


def test_copy_is_counted(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("awkward") / "made" / "same_instance_twice")
    assert (found.duplicates, len(found.series[0].instances)) == (1, 19)


def test_files_around_a_series_are_ignored(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("awkward") / "made" / "not_dicom_around")
    assert (found.ignored, found.problems) == (5, ())


def read_or_refuse(path: Path) -> str:
    try:
        study.read(path)
    except AimiError as error:
        return f"{error.status} {error}"
    return "read"


def test_every_awkward_file_is_read_or_refused_with_a_sentence(real_data: Callable[[str], Path]) -> None:
    files = [path for path in sorted(real_data("awkward").rglob("*")) if path.is_file()]
    outcomes = {path: read_or_refuse(path) for path in files}
    refused = {path: outcome for path, outcome in outcomes.items() if outcome != "read"}
    assert len(files) == 795
    assert all(
        outcome.startswith(("3 The input holds no usable", "4 The input holds objects")) for outcome in refused.values()
    )
    assert not any(path.name in outcome for path, outcome in refused.items())
    assert len(refused) < 60


def test_real_studies_have_their_series_and_no_defect_in_their_images(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("petct_acrin_042"))
    stacks = [stack for series in found.series for stack in series.stacks]
    images = [(stack.header.modality, len(stack.planes), stack.spacing) for stack in stacks if not stack.defects]
    pet = ("PT", 135, (3.27, 4.6875, 4.6875))
    assert images == [pet, pet, ("CT", 135, (3.27, 0.976562, 0.976562))]


@pytest.mark.parametrize(
    ("name", "series", "slices", "spacing"),
    [
        ("ct_abdomen_crlm_1004", 1, 41, (5.0, 0.796875, 0.796875)),
        ("ct_chest_lidc_0314", 1, 80, (1.0, 0.78125, 0.78125)),
        ("mr_abdomen_cmb_crc", 2, 36, (7.0, 1.5625, 1.5625)),
    ],
)
def test_real_series_are_regular_grids(
    real_data: Callable[[str], Path], name: str, series: int, slices: int, spacing: tuple[float, float, float]
) -> None:
    found = study.read(real_data(name)).series
    assert len(found) == series
    assert [(len(stack.planes), stack.spacing, stack.defects) for stack in found[0].stacks] == [(slices, spacing, ())]


def test_prostate_series_are_all_volumes(real_data: Callable[[str], Path]) -> None:
    found = study.read(real_data("mr_prostatex") / "ProstateX-0000")
    planes = [[len(stack.planes) for stack in series.stacks] for series in found.series]
    assert planes == [[19], [19], [15], [19, 19, 19], [19], [19], [16]]
    assert [stack.defects for series in found.series for stack in series.stacks] == [()] * 9


def test_dataset_is_not_changed_by_reading(tmp_path: Path) -> None:
    folder = write_ct(tmp_path / "in")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    study.read(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
