"""What a user may ask of a run: one record, the same for the command, the application and the container."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from types import MappingProxyType

from aimi.errors import UsageError

__all__ = ["ENVIRONMENT", "REGION_SOURCES", "RunOptions", "clock_of_environment", "flag"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run; the defaults are what the task's catalogue says.

    Parameters
    ----------
    study_uid : the study to take where the input holds several of one patient.
    series_uid : a series UID or the name of a stack, taken whatever the tests say; geometry rules still hold.
    rule_set : the clean-up: ``paper``, ``published-code`` or ``mhub``; None is the task's default.
    allow_non_contrast : also take series without contrast, where the task asks for it.
    all_matching : annotate every series that suits, one result each.
    allow_partial_ct : also take a CT that covers less of its PET than the task asks for.
    register : register PET and CT of different frames of reference.
    grid : the role on whose grid the result is written; None is the task's.
    region : where the region of a PET/CT task comes from: ``totalsegmentator``, ``own`` (organ labels of the tumor
        model) or the path of a DICOM segmentation; None is ``totalsegmentator``.
    fast_region : run the faster, coarser region models.
    segmentation_type : ``binary`` or ``labelmap``.
    device : ``auto``, ``cpu``, ``cuda`` or ``cpu-torch``.
    precision : ``auto``, ``f32`` or ``bf16``.
    ensemble : ``mean`` or ``vote``; None is the model's own.
    mirroring : None is the model's own.
    max_memory : bytes that the run may take; None is no limit.
    secondary_capture : also write the picture as a DICOM object.
    overwrite : replace a result of other models, options or input.
    """

    study_uid: str | None = None
    series_uid: str | None = None
    rule_set: str | None = None
    allow_non_contrast: bool = False
    all_matching: bool = False
    allow_partial_ct: bool = False
    register: bool = False
    grid: str | None = None
    region: str | None = None
    fast_region: bool = False
    segmentation_type: str = "binary"
    device: str = "auto"
    precision: str = "auto"
    ensemble: str | None = None
    mirroring: bool | None = None
    max_memory: int | None = None
    secondary_capture: bool = False
    overwrite: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "RunOptions":
        """Read the ``AIMI_*`` variables.

        Raises
        ------
        UsageError
            A variable's value is none of the option's.
        """
        values = {name: _parse(ENVIRONMENT[name], environ[ENVIRONMENT[name]], name) for name in _named(environ)}
        return cls(**values)  # type: ignore[arg-type]  # each value was parsed for its field

    def identity(self) -> dict[str, object]:
        """Give the options that can change the result, for the fingerprint and the report; a path is called "file"."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _NO_INFLUENCE}
        return values | {"region": self.region if self.region in {None, *REGION_SOURCES} else "file"}


REGION_SOURCES = ("totalsegmentator", "own")
"""Words for the source of a region; anything else is a path."""

_NO_INFLUENCE = frozenset({"overwrite", "max_memory"})

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "study_uid": "AIMI_STUDY",
        "series_uid": "AIMI_SERIES",
        "rule_set": "AIMI_RULE_SET",
        "allow_non_contrast": "AIMI_ALLOW_NON_CONTRAST",
        "all_matching": "AIMI_ALL_MATCHING",
        "allow_partial_ct": "AIMI_ALLOW_PARTIAL_CT",
        "register": "AIMI_REGISTER",
        "grid": "AIMI_GRID",
        "region": "AIMI_REGION",
        "fast_region": "AIMI_FAST_REGION",
        "segmentation_type": "AIMI_SEG_TYPE",
        "device": "AIMI_DEVICE",
        "precision": "AIMI_PRECISION",
        "ensemble": "AIMI_ENSEMBLE",
        "mirroring": "AIMI_MIRROR",
        "max_memory": "AIMI_MAX_MEMORY",
        "secondary_capture": "AIMI_SECONDARY_CAPTURE",
        "overwrite": "AIMI_OVERWRITE",
    }
)
"""Option -> environment variable."""

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rule_set": ("paper", "published-code", "mhub"),
        "grid": ("pet", "ct"),
        "segmentation_type": ("binary", "labelmap"),
        "device": ("auto", "cpu", "cuda", "cpu-torch"),
        "precision": ("auto", "f32", "bf16"),
        "ensemble": ("mean", "vote"),
    }
)

_SWITCHES = frozenset(
    {
        "mirroring",
        "allow_non_contrast",
        "all_matching",
        "allow_partial_ct",
        "register",
        "fast_region",
        "secondary_capture",
        "overwrite",
    }
)
_LAST_SECOND = 253402300799  # of the year 9999
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
)
_SUFFIXES: Mapping[str, int] = MappingProxyType({"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40})


def _named(environ: Mapping[str, str]) -> list[str]:
    return [name for name, variable in ENVIRONMENT.items() if environ.get(variable)]


def _parse(variable: str, text: str, name: str) -> object:
    if name in CHOICES:
        return choice(text, name, variable)
    if name in _SWITCHES:
        return flag({variable: text}, variable)
    if name == "max_memory":
        return memory_size(text, variable)
    return text


def choice(text: str, name: str, shown: str) -> str:
    """Give the text if it is one of the option's choices; ``shown`` is how the user wrote the option."""
    if text not in CHOICES[name]:
        raise UsageError(f"{shown} is none of {', '.join(CHOICES[name])}.", "Choose one of them.")
    return text


def memory_size(text: str, shown: str) -> int:
    """Read a size in bytes such as ``8G``, ``8GiB`` or ``8589934592``."""
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    factor = _SUFFIXES.get(number[-1:], 1)
    digits = number[:-1] if factor > 1 else number
    try:
        size = int(float(digits) * factor)
    except (ValueError, OverflowError) as err:
        raise UsageError(f"{shown} is no memory size.", "Write it like 8G or 6000M.") from err
    if size <= 0:
        raise UsageError(f"{shown} is not above zero.", "Write it like 8G or 6000M.")
    return size


def clock_of_environment(environ: Mapping[str, str]) -> Callable[[], datetime]:
    """Give a clock: the time that SOURCE_DATE_EPOCH names, or the machine's, local.

    Raises
    ------
    UsageError
        SOURCE_DATE_EPOCH is no number of seconds, or beyond the year 9999.

    References
    ----------
    https://reproducible-builds.org/specs/source-date-epoch/
    """
    epoch = environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return lambda: datetime.now().astimezone()
    if not (epoch.isascii() and epoch.isdigit() and int(epoch) <= _LAST_SECOND):
        raise UsageError("SOURCE_DATE_EPOCH is no number of seconds.", "Unset it, or give whole seconds since 1970.")
    fixed = datetime.fromtimestamp(int(epoch), UTC)
    return lambda: fixed


def flag(environ: Mapping[str, str], variable: str) -> bool:
    """Read a variable that is true or false; absent or empty is false.

    Raises
    ------
    UsageError
        It is neither.
    """
    text = environ.get(variable, "").lower()
    if text and text not in _BOOLEANS:
        raise UsageError(f"{variable} is neither true nor false.", "Give it 1 or 0.")
    return bool(text) and _BOOLEANS[text]
