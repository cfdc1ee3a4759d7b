"""The calls of the engine, with a command that answers as docker does."""

from pathlib import Path

import pytest

from aimi.errors import UsageError
from aimi.map_package import docker
from aimi.map_package.docker import BuildError

PULLED = '[{"Id": "sha256:11", "Size": 7, "RepoDigests": ["python@sha256:22"]}]'
MADE = '[{"Id": "sha256:33", "Size": 580, "RepoDigests": []}]'


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a command `docker` on the path that knows `made`, and `python` after a pull; it writes down its calls."""
    script = f"""#!/bin/sh
echo "$*" >> {tmp_path}/calls
case "$*" in
info) [ ! -e {tmp_path}/down ] || exit 1 ;;
"run "*"--entrypoint python3.11 no-pip -c import sys") : ;;
"run --rm --network none --entrypoint python3.11 made -c import "*) : ;;
"image inspect made") echo '{MADE}' ;;
"image inspect python") [ -e {tmp_path}/pulled ] && echo '{PULLED}' || exit 1 ;;
"pull python") touch {tmp_path}/pulled ;;
"build --network none --tag made "*|"image prune"*) : ;;
*) exit 1 ;;
esac
"""
    (tmp_path / "docker").write_text(script)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.usefixtures("engine")
def test_a_base_from_a_registry_is_pinned_by_its_digest() -> None:
    assert docker.find_base("python", fetch=True) == docker.Base("python@sha256:22", "sha256:22")


@pytest.mark.usefixtures("engine")
def test_a_base_that_was_made_here_is_known_by_its_id() -> None:
    assert docker.find_base("made", fetch=True) == docker.Base("made", "sha256:33")


@pytest.mark.usefixtures("engine")
def test_a_base_that_is_nowhere_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="make_base_image"):
        docker.find_base("nowhere", fetch=True)


def test_offline_no_base_is_fetched(engine: Path) -> None:
    with pytest.raises(UsageError, match="is not here, and --offline"):
        docker.find_base("python", fetch=False)
    assert "pull" not in (engine / "calls").read_text()


def test_without_an_engine_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no docker command"):
        docker.find_base("python", fetch=True)


def test_an_engine_that_does_not_answer_is_no_missing_base(engine: Path) -> None:
    (engine / "down").touch()
    with pytest.raises(UsageError, match="does not answer"):
        docker.find_base("made", fetch=True)


@pytest.mark.usefixtures("engine")
def test_a_base_must_have_the_interpreter_and_pip_where_pip_is_needed() -> None:
    docker.require_python(docker.Base("made", "sha256:33"), "python3.11", needs_pip=True)
    docker.require_python(docker.Base("no-pip", "sha256:44"), "python3.11", needs_pip=False)
    with pytest.raises(UsageError, match="no-pip has no pip"):
        docker.require_python(docker.Base("no-pip", "sha256:44"), "python3.11", needs_pip=True)
    with pytest.raises(UsageError, match=r"No python3\.11 starts"):
        docker.require_python(docker.Base("alpine", "sha256:55"), "python3.11", needs_pip=False)


def test_an_image_is_built_without_network_and_only_its_own_stage_is_removed(engine: Path) -> None:
    assert docker.build(engine, "made", network=False) == "sha256:33"
    assert docker.size_of("made") == 580
    prunes = [line for line in (engine / "calls").read_text().splitlines() if "prune" in line]
    assert prunes == ["image prune --force --filter label=org.monai.map.stage=build"]


def test_a_build_that_fails_is_no_image(engine: Path) -> None:
    with pytest.raises(BuildError, match="status 1") as raised:
        docker.build(engine, "made", network=True)
    assert raised.value.status == UsageError.status  # no defect of ours
