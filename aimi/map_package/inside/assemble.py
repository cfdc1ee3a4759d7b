"""Build the part of an image that is not its base: install, take away, link, compile. Runs in the build stage.

``assemble.py --root /image --requirements FILE [--wheels FOLDER] --may-lack torch,...``

Needs nothing but Python's standard library, and pip: the base's, or the one among the wheels, which runs from its
archive.
"""

import argparse
import ast
import compileall
import importlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["link_libraries", "main", "missing_modules", "named_modules", "take_away"]

NOT_NEEDED = (
    # Tests, headers, build files, programs
    "**/tests",
    "**/test_files",
    "**/include",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.h",
    "**/*.a",
    "**/cmake",
    "bin",
    "**/RECORD",
    # OpenVINO: GPU and NPU, readers of others' formats, tools
    "openvino/libs/libopenvino_intel_gpu_plugin.so",
    "openvino/libs/libopenvino_intel_npu_plugin.so",
    "openvino/libs/cache.json",
    "openvino/libs/libopenvino_onnx_frontend.so*",
    "openvino/libs/libopenvino_pytorch_frontend.so*",
    "openvino/libs/libopenvino_paddle_frontend.so*",
    "openvino/libs/libopenvino_gguf_frontend.so*",
    "openvino/libs/libopenvino_jax_frontend.so*",
    "openvino/libs/libopenvino_tensorflow_lite_frontend.so*",
    "openvino/libs/libopenvino_c.so*",
    "openvino/tools",
    # Holoscan: operators for video, display, inference and sensors; examples
    "holoscan/operators/*/",
    "holoscan/lib/libholoscan_viz.so*",
    "holoscan/lib/libholoscan_infer*.so*",
    "holoscan/lib/libholoinfer*.so*",
    "holoscan/lib/libholoscan_op_*.so*",
    "holoscan/lib/libholoscan_data_loggers_*.so*",
    "holoscan/lib/libholoscan_pose_tree.so*",
    "holoscan/lib/libgxf_sample.so",
    "holoscan/examples",
    # torch: headers, tests, programs but the one that its import looks for
    "torch/share",
    "torch/test",
    "torch/utils/benchmark",
    # Data that only demonstrations read
    "nibabel/cmdline",
    "nibabel/benchmarks",
    "scipy/datasets",
)
"""Patterns below the folder of packages."""

_TORCH_KEPT = "torch_shm_manager"


def take_away(packages: Path, patterns: Sequence[str] = NOT_NEEDED) -> int:
    """Remove what no run reads; give the bytes that were freed."""
    freed = 0
    for pattern in patterns:
        for path in sorted(packages.glob(pattern), reverse=True):
            freed += _remove(path)
    for program in (packages / "torch" / "bin").glob("*"):
        freed += 0 if program.name == _TORCH_KEPT else _remove(program)
    return freed


def _remove(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        shutil.rmtree(path)
        return size
    if not path.exists() and not path.is_symlink():
        return 0
    size = path.lstat().st_size
    path.unlink()
    return size


def link_libraries(packages: Path) -> None:
    """Make the links that a wheel-axle wheel makes at a first start, and put libcudart beside Holoscan.

    Holoscan's libraries need libcudart.so.13 without declaring it; no GPU and no driver are needed. CUDA's torch looks
    for it where its wheel has it: a link stays there.
    """
    for listed in packages.glob("*.dist-info/symlinks.txt"):
        for line in listed.read_text(encoding="utf-8").splitlines():
            link, target, _ = line.rsplit(",", 2)
            place = packages / re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", link)
            if place.parent.is_dir() and not place.is_symlink():
                place.unlink(missing_ok=True)
                place.symlink_to(target)
    for hook in packages.glob("*.pth"):
        hook.unlink()
    library = packages / "nvidia" / "cu13" / "lib" / "libcudart.so.13"
    if library.is_file() and (packages / "holoscan" / "lib").is_dir():
        library.replace(packages / "holoscan" / "lib" / library.name)
        if (packages / "torch").is_dir():
            library.symlink_to(Path("../../../holoscan/lib") / library.name)
    _drop_broken_links(packages)


def _drop_broken_links(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()


def named_modules(folder: Path) -> tuple[str, ...]:
    """Give every module that the sources below a folder import, at any depth, sorted."""
    found: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return tuple(sorted(found))


def missing_modules(folders: Sequence[Path], may_lack: frozenset[str]) -> tuple[str, ...]:
    """Import every module that sources name; give those that are not there and must be."""
    missing = []
    for name in sorted({name for folder in folders for name in named_modules(folder)}):
        if name.partition(".")[0] in may_lack:
            continue
        try:
            importlib.import_module(name)
        except ImportError as err:
            missing.append(f"{name} ({err})")
    return tuple(missing)


def _compile(root: Path) -> None:
    """Compile what a run imports, without a date in the files: a read-only image cannot do it later."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for file in sorted(_loaded_files(root)):
        py_compile.compile(str(file), doraise=True, invalidation_mode=unchecked)
    for folder in ("app", "lib"):
        compileall.compile_dir(root / "opt/holoscan" / folder, quiet=1, invalidation_mode=unchecked)


def _loaded_files(root: Path) -> Iterator[Path]:
    for module in tuple(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and Path(file).is_relative_to(root):
            yield Path(file)


def _install(packages: Path, requirements: Path, wheels: Path | None) -> None:
    command = [sys.executable]
    if wheels is None:
        command += ["-m", "pip", "install"]
    else:
        pip = sorted(wheels.glob("pip-*.whl"))
        command += [str(pip[-1] / "pip")] if pip else ["-m", "pip"]
        command += ["install", "--no-index", "--find-links", str(wheels)]
    command += [
        "--no-deps",
        "--no-compile",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    subprocess.run([*command, "--quiet", "--target", str(packages), "-r", str(requirements)], check=True)  # noqa: S603


def _finish(root: Path) -> None:
    """Set the rights and one date for all files; the folders that a run writes take any user."""
    for place in ("output", "logs"):
        (root / "var/holoscan" / place).mkdir(parents=True, exist_ok=True)
    (root / "var/holoscan/input").mkdir(parents=True, exist_ok=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in (*sorted(root.rglob("*"), reverse=True), root):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name == "entrypoint" else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
    for place in ("output", "logs"):
        (root / "var/holoscan" / place).chmod(0o1777)


def _name_python(root: Path) -> None:
    """Have a ``python3`` on the path, and name the very interpreter in the entrypoint's first line."""
    if shutil.which("python3") is None:
        link = root / "usr/local/bin/python3"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(sys.executable)
    entrypoint = root / "opt/holoscan/entrypoint"
    entrypoint.write_text(f"#!{sys.executable} -I\n{entrypoint.read_text(encoding='utf-8')}", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Assemble; give 1 where a module is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--requirements", type=Path, required=True)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--may-lack", default="")
    parsed = parser.parse_args(arguments)
    opt = parsed.root / "opt/holoscan"
    packages = opt / "packages"
    _install(packages, parsed.requirements, parsed.wheels)
    link_libraries(packages)
    sys.stdout.write(f"Taken away: {take_away(packages) / 1e6:.0f} MB\n")
    _drop_broken_links(packages)
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(opt / "app"), str(opt / "lib"), str(packages)]
    missing = missing_modules((opt / "app", opt / "lib"), frozenset(parsed.may_lack.split(",")))
    if missing:
        sys.stderr.write("The image would lack: " + "; ".join(missing) + "\n")
        return 1
    _compile(parsed.root)
    _name_python(parsed.root)
    _finish(parsed.root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
