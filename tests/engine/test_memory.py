from pathlib import Path

import pytest

from aimi.engine import memory
from aimi.engine.memory import Voxels, available_memory, live_values, need_of
from aimi.engine.network import Network, network_of
from aimi.engine.plans import Architecture, Family, Plans
from aimi.engine.resampling import ResamplingRule

KERNEL, ONE, TWO = (3, 3, 3), (1, 1, 1), (2, 2, 2)


def make_network(patch: int, features: tuple[int, ...]) -> Network:
    stages = len(features)
    architecture = Architecture(
        family=Family.PLAIN,
        features=features,
        kernels=(KERNEL,) * stages,
        strides=(ONE, *(TWO,) * (stages - 1)),
        depths=(2,) * stages,
        decoder_depths=(2,) * (stages - 1),
        bias=True,
        epsilon=1e-5,
        norm_affine=True,
        slope=0.01,
    )
    rule = ResamplingRule(order=1)
    size = (patch, patch, patch)
    return network_of(Plans(2, 1, 3, None, (0, 1, 2), size, (1, 1, 1), (), rule, rule, (), architecture))


def test_most_values_live_where_the_finest_level_is_joined() -> None:
    # the skip, what came up, and both joined: 32 + 32 + 64 features of 128^3
    assert live_values(make_network(128, (32, 64, 128))) == 128 * 128**3


LARGE = make_network(128, (32, 64, 128, 256, 320, 320))
NONE = Voxels(0, 0, 0)


def test_run_of_a_large_network_needs_what_was_measured_and_up_to_a_fifth_more() -> None:
    # OpenVINO, f32, 31 M parameters, one tile of 128^3 in a process that does nothing else: 1507 MiB (measured)
    need = need_of(LARGE, NONE, bytes_per_value=4, sums=0, kept_labels=0)
    assert 1 <= need.total / (1507 << 20) <= 1.2


def test_sums_are_of_every_output_and_labels_of_a_byte() -> None:
    grid = Voxels(0, 0, 1000)
    none = need_of(LARGE, grid, bytes_per_value=4, sums=0, kept_labels=0).total
    assert need_of(LARGE, grid, bytes_per_value=4, sums=2, kept_labels=7).total - none == 2 * 3 * 4 * 1000 + 7


def test_resampling_a_large_image_for_a_small_network_is_the_peak() -> None:
    voxels, small = Voxels(10**9, 10**9, 10**6), make_network(16, (4, 8, 16))
    need = need_of(small, voxels, bytes_per_value=4, sums=1, kept_labels=0, preparing=10**9)
    assert need.total == 300 * 2**20 + need.image + need.preparing
    assert need.preparing == 4 * 10**9 + 10**9


def test_picking_labels_is_the_peak_where_it_takes_more_than_the_network() -> None:
    small = make_network(16, (4, 8, 16))
    need = need_of(small, Voxels(0, 0, 1000), bytes_per_value=4, sums=1, kept_labels=7, exporting=10**9)
    assert need.total == 300 * 2**20 + need.image + 3 * 4 * 1000 + 7 + 10**9


def test_cleaning_labels_of_a_large_image_is_the_peak_where_it_takes_more_than_the_network() -> None:
    small = make_network(16, (4, 8, 16))
    need = need_of(small, Voxels(10**9, 10**6, 10**6), bytes_per_value=4, sums=1, kept_labels=0, cleaning=7 * 10**9)
    assert need.total == 300 * 2**20 + need.image + 7 * 10**9


def test_this_machine_says_what_is_free() -> None:
    free = available_memory()
    assert free is not None
    assert free > 1 << 20


def _write_group(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


VERSION_2 = {"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "anon 1\ninactive_file 200\n"}
VERSION_1 = {
    "memory/memory.limit_in_bytes": "1000\n",
    "memory/memory.usage_in_bytes": "700\n",
    "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
}


@pytest.mark.parametrize("files", [VERSION_2, VERSION_1])
def test_the_limit_of_a_container_is_seen_in_both_kinds_of_control_group(tmp_path: Path, files: dict[str, str]) -> None:
    assert memory._control_group(_write_group(tmp_path, files)) == 1000 - (700 - 200)


def test_a_control_group_without_a_limit_is_none(tmp_path: Path) -> None:
    assert memory._control_group(_write_group(tmp_path, VERSION_2 | {"memory.max": "max\n"})) is None
