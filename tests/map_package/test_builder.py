"""The build context: models once and hashed, only what runs, a Dockerfile that needs no network."""

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest

from aimi.errors import UsageError
from aimi.map_package.builder import Order, make_context
from aimi.map_package.dockerfile import dockerfile
from aimi.map_package.flavours import Flavour
from aimi.models import store
from aimi.models.catalogue import TASK773_LIVER
from tests.engine.threshold_model import make_threshold_model
from tests.map_package.kit import BASE, ROOT, liver_order, make_cuda_wheels, make_models, make_wheels, schema

pytestmark = [pytest.mark.holoscan, pytest.mark.torch]


def lay_out(place: Path, flavour: Flavour = Flavour.OPENVINO, **changes: object) -> Path:
    context = place / "context"
    context.mkdir()
    make_context(liver_order(make_models(place / "models"), flavour, **changes), context, ROOT)
    return context


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out the context of liver_ct for a processor, with wheels."""
    place = tmp_path_factory.mktemp("builder")
    return lay_out(place, wheels=make_wheels(place / "wheels"))


def labels(context: Path) -> dict[str, str]:
    lines = [line.removeprefix("LABEL ") for line in (context / "Dockerfile").read_text().splitlines()]
    pairs = (line.partition("=") for line in lines if line.startswith("org.opencontainers"))
    return {name: json.loads(value) for name, _, value in pairs}


def test_a_model_is_there_once_with_its_hashes_and_licence(context: Path) -> None:
    assert [path.parent.name for path in context.rglob("plans.json")] == ["DEMO-liver-ct"]
    (facts,) = json.loads((context / "docs" / "models.json").read_bytes())
    assert facts["licence"] == "Apache-2.0"
    assert (context / "docs" / facts["licence_text"]).is_file()
    for name, digest in facts["files"].items():
        content = (context / "models" / "DEMO-liver-ct" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest
    assert len(facts["files"]) == 3


@pytest.fixture(scope="module")
def own_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a context with a model of one's own in the place of the published one, which is of nnU-Net v1."""
    place = tmp_path_factory.mktemp("own")
    make_threshold_model(place / "models" / TASK773_LIVER.name, (5.0, 2.0, 2.0), 100.0)
    found = (store.find(TASK773_LIVER, place / "models"),)
    (place / "context").mkdir()
    make_context(Order("liver_ct", found, Flavour.OPENVINO, BASE.name, BASE.digest), place / "context", ROOT)
    return place / "context"


def test_a_model_of_ones_own_has_no_licence_or_version_of_the_published_one(own_model: Path) -> None:
    (facts,) = json.loads((own_model / "docs" / "models.json").read_bytes())
    assert (facts["licence"], facts["licence_text"], facts["doi"]) == ("not known", "", "")
    assert facts["version"] == facts["sha256"][:12]
    bill = json.loads((own_model / "docs" / "sbom.cdx.json").read_bytes())
    (component,) = [one for one in bill["components"] if one["type"] == "machine-learning-model"]
    assert "licenses" not in component
    assert component["version"] == facts["version"]


def test_the_label_of_licences_names_those_of_the_weights(context: Path, own_model: Path) -> None:
    key = "org.opencontainers.image.licenses"
    assert labels(context)[key] == "Apache-2.0"
    assert labels(own_model)[key] == "Apache-2.0 AND LicenseRef-not-known"


def test_an_image_has_the_date_that_was_named_and_no_other(context: Path, tmp_path: Path) -> None:
    assert "org.opencontainers.image.created" not in labels(context)
    assert "timestamp" not in json.loads((context / "docs" / "sbom.cdx.json").read_bytes())["metadata"]
    dated = lay_out(tmp_path, epoch=86400)
    assert labels(dated)["org.opencontainers.image.created"] == "1970-01-02T00:00:00Z"
    bill = json.loads((dated / "docs" / "sbom.cdx.json").read_bytes())
    assert bill["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"


def test_a_folder_beside_the_context_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "context-docs").mkdir()
    (tmp_path / "context-docs" / "mine").write_text("x")
    lay_out(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context", "context-docs", "models"]
    assert (tmp_path / "context-docs" / "mine").is_file()


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
    assert (context / "wheels" / "numpy-2.4.6-py3-none-any.whl").is_file()
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
    context = lay_out(tmp_path, Flavour.CUDA, wheels=make_cuda_wheels(tmp_path / "wheels"))
    pkg = json.loads((context / "etc" / "holoscan" / "pkg.json").read_bytes())
    assert pkg["resources"]["gpu"] == 1
    assert "gpuMemory" in pkg["resources"]
    assert {"torch==2.13.0", "nvidia-cublas==13.1.1.3"} <= set(
        (context / "pip" / "requirements.txt").read_text().split()
    )
    bill = json.loads((context / "docs" / "sbom.cdx.json").read_bytes())
    assert "nvidia-cublas" in {one["name"] for one in bill["components"]}


def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    with pytest.raises(UsageError, match=r"lacks .*numpy 2\.4\.6"):
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
