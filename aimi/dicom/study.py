"""Reading a study: every file below a folder, headers only, into one record.

What is readable and no DICOM is ignored and counted, what is damaged or cannot be read becomes a
:class:`Problem`, and neither stops the reading. A damaged file of a known series is a defect of that series;
one that does not say where it belongs is a defect of every stack that it could belong to, so that no slice
vanishes. Two patients in one input, or one identity with two contents, stop it: no result could be trusted.
File names, their order and their nesting change nothing (DECISIONS 1.1, 1.2, 1.7).
"""

import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from aimi.dicom import stacks
from aimi.dicom.elements import FileHeader, read_header
from aimi.dicom.file_list import list_files
from aimi.dicom.header import Defect, Instance, Problem, Series, Stack, Study
from aimi.dicom.identity import drop_copies
from aimi.dicom.parsing import KnownHeaders, ParsedInstance, parse
from aimi.dicom.pet_cover import mark_pet_cover
from aimi.dicom.sop_classes import IMAGE_STORAGE, image_modality
from aimi.dicom.values import Values
from aimi.errors import InputError, SelectionError, UsageError
from aimi.image import Note

__all__ = ["read"]

_THREADS: Final = 2  # more wait for each other: parsing holds the interpreter
_FILES_AT_ONCE: Final = 16
_SIDECAR: Final = ".dcm.json"
_DIRECTORY_STORAGE: Final = "1.2.840.10008.1.3.10"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Damaged:
    """A file or folder that cannot be used, and what is known of it.

    Parameters
    ----------
    kind : ``CT``, ``MR`` or ``PT``; empty for another object; None where it is not known.
    """

    problem: Problem
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class _Findings:
    instances: list[ParsedInstance]
    damaged: list[_Damaged]
    ignored: int


def read(source: Path, *, study_uid: str | None = None, progress: Progress | None = None) -> Study:
    """Give the study in a folder of any depth, a single file, or the folder of a DICOMDIR.

    Parameters
    ----------
    study_uid : the study to take where the input holds several.
    progress : called with the number of files read and of all files, from this thread.

    Raises
    ------
    UsageError
        If ``source`` does not exist or may not be looked at.
    SelectionError
        If it holds no DICOM object, several studies and none is named, or not the named one.
    InputError
        If it holds two patients, or two contents under one SOP Instance UID.
    """
    paths, closed = _list_files(source)
    findings = _read_files(paths, progress)
    if not findings.instances:
        raise SelectionError(
            f"The input holds no usable DICOM object ({_what_else(findings)}).", "Name the folder of a DICOM study."
        )
    _check_patient([each.instance for each in findings.instances])
    kept, duplicates = drop_copies(findings.instances)
    chosen = _choose_study(kept, study_uid)
    damaged = [each for each in (*closed, *findings.damaged) if each.study_instance_uid in {"", chosen}]
    parsed = [each for each in kept if each.instance.header.study_instance_uid in {"", chosen}]
    return Study(
        study_instance_uid=chosen,
        series=mark_pet_cover(_build_series(parsed, damaged)),
        problems=tuple([*(each.problem for each in damaged), *_pixel_problems(parsed)]),
        ignored=findings.ignored,
        duplicates=duplicates,
        notes=_notes_of(parsed, damaged),
    )


def _list_files(source: Path) -> tuple[list[Path], list[_Damaged]]:
    """Give all files of the input in order of their paths, and the folders that cannot be opened."""
    try:
        if not source.exists():
            raise UsageError("The input does not exist.", "Name a folder or a file that does.")
        if source.is_file():
            if not _is_dicomdir(source):
                return [source], []
            source = source.parent
    except PermissionError as error:
        raise UsageError("The input cannot be looked at.", "Check the permissions of its folders.") from error
    found = list_files(source)
    sentence = "The folder cannot be opened; what it holds is not known."
    closed = [_Damaged(Problem(path, "unreadable-folder", sentence)) for path in found.closed]
    return list(found.paths), closed


def _is_dicomdir(path: Path) -> bool:
    try:
        header = read_header(path)
    except OSError as error:
        raise UsageError("The input file cannot be opened or read.", "Check its permissions.") from error
    return header is not None and _is_directory_record(header)


def _read_files(paths: Sequence[Path], progress: Progress | None) -> _Findings:
    """Read headers in threads; the outcome is in order of paths."""
    findings = _Findings([], [], 0)
    ignored = done = 0
    batches = [paths[start : start + _FILES_AT_ONCE] for start in range(0, len(paths), _FILES_AT_ONCE)]
    known: KnownHeaders = {}
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        # pydicom warns about odd character sets; what cannot be decoded is read as Latin-1.
        warnings.simplefilter("ignore")
        for batch, results in zip(batches, pool.map(partial(_read_batch, known=known), batches), strict=True):
            for result in results:
                if isinstance(result, ParsedInstance):
                    findings.instances.append(result)
                elif isinstance(result, _Damaged):
                    findings.damaged.append(result)
                else:
                    ignored += 1
            done += len(batch)
            if progress is not None:
                progress(done, len(paths))
    return _Findings(findings.instances, findings.damaged, ignored)


def _read_batch(paths: Iterable[Path], known: KnownHeaders) -> list[ParsedInstance | _Damaged | None]:
    return [_read_file(path, known) for path in paths]


def _read_file(path: Path, known: KnownHeaders) -> ParsedInstance | _Damaged | None:
    """Give what a file holds; None if it is no DICOM object."""
    if path.name.lower().endswith(_SIDECAR):
        return None
    try:
        header = read_header(path) if stat.S_ISREG(path.stat().st_mode) else None
    except OSError:
        return _Damaged(Problem(path, "unreadable-file", "The file cannot be opened or read."))
    if header is None or _is_directory_record(header):
        return None
    values = Values(header.elements)
    if header.is_whole and values.uid("SOPInstanceUID"):
        return parse(path, header, known)
    meta = Values(header.meta)
    sop_class = values.uid("SOPClassUID") or meta.uid("MediaStorageSOPClassUID")
    if not header.is_part10 and not values.uid("SOPInstanceUID") and sop_class not in IMAGE_STORAGE:
        return None
    return _Damaged(
        _header_problem(path, header),
        sop_instance_uid=values.uid("SOPInstanceUID") or meta.uid("MediaStorageSOPInstanceUID"),
        study_instance_uid=values.uid("StudyInstanceUID"),
        series_instance_uid=values.uid("SeriesInstanceUID"),
        kind=image_modality(sop_class, "") if sop_class else None,
    )


def _is_directory_record(header: FileHeader) -> bool:
    return Values(header.meta).text("MediaStorageSOPClassUID") == _DIRECTORY_STORAGE


def _header_problem(path: Path, header: FileHeader) -> Problem:
    if header.is_whole:
        return Problem(path, "no-sop-instance-uid", "The file is DICOM but has no valid SOP Instance UID.")
    return Problem(path, "truncated-header", "The file is cut off or damaged inside its header.")


def _pixel_problems(parsed: Iterable[ParsedInstance]) -> list[Problem]:
    return [
        Problem(each.instance.path, "pixels-short", "The file is cut off inside its pixels.")
        for each in parsed
        if each.instance.pixels.has_pixel_data and not each.instance.pixels.is_whole
    ]


def _what_else(findings: _Findings) -> str:
    return f"{len(findings.damaged)} damaged DICOM files, {findings.ignored} other files"


def _check_patient(instances: Sequence[Instance]) -> None:
    """Refuse two patients (DECISIONS 1.2)."""
    ids = Counter(instance.patient_id or "" for instance in instances)
    if 0 < ids[""] < len(instances):
        raise InputError(
            f"{ids['']} of {len(instances)} objects have no Patient ID and the others have one: they may be of more "
            "than one patient.",
            "Give the study of one patient, with its Patient ID in all objects or in none.",
        )
    for what, values in (
        ("Patient IDs", set(ids)),
        ("issuers of the Patient ID", {instance.issuer_of_patient_id for instance in instances}),
        ("birth dates", {instance.patient_birth_date for instance in instances}),
    ):
        number = len(values - {""})
        if number > 1:
            raise InputError(
                f"The input holds objects of more than one patient ({number} different {what}).",
                "Give the study of one patient.",
            )


def _choose_study(parsed: Sequence[ParsedInstance], study_uid: str | None) -> str:
    # An object that does not name its study is no study of its own: it is a defect where it belongs.
    found = sorted({each.instance.header.study_instance_uid for each in parsed} - {""}) or [""]
    if study_uid is not None:
        if study_uid not in found:
            raise SelectionError("The input does not hold the study that --study names.", "Check the UID.")
        return study_uid
    if len(found) > 1:
        raise SelectionError(
            f"The input holds {len(found)} studies of one patient: {', '.join(found)}.", "Name one with --study UID."
        )
    return found[0]


def _build_series(parsed: Sequence[ParsedInstance], damaged: Sequence[_Damaged]) -> tuple[Series, ...]:
    by_uid: dict[str, list[ParsedInstance]] = {}
    for each in parsed:
        by_uid.setdefault(each.instance.header.series_instance_uid, []).append(each)
    # A damaged copy of an object that is also there unharmed leaves no gap.
    present = {each.instance.sop_instance_uid for each in parsed}
    missing = [each for each in damaged if each.sop_instance_uid not in present]
    lacking = Counter(each.series_instance_uid for each in missing if each.series_instance_uid)
    homeless = Counter(each.kind for each in missing if not each.series_instance_uid)
    homeless.update(_kind_of(each.instance) for each in by_uid.get("", ()))
    series = [
        Series(
            header=members[0].instance.header,
            instances=tuple(each.instance for each in members),
            stacks=tuple(_with_homeless(stack, homeless) for stack in stacks.build(members, unreadable=lacking[uid])),
        )
        for uid, members in by_uid.items()
    ]
    return tuple(sorted(series, key=_series_order))


def _kind_of(instance: Instance) -> str | None:
    """Give what an object is, as :attr:`_Damaged.kind` says."""
    kind = image_modality(instance.sop_class_uid, instance.header.modality)
    return kind if kind or instance.sop_class_uid else None


def _with_homeless(stack: Stack, homeless: Mapping[str | None, int]) -> Stack:
    """Add the defect that files may be slices of a stack, for nothing shows that they are not."""
    kind = image_modality(stack.header.sop_class_uid, stack.header.modality)
    count = homeless.get(None, 0) + homeless.get(kind, 0)
    if not kind or not count:
        return stack
    sentence = (
        f"Files or folders that cannot be read, or do not say to which series they belong: {count}; slices of this "
        "series may be among them."
    )
    return replace(stack, defects=(*stack.defects, Defect("unattributable-files", sentence)))


def _series_order(series: Series) -> tuple[bool, int, str]:
    number = series.header.series_number
    return number is None, number or 0, series.header.series_instance_uid


def _notes_of(parsed: Sequence[ParsedInstance], damaged: Sequence[_Damaged]) -> tuple[Note, ...]:
    notes = []
    if not any(each.instance.patient_id for each in parsed):
        notes.append(Note("no-patient-id", "No object of the study has a Patient ID."))
    homeless = sum(not each.series_instance_uid for each in damaged)
    if homeless:
        sentence = f"{homeless} files or folders cannot be read; which series they belong to is not known."
        notes.append(Note("unreadable-files", sentence))
    return tuple(notes)
