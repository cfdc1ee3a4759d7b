"""Images and label maps from and to files of researchers: NIfTI and NRRD.

A file knows its voxels' order and place and nothing of patients, units or slices. Its axes become those of the
program without permutation (third, second, first: k, j, i) and with flips, so that rows and columns run as on
a DICOM image (towards the patient's left, back or feet) and slices rise along the normal: a network sees the
patient the way it saw patients in training. :class:`aimi.image.FileGrid` remembers the flips, and what is
written for that image has the file's own voxel order and its qform and sform as they stood.
"""

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt

from aimi.errors import GeometryError, InputError, UsageError
from aimi.image import FileGrid, Image, LabelMap
from aimi.nifti import nifti_file, nrrd_file
from aimi.nifti.content import FileContent

__all__ = ["encode_labels", "read_image", "suffix_of", "write_image", "write_labels", "write_mask"]

_MOST_COSINE = 1e-3
_ROUNDING_COSINE = 1e-6
_SUFFIXES = (".nii.gz", ".nii", ".nrrd")
_TOWARDS = np.array([1.0, 1.0, -1.0])
"""The way that rows and columns of DICOM images run: towards left, back and feet, in LPS."""


def read_image(path: Path, *, units: str = "arbitrary") -> Image:
    """Read an image.

    Parameters
    ----------
    units : what the values mean; the file does not say.

    Returns
    -------
    An image without source, int16 where the values fit exactly, else float32; its ``file_grid`` leads back.

    Raises
    ------
    UsageError
        The name ends in none of .nii, .nii.gz and .nrrd.
    InputError
        The file is damaged, is no single volume of real numbers, or holds values that are not finite.
    GeometryError
        The file states no place in the patient, or its axes are not orthogonal (DECISIONS 1.8).
    """
    content = nrrd_file.read(path) if suffix_of(path) == ".nrrd" else nifti_file.read(path)
    affine = _orthogonal(content.affine)
    flipped = _flips(affine)
    values = np.flip(_values(content), flipped)
    for axis in flipped:
        affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
        affine[:3, axis] *= -1
    volume = hd.Volume(np.ascontiguousarray(values), affine, "PATIENT")
    return Image(volume, units, None, content.notes, FileGrid(flipped, content.header))


def write_image(image: Image, path: Path) -> None:
    """Write an image; one that was read from a file in the voxel order and with the orientation of that file."""
    path.write_bytes(_encode(image.volume.array, image.volume.affine, suffix_of(path), image.file_grid))


def write_labels(labels: LabelMap, path: Path, *, like: Image | None = None) -> None:
    """Write a label map: in the order and orientation of the file that the image ``like`` comes from, if any.

    NRRD files carry the segments' names and colors as well.
    """
    path.write_bytes(encode_labels(labels, like=like, suffix=suffix_of(path)))


def write_mask(mask: npt.NDArray[np.bool_], geometry: hd.VolumeGeometry, path: Path) -> None:
    """Write one mask, shape (k, j, i), as 0 and 1."""
    path.write_bytes(_encode(mask.astype(np.uint8), geometry.affine, suffix_of(path), None))


def encode_labels(labels: LabelMap, *, like: Image | None = None, suffix: str = ".nii.gz") -> bytes:
    """Give the file of a label map, as :func:`write_labels` writes it.

    Parameters
    ----------
    suffix : ``.nii.gz``, ``.nii`` or ``.nrrd``.
    """
    grid = None if like is None else like.file_grid
    if suffix == ".nrrd":
        values, affine = _file_order(labels.labels, labels.volume.affine, grid)
        return nrrd_file.encode(values, affine, segments=labels.segments)
    return _encode(labels.labels, labels.volume.affine, suffix, grid)


def _encode(values: npt.NDArray[Any], affine: npt.NDArray[np.float64], suffix: str, grid: FileGrid | None) -> bytes:
    values, affine = _file_order(values, affine, grid)
    if suffix == ".nrrd":
        return nrrd_file.encode(values, affine)
    return nifti_file.encode(values, affine, header=grid.header if grid else b"", compressed=suffix.endswith(".gz"))


def _file_order(
    values: npt.NDArray[Any], affine: npt.NDArray[np.float64], grid: FileGrid | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    of_file = affine.copy()
    for axis in grid.flipped if grid else ():
        of_file[:3, 3] += of_file[:3, axis] * (values.shape[axis] - 1)
        of_file[:3, axis] *= -1
    return (np.flip(values, grid.flipped) if grid else values), of_file


def suffix_of(path: Path) -> str:
    """Give the ending that tells a file's format: .nii.gz, .nii or .nrrd.

    Raises
    ------
    UsageError
        The name ends in none of them.
    """
    name = path.name.lower()
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise UsageError("The file name ends in none of .nii, .nii.gz and .nrrd.", "Choose one of these formats.")


def _values(content: FileContent) -> npt.NDArray[Any]:
    stored = content.values
    if stored.size == 0:
        raise InputError("The file holds no voxel.", "Export it again.")
    if stored.dtype.kind == "f":
        if not np.isfinite(stored).all():
            count = int(np.count_nonzero(~np.isfinite(stored)))
            raise InputError(f"{count} voxels of the file are not finite numbers.", "Give each voxel a value.")
        return stored.astype(np.float32, copy=False)
    limits = np.iinfo(np.int16)
    fits = limits.min <= int(stored.min()) and int(stored.max()) <= limits.max
    return stored.astype(np.int16 if fits else np.float32, copy=False)


def _orthogonal(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the affine with exactly orthogonal axes; refuse one that is more than 0.06 degrees away from it."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or spacing.min() <= 0:
        raise GeometryError("The file's spacing or origin is zero or no number.", "Write it again with its geometry.")
    directions = affine[:3, :3] / spacing
    cosine = float(np.abs(directions.T @ directions - np.eye(3)).max())
    if cosine > _MOST_COSINE:
        raise GeometryError(
            f"The axes of the file are not orthogonal: {90 - np.degrees(np.arccos(min(cosine, 1.0))):.2f} degrees "
            "away; at most 0.06 are allowed.",
            "Resample the image onto an orthogonal grid first.",
        )
    result = affine.copy()
    if cosine > _ROUNDING_COSINE:
        left, _, right = np.linalg.svd(directions)
        result[:3, :3] = left @ right * spacing
    return result


def _flips(affine: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Give the axes to turn, so that rows and columns run as DICOM's do and slices rise along the normal."""
    directions = affine[:3, :3].copy()
    flipped = []
    for axis in (2, 1):
        main = int(np.argmax(np.abs(directions[:, axis])))
        if directions[main, axis] * _TOWARDS[main] < 0:
            directions[:, axis] *= -1
            flipped.append(axis)
    if np.cross(directions[:, 2], directions[:, 1]) @ directions[:, 0] < 0:
        flipped.append(0)
    return tuple(sorted(flipped))
