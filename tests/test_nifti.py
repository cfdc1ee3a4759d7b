import gzip
from importlib import import_module
from itertools import permutations, product
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aimi import nifti
from aimi.errors import GeometryError, InputError, UsageError
from aimi.image import Code, Image, LabelMap, Segment

Array = npt.NDArray[Any]
nib: Any = nibabel
sitk: Any = import_module("SimpleITK")

SPACING = (0.7, 0.9, 2.5)
ORIGIN = (3.0, -40.0, 7.0)
ORDERS = list(permutations(range(3)))
SIGNS = list(product((1, -1), repeat=3))
VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
LIVER = Segment(1, "Liver", "", Code("0", "99T", "Organ"), Code("1", "99T", "Liver"), (255, 0, 51))


def make_affine(order: tuple[int, ...] = (0, 1, 2), signs: tuple[int, ...] = (1, 1, 1), angle: float = 0.0) -> Array:
    """Give a RAS affine of axes (i, j, k) with a turn about a slanting axis."""
    axis = np.array([[0, -1, 2], [1, 0, -3], [-2, 3, 0]]) / np.sqrt(14)
    turn = np.eye(3) + np.sin(angle) * axis + (1 - np.cos(angle)) * axis @ axis
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, list(order)] * np.multiply(SPACING, signs)
    affine[:3, 3] = ORIGIN
    return affine


def write_nifti(path: Path, affine: Array, voxels: Array = VOXELS, header: Any = None) -> Path:
    image = nib.Nifti1Image(voxels, affine, header)
    image.set_qform(affine, code=1)
    image.to_filename(path)
    return path


def positions(values: Array, affine: Array) -> Array:
    """Give each voxel's patient position, in order of its value, (n, 3)."""
    index = np.argwhere(np.ones(values.shape, bool))
    return (index @ affine[:3, :3].T + affine[:3, 3])[np.argsort(values.ravel(), kind="stable")]


def itk_positions(path: Path) -> Array:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return positions(sitk.GetArrayFromImage(image).T, affine)


def nibabel_positions(path: Path) -> Array:
    image = nib.load(path)
    return positions(np.asarray(image.dataobj), RAS_TO_LPS @ image.affine)


def make_labels(like: Image) -> LabelMap:
    return LabelMap(like.volume.with_array(like.volume.array.astype(np.uint8)), (LIVER,), None)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.sampled_from(ORDERS), signs=st.sampled_from(SIGNS), angle=st.floats(-0.6, 0.6))
def test_each_voxel_keeps_its_patient_position(
    order: tuple[int, ...], signs: tuple[int, ...], angle: float, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path / "a.nii", make_affine(order, signs, angle))
    volume = nifti.read_image(path).volume
    np.testing.assert_allclose(positions(volume.array, volume.affine), nibabel_positions(path), atol=1e-4)


@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("order", ORDERS)
def test_slices_rise_along_the_normal(order: tuple[int, ...], signs: tuple[int, ...], tmp_path: Path) -> None:
    affine = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine(order, signs))).volume.affine
    assert np.cross(affine[:3, 2], affine[:3, 1]) @ affine[:3, 0] > 0
    assert min(affine[:3, 1] @ [1, 1, -1], affine[:3, 2] @ [1, 1, -1]) > 0


@pytest.mark.parametrize("angle", [0.0, 0.4])
@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("order", ORDERS)
def test_labels_have_the_images_voxel_order_and_header_geometry(
    order: tuple[int, ...], signs: tuple[int, ...], angle: float, tmp_path: Path
) -> None:
    given_file = nib.load(write_nifti(tmp_path / "a.nii.gz", make_affine(order, signs, angle)))
    image = nifti.read_image(tmp_path / "a.nii.gz")
    nifti.write_labels(make_labels(image), tmp_path / "b.nii.gz", like=image)
    written = nib.load(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), VOXELS)
    assert geometry_bytes(written) == geometry_bytes(given_file)


def geometry_bytes(image: Any) -> bytes:
    """Give the header's bytes of orientation: pixdim 0 to 3, and all of qform and sform."""
    content: bytes = image.header.binaryblock
    return content[76:92] + content[252:328]


@pytest.mark.parametrize("name", ["b.nii.gz", "b.nii", "b.nrrd"])
def test_other_readers_see_an_oblique_image_where_it_was(name: str, tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", make_affine((2, 0, 1), (1, -1, 1), 0.5))
    nifti.write_image(nifti.read_image(path), tmp_path / name)
    np.testing.assert_allclose(itk_positions(tmp_path / name), nibabel_positions(path), atol=1e-4)


def test_label_map_without_a_file_behind_it_lies_where_its_affine_says(tmp_path: Path) -> None:
    affine = RAS_TO_LPS @ make_affine((0, 1, 2), (-1, -1, 1), 0.3)[:, [2, 1, 0, 3]]
    volume = hd.Volume(VOXELS.T.astype(np.uint8), affine, "PATIENT")
    labels = LabelMap(volume, (LIVER,), None)
    nifti.write_labels(labels, tmp_path / "b.nii.gz")
    nifti.write_labels(labels, tmp_path / "b.nrrd")
    expected = positions(volume.array, affine)
    np.testing.assert_allclose(nibabel_positions(tmp_path / "b.nii.gz"), expected, atol=1e-4)
    np.testing.assert_allclose(itk_positions(tmp_path / "b.nrrd"), expected, atol=1e-9)


def test_axial_file_of_dcm2niix_becomes_the_scanners_array(tmp_path: Path) -> None:
    scanner = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    affine = np.diag([-0.7, 0.9, 2.5, 1.0])  # rows flipped: towards left, front, head
    path = write_nifti(tmp_path / "a.nii.gz", affine, scanner[:, ::-1].T)
    np.testing.assert_array_equal(nifti.read_image(path).volume.array, scanner)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32"])
def test_whole_numbers_that_fit_become_int16(dtype: str, tmp_path: Path) -> None:
    array = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine(), VOXELS.astype(dtype))).volume.array
    assert array.dtype == np.int16
    assert not array.flags.writeable


def test_whole_numbers_that_do_not_fit_become_float32(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", make_affine(), VOXELS.astype(np.int32) + 32767)
    array = nifti.read_image(path).volume.array
    assert array.dtype == np.float32
    assert array.max() == 32767 + 59


def test_slope_and_intercept_of_the_file_are_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS, make_affine())
    image.header.set_slope_inter(0.5, -10.0)
    image.to_filename(tmp_path / "a.nii")
    stored = nifti.read_image(tmp_path / "a.nii")
    assert (float(stored.volume.array.min()), float(stored.volume.array.max())) == (
        np.asarray(nib.load(tmp_path / "a.nii").dataobj).min(),
        np.asarray(nib.load(tmp_path / "a.nii").dataobj).max(),
    )


def test_sheared_affine_is_refused(tmp_path: Path) -> None:
    affine = make_affine()
    affine[1, 2] = 2.5 * np.tan(np.radians(0.5))
    with pytest.raises(GeometryError, match=r"0\.50 degrees") as caught:
        nifti.read_image(write_nifti(tmp_path / "a.nii", affine))
    assert caught.value.status == 4


def test_file_without_orientation_is_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS, None)
    image.to_filename(tmp_path / "a.nii")
    with pytest.raises(GeometryError, match="states no orientation"):
        nifti.read_image(tmp_path / "a.nii")


def test_four_volumes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 x 4 x 5 x 4"):
        nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine(), np.stack([VOXELS] * 4, axis=-1)))


def test_single_volume_with_a_fourth_axis_is_read(tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine(), VOXELS[..., None]))
    assert image.volume.shape == (5, 4, 3)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[0, 0, :2] = np.nan, np.inf
    with pytest.raises(InputError, match="2 voxels"):
        nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine(), voxels))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd"])
def test_cut_off_file_is_refused(name: str, tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "whole.nii", make_affine()))
    nifti.write_image(image, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        nifti.read_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd"])
def test_file_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no image at all")
    with pytest.raises(InputError, match="is no"):
        nifti.read_image(tmp_path / name)


def test_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ends in none of"):
        nifti.read_image(tmp_path / "a.mha")


def test_difference_of_sform_and_qform_is_noted(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS, make_affine())
    image.set_qform(make_affine(signs=(-1, 1, 1)), code=1)
    image.to_filename(tmp_path / "a.nii")
    read_image = nifti.read_image(tmp_path / "a.nii")
    assert [note.code for note in read_image.notes] == ["sform-and-qform-differ"]
    np.testing.assert_allclose(read_image.volume.spacing, SPACING[::-1], rtol=1e-6)


def test_micrometres_are_turned_into_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS, make_affine() @ np.diag([1000, 1000, 1000, 1]))
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "a.nii")
    np.testing.assert_allclose(nifti.read_image(tmp_path / "a.nii").volume.spacing, SPACING[::-1], rtol=1e-6)


@pytest.mark.parametrize("name", ["b.nii.gz", "b.nrrd"])
def test_two_writings_are_the_same_bytes(name: str, tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "a.nii.gz", make_affine()))
    nifti.write_image(image, tmp_path / name)
    nifti.write_image(image, tmp_path / f"again-{name}")
    content = (tmp_path / name).read_bytes()
    assert content == (tmp_path / f"again-{name}").read_bytes()
    start = content.index(b"\x1f\x8b")
    assert content[start + 4 : start + 8] == b"\0\0\0\0"  # the time of writing


def test_free_text_of_the_file_goes_nowhere(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header["descrip"] = b"Jane Doe"
    image = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine(), header=header))
    content = gzip.decompress(nifti.encode_labels(make_labels(image), like=image))
    assert b"Jane Doe" not in content


def test_nifti2_and_big_endian_files_stay_what_they_are(tmp_path: Path) -> None:
    nib.Nifti2Image(VOXELS, make_affine(angle=0.2)).to_filename(tmp_path / "a.nii")
    header = nib.Nifti1Header(endianness=">")
    write_nifti(tmp_path / "b.nii", make_affine(angle=0.2), header=header)
    for name, kind in (("a.nii", nib.Nifti2Image), ("b.nii", nib.Nifti1Image)):
        nifti.write_image(nifti.read_image(tmp_path / name), tmp_path / f"out-{name}")
        written, given_file = nib.load(tmp_path / f"out-{name}"), nib.load(tmp_path / name)
        assert type(written) is kind
        assert written.header.endianness == given_file.header.endianness
        np.testing.assert_array_equal(written.affine, given_file.affine)
        np.testing.assert_array_equal(np.asarray(written.dataobj), VOXELS)


def test_nrrd_gives_the_same_image_as_nifti(tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "a.nii.gz", make_affine((1, 2, 0), (1, 1, -1), 0.2)))
    nifti.write_image(image, tmp_path / "b.nrrd")
    again = nifti.read_image(tmp_path / "b.nrrd")
    np.testing.assert_array_equal(again.volume.array, image.volume.array)
    np.testing.assert_allclose(again.volume.affine, image.volume.affine, atol=1e-12)


def test_nrrd_of_itk_is_read(tmp_path: Path) -> None:
    image = sitk.ReadImage(str(write_nifti(tmp_path / "a.nii.gz", make_affine((0, 2, 1), (-1, 1, 1), 0.4))))
    sitk.WriteImage(image, str(tmp_path / "b.nrrd"), useCompression=False)
    volume = nifti.read_image(tmp_path / "b.nrrd").volume
    np.testing.assert_allclose(positions(volume.array, volume.affine), itk_positions(tmp_path / "a.nii.gz"), atol=1e-6)


def test_nrrd_in_ras_space_is_turned_into_lps(tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine()))
    nifti.write_image(image, tmp_path / "b.nrrd")
    content = (tmp_path / "b.nrrd").read_bytes().replace(b"left-posterior-superior", b"right-anterior-superior")
    (tmp_path / "b.nrrd").write_bytes(content)
    volume = nifti.read_image(tmp_path / "b.nrrd").volume
    there = positions(image.volume.array, image.volume.affine) @ RAS_TO_LPS[:3, :3]
    np.testing.assert_allclose(positions(volume.array, volume.affine), there, atol=1e-9)


@pytest.mark.parametrize(
    ("found", "instead", "error"),
    [
        (b"space: left-posterior-superior\n", b"", GeometryError),
        (b"space: left-posterior-superior", b"space: scanner-xyz", GeometryError),
        (b"encoding: gzip", b"encoding: bzip2", InputError),
        (b"encoding: gzip", b"data file: b.raw\nencoding: raw", InputError),
        (b"type: int16", b"type: block", InputError),
        (b"sizes: 3 4 5", b"sizes: 3 4 5 1", InputError),
        (b"sizes: 3 4 5", b"sizes: 3 4 6", InputError),
    ],
)
def test_nrrd_that_is_incomplete_is_refused(
    found: bytes, instead: bytes, error: type[InputError], tmp_path: Path
) -> None:
    nifti.write_image(nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine())), tmp_path / "b.nrrd")
    content = (tmp_path / "b.nrrd").read_bytes()
    (tmp_path / "b.nrrd").write_bytes(content.replace(found, instead, 1))
    with pytest.raises(error):
        nifti.read_image(tmp_path / "b.nrrd")


def test_nrrd_of_labels_names_its_segments(tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine()))
    nifti.write_labels(make_labels(image), tmp_path / "b.nrrd", like=image)
    read_back = sitk.ReadImage(str(tmp_path / "b.nrrd"))
    assert read_back.GetMetaData("Segment0_Name") == "Liver"
    assert read_back.GetMetaData("Segment0_LabelValue") == "1"
    assert read_back.GetMetaData("Segment0_Color") == "1.000000 0.000000 0.200000"


def test_mask_is_written_as_zero_and_one(tmp_path: Path) -> None:
    image = nifti.read_image(write_nifti(tmp_path / "a.nii", make_affine()))
    nifti.write_mask(image.volume.array > 30, image.volume.get_geometry(), tmp_path / "b.nii.gz")
    assert sorted(np.unique(np.asarray(nib.load(tmp_path / "b.nii.gz").dataobj)).tolist()) == [0, 1]
    assert int(np.asarray(nib.load(tmp_path / "b.nii.gz").dataobj).sum()) == 29
