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
    assert docker.find_base("python") == docker.Base("python@sha256:22", "sha256:22")


@pytest.mark.usefixtures("engine")
def test_a_base_that_was_made_here_is_known_by_its_id() -> None:
    assert docker.find_base("made") == docker.Base("made", "sha256:33")


@pytest.mark.usefixtures("engine")
def test_a_base_that_is_nowhere_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="make_base_image"):
        docker.find_base("nowhere")


def test_without_an_engine_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no docker command"):
        docker.find_base("python")


def test_an_image_is_built_without_network_and_only_its_own_stage_is_removed(engine: Path) -> None:
    assert docker.build(engine, "made", network=False) == "sha256:33"
    assert docker.size_of("made") == 580
    prunes = [line for line in (engine / "calls").read_text().splitlines() if "prune" in line]
    assert prunes == ["image prune --force --filter label=org.monai.map.stage=build"]


def test_a_build_that_fails_is_no_image(engine: Path) -> None:
    with pytest.raises(BuildError, match="status 1"):
        docker.build(engine, "made", network=True)
