"""Coded concepts as data: what each label of each task means, in codes and colours.

One table, :data:`PUBLISHED`, holds every code under which the AIMI annotations were published, once as the
annotations of the paper write them (``BAMF``: the segment descriptions in the ``aimi-*`` repositories of
bamf-health and the published objects themselves) and once as the ports in the MHub model collection do
(``MHub``: SegDB). A code's identity is its value and scheme; meanings differ between writers and are kept as
published, but for "Morphologically Abnormal Structure", which the standard now spells so (PS3.16 CID 7150; the
older files say "Altered"). :func:`segments` gives a task's segments for a new object: the paper's.

Scheme designators are those of PS3.16 section 8: SCT (SNOMED CT), NCIt (NCI Thesaurus), DCM (DICOM).
Colours are RGB, 0 to 255. Where the paper's files give none, the colour is that of the port (lung, nodule,
kidney); where only a published object has one (renal mass and cyst) it is the RGB of its CIELab values
56720, 20990, 42391 and 52752, 29255, 46161, to which it converts back exactly.

Left out on purpose: the "Background" segment of the published breast objects, which covers the whole volume
and makes an object without a finding look full.
"""

from dataclasses import dataclass, replace

from aimi.image import Code, Segment

__all__ = [
    "ARTIFICIAL_INTELLIGENCE",
    "BOTH_SIDES",
    "PROCESSING_EQUIPMENT",
    "PUBLISHED",
    "RGB",
    "PublishedSegment",
    "segments",
]

RGB = tuple[int, int, int]

ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
"""Algorithm family (PS3.16 CID 7162)."""
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
"""Purpose of a contributing equipment (PS3.16 CID 7005)."""

BOTH_SIDES = Code("51440002", "SCT", "Right and left")

_ANATOMY = Code("123037004", "SCT", "Anatomical Structure")
_LESION = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_FINDING = Code("C35869", "NCIt", "Radiologic Finding")
_FDG_TUMOR = Code("C168968", "NCIt", "FDG-Avid Tumor")
_LUNG = Code("39607008", "SCT", "Lung")
_NODULE = Code("27925004", "SCT", "Nodule")
_BREAST = Code("76752008", "SCT", "Breast")
_KIDNEY = Code("64033007", "SCT", "Kidney")
_MASS = Code("4147007", "SCT", "Mass")
_CYST = Code("367643001", "SCT", "Cyst")
_PROSTATE = Code("41216001", "SCT", "Prostate")
_LIVER = Code("10200004", "SCT", "Liver")

# The port's meanings of the same codes (SegDB), and the one code that only it uses.
_BODY = Code("123037004", "SCT", "Body structure")
_ABNORMAL = Code("49755003", "SCT", "Morphologically abnormal structure")
_LUNG_STRUCTURE = Code("39607008", "SCT", "Lung structure")
_NODULE_ABNORMALITY = Code("27925004", "SCT", "Nodule (morphologic abnormality)")
_BREAST_STRUCTURE = Code("76752008", "SCT", "Breast structure (body structure)")
_KIDNEY_STRUCTURE = Code("64033007", "SCT", "Kidney structure")
_PRIMARY = Code("86049000", "SCT", "Malignant neoplasm, primary (morphologic abnormality)")
_PROSTATIC_STRUCTURE = Code("41216001", "SCT", "Prostatic structure")
_LIVER_STRUCTURE = Code("10200004", "SCT", "Liver structure")

_LUNG_PINK: RGB = (249, 229, 229)
_TUMOR_RED: RGB = (174, 41, 14)
_NODULE_PINK: RGB = (232, 14, 105)
_KIDNEY_ROSE: RGB = (212, 126, 151)
_PROSTATE_ROSE: RGB = (230, 158, 140)
_LIVER_BROWN: RGB = (221, 130, 101)


@dataclass(frozen=True, slots=True)
class PublishedSegment:
    """One row of the table.

    Parameters
    ----------
    task : the task's name.
    publisher : ``BAMF`` (the annotations of the paper) or ``MHub`` (the ports).
    source : the file or object in which the codes stand.
    color_is_published : False where the publisher gives no colour and the port's stands in.
    """

    task: str
    publisher: str
    source: str
    segment: Segment
    color_is_published: bool = True


def _organ(code: Code, color: RGB, *, label: str, category: Code = _ANATOMY, both: bool = False) -> Segment:
    modifiers = (BOTH_SIDES,) if both else ()
    return Segment(1, label, label, category, code, color, property_type_modifiers=modifiers)


def _lesion(number: int, label: str, codes: tuple[Code, Code], region: Code, color: RGB) -> Segment:
    category, kind = codes
    return Segment(number, label, label, category, kind, color, (), region, (BOTH_SIDES,))


def _plain_lesion(number: int, label: str, kind: Code, color: RGB) -> Segment:
    return Segment(number, label, label, _ABNORMAL, kind, color, (), _KIDNEY_STRUCTURE)


def _bamf() -> tuple[PublishedSegment, ...]:
    lung_pet = "bamf-health/aimi-lung-pet-ct, app/src/dicom_seg_meta.json"
    lung_ct = "bamf-health/aimi-lung-ct, dicom_seg_meta.json"
    breast = "bamf-health/aimi-breast-pet-ct, dicom_seg_meta.json, label 2"
    kidney = "published objects of bamf-health/aimi-kidney-ct (no description file in the repository)"
    meta = "container/app/dcm-meta/ai-dicom-seg-meta.json"
    lung = _organ(_LUNG, _LUNG_PINK, label="Lung", both=True)
    # The published objects call the mass "Mass" in Segment Label and "Tumor" in Segment Description.
    mass = replace(_lesion(2, "Tumor", (_LESION, _MASS), _KIDNEY, (144, 238, 144)), description="Renal mass")
    return (
        PublishedSegment("lung_pet_ct", "BAMF", lung_pet, lung, color_is_published=False),
        PublishedSegment(
            "lung_pet_ct", "BAMF", lung_pet, _lesion(2, "FDG-Avid Tumor", (_FINDING, _FDG_TUMOR), _LUNG, _TUMOR_RED)
        ),
        PublishedSegment("lung_ct", "BAMF", lung_ct, lung, color_is_published=False),
        PublishedSegment(
            "lung_ct",
            "BAMF",
            lung_ct,
            _lesion(2, "Nodule", (_LESION, _NODULE), _LUNG, _NODULE_PINK),
            color_is_published=False,
        ),
        PublishedSegment(
            "breast", "BAMF", breast, _lesion(1, "FDG-Avid Tumor", (_FINDING, _FDG_TUMOR), _BREAST, _TUMOR_RED)
        ),
        PublishedSegment(
            "kidney",
            "BAMF",
            kidney,
            _organ(_KIDNEY, _KIDNEY_ROSE, label="Kidney", both=True),
            color_is_published=False,
        ),
        PublishedSegment("kidney", "BAMF", kidney, mass),
        PublishedSegment("kidney", "BAMF", kidney, _lesion(3, "Cyst", (_LESION, _CYST), _KIDNEY, (205, 205, 100))),
        PublishedSegment(
            "prostate",
            "BAMF",
            f"bamf-health/aimi-prostate-mr, {meta}",
            _organ(_PROSTATE, _PROSTATE_ROSE, label="Prostate"),
        ),
        PublishedSegment(
            "liver_mr", "BAMF", f"bamf-health/aimi-liver-mr, {meta}", _organ(_LIVER, _LIVER_BROWN, label="Liver")
        ),
        PublishedSegment(
            "liver_ct", "BAMF", f"bamf-health/aimi-liver-ct, {meta}", _organ(_LIVER, _LIVER_BROWN, label="Liver")
        ),
    )


def _mhub() -> tuple[PublishedSegment, ...]:
    models = "MHubAI/models"
    lung = _organ(_LUNG_STRUCTURE, _LUNG_PINK, label="Lung", category=_BODY, both=True)
    liver = _organ(_LIVER_STRUCTURE, _LIVER_BROWN, label="Liver", category=_BODY)
    tumor = (_FINDING, _FDG_TUMOR)
    rows = (
        ("lung_pet_ct", "bamf_pet_ct_lung_tumor", lung),
        ("lung_pet_ct", "bamf_pet_ct_lung_tumor", _lesion(2, "FDG-Avid Tumor", tumor, _LUNG_STRUCTURE, _TUMOR_RED)),
        ("lung_ct", "pull requests 78 and 92", lung),
        (
            "lung_ct",
            "pull requests 78 and 92",
            _lesion(2, "Nodule", (_ABNORMAL, _NODULE_ABNORMALITY), _LUNG_STRUCTURE, _NODULE_PINK),
        ),
        ("breast", "bamf_pet_ct_breast_tumor", _lesion(1, "FDG-Avid Tumor", tumor, _BREAST_STRUCTURE, _TUMOR_RED)),
        (
            "kidney",
            "bamf_nnunet_ct_kidney",
            _organ(_KIDNEY_STRUCTURE, _KIDNEY_ROSE, label="Kidney", category=_BODY),
        ),
        ("kidney", "bamf_nnunet_ct_kidney", _plain_lesion(2, "Malignant neoplasm", _PRIMARY, (255, 0, 0))),
        ("kidney", "bamf_nnunet_ct_kidney", _plain_lesion(3, "Cyst", _CYST, (150, 87, 42))),
        (
            "prostate",
            "bamf_nnunet_mr_prostate",
            _organ(_PROSTATIC_STRUCTURE, _PROSTATE_ROSE, label="Prostate", category=_BODY),
        ),
        ("liver_mr", "bamf_nnunet_mr_liver", liver),
        ("liver_ct", "bamf_nnunet_ct_liver", liver),
    )
    return tuple(PublishedSegment(task, "MHub", f"{models}, {source}", segment) for task, source, segment in rows)


PUBLISHED: tuple[PublishedSegment, ...] = (*_bamf(), *_mhub())


def segments(task: str) -> tuple[Segment, ...]:
    """Give the segments of a task in order of their numbers, coded as the paper's annotations are.

    Raises
    ------
    KeyError : if there is no such task.

    Examples
    --------
    >>> [segment.label for segment in segments("kidney")]
    ['Kidney', 'Tumor', 'Cyst']
    """
    found = tuple(row.segment for row in PUBLISHED if row.task == task and row.publisher == "BAMF")
    if not found:
        raise KeyError(task)
    return found
