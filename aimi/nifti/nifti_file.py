"""NIfTI-1 and NIfTI-2 files (``.nii``, ``.nii.gz``): bytes to voxels and back.

The affine is the sform where its code is set, else the qform, as nibabel and SimpleITK choose; a file with
neither has no orientation and is refused, because left and right would be a guess. What is written is a
function of the content: no time and no file name in the gzip header.
"""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from aimi.errors import GeometryError, InputError
from aimi.image import Note
from aimi.nifti.content import FileContent

__all__ = ["RAS_AND_LPS", "encode", "read"]

RAS_AND_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns RAS coordinates into LPS, and back."""

_REVERSED = [2, 1, 0, 3]
_SAME_PLACE_MM = 0.1
_SPATIAL = 3
_NIFTI1: Any = nib.Nifti1Image  # nibabel is typed in part
_NIFTI2: Any = nib.Nifti2Image
_NIFTI2_BYTES = 540
_GEOMETRY_FIELDS = (
    "qform_code",
    "sform_code",
    *("quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)
_SPATIAL_UNIT_BITS = 7
_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""Of the units other than millimetres: metres and micrometres."""


def read(path: Path) -> FileContent:
    """Read a NIfTI file.

    Raises
    ------
    InputError
        The file is damaged, or holds no single three-dimensional image of real numbers.
    GeometryError
        The file states no orientation.
    """
    try:
        image: Any = nib.load(path)
        if not isinstance(image, _NIFTI1):
            raise InputError("The file is no single-file NIfTI.", "Convert it to .nii.gz.")
        values = _read_values(image)
    except (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, zlib.error) as err:
        raise InputError("The file is no NIfTI file, or is damaged.", "Export it again.") from err
    if int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        raise GeometryError(
            "The NIfTI file states no orientation (sform and qform codes are 0): left and right are unknown.",
            "Write it again with its sform or qform.",
        )
    affine = _to_millimetres(image) @ np.asarray(image.affine, np.float64)
    return FileContent(
        values=values.T,
        affine=RAS_AND_LPS @ affine[:, _REVERSED],
        header=_keep_geometry(image.header),
        notes=_notes_on_forms(image),
    )


def encode(values: npt.NDArray[Any], affine: npt.NDArray[np.float64], *, header: bytes, compressed: bool) -> bytes:
    """Give a NIfTI file.

    Parameters
    ----------
    values, affine : as in :class:`FileContent`, in the order of the file.
    header : geometry fields to write as they stand; if empty, they are made from the affine, in NIfTI-1.
    """
    image_class = _NIFTI2 if len(header) == _NIFTI2_BYTES else _NIFTI1
    made = image_class.header_class(header) if header else _make_header(affine)  # the size field tells byte order
    made.set_data_dtype(values.dtype)
    made.set_data_shape(values.shape[::-1])
    image = image_class(values.T, None, made)
    content: bytes = image.to_bytes()
    return _compress(content) if compressed else content


def _read_values(image: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - nibabel is untyped
    """Give the values, shape (i, j, k): as stored where the file scales nothing, else float32."""
    stored = np.asarray(image.dataobj.get_unscaled())
    shape = stored.shape
    if len(shape) < _SPATIAL or any(size != 1 for size in shape[_SPATIAL:]):
        raise InputError(
            f"The NIfTI file has the shape {' x '.join(map(str, shape))}; one three-dimensional image is needed.",
            "Take one volume of it.",
        )
    if stored.dtype.kind not in "iuf":
        raise InputError("The voxels of the NIfTI file are no real numbers.", "Give an image with one number a voxel.")
    stored = stored.reshape(shape[:_SPATIAL], order="F")
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    if (slope, intercept) == (1.0, 0.0):
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _to_millimetres(image: Any) -> npt.NDArray[np.float64]:  # noqa: ANN401 - nibabel is untyped
    factor = _MILLIMETRES.get(int(image.header["xyzt_units"]) & _SPATIAL_UNIT_BITS, 1.0)
    return np.diag([factor, factor, factor, 1.0])


def _notes_on_forms(image: Any) -> tuple[Note, ...]:  # noqa: ANN401 - nibabel is untyped
    header = image.header
    if int(header["sform_code"]) == 0 or int(header["qform_code"]) == 0:
        return ()
    corner = np.array([*image.shape[:_SPATIAL], 1.0])
    distance = float(np.abs((header.get_sform() - header.get_qform()) @ corner).max())
    if distance <= _SAME_PLACE_MM:
        return ()
    sentence = f"The sform and qform of the NIfTI file differ by up to {distance:.3g} mm; the sform is used."
    return (Note("sform-and-qform-differ", sentence),)


def _keep_geometry(header: Any) -> bytes:  # noqa: ANN401 - nibabel is untyped
    """Give a header of the same kind with the geometry fields alone: no free text of the file stays."""
    kept = type(header)(endianness=header.endianness)
    for name in _GEOMETRY_FIELDS:
        kept[name] = header[name]
    kept["pixdim"][: _SPATIAL + 1] = header["pixdim"][: _SPATIAL + 1]
    kept["xyzt_units"] = int(header["xyzt_units"]) & _SPATIAL_UNIT_BITS
    content: bytes = kept.binaryblock
    return content


def _make_header(affine: npt.NDArray[np.float64]) -> Any:  # noqa: ANN401 - nibabel is untyped
    made = _NIFTI1.header_class()
    made.set_data_shape((1, 1, 1))
    of_file = RAS_AND_LPS @ affine[:, _REVERSED]
    made.set_qform(of_file, code="scanner")
    made.set_sform(of_file, code="scanner")
    made.set_xyzt_units("mm")
    return made


def _compress(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()
