"""The build context: models once and hashed, only what runs, a Dockerfile that needs no network."""

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest

from aimi.errors import UsageError
from aimi.map_package.builder import make_context
from aimi.map_package.dockerfile import dockerfile
from aimi.map_package.flavours import Flavour
from tests.map_package.kit import ROOT, liver_order, make_models, schema

pytestmark = [pytest.mark.holoscan, pytest.mark.torch]


def lay_out(place: Path, flavour: Flavour = Flavour.OPENVINO, **changes: object) -> Path:
    context = place / "context"
    context.mkdir()
    make_context(liver_order(make_models(place / "models"), flavour, **changes), context, ROOT)
    return context


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the context of liver_ct for a processor, with a wheel."""
    place = tmp_path_factory.mktemp("builder")
    wheels = place / "wheels"
    wheels.mkdir()
    (wheels / "one-1-py3-none-any.whl").write_text("wheel")
    return lay_out(place, wheels=wheels)


def test_a_model_is_there_once_with_its_hashes_and_licence(context: Path) -> None:
    assert [path.parent.name for path in context.rglob("plans.json")] == ["DEMO-liver-ct"]
    (facts,) = json.loads((context / "docs" / "models.json").read_bytes())
    assert facts["licence"] == "Apache-2.0"
    for name, digest in facts["files"].items():
        content = (context / "models" / "DEMO-liver-ct" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    assert len(facts["files"]) == 3


def test_nothing_but_models_is_among_the_models(context: Path) -> None:
    assert [path.name for path in (context / "models").iterdir()] == ["DEMO-liver-ct"]


def test_only_what_the_application_imports_is_staged(context: Path) -> None:
    staged = {str(path.relative_to(context / "lib")) for path in (context / "lib").rglob("*.py")}
    assert {"aimi/pipeline.py", "aimi/tasks/liver_ct.py", "operators/launch.py", "aimi/interruption.py"} <= staged
    assert not [name for name in staged if name.startswith(("aimi/cli", "aimi/samples", "aimi/map_package"))]


def test_the_context_holds_no_bytecode(context: Path) -> None:
    assert not list(context.rglob("__pycache__"))


def test_the_manifests_are_valid_and_a_processors_image_asks_for_no_gpu(context: Path) -> None:
    app = json.loads((context / "etc" / "holoscan" / "app.json").read_bytes())
    pkg = json.loads((context / "etc" / "holoscan" / "pkg.json").read_bytes())
    jsonschema.Draft202012Validator(schema("app")).validate(app)
    jsonschema.Draft202012Validator(schema("pkg")).validate(pkg)
    assert pkg["resources"]["gpu"] == 0
    assert "gpuMemory" not in pkg["resources"]
    assert pkg["models"] == [{"name": "DEMO-liver-ct", "path": "DEMO-liver-ct/"}]
    assert app["environment"]["AIMI_MODELS"] == "demo"


def test_the_build_takes_wheels_of_the_context(context: Path) -> None:
    text = (context / "Dockerfile").read_text()
    assert "--wheels /context/wheels" in text
    assert (context / "wheels" / "one-1-py3-none-any.whl").is_file()
    assert (context / "assemble.py").is_file()


def test_the_image_is_labelled_for_research_and_not_run_as_root(context: Path) -> None:
    lines = (context / "Dockerfile").read_text().splitlines()
    assert 'LABEL org.opencontainers.image.title="AIMI Liver CT"' in lines
    assert any(line.startswith("LABEL") and "Research use only" in line for line in lines)
    assert "USER 1000:1000" in lines
    assert 'ENTRYPOINT ["/opt/holoscan/entrypoint"]' in lines


def test_monais_manifest_is_there_only_when_asked_for(context: Path, tmp_path: Path) -> None:
    assert not (context / "etc" / "monai").exists()
    other = lay_out(tmp_path, compat_monai=True)
    command = json.loads((other / "etc" / "monai" / "app.json").read_bytes())["command"]
    assert command.split() == ["/opt/holoscan/entrypoint"]


def test_an_image_for_a_gpu_asks_for_one_and_holds_torch(tmp_path: Path) -> None:
    context = lay_out(tmp_path, Flavour.CUDA)
    pkg = json.loads((context / "etc" / "holoscan" / "pkg.json").read_bytes())
    assert pkg["resources"]["gpu"] == 1
    assert "gpuMemory" in pkg["resources"]
    assert "torch==" in (context / "pip" / "requirements.txt").read_text()


def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    with pytest.raises(UsageError, match="holds none"):
        lay_out(tmp_path, wheels=tmp_path / "wheels")


def test_no_character_of_a_label_ends_its_line() -> None:
    text = dockerfile(
        base="b",
        python="python3",
        labels={"title": 'A & "B"\nUSER root $HOME'},
        environment={},
        may_lack=frozenset(),
        has_wheels=False,
        epoch=0,
    )
    assert 'LABEL title="A & \\"B\\"\\nUSER root \\$HOME"' in text.splitlines()
