"""Which packages an image holds, at which versions."""

from pathlib import Path

import pytest

from aimi.errors import UsageError
from aimi.map_package.flavours import Flavour, pins, requirements_of, resources_for
from tests.map_package.kit import APPLICATIONS, ROOT

LOCK = ROOT / "requirements.lock"


def test_there_are_applications() -> None:
    assert "liver_ct" in APPLICATIONS


@pytest.mark.parametrize("task", APPLICATIONS)
def test_every_applications_requirements_are_pins_of_the_lock(task: str) -> None:
    assert requirements_of(ROOT / "apps" / task, LOCK, Flavour.OPENVINO)


@pytest.mark.parametrize("task", APPLICATIONS)
def test_no_application_asks_for_what_a_run_does_not_use(task: str) -> None:
    wanted = set(requirements_of(ROOT / "apps" / task, LOCK, Flavour.OPENVINO))
    unused = {
        "monai",
        "torch",
        "torchvision",
        "nnunetv2",
        "cupy-cuda13x",
        "tritonclient",
        "monai-deploy-app-sdk",
        "pip",
    }
    assert not wanted & unused


def test_torch_comes_with_what_it_asks_for() -> None:
    without = requirements_of(ROOT / "apps/liver_ct", LOCK, Flavour.OPENVINO)
    with_torch = requirements_of(ROOT / "apps/liver_ct", LOCK, Flavour.TORCH)
    added = set(with_torch) - set(without)
    assert added == {"torch", "filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "sympy"}


def test_another_version_than_in_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==1.0\n")
    with pytest.raises(UsageError, match=r"numpy 1\.0"):
        requirements_of(tmp_path, LOCK, Flavour.OPENVINO)


@pytest.mark.parametrize("line", ["numpy>=2", "numpy", "-r other.txt", "numpy==2.4.6highdicom ==0.28.2"])
def test_a_line_that_is_no_pin_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        pins(line + "\n")


def test_names_are_compared_as_the_registry_does() -> None:
    assert pins("# comment\n\nTyping_Extensions==4.16.0\n") == {"typing-extensions": "4.16.0"}


def test_only_an_image_for_a_gpu_asks_for_one() -> None:
    resources = {"cpu": 2, "gpu": 1, "memory": "8Gi", "gpuMemory": "8Gi"}
    assert resources_for(Flavour.CUDA, resources) == resources
    assert resources_for(Flavour.OPENVINO, resources) == {"gpu": 0, "cpu": 2, "memory": "8Gi"}
    assert resources_for(Flavour.TORCH, resources)["gpu"] == 0
