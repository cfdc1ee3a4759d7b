from pathlib import Path

import pytest

from aimi.engine import memory
from aimi.engine.memory import available_memory, live_values, need_of
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


def test_run_of_a_large_network_needs_what_was_measured() -> None:
    # OpenVINO, f32, 31 M parameters, one tile of 128^3: 1.44 GB (measured), most of it live values
    network = make_network(128, (32, 64, 128, 256, 320, 320))
    need = need_of(network, 0, 0, bytes_per_value=4, sums=1, kept_labels=0)
    assert 0.9 < need.network / 1.3e9 < 1.1


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
