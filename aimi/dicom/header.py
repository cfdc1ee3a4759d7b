"""Headers as records: everything of a file that is used after it was read.

DICOM text is parsed once, here; later rooms see typed values. ``None`` or an empty string means that the
header is silent. Free text stays in these records and never enters a report, log or message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aimi.image import Note, Vector

__all__ = ["Defect", "Instance", "PixelFormat", "Plane", "Problem", "Series", "SeriesHeader", "Stack", "Study"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder that could not be used. ``path`` is for the terminal only."""

    path: Path
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Defect:
    """Why a stack must not be annotated (DECISIONS 1.3 to 1.5): a code and a sentence with numbers and units."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SeriesHeader:
    """Attributes that describe a whole series or stack, for selection and ranking.

    Values are of the first instance in the order of SOP Instance UIDs. Times are seconds since midnight,
    dates YYYYMMDD. The keyword of each attribute is its field name in DICOM's spelling. Scanning sequence and sequence
    variant of an enhanced object are in the terms of a single frame.
    """

    modality: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str | None
    series_number: int | None
    series_description: str
    study_description: str
    protocol_name: str
    body_part_examined: str
    patient_sex: str
    image_type: tuple[str, ...]
    manufacturer: str
    manufacturer_model_name: str
    series_date: str
    series_time: float | None
    acquisition_date: str
    acquisition_time: float | None
    lossy_image_compression: str
    # CT
    convolution_kernel: tuple[str, ...]
    contrast_bolus_agent: str
    contrast_bolus_route: str
    slice_thickness: float | None
    kvp: float | None
    # MR
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    sequence_name: str
    mr_acquisition_type: str
    magnetic_field_strength: float | None
    echo_time: float | None
    repetition_time: float | None
    inversion_time: float | None
    flip_angle: float | None
    # PET
    units: str
    corrected_image: tuple[str, ...]
    attenuation_correction_method: str
    series_type: tuple[str, ...]
    radiopharmaceutical: str
    radiopharmaceutical_codes: tuple[str, ...]
    radionuclide_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the pixels of an instance are stored (PS3.3 C.7.6.3), and where in its file.

    Parameters
    ----------
    high_bit : position of the sample's highest bit; None means bits stored - 1.
    has_pixel_data : Pixel Data, Float Pixel Data or Double Float Pixel Data is present.
    pixel_offset : of the first byte of the pixel element's value in the file (of the basic offset table's
        item, when encapsulated); None if there are no pixels or the data set is deflated.
    pixel_length : bytes that the file holds of an uncompressed pixel element; None when encapsulated.
    is_whole : False if the file ends before its pixels do, or holds fewer than its header promises.
    is_float : the pixels are Float or Double Float Pixel Data.
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    samples_per_pixel: int
    photometric_interpretation: str
    number_of_frames: int
    has_pixel_data: bool
    pixel_padding_value: int | None
    pixel_padding_range_limit: int | None
    high_bit: int | None = None
    pixel_offset: int | None = None
    pixel_length: int | None = None
    is_whole: bool = True
    is_float: bool = False


@dataclass(frozen=True, slots=True)
class Plane:
    """One image plane: a single-frame instance, or one frame of a multi-frame instance.

    Parameters
    ----------
    instance : index into :attr:`Series.instances`.
    frame_number : from 1 within a multi-frame object; None for a single-frame object.
    position, orientation : Image Position and Orientation (Patient), mm and cosines, LPS.
    position_text : the position as written.
    pixel_spacing : (between rows, between columns), mm, as Pixel Spacing gives it.
    rescale_slope, rescale_intercept : None where the plane has none.
    split : values of the attributes by which stacks are told apart, by DICOM keyword.
    """

    instance: int
    frame_number: int | None
    position: Vector | None
    position_text: tuple[str, str, str] | None
    orientation: tuple[float, float, float, float, float, float] | None
    pixel_spacing: tuple[float, float] | None
    rescale_slope: float | None
    rescale_intercept: float | None
    instance_number: int | None
    split: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP instance (one file)."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    patient_id: str | None
    issuer_of_patient_id: str
    patient_birth_date: str
    header: SeriesHeader
    pixels: PixelFormat


@dataclass(frozen=True, slots=True)
class Stack:
    """Planes that make one volume: the unit of selection (DECISIONS 1.3).

    Parameters
    ----------
    instances : the series' instances; :attr:`Plane.instance` points into it.
    planes : in order of rising position along the normal.
    split : the attributes and values that tell this stack from others of its series.
    spacing : (slices, rows, columns) in mm: gap, and distances between row and column centers;
        None where the geometry is not known.
    normal : unit vector; None where the orientation is not known.
    defects : empty for a stack that may be annotated.
    covers_pet : a CT that lies in the frame of reference of a PET of its study, and over the PET's slices.
    """

    header: SeriesHeader
    instances: tuple[Instance, ...]
    planes: tuple[Plane, ...]
    split: tuple[tuple[str, str], ...]
    spacing: Vector | None
    normal: Vector | None
    defects: tuple[Defect, ...]
    notes: tuple[Note, ...]
    covers_pet: bool = False

    @property
    def name(self) -> str:
        """The series UID plus the splitting values: unique in a study, free of header text."""
        return "".join([self.header.series_instance_uid, *(f"[{k}={v}]" for k, v in self.split)])


@dataclass(frozen=True, slots=True)
class Series:
    """A DICOM series and the stacks that it holds."""

    header: SeriesHeader
    instances: tuple[Instance, ...]
    stacks: tuple[Stack, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """All that was found in an input.

    Parameters
    ----------
    series : sorted by series number, then UID.
    problems : files that look like DICOM and cannot be used.
    ignored : number of files that are no DICOM.
    duplicates : number of copies of an instance that were left out.
    """

    study_instance_uid: str
    series: tuple[Series, ...]
    problems: tuple[Problem, ...]
    ignored: int
    duplicates: int
    notes: tuple[Note, ...]
