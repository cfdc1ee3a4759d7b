"""Reading a series: headers, selection and volume, against the MONAI Deploy App SDK's own operators.

``python -m benchmarks.reading`` makes a CT of 300 slices of 512 x 512 in a temporary folder and reads it by
turns with ours (``study.read`` and ``volume.load``) and with the SDK's loader, series selector and volume
operators, through the methods that their ``compute`` calls. Times are of one process with a warm file
cache, imports not counted. Then three made series whose right volume is known are read by both.
"""

import argparse
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from aimi.dicom import study, volume
from aimi.errors import AimiError
from tests.made import Made, make_slices, write_made, write_series

RESULTS = Path(__file__).parent / "results" / "reading.json"
TARGET = 5.0
HEADER_ELEMENTS = 106


@dataclass(frozen=True, slots=True)
class Read:
    """A volume that was read: array (k, j, i) and where its voxel (k, j, i) = (0, 1, 2) lies, mm, LPS."""

    array: npt.NDArray[Any]
    place: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What came of a series whose right volume is known."""

    name: str
    truth: str
    sdk: str
    aimi: str


def read_with_aimi(folder: Path) -> Read:
    """Read the only stack of a folder with ours."""
    (series,) = study.read(folder).series
    (stack,) = series.stacks
    image = volume.load(stack, units="arbitrary")
    place = image.volume.map_indices_to_reference(np.array([[0, 1, 2]]))[0]
    return Read(image.volume.array, tuple(float(value) for value in place))


def _import_sdk(*modules: str) -> list[ModuleType]:
    """Import operators one by one: the package's own __init__ wants MONAI, which these do not."""
    (base,) = import_module("monai.deploy").__path__
    package = ModuleType("monai.deploy.operators")
    package.__path__ = [str(Path(base) / "operators")]
    sys.modules.setdefault(package.__name__, package)
    return [import_module(f"{package.__name__}.{module}") for module in modules]


def sdk_reader() -> Callable[[Path], Read]:
    """Give a reader made of the SDK's operators."""
    warnings.filterwarnings("ignore", message="Current stack size", category=RuntimeWarning)
    fragment = import_module("monai.deploy.core").Fragment()
    loading, selecting, converting = _import_sdk(
        "dicom_data_loader_operator", "dicom_series_selector_operator", "dicom_series_to_volume_operator"
    )
    loader = loading.DICOMDataLoaderOperator(fragment, name="loader", input_folder=Path.cwd())
    selector = selecting.DICOMSeriesSelectorOperator(fragment, name="selector", rules="")
    converter = converting.DICOMSeriesToVolumeOperator(fragment, name="converter", affine_lps_to_ras=False)
    logging.getLogger().setLevel(logging.ERROR)

    def read(folder: Path) -> Read:
        selected = selector.filter(None, loader.load_data_to_studies(folder))
        image = converter.convert_to_image(selected)
        # Its affine is of (i, j, k) = columns, rows, slices.
        place = image.metadata()["affine"] @ np.array([2.0, 1.0, 0.0, 1.0])
        return Read(image.asnumpy(), tuple(float(value) for value in place[:3]))

    return read


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each round: by the clock, and of all threads on the processor."""

    wall: list[float]
    cpu: list[float]


def alternate(ways: Sequence[Callable[[], object]], rounds: int) -> list[Times]:
    """Time each way once a round, in turns."""
    times = [Times([], []) for _ in ways]
    for _ in range(rounds):
        for way, taken in zip(ways, times, strict=True):
            start, cpu_start = time.perf_counter(), time.process_time()
            way()
            taken.wall.append(round(time.perf_counter() - start, 4))
            taken.cpu.append(round(time.process_time() - cpu_start, 4))
    return times


def fill_header(ds: Dataset) -> None:
    """Add private numbers until the header is as long as a scanner's."""
    block = ds.private_block(0x0009, "MADE 1.0", create=True)
    for element in range(HEADER_ELEMENTS - len(ds)):
        block.add_new(element, "DS", f"{element}.25")


def measure(folder: Path, read_with_sdk: Callable[[Path], Read], *, slices: int, rounds: int) -> dict[str, Any]:
    """Time both ways on a made CT and check that they read the same voxels."""
    stored = np.random.default_rng(1).integers(0, 2000, (slices, 512, 512), np.int16)
    series = make_slices(Made(stored, spacing=(1.0, 0.7, 0.7), intercept=-1024.0))
    for ds in series:
        fill_header(ds)
    write_series(folder, series)
    del series
    ours, theirs = read_with_aimi(folder), read_with_sdk(folder)
    if not (np.array_equal(ours.array, theirs.array) and np.array_equal(ours.array, stored - 1024)):
        raise SystemExit("the two ways read different voxels")
    del ours, theirs, stored
    ways = [lambda: read_with_sdk(folder), lambda: read_with_aimi(folder), lambda: study.read(folder)]
    sdk, aimi, headers = alternate(ways, rounds)
    return {
        "slices": slices,
        "header_elements": HEADER_ELEMENTS,
        "rounds": rounds,
        "load_average": round(os.getloadavg()[0], 1),
        "sdk": summarize(sdk),
        "aimi": summarize(aimi),
        "aimi_headers_alone": summarize(headers),
        "times_faster": round(statistics.median(sdk.wall) / statistics.median(aimi.wall), 2),
        "times_less_cpu": round(statistics.median(sdk.cpu) / statistics.median(aimi.cpu), 2),
    }


def summarize(times: Times) -> dict[str, Any]:
    """Give the medians and all rounds."""
    return {"median_s": statistics.median(times.wall), "median_cpu_s": statistics.median(times.cpu), **asdict(times)}


def compare_where_sdk_is_wrong(folder: Path, read_with_sdk: Callable[[Path], Read]) -> list[Case]:
    """Read series whose right volume is known with both."""
    ramp = np.arange(10 * 4 * 6, dtype=np.int16).reshape(10, 4, 6)
    non_square = write_made(folder / "non_square", Made(ramp, spacing=(1.0, 2.0, 0.5), origin=(0.0, 0.0, 0.0)))
    empty_first = np.concatenate([np.zeros((1, 4, 6), np.int16), ramp[1:]])
    pet = write_made(folder / "pet", Made(empty_first, modality="PT", slope=0.37))
    slices = make_slices(Made(ramp, spacing=(2.0, 1.0, 1.0)))
    holes = write_series(folder / "holes", slices[:4] + slices[6:])
    return [
        Case(
            "pixels of 2.0 mm between rows and 0.5 mm between columns: place of row 1, column 2",
            "(1, 2, 0) mm",
            *(_tell(read, non_square, _place) for read in (read_with_sdk, read_with_aimi)),
        ),
        Case(
            "PET whose first slice is empty, slope 0.37: the voxel that stores 27",
            f"{27 * 0.37:.2f}",
            *(_tell(read, pet, _voxel) for read in (read_with_sdk, read_with_aimi)),
        ),
        Case(
            "two slices of ten are missing in the middle",
            "refused",
            *(_tell(read, holes, _shape) for read in (read_with_sdk, read_with_aimi)),
        ),
    ]


def _tell(read: Callable[[Path], Read], folder: Path, look: Callable[[Read], str]) -> str:
    try:
        return look(read(folder))
    except AimiError as err:
        return f"refused: {err.message}"


def _place(read: Read) -> str:
    return "({:g}, {:g}, {:g}) mm".format(*(round(value, 4) + 0.0 for value in read.place))


def _voxel(read: Read) -> str:
    return f"{read.array[1, 0, 3]:.2f}, as {read.array.dtype}"


def _shape(read: Read) -> str:
    return f"a volume of {read.array.shape[0]} slices"


def describe_machine() -> dict[str, str]:
    """Give the processor and the versions that the figures hold for."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = ("monai-deploy-app-sdk", "pydicom", "numpy")
    return {
        "processor": f"{len(names)} x {names[0]}" if names else platform.processor(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark, print its table, and write its results where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name} beside the other results")
    options = parser.parse_args(arguments)
    read_with_sdk = sdk_reader()
    with tempfile.TemporaryDirectory() as scratch:
        timing = measure(Path(scratch) / "ct", read_with_sdk, slices=options.slices, rounds=options.rounds)
        cases = compare_where_sdk_is_wrong(Path(scratch), read_with_sdk)
    print(f"{timing['slices']} slices of 512 x 512, {timing['rounds']} rounds in turns, medians")
    for name, key in (("SDK operators", "sdk"), ("aimi", "aimi"), ("aimi, headers", "aimi_headers_alone")):
        print(f"  {name:14} {timing[key]['median_s']:.3f} s, {timing[key]['median_cpu_s']:.3f} s of processor")
    print(f"  times faster   {timing['times_faster']:.1f} (target {TARGET:.0f})")
    print(f"  less processor {timing['times_less_cpu']:.1f} times")
    for case in cases:
        print(f"{case.name}\n  right  {case.truth}\n  SDK    {case.sdk}\n  aimi   {case.aimi}")
    if options.save:
        results = {"machine": describe_machine(), "timing": timing, "cases": [asdict(case) for case in cases]}
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if timing["times_faster"] >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
