"""What must hold of a built liver_ct image: ``container_checks.py IMAGE WORK MODELS SAMPLE REAL``.

Each check runs the real image with the real engine. IMAGE holds the models of MODELS (as demo models), SAMPLE is a
study with known truth, REAL a study of a patient. The first thing that does not hold ends with 1 and one sentence.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema

from aimi.engine.checksums import write_checksums

ROOT = Path(__file__).resolve().parents[1]
STRICT = (
    *("--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--user", "12345:12345"),
)
EPOCH = "1700000000"
MAX_BYTES = {"openvino": 800_000_000, "torch": 1_200_000_000}
FIRST_LINE_S = 1.0
END_S = 3.0


class CheckError(Exception):
    """Something that must hold does not."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    status: int
    log: str
    seconds: float
    first_line_s: float | None

    @property
    def messages(self) -> list[str]:
        """The messages of the log."""
        return [json.loads(line)["message"] for line in self.log.splitlines() if line.startswith("{")]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked."""

    image: str
    work: Path
    models: Path
    sample: Path
    real: Path

    def folder(self, name: str) -> Path:
        """Make an empty folder that every user may write."""
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        path.chmod(0o777)
        return path


def require(holds: bool, sentence: str) -> None:
    """End where something does not hold."""
    if not holds:
        raise CheckError(sentence)


def docker(*arguments: str, check: bool = True) -> str:
    """Run the engine's command; give its output."""
    ended = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    require(not check or ended.returncode == 0, f"docker {arguments[0]} failed: {ended.stderr}")
    return ended.stdout


def start(subject: Subject, *options: str, command: tuple[str, ...] = ()) -> str:
    """Start a container; give its id."""
    return docker("run", "--detach", *options, subject.image, *command).strip()


def wait(container: str, since: float) -> Ended:
    """Wait for a container, then remove it."""
    status = int(docker("wait", container))
    seconds = time.monotonic() - since
    state = json.loads(docker("inspect", container))[0]["State"]
    ended = subprocess.run(["docker", "logs", container], check=True, capture_output=True, text=True)
    docker("rm", container)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("{")]
    first = _moment(json.loads(lines[0])["time"]) - _moment(state["StartedAt"]) if lines else None
    return Ended(status, ended.stderr + ended.stdout, seconds, first)


def _moment(text: str) -> float:
    whole, _, fraction = text.replace("Z", "").partition(".")
    digits = fraction.partition("+")[0][:6]
    return datetime.fromisoformat(f"{whole}.{digits:0<6}+00:00").timestamp()


def run(subject: Subject, *options: str, command: tuple[str, ...] = ()) -> Ended:
    """Run a container to its end."""
    since = time.monotonic()
    return wait(start(subject, *options, command=command), since)


def mounted(source: Path, output: Path) -> tuple[str, ...]:
    """Give the mounts of a plain run."""
    return ("-v", f"{source}:/var/holoscan/input:ro", "-v", f"{output}:/var/holoscan/output")


def results(folder: Path) -> list[str]:
    """Give the names of the DICOM files anywhere below a folder, hidden ones included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dcm"))


def sha256(path: Path) -> str:
    """Give a file's digest."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def report_of(folder: Path) -> dict[str, Any]:
    """Give the report that a run left."""
    report: dict[str, Any] = json.loads((folder / "liver_ct.report.json").read_bytes())
    return report


def check_image(subject: Subject) -> str:
    """Size, user, labels, manifests by the schemas."""
    facts = json.loads(docker("image", "inspect", subject.image))[0]
    flavour = "torch" if os.environ.get("AIMI_CONTAINER_FLAVOUR") == "torch" else "openvino"
    size = int(facts["Size"])
    require(size <= MAX_BYTES[flavour], f"the image has {size / 1e6:.0f} MB, above {MAX_BYTES[flavour] / 1e6:.0f}")
    labels = facts["Config"]["Labels"]
    require("esearch use only" in labels["org.opencontainers.image.description"], "no label says research use only")
    require(labels["org.opencontainers.image.licenses"] == "Apache-2.0", "demo models have another licence")
    require(bool(labels["org.opencontainers.image.authors"]), "no label names the authors")
    require(facts["Config"]["User"] not in ("", "0", "root"), "the image runs as root")
    shown = json.loads(docker("run", "--rm", *STRICT, subject.image, "show"))
    for name in ("app", "pkg"):
        schema = json.loads((ROOT / f"aimi/map_package/schemas/{name}.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(shown[f"{name}.json"])
    version = labels["org.opencontainers.image.version"]
    require(shown["app.json"]["version"] == version, "label and manifest have different versions")
    require(shown["pkg.json"]["resources"]["gpu"] == 0, "a processor's image asks for a GPU")
    return f"{size / 1e6:.0f} MB"


def check_strict_run(subject: Subject) -> str:
    """Any user, no network, nothing writable but the output, no capability: the sample, as outside."""
    output, outside = subject.folder("strict"), subject.folder("outside")
    ended = run(subject, *STRICT, *mounted(subject.sample, output), "-e", f"SOURCE_DATE_EPOCH={EPOCH}")
    require(ended.status == 0, f"the sample ended with {ended.status}: {ended.messages}")
    files = sorted(path.name for path in output.iterdir())
    expected = ["liver_ct.preview.png", "liver_ct.report.json", "liver_ct.seg.dcm"]
    require(files == expected, f"the output holds {files}")
    owner = (output / "liver_ct.seg.dcm").stat().st_uid
    require(owner == 12345, f"the result belongs to user {owner}")  # noqa: PLR2004 (STRICT's)
    environment = {**os.environ, "AIMI_DEMO_MODELS": str(subject.models), "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, "apps/liver_ct", "-i", str(subject.sample), "-o", str(outside), "-m", "demo"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    same = sha256(output / "liver_ct.seg.dcm") == sha256(outside / "liver_ct.seg.dcm")
    require(same, "the object is another one than outside")
    return f"{ended.seconds:.1f} s, the object is the one made outside"


def check_first_line(subject: Subject) -> str:
    """The first log line within a second of the start, before anything heavy: the median of three."""
    found = []
    for _ in range(3):
        ended = run(subject, *STRICT, "-v", f"{subject.folder('first')}:/var/holoscan/output")
        require(ended.messages[:1] == ["Starting"], f"the log begins with {ended.messages[:1]}")
        require(ended.first_line_s is not None, "no time of the first log line is known")
        found.append(ended.first_line_s or 0.0)
    times = ", ".join(f"{seconds:.2f}" for seconds in sorted(found))
    require(sorted(found)[1] <= FIRST_LINE_S, f"the first log lines came after {times} s")
    return f"{times} s"


def check_no_input(subject: Subject) -> str:
    """Nothing to annotate: status 3, a report, no result."""
    output = subject.folder("no-input")
    ended = run(subject, *STRICT, *mounted(subject.folder("empty"), output))
    require(ended.status == 3, f"an empty input ended with {ended.status}")  # noqa: PLR2004
    require(report_of(output)["status"] == 3 and not results(output), "no report of it")  # noqa: PLR2004
    return "status 3 and a report"


def check_damaged(subject: Subject) -> str:
    """A slice is cut short: status 4, a report, no result."""
    output, study = subject.folder("damaged"), subject.work / "damaged-study"
    shutil.rmtree(study, ignore_errors=True)
    shutil.copytree(subject.sample, study)
    files = sorted(study.rglob("*"), key=lambda path: path.parent.name)
    series = max({path.parent for path in files if path.is_file()}, key=lambda folder: len(list(folder.iterdir())))
    slices = sorted(series.iterdir())
    damaged = slices[len(slices) // 2]
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    ended = run(subject, *STRICT, *mounted(study, output))
    require(ended.status == 4, f"a damaged study ended with {ended.status}: {ended.messages}")  # noqa: PLR2004
    require(report_of(output)["status"] == 4 and not results(output), "no report of it")  # noqa: PLR2004
    return "status 4 and a report"


def check_ended_early(subject: Subject) -> str:
    """Told to end, and killed, while the network runs: no result; told to end, also the status and three seconds."""
    texts = []
    for signal, status in (("TERM", 143), ("KILL", 137)):
        output = subject.folder(f"early-{signal}")
        container = start(subject, *STRICT, *mounted(subject.real, output))
        wait_for_line(container, "load models done")
        since = time.monotonic()
        docker("kill", "--signal", signal, container)
        ended = wait(container, since)
        require(ended.status == status, f"SIG{signal} ended with {ended.status}: {ended.messages}")
        require(not results(output), f"SIG{signal} left {results(output)}")
        require(ended.seconds <= END_S, f"SIG{signal} took {ended.seconds:.1f} s")
        left = sorted(path.name for path in output.iterdir())
        require(signal == "KILL" or not left, f"SIGTERM left {left}")
        texts.append(f"SIG{signal}: {status} after {ended.seconds:.1f} s")
    return ", ".join(texts)


def wait_for_line(container: str, words: str) -> None:
    """Wait until a container's log holds some words."""
    for _ in range(600):
        ended = subprocess.run(["docker", "logs", container], check=True, capture_output=True, text=True)
        if words in ended.stderr:
            return
        time.sleep(0.1)
    raise CheckError(f"the log never said {words!r}: {ended.stderr}")


def check_too_little_memory(subject: Subject) -> str:
    """A model whose tiles do not fit the container's limit: status 5 and a report, not the end by the kernel."""
    output, models = subject.folder("memory"), subject.folder("large-models")
    shutil.copytree(subject.models / "DEMO-liver-ct", models / "DEMO-liver-ct")
    plans = json.loads((models / "DEMO-liver-ct" / "plans.json").read_bytes())
    for configuration in plans["configurations"].values():
        configuration["patch_size"] = [512, 512, 512]
    (models / "DEMO-liver-ct" / "plans.json").write_text(json.dumps(plans), encoding="utf-8")
    write_checksums(models / "DEMO-liver-ct")
    for path in (models / "DEMO-liver-ct").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    mounts = (*mounted(subject.sample, output), "-v", f"{models}:/models:ro", "-e", "AIMI_DEMO_MODELS=/models")
    ended = run(subject, *STRICT, "--memory", "1g", *mounts)
    require(ended.status == 5, f"too little memory ended with {ended.status}: {ended.messages}")  # noqa: PLR2004
    require(report_of(output)["status"] == 5 and not results(output), "no report of it")  # noqa: PLR2004
    return "status 5 and a report"


def check_other_models(subject: Subject) -> str:
    """Models that a platform names stand above the image's demo models: a folder without any is status 6."""
    output, empty = subject.folder("other-models"), subject.folder("no-models")
    named = ("-v", f"{empty}:/models:ro", "-e", "MONAI_MODELPATH=/models")
    ended = run(subject, *STRICT, *mounted(subject.sample, output), *named)
    require(ended.status == 6, f"an empty models folder ended with {ended.status}: {ended.messages}")  # noqa: PLR2004
    require(report_of(output)["status"] == 6 and not results(output), "no report of it")  # noqa: PLR2004
    return "status 6 and a report"


def check_as_workflow_manager(subject: Subject) -> str:
    """The gateway's folders with JSON beside each object; entrypoint, command and variables as the Docker plugin."""
    payload, output = subject.folder("payload"), subject.folder("artifacts")
    for path in sorted(path for path in subject.sample.rglob("*") if path.is_file()):
        target = payload / "dcm" / "1.2.3" / path.parent.name / f"{path.stem}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.with_name(f"{target.name}.json").write_text('{"00080016": {"vr": "UI"}}', encoding="utf-8")
    options = ("--user", "1001:1001", "--entrypoint", "/opt/holoscan/entrypoint", "-w", "/var/monai")
    mounts = ("-v", f"{payload}:/var/monai/input:ro", "-v", f"{output}:/var/monai/output")
    variables = ("-e", "MONAI_INPUTPATH=/var/monai/input/", "-e", "MONAI_OUTPUTPATH=/var/monai/output/")
    ended = run(subject, "--network", "none", *options, *mounts, *variables, command=("-l", "INFO"))
    require(ended.status == 0, f"ended with {ended.status}: {ended.messages}")
    require(results(output) == ["liver_ct.seg.dcm"], f"the output holds {results(output)}")
    return "one .dcm"


def check_as_mercure(subject: Subject) -> str:
    """Flat files, mercure's own beside them, any user, no capability, no network, a root that is read only.

    Its result.json has the segments, and the reason where there are none.
    """
    source, output = subject.folder("data"), subject.folder("mercure-out")
    for path in sorted(path for path in subject.sample.rglob("*") if path.is_file()):
        shutil.copyfile(path, source / f"{path.parent.name}#{path.stem}.dcm")
        (source / f"{path.parent.name}#{path.stem}.tags").write_text("{}", encoding="utf-8")
    (source / "task.json").write_text("{}", encoding="utf-8")
    given = {"MERCURE": ("IN_DIR", "OUT_DIR"), "MONAI": ("INPUTPATH", "OUTPUTPATH")}
    pairs = [(f"{name}_{one}", path) for name, ends in given.items() for one, path in zip(ends, _MERCURE, strict=True)]
    pairs += [("HOLOSCAN_INPUT_PATH", _MERCURE[0]), ("HOLOSCAN_OUTPUT_PATH", _MERCURE[1])]
    variables = [part for name, path in pairs for part in ("-e", f"{name}={path}")]
    result = _mercure_run(subject, source, output, variables, expected=0)
    require(result["segments"][0]["voxels"] > 0, f"result.json says {result}")
    require(results(output) == ["liver_ct.seg.dcm"], f"the output holds {results(output)}")
    nothing, refused = subject.folder("no-data"), subject.folder("mercure-refused")
    (nothing / "task.json").write_text("{}", encoding="utf-8")
    refusal = _mercure_run(subject, nothing, refused, variables, expected=3)
    require(refusal["reason"] == report_of(refused)["reason"], f"result.json of a refusal says {refusal}")
    require("segments" not in refusal and not results(refused), "a refusal has a result")
    return f"result.json: {result['segments'][0]['volume_ml']:.0f} ml; of a refusal: {refusal['reason']}"


def _mercure_run(
    subject: Subject, source: Path, output: Path, variables: list[str], *, expected: int
) -> dict[str, Any]:
    mounts = ("-v", f"{source}:{_MERCURE[0]}", "-v", f"{output}:{_MERCURE[1]}")
    confined = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "990:990")
    ended = run(subject, *confined, *mounts, *variables)
    require(ended.status == expected, f"ended with {ended.status}: {ended.messages}")
    result: dict[str, Any] = json.loads((output / "result.json").read_bytes())["aimi"]
    require(result["status"] == expected, f"result.json says {result}")
    return result


_MERCURE = ("/tmp/data", "/tmp/output")  # noqa: S108 (mercure's own mounts)


def check_as_kaapana(subject: Subject) -> str:
    """A batch of two items, one with nothing to annotate: 0; a batch of that one alone: 126, skipped.

    The items belong to the image's user. Where they belong to root alone, the image's user ends with 7 and root with
    0; a batch that is not there, and an input folder that no item has, end with 2.
    """
    batch = subject.folder("run/batch")
    shutil.copytree(subject.sample, batch / "one" / "get-input")
    (batch / "two" / "get-input").mkdir(parents=True)
    _as_root(subject, batch.parent, "chown", "-R", "0:0", "/data")
    _as_root(subject, batch.parent, "chmod", "-R", "u=rwX,go=rX", "/data")
    _require_kaapana(subject, batch.parent, 7)
    _require_kaapana(subject, batch.parent, 0, "--user", "0:0", OPERATOR_OUT_DIR="by-root")
    _as_root(subject, batch.parent, "chown", "-R", "1000:1000", "/data")
    _require_kaapana(subject, batch.parent, 2, BATCH_NAME="other")
    _require_kaapana(subject, batch.parent, 2, OPERATOR_IN_DIR="other")
    _require_kaapana(subject, batch.parent, 0)
    found = results(batch / "one" / "aimi-liver-ct")
    require(found == ["liver_ct.seg.dcm"], f"the item's output holds {found}")
    _as_root(subject, batch.parent, "rm", "-r", "/data/batch/one")
    _require_kaapana(subject, batch.parent, 126)
    _as_root(subject, batch.parent, "rm", "-r", "/data/batch")
    return "0, 126 when skipped, 2 for a wrong batch, 7 where the items are root's"


def _as_root(subject: Subject, folder: Path, program: str, *arguments: str) -> None:
    """Do something to a folder, seen at ``/data``, that its owner here may not do."""
    root = ("--user", "0:0", "--network", "none", "--entrypoint", program, "-v", f"{folder}:/data")
    docker("run", "--rm", *root, subject.image, *arguments)


def _require_kaapana(subject: Subject, data: Path, expected: int, *options: str, **changes: str) -> None:
    """Run the image on a batch as Kaapana's operator does, and hold it to a status."""
    variables = {"WORKFLOW_DIR": "/kaapana/mounted/data/run", "BATCH_NAME": "batch"}
    variables |= {"OPERATOR_IN_DIR": "get-input", "OPERATOR_OUT_DIR": "aimi-liver-ct"} | changes
    named = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    ended = run(subject, "--network", "none", "-v", f"{data}:/kaapana/mounted/data/run", *options, *named)
    require(ended.status == expected, f"{changes} ended with {ended.status}, not {expected}: {ended.messages}")


def check_as_monai_deploy_run(subject: Subject) -> str:
    """The stock runner; what it asks of the machine (nvidia-smi, the builder plugin) is stood in for."""
    runtimes = json.loads(docker("info", "--format", "{{json .Runtimes}}"))
    if "nvidia" not in runtimes:
        return "left out: this engine has no runtime of that name, and monai-deploy run asks for it"
    output, home = subject.folder("stock-run"), subject.folder("home")
    real = shutil.which("docker")
    stand_ins = {
        "bin/nvidia-smi": "",
        ".docker/cli-plugins/docker-buildx": "",
        # Locking all memory, which no run does, needs a right that a machine may not give its engine.
        "bin/docker": (
            'for one; do shift; [ "${one#memlock=}" = "$one" ] || one=nofile=1024:1024; set -- "$@" "$one"; done\n'
            f'exec {real} "$@"'
        ),
    }
    for name, text in stand_ins.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (home / name).chmod(0o755)
    environment = {**os.environ, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    program = Path(sys.executable).with_name("monai-deploy")
    command = [str(program), "run", subject.image, "-i", str(subject.sample), "-o", str(output), "--uid", "1000"]
    ended = subprocess.run([*command, "--rm"], env=environment, check=False, capture_output=True, text=True)
    require(ended.returncode == 0, f"ended with {ended.returncode}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    require(results(output) == ["liver_ct.seg.dcm"], f"the output holds {results(output)}: {ended.stderr[-2000:]}")
    return "one .dcm"


def check_extract(subject: Subject) -> str:
    """``extract`` copies what is asked for, also into a folder of another user; models have the hashes of docs."""
    export = subject.folder("export")
    docker("run", "--rm", *STRICT, "-v", f"{export}:/var/run/holoscan/export", subject.image, "extract")
    parts = sorted(path.name for path in export.iterdir())
    require(parts == ["app", "config", "docs", "models"], f"extract gave {parts}")
    models = json.loads((export / "docs" / "models.json").read_bytes())
    for model in models:
        for name, digest in model["files"].items():
            require(sha256(export / "models" / model["name"] / name) == digest, f"{name} has another hash")
    place = subject.folder("export-models")
    docker("run", "--rm", *STRICT, "-v", f"{place}:/var/run/holoscan/export/models", subject.image, "extract")
    names = sorted(path.name for path in place.iterdir())
    require(names == sorted(model["name"] for model in models), f"extract of the models gave {names}")
    return f"{len(models)} model(s), hashes as in docs"


def check_real(subject: Subject) -> str:
    """A patient's study: a result that dciodvfy has no error for."""
    output = subject.folder("real")
    ended = run(subject, *STRICT, *mounted(subject.real, output))
    require(ended.status == 0, f"the real study ended with {ended.status}: {ended.messages}")
    found = output / "liver_ct.seg.dcm"
    checked = subprocess.run(["dciodvfy", "-new", str(found)], check=False, capture_output=True, text=True)
    errors = [line for line in checked.stderr.splitlines() if line.startswith("Error")]
    require(not errors, f"dciodvfy: {errors}")
    peak = report_of(output)["peak_memory_bytes"] / 2**20
    return f"{ended.seconds:.1f} s, peak {peak:.0f} MiB"


CHECKS: tuple[Callable[[Subject], str], ...] = (
    check_image,
    check_strict_run,
    check_first_line,
    check_no_input,
    check_damaged,
    check_ended_early,
    check_too_little_memory,
    check_other_models,
    check_as_workflow_manager,
    check_as_mercure,
    check_as_kaapana,
    check_as_monai_deploy_run,
    check_extract,
    check_real,
)


def main(arguments: list[str]) -> int:
    """Run all checks."""
    image, *folders = arguments
    work, models, sample, real = (Path(folder).resolve() for folder in folders)
    subject = Subject(image, work, models, sample, real)
    for check in CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            said = check(subject)
        except CheckError as err:
            print(f"FAILED  {name}: {err}", flush=True)
            return 1
        print(f"holds   {name}: {said}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
