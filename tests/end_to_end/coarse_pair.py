"""The real PET/CT study with a coarser CT: every fourth pixel of each slice, so that a run takes seconds.

The PET's files are the study's own. The CT may be moved away from the PET, into a frame of reference of its own.
"""

import shutil
from pathlib import Path

import pydicom
from pydicom.uid import ExplicitVRLittleEndian

__all__ = ["CT", "CT_SPACING", "PET", "PET_SPACING", "write_coarse_pair"]

_ACRIN = "1.3.6.1.4.1.14519.5.2.1.7009.2403."
PET, CT = _ACRIN + "879445243400782656317561081015", _ACRIN + "226151125820845824875394858561"
_COARSER = 4
PET_SPACING, CT_SPACING = (3.27, 4.6875, 4.6875), (3.27, 0.976562 * _COARSER, 0.976562 * _COARSER)


def write_coarse_pair(source: Path, folder: Path, moved_by: tuple[float, float, float] | None = None) -> Path:
    """Write the attenuation-corrected PET and the CT of the study below ``source``, and give the folder.

    Parameters
    ----------
    moved_by : mm, LPS; added to the CT's positions, which are then those of another frame of reference.
    """
    folder.mkdir(parents=True)
    for path in sorted(source.rglob("*.dcm")):
        series = pydicom.dcmread(path, specific_tags=["SeriesInstanceUID"]).get("SeriesInstanceUID")
        if series == PET:
            shutil.copy(path, folder / path.name)
        elif series == CT:
            _write_coarser(path, folder / path.name, moved_by)
    return folder


def _write_coarser(path: Path, target: Path, moved_by: tuple[float, float, float] | None) -> None:
    ds = pydicom.dcmread(path)
    pixels = ds.pixel_array[::_COARSER, ::_COARSER]
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelSpacing = [float(step) * _COARSER for step in ds.PixelSpacing]
    ds.PixelData = pixels.tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if moved_by is not None:
        ds.FrameOfReferenceUID = "2.25.90210"
        ds.ImagePositionPatient = [
            round(float(place) + step, 4) for place, step in zip(ds.ImagePositionPatient, moved_by, strict=True)
        ]
    ds.save_as(target)
