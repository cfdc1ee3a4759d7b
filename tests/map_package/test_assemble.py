"""What the build stage does to the folder of packages."""

import sys
from pathlib import Path

import pytest

from aimi.map_package.inside import assemble


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def test_what_no_run_reads_goes_and_the_rest_stays(tmp_path: Path) -> None:
    gone = (
        "numpy/_core/tests/test_a.py",
        "numpy/include/a.h",
        "openvino/libs/libopenvino_intel_gpu_plugin.so",
        "bin/f2py",
    )
    kept = ("numpy/core.py", "openvino/libs/libopenvino_intel_cpu_plugin.so", "torch/bin/torch_shm_manager")
    make(tmp_path, *gone, *kept, "torch/bin/protoc")
    freed = assemble.take_away(tmp_path)
    assert freed == len(gone) + 1
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_the_links_that_a_wheel_axle_wheel_lists_are_made(tmp_path: Path) -> None:
    make(tmp_path, "holoscan/lib/libh.so.4.2.0", "h-1.pth")
    listed = tmp_path / "h-1.dist-info" / "symlinks.txt"
    make(tmp_path, "h-1.dist-info/symlinks.txt")
    lines = ["h-1.data/purelib/holoscan/lib/libh.so.4,libh.so.4.2.0,0", "h-1.data/purelib/gone/libx.so,libx.so.1,0"]
    listed.write_text("\n".join(lines) + "\n")
    assemble.link_libraries(tmp_path)
    assert (tmp_path / "holoscan/lib/libh.so.4").resolve() == tmp_path / "holoscan/lib/libh.so.4.2.0"
    assert not (tmp_path / "gone").exists()
    assert not (tmp_path / "h-1.pth").exists()


def test_libcudart_lies_beside_holoscan(tmp_path: Path) -> None:
    make(tmp_path, "holoscan/lib/libh.so", "nvidia/cu13/lib/libcudart.so.13")
    assemble.link_libraries(tmp_path)
    assert (tmp_path / "holoscan/lib/libcudart.so.13").is_file()


def test_torch_finds_libcudart_where_its_wheel_has_it(tmp_path: Path) -> None:
    make(tmp_path, "holoscan/lib/libh.so", "nvidia/cu13/lib/libcudart.so.13", "torch/lib/libtorch.so")
    assemble.link_libraries(tmp_path)
    assert (tmp_path / "nvidia/cu13/lib/libcudart.so.13").resolve() == tmp_path / "holoscan/lib/libcudart.so.13"


def test_a_link_to_what_was_taken_away_goes(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    assemble.link_libraries(tmp_path)
    assert not (tmp_path / "broken").is_symlink()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    text = "import json\ndef f():\n    from not_there.inner import x\n    import os.path\n    from . import near\n"
    (tmp_path / "module.py").write_text(text)
    return tmp_path


def test_every_import_is_found_also_inside_functions(source: Path) -> None:
    assert assemble.named_modules(source) == ("json", "not_there.inner", "os.path")


def test_a_module_that_is_missing_is_named_unless_it_may_be(source: Path) -> None:
    (missing,) = assemble.missing_modules([source], frozenset())
    assert missing.startswith("not_there.inner")
    assert assemble.missing_modules([source], frozenset({"not_there"})) == ()


def test_every_file_has_one_date_and_only_the_output_and_logs_take_any_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    make(tmp_path, "opt/holoscan/entrypoint", "opt/holoscan/models/M1/weights")
    (tmp_path / "opt/holoscan/models/M1/weights").chmod(0o600)
    assemble._finish(tmp_path)
    assert {path.stat().st_mtime for path in (tmp_path, *tmp_path.rglob("*"))} == {86400.0}
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert modes["opt/holoscan/entrypoint"] == 0o755
    assert modes["opt/holoscan/models/M1/weights"] == 0o644
    assert {name for name, mode in modes.items() if mode & 0o002} == {"var/holoscan/output", "var/holoscan/logs"}


def test_the_entrypoint_names_its_interpreter_and_takes_nothing_of_the_environment(tmp_path: Path) -> None:
    make(tmp_path, "opt/holoscan/entrypoint")
    assemble._name_python(tmp_path)
    assert (tmp_path / "opt/holoscan/entrypoint").read_text().splitlines()[0] == f"#!{sys.executable} -I"
