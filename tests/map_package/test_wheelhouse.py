"""Wheels are held against the pins before anything is built; CUDA's packages are those that torch's wheel asks for."""

import re
from pathlib import Path

import pytest

from aimi.errors import UsageError
from aimi.map_package.flavours import Flavour, requirements_of
from aimi.map_package.wheelhouse import holds_pip, packages_of
from tests.map_package.kit import ROOT, make_cuda_wheels, make_wheel, make_wheels

EMPTY_ZIP = b"PK\5\6" + bytes(18)
APPLICATION, LOCK = ROOT / "apps" / "liver_ct", ROOT / "requirements.lock"


def packages(flavour: Flavour, wheels: Path | None) -> dict[str, str]:
    return packages_of(APPLICATION, LOCK, flavour, wheels)


@pytest.mark.parametrize("flavour", [Flavour.OPENVINO, Flavour.TORCH])
def test_a_folder_with_every_pin_does(tmp_path: Path, flavour: Flavour) -> None:
    wheels = make_wheels(tmp_path, flavour=flavour)
    assert packages(flavour, wheels) == requirements_of(APPLICATION, LOCK, flavour)


def wheels_with_another_numpy(folder: Path, version: str, tags: str) -> Path:
    wheels = make_wheels(folder)
    (wheels / "numpy-2.4.6-py3-none-any.whl").unlink()
    make_wheel(wheels, "numpy", version, tags=tags)
    return wheels


@pytest.mark.parametrize(
    ("version", "tags"),
    [
        ("2.4.5", "py3-none-any"),
        ("2.4.6", "cp312-cp312-manylinux_2_28_x86_64"),
        ("2.4.6", "cp311-cp311-win_amd64"),
        ("2.4.6", "cp312-abi3-linux_x86_64"),
    ],
)
def test_a_pin_without_a_wheel_of_its_version_python_and_system_is_named(
    tmp_path: Path, version: str, tags: str
) -> None:
    with pytest.raises(UsageError, match=r"lacks numpy 2\.4\.6, for Python 3\.11"):
        packages(Flavour.OPENVINO, wheels_with_another_numpy(tmp_path, version, tags))


@pytest.mark.parametrize(
    "tags", ["cp311-cp311-manylinux_2_28_x86_64", "cp39-abi3-manylinux2014_x86_64", "py2.py3-none-any"]
)
def test_a_wheel_that_python_3_11_installs_does(tmp_path: Path, tags: str) -> None:
    wheels = wheels_with_another_numpy(tmp_path, "2.4.6", tags)
    assert packages(Flavour.OPENVINO, wheels)["numpy"] == "2.4.6"


@pytest.mark.parametrize("flavour", [Flavour.TORCH, Flavour.CUDA])
def test_torch_is_taken_from_wheels_alone(flavour: Flavour) -> None:
    assert "torch" not in packages(Flavour.OPENVINO, None)
    with pytest.raises(UsageError, match="--offline"):
        packages(flavour, None)


def test_an_image_for_cuda_holds_what_torchs_wheel_asks_for_and_nothing_to_compile(tmp_path: Path) -> None:
    found = packages(Flavour.CUDA, make_cuda_wheels(tmp_path))
    by_lock = requirements_of(APPLICATION, LOCK, Flavour.CUDA)
    assert {name: version for name, version in found.items() if name not in by_lock} == {
        "cuda-bindings": "13.1.0",
        "cuda-toolkit": "13.0.3",
        "nvidia-cublas": "13.1.1.3",
        "nvidia-cudnn-cu13": "9.20.0.48",
    }
    assert by_lock.items() <= found.items()  # the runtime that Holoscan needs as well is the lock's


def test_a_package_of_cuda_that_is_not_at_hand_is_named(tmp_path: Path) -> None:
    wheels = make_cuda_wheels(tmp_path)
    (wheels / "nvidia_cublas-13.1.1.3-py3-none-any.whl").unlink()
    make_wheel(wheels, "nvidia-cublas", "13.0.0.0")
    with pytest.raises(UsageError, match=r"asks for: nvidia-cublas ==13\.1\.1\.3"):
        packages(Flavour.CUDA, wheels)


def test_torch_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one for CUDA"):
        packages(Flavour.TORCH, make_cuda_wheels(tmp_path / "cuda"))
    with pytest.raises(UsageError, match="one for a processor"):
        packages(Flavour.CUDA, make_wheels(tmp_path / "cpu", flavour=Flavour.TORCH))


def test_pip_among_the_wheels_is_seen(tmp_path: Path) -> None:
    assert not holds_pip(None)
    assert not holds_pip(make_wheels(tmp_path))
    make_wheel(tmp_path, "pip", "26.0")
    assert holds_pip(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 and no more", EMPTY_ZIP])
def test_a_torch_that_is_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    wheels = make_wheels(tmp_path, flavour=Flavour.TORCH)
    (torch,) = wheels.glob("torch-*.whl")
    torch.write_bytes(content)
    with pytest.raises(UsageError, match=f"{re.escape(torch.name)} is damaged"):
        packages(Flavour.TORCH, wheels)
