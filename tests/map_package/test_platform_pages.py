"""The definitions on the platforms' pages can be used as they stand: parsed, and held to what the image is."""

import ast
import json
import re
from typing import Any

import pytest
import yaml

from aimi.map_package import places
from aimi.map_package.inside import entrypoint
from aimi.options import ENVIRONMENT
from tests.map_package.kit import ROOT

PAGES = ROOT / "docs" / "platforms"
KNOWN = {*ENVIRONMENT.values(), "AIMI_LOG_JSON"}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)


def workflow(page: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(blocks(page, "json")[0])
    return parsed


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_every_block_parses_and_says_for_what_it_is(page: str) -> None:
    for text in blocks(page, "json"):
        json.loads(text)
    for text in blocks(page, "yaml"):
        yaml.safe_load(text)
    for text in blocks(page, "python"):
        ast.parse(text)
    assert "Research use only" in (PAGES / page).read_text()


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_every_option_on_a_page_is_one_of_the_image(page: str) -> None:
    assert set(re.findall(r"AIMI_[A-Z_]+[A-Z]", (PAGES / page).read_text())) <= KNOWN


def test_the_docker_plugin_gets_every_required_argument() -> None:
    # Keys.RequiredParameters of the plugin
    required = {"server_url", "entrypoint", "command", "container_image", "temp_storage_container_path"}
    task = workflow("workflow_manager.md")["tasks"][0]
    assert required <= set(task["args"])
    artifacts = [one["name"] for ends in task["artifacts"].values() for one in ends]
    assert set(artifacts) <= set(task["args"])  # the plugin looks for each artifact's path among the arguments


def test_what_the_docker_plugin_splits_at_commas_is_meant_so() -> None:
    args = workflow("workflow_manager.md")["tasks"][0]["args"]
    assert args["entrypoint"].split(",") == [places.ENTRYPOINT]
    assert args["command"].split(",") == ["-l", "INFO"]


def test_the_argo_template_runs_the_entrypoint_on_the_artifacts_of_the_workflow() -> None:
    (template,) = [yaml.safe_load(text) for text in blocks("argo.md", "yaml")]
    (step,) = template["spec"]["templates"]
    assert step["container"]["command"] == [places.ENTRYPOINT]
    task = workflow("argo.md")["tasks"][0]
    assert task["args"]["workflow_template_name"] == template["metadata"]["name"]
    for end in ("inputs", "outputs"):
        assert step[end]["artifacts"][0]["name"] == task["artifacts"][end[:-1]][0]["name"]
    own = places.ENVIRONMENT["HOLOSCAN_INPUT_PATH"], places.ENVIRONMENT["HOLOSCAN_OUTPUT_PATH"]
    assert (step["inputs"]["artifacts"][0]["path"] + "/", step["outputs"]["artifacts"][0]["path"] + "/") == own


def test_mercure_parses_the_json_inside_its_json_and_gives_no_network() -> None:
    module = workflow("mercure.md")["modules"]["aimi_liver_ct"]
    assert json.loads(module["environment"]) == {"AIMI_LOG_JSON": "1"}
    assert json.loads(module["docker_arguments"])["read_only"] is True
    assert module["network_enabled"] is False
    assert module["requires_root"] is False


def test_mercures_page_names_what_result_json_holds_and_how_often_mercure_says_where() -> None:
    page = (PAGES / "mercure.md").read_text()
    assert [key for key in entrypoint._OF_REPORT if f"`{key}`" not in page] == []
    # process_series.py: input and output, each for mercure's own, MONAI's and Holoscan's modules
    assert "six variables that mercure sets" in " ".join(page.split())


def test_kaapanas_page_names_the_user_that_writes_and_the_statuses_of_a_batch() -> None:
    page = (PAGES / "kaapana.md").read_text()
    assert "writable for the image's user, 1000" in page
    statuses = (ROOT / "docs" / "exit_status.md").read_text()
    assert f"| {entrypoint._SKIPPED} |" in statuses
    assert f" {entrypoint._SKIPPED}: no item" in page


def test_every_page_limits_memory_to_what_the_application_asks_for() -> None:
    asked = yaml.safe_load((ROOT / "apps" / "liver_ct" / "app.yaml").read_text())["resources"]["memory"]
    number = int(asked.removesuffix("Gi"))
    module = workflow("mercure.md")["modules"]["aimi_liver_ct"]
    assert json.loads(module["docker_arguments"])["mem_limit"] == f"{number}g"
    (template,) = [yaml.safe_load(text) for text in blocks("argo.md", "yaml")]
    (step,) = template["spec"]["templates"]
    assert workflow("argo.md")["tasks"][0]["args"]["memory"] == asked
    assert step["container"]["resources"]["limits"]["memory"] == asked
    assert workflow("kaapana.md")["templates"][0]["resources"]["limits"]["memory"] == f"{number * 1024}Mi"
    assert f"ram_mem_mb_lmt={number * 1024}," in (PAGES / "kaapana.md").read_text()
