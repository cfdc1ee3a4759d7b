"""The report of a run: what was read, chosen (and why), run, removed and measured.

The schema is versioned and stands in ``docs/report.schema.json``. A report carries UIDs, coded attributes
and words of our own vocabulary, never free text of a header, a path or anything of a patient
(DECISIONS 4.5).
"""

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import aimi
from aimi.dicom import selection as selecting
from aimi.dicom.header import Study
from aimi.dicom.selection import Candidate, Selection
from aimi.errors import AimiError
from aimi.image import Note
from aimi.measure import Finding, SegmentMeasures, Spread
from aimi.options import RunOptions
from aimi.registration import Registration
from aimi.uptake import CaseUptake, LesionUptake

__all__ = [
    "SCHEMA_VERSION",
    "common_facts",
    "group_facts",
    "refusal_facts",
    "registration_facts",
    "segment_facts",
    "selection_facts",
    "study_facts",
    "to_bytes",
    "uptake_facts",
]

SCHEMA_VERSION = "1.0"

_LIBRARIES = ("numpy", "pydicom", "highdicom", "openvino", "torch")


def to_bytes(report: Mapping[str, Any]) -> bytes:
    """Write a report as UTF-8 JSON."""
    return (json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def common_facts(
    task_name: str, options: RunOptions, *, status: int, notes: Sequence[Note], timings: Mapping[str, float]
) -> dict[str, Any]:
    """Give what every report says."""
    return {
        "schema_version": SCHEMA_VERSION,
        "purpose": "Research use only. Not for diagnosis. Made by AI, not reviewed.",
        "software": {"name": "AIMI", "version": aimi.__version__, **_versions()},
        "task": task_name,
        "status": status,
        "options": options.identity(),
        "notes": [{"code": note.code, "sentence": note.sentence} for note in notes],
        "timings_s": dict(timings),
    }


def refusal_facts(error: AimiError) -> dict[str, Any]:
    """Give why there is no result."""
    return {"reason": error.message, "remedy": error.remedy}


def study_facts(study: Study | None) -> dict[str, Any] | None:
    """Give what was found in the input, files by their number only."""
    if study is None:
        return None
    return {
        "study_instance_uid": study.study_instance_uid,
        "series": len(study.series),
        "instances": sum(len(series.instances) for series in study.series),
        "files_ignored": study.ignored,
        "duplicates_ignored": study.duplicates,
        "problems": dict(Counter(problem.code for problem in study.problems)),
    }


def selection_facts(selection: Selection | None, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Give the chosen stack of each role, and every candidate with what it passed and failed."""
    return selecting.as_json(() if selection is None else (selection,), candidates)


def segment_facts(measures: SegmentMeasures) -> dict[str, Any]:
    """Give the measurements of one segment (definitions: DECISIONS 6.1, 6.2, 6.6)."""
    return {
        "number": measures.number,
        "label": measures.label,
        "voxels": measures.voxels,
        "volume_ml": round(measures.volume_ml, 4),
        "components": measures.components,
        "largest_axial_diameter_mm": round(measures.axial_diameter_mm, 2),
        "largest_diameter_mm": round(measures.diameter_mm, 2),
        **_spread_facts(measures.spread),
        "findings": [_finding_facts(finding) for finding in measures.findings],
    }


def group_facts(label: str, numbers: Sequence[int], measures: Sequence[SegmentMeasures]) -> dict[str, Any]:
    """Give the volume of segments together: an organ with its lesions."""
    members = [one for one in measures if one.number in numbers]
    return {
        "label": label,
        "segments": list(numbers),
        "voxels": sum(one.voxels for one in members),
        "volume_ml": round(sum(one.volume_ml for one in members), 4),
    }


def uptake_facts(uptake: CaseUptake) -> dict[str, Any]:
    """Give the uptake of each lesion and of the patient (definitions: DECISIONS 6.7)."""
    factors = uptake.factors
    return {
        "suv": {
            "reason": factors.reason or None,
            "method": factors.method or None,
            "decay_s": factors.decay_s,
            "factors": {str(kind): list(values) for kind, values in factors.by_kind.items()},
            "notes": [note.sentence for note in factors.notes],
        },
        "lesions": [_lesion_facts(number, lesion) for number, lesion in enumerate(uptake.lesions, start=1)],
        "patient": {
            "lesions": len(uptake.lesions),
            "suv_max": _rounded(uptake.suv_max),
            "mtv_ml": round(uptake.mtv_ml, 4),
            "tlg": _rounded(uptake.tlg),
        },
    }


def _lesion_facts(number: int, lesion: LesionUptake) -> dict[str, Any]:
    uptake = lesion.uptake
    return {
        "number": number,
        "segment": lesion.segment,
        "voxels": lesion.voxels,
        "suv_max": None if uptake is None else _rounded(uptake.suv_max),
        "suv_mean": None if uptake is None else _rounded(uptake.suv_mean),
        "suv_peak": None if uptake is None else _rounded(uptake.suv_peak),
        "mtv_ml": round(lesion.mtv_ml, 4),
        "tlg": None if uptake is None else _rounded(uptake.tlg),
        "centroid_lps_mm": [round(value, 2) for value in lesion.centroid],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def registration_facts(found: Registration | None) -> dict[str, Any] | None:
    """Give how the CT was moved onto the PET; None where it was not."""
    if found is None:
        return None
    return {
        "translation_lps_mm": [round(value, 3) for value in found.translation],
        "start_lps_mm": [round(value, 3) for value in found.start],
        "metric_at_start": round(found.metric_at_start, 6),
        "metric": round(found.metric, 6),
        "iterations": found.iterations,
        "stop": found.stop,
    }


def _finding_facts(finding: Finding) -> dict[str, Any]:
    return {
        "voxels": finding.voxels,
        "volume_ml": round(finding.volume_ml, 4),
        "axial_diameter_mm": round(finding.axial_diameter_mm, 2),
        "diameter_mm": round(finding.diameter_mm, 2),
        "equivalent_sphere_diameter_mm": round(finding.equivalent_diameter_mm, 2),
        **_spread_facts(finding.spread),
    }


def _spread_facts(spread: Spread | None) -> dict[str, Any]:
    if spread is None:
        return {"extent_mm": None, "slices": None, "centroid_lps_mm": None, "truncated": False}
    return {
        "extent_mm": [round(value, 2) for value in spread.extent_mm],
        "slices": [spread.first_slice, spread.last_slice],
        "centroid_lps_mm": [round(value, 2) for value in spread.centroid],
        "truncated": spread.truncated,
    }


def _versions() -> dict[str, Any]:
    installed = {name: _version(name) for name in _LIBRARIES}
    return {
        "python": platform.python_version(),
        "libraries": {name: version for name, version in installed.items() if version is not None},
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
