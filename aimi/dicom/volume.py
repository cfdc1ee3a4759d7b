"""A stack as an image: its planes decoded, rescaled and stacked into one array.

The array is allocated once; each plane is read into its place. Values are those of the modality (PS3.3
C.11.1): stored value x Rescale Slope + Rescale Intercept, slice by slice (a PET's slopes differ). They are
int16 where every slope is 1, every intercept whole and every value fits, else float32, rounded once from float64.

*Padding* is what the scanner did not measure (:mod:`aimi.dicom.rescale`). *Polarity* (MONOCHROME1) is a
matter of display and changes no value. Only stacks without defects become images.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import highdicom as hd
import numpy as np
import numpy.typing as npt

from aimi.dicom import pixels
from aimi.dicom.geometry import stack_affine
from aimi.dicom.header import Instance, Plane, Stack
from aimi.dicom.pixel_data import Frames
from aimi.dicom.pixel_rules import find_pixel_defects
from aimi.dicom.rescale import NotInt16Error, Rescale, make_rescale, to_float32, to_int16
from aimi.dicom.slice_sources import describe_source
from aimi.errors import GeometryError, InputError, ResourceError
from aimi.image import Image, Note

__all__ = ["load"]

Progress: TypeAlias = Callable[[int, int], None]
Voxels: TypeAlias = npt.NDArray[Any]

_MOST_THREADS = 8
_CHOOSE_ANOTHER = "Choose another series, or have this one sent again."


def load(stack: Stack, *, units: str, threads: int | None = None, progress: Progress | None = None) -> Image:
    """Read a stack's pixels as an image.

    Parameters
    ----------
    units : what the values mean, as :attr:`aimi.image.Image.units` says.
    threads : that read and decode; one per processor, eight at most, by default.
    progress : called in this thread with the numbers of planes read and of all.

    Returns
    -------
    Image
        Slices in the order of the stack's planes, rows and columns as stored. Its notes are the stack's
        and those of reading.

    Raises
    ------
    GeometryError
        The stack has a defect, of its geometry or of its pixel format (DECISIONS 1.3 to 1.5).
    InputError
        The pixels of an instance cannot be read or decoded.
    ResourceError
        The array does not fit the memory.
    """
    _refuse_defects(stack)
    affine = stack_affine(stack)
    try:
        voxels, notes = _read_voxels(stack, threads or min(_MOST_THREADS, os.cpu_count() or 1), progress)
    except MemoryError as err:
        gigabytes = 4 * len(stack.planes) * stack.instances[0].pixels.rows * stack.instances[0].pixels.columns / 1e9
        raise ResourceError(f"The image needs up to {gigabytes:.1f} GB of memory, which are not available.") from err
    volume = hd.Volume(
        array=voxels,
        affine=affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=stack.header.frame_of_reference_uid,
    )
    return Image(volume=volume, units=units, source=describe_source(stack), notes=(*stack.notes, *notes))


def _refuse_defects(stack: Stack) -> None:
    used = [stack.instances[index] for index in sorted({plane.instance for plane in stack.planes})]
    for defect in (*stack.defects, *find_pixel_defects(used, stack.planes)):
        raise GeometryError(defect.sentence, _CHOOSE_ANOTHER)


@dataclass(frozen=True, slots=True)
class _Job:
    """One plane to be read into its place."""

    index: int
    plane: Plane
    instance: Instance
    frames: Frames | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was seen while a plane was read."""

    dropped_bits: bool
    excess: bool
    unbelieved_padding: bool


def _read_voxels(stack: Stack, threads: int, progress: Progress | None) -> tuple[Voxels, tuple[Note, ...]]:
    jobs = list(_jobs(stack))
    shape = (len(jobs), jobs[0].instance.pixels.rows, jobs[0].instance.pixels.columns)
    if all(_rescale(job, stack.header.modality).is_whole for job in jobs):
        try:
            whole = np.empty(shape, np.int16)
            return whole, _run(jobs, whole, stack.header.modality, threads, progress)
        except NotInt16Error:
            del whole
    real = np.empty(shape, np.float32)
    return real, _run(jobs, real, stack.header.modality, threads, progress)


def _jobs(stack: Stack) -> Iterator[_Job]:
    """Give each plane its job; the frames of a multi-frame object are found once for all."""
    multi_frame: dict[int, Frames] = {}
    for index, plane in enumerate(stack.planes):
        instance = stack.instances[plane.instance]
        if instance.pixels.number_of_frames > 1 and plane.instance not in multi_frame:
            multi_frame[plane.instance] = pixels.find_frames(instance)
        yield _Job(index, plane, instance, multi_frame.get(plane.instance))


def _rescale(job: _Job, modality: str) -> Rescale:
    plane = job.plane
    return make_rescale(job.instance.pixels, modality, slope=plane.rescale_slope, intercept=plane.rescale_intercept)


def _run(jobs: list[_Job], voxels: Voxels, modality: str, threads: int, progress: Progress | None) -> tuple[Note, ...]:
    outcomes: list[_Outcome] = []
    with ThreadPoolExecutor(threads) as executor:
        tasks = [executor.submit(_read_plane, job, voxels[job.index], modality) for job in jobs]
        try:
            for task in tasks:
                outcomes.append(task.result())
                if progress is not None:
                    progress(len(outcomes), len(jobs))
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    return tuple(_notes(jobs, outcomes))


def _read_plane(job: _Job, out: Voxels, modality: str) -> _Outcome:
    """Read one plane, rescaled and without padding, into ``out``, shape (rows, columns)."""
    frames = job.frames or pixels.find_frames(job.instance)
    dtype = pixels.stored_dtype(job.instance.pixels, frames)
    in_place = out.dtype == np.int16 and dtype.kind != "f" and dtype.itemsize == out.dtype.itemsize
    stored: pixels.Cells = out.view(dtype) if in_place else np.empty(out.shape, dtype)
    dropped = pixels.read_frame(job.instance, frames.frames[(job.plane.frame_number or 1) - 1], stored)
    rescale = _rescale(job, modality)
    if frames.is_float and not np.isfinite(stored).all():
        raise InputError(f"Instance {job.instance.sop_instance_uid} holds pixels that are no numbers.", _CHOOSE_ANOTHER)
    unbelieved = to_int16(stored, rescale, out) if out.dtype == np.int16 else to_float32(stored, rescale, out)
    return _Outcome(dropped, frames.excess > 0, unbelieved)


def _notes(jobs: list[_Job], outcomes: list[_Outcome]) -> Iterator[Note]:
    lossy = sum(pixels.is_lossy(job.instance) for job in jobs)
    for count, code, sentence in (
        (lossy, "lossy-source", "were compressed with loss before they came here"),
        (
            sum(outcome.dropped_bits for outcome in outcomes),
            "bits-dropped",
            "hold something above Bits Stored, which was not read as part of the value",
        ),
        (
            sum(outcome.excess for outcome in outcomes),
            "excess-pixel-data",
            "have more bytes of pixel data than rows, columns and frames need; the rest was ignored",
        ),
        (
            sum(outcome.unbelieved_padding for outcome in outcomes),
            "padding-not-used",
            "hold values that the header calls padding but tissue can have; they were kept",
        ),
    ):
        if count:
            yield Note(code, f"{count} of {len(jobs)} slices {sentence}.")
