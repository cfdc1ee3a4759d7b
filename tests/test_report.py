"""Reports follow the published schema, carry no text of a header, and say the same as the files."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from aimi.report import SCHEMA_VERSION
from tests.end_to_end import roads
from tests.end_to_end.threshold_task import PROOF, make_models
from tests.made import Made, make_slices, write_made, write_series

pytestmark = [pytest.mark.torch]

SCHEMA = json.loads((Path(__file__).resolve().parents[1] / "docs" / "report.schema.json").read_text())
SPACING = (2.5, 0.9, 0.7)


def report_of(end: roads.End) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((end.folder / "proof.report.json").read_bytes())
    return report


def made() -> Made:
    return Made(np.random.default_rng(5).integers(0, 900, (10, 12, 14), dtype=np.int16), spacing=SPACING)


def test_the_schema_is_a_schema_of_this_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_a_result_follows_the_schema(tmp_path: Path) -> None:
    source = write_made(tmp_path / "study", made())
    end = roads.run("command", PROOF, source, tmp_path / "out", make_models(tmp_path / "models", SPACING, 500.0))
    jsonschema.validate(report_of(end), SCHEMA)
    assert report_of(end)["status"] == 0
    assert set(report_of(end)["files"]) == {"seg.dcm", "preview.png"}
    frame = {"image": "image", "frame_of_reference_uid": "2.25.1000.1.99"}
    assert report_of(end)["positions"] == {"segments": frame, "removed": frame}


def test_a_refusal_follows_the_schema_and_lists_the_candidates(tmp_path: Path) -> None:
    source = write_series(tmp_path / "study", make_slices(made())[:5])
    end = roads.run("command", PROOF, source, tmp_path / "out", make_models(tmp_path / "models", SPACING, 500.0))
    jsonschema.validate(report_of(end), SCHEMA)
    assert report_of(end)["status"] == 4
    assert report_of(end)["selection"]["candidates"][0]["defects"][0]["code"] == "too-few-slices"


def test_an_empty_result_says_so(tmp_path: Path) -> None:
    source = write_made(tmp_path / "study", made())
    end = roads.run("command", PROOF, source, tmp_path / "out", make_models(tmp_path / "models", SPACING, 5000.0))
    assert end.status == 0
    assert report_of(end)["empty"] is True
    jsonschema.validate(report_of(end), SCHEMA)


def test_findings_beyond_the_limit_are_told_by_a_note(tmp_path: Path) -> None:
    """1125 bright voxels, of which no two are neighbours."""
    values = np.zeros((10, 30, 30), np.int16)
    values[::2, ::2, ::2] = 1000
    source = write_made(tmp_path / "study", Made(values, spacing=SPACING))
    end = roads.run("command", PROOF, source, tmp_path / "out", make_models(tmp_path / "models", SPACING, 500.0))
    report = report_of(end)
    jsonschema.validate(report, SCHEMA)
    (segment,) = report["segments"]
    assert (segment["components"], segment["voxels"], len(segment["findings"])) == (1125, 1125, 1000)
    (note,) = [one["sentence"] for one in report["notes"] if one["code"] == "findings-left-out"]
    assert "the other 125 count" in note


def test_slices_of_a_finding_count_from_0_along_the_volume_whatever_the_instance_numbers(tmp_path: Path) -> None:
    """The bright block lies on the third and fourth slice from below, which the last instances but two hold."""
    values = np.zeros((10, 12, 14), np.int16)
    values[2:4, 3:6, 3:6] = 1000
    slices = make_slices(Made(values, spacing=SPACING))
    for number, one in enumerate(reversed(slices), start=1):
        one.InstanceNumber = number
    end = roads.run(
        "command",
        PROOF,
        write_series(tmp_path / "study", slices),
        tmp_path / "out",
        make_models(tmp_path / "models", SPACING, 500.0),
    )
    (finding,) = report_of(end)["segments"][0]["findings"]
    below = float(slices[2].ImagePositionPatient[2]), float(slices[3].ImagePositionPatient[2])
    assert finding["slices"] == [2, 3]
    assert finding["centroid_lps_mm"][2] == pytest.approx(sum(below) / 2, abs=0.01)


@pytest.mark.parametrize("key", ["status", "task", "software", "schema_version"])
def test_a_report_that_lacks_a_part_breaks_the_schema(key: str, tmp_path: Path) -> None:
    source = write_series(tmp_path / "study", make_slices(made())[:5])
    end = roads.run("command", PROOF, source, tmp_path / "out", make_models(tmp_path / "models", SPACING, 500.0))
    report = report_of(end)
    del report[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)
