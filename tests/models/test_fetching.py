"""Published models are fetched whole, once their licence was accepted, and are the same ever after."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aimi import tasks
from aimi.dicom.codes import PUBLISHED
from aimi.engine.checkpoint import file_sha256
from aimi.errors import ModelError, OutputError, ResourceError, UsageError
from aimi.models import archive as archives
from aimi.models import fetching, ledger, store
from aimi.models.catalogue import (
    DEMO_LIVER_CT,
    TASK779_KIDNEYS,
    TOTALSEGMENTATOR_PARTS,
    ModelSpec,
)
from aimi.models.download import Patience
from aimi.models.fetching import Shop, address_of, fetch
from aimi.tasks.listing import all_model_specs
from tests.models.archive_server import Shelf, serve
from tests.models.zips import make_model, zip_folder, zip_of

pytestmark = pytest.mark.torch  # the models are written by it

QUICK = Patience(waits=(0.0, 0.0), timeout=5.0, sleep=lambda _: None)
BELOW = "3d_fullres/Task779_Kidneys_KIRC/nnUNetTrainerV2__nnUNetPlansv2.1/"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give an archive for the place of the kidney model, laid out as the published ones."""
    return zip_folder(make_model(tmp_path / "m", further=(200.0, 300.0)), tmp_path / "made.zip", BELOW)


@pytest.fixture
def shelf(archive: Path) -> Shelf:
    return Shelf(archive.read_bytes())


@pytest.fixture
def shop(shelf: Shelf, tmp_path: Path) -> Iterator[Shop]:
    with serve(shelf) as base:
        yield Shop(tmp_path / "cache", base, QUICK)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    ledger.accept_licence(tmp_path / "models", "CC-BY-NC-4.0")
    return tmp_path / "models"


def arrived(shop: Shop) -> list[int]:
    return [path.stat().st_size for path in (shop.cache / "downloads").glob("*.partial")]


def test_a_model_is_fetched_under_its_name_with_its_licence_and_origin(
    shelf: Shelf, shop: Shop, models: Path, archive: Path
) -> None:
    fetch(TASK779_KIDNEYS, models, shop)
    store.find(TASK779_KIDNEYS, models)
    assert shelf.asked == [("/Task779_Kidney.zip", None)]
    assert ledger.archive_sha256(models, "8277846/Task779_Kidney.zip") == file_sha256(archive)
    assert list((shop.cache / "downloads").iterdir()) == []


def test_every_published_model_has_the_address_that_its_own_code_uses() -> None:
    users = tuple(tasks.get(name) for name in dict.fromkeys(row.task for row in PUBLISHED))
    published = [spec for spec in all_model_specs(users) if not spec.name.startswith("DEMO-")]
    zenodo = [spec for spec in published if spec.record]
    assert len(zenodo) == 7
    assert all(one.address == f"https://zenodo.org/record/{one.record}/files/{one.file}" for one in zenodo)
    assert TOTALSEGMENTATOR_PARTS[291].address == (
        "https://github.com/wasserth/TotalSegmentator/releases/download/v2.0.0-weights/"
        "Dataset291_TotalSegmentator_part1_organs_1559subj.zip"
    )
    assert all(spec.address.startswith("https://") for spec in published)


def test_a_licence_that_was_not_accepted_stops_before_any_request(tmp_path: Path, shop: Shop, shelf: Shelf) -> None:
    with pytest.raises(UsageError, match=r"CC-BY-NC-4\.0.*creativecommons.*--accept-licence"):
        fetch(TASK779_KIDNEYS, tmp_path / "fresh", shop)
    assert shelf.asked == []


def test_a_free_licence_need_not_be_accepted(tmp_path: Path) -> None:
    assert fetching.needed_licence(TOTALSEGMENTATOR_PARTS[291], tmp_path) is None
    assert fetching.needed_licence(TASK779_KIDNEYS, tmp_path) == "CC-BY-NC-4.0"


def test_a_model_that_nobody_publishes_cannot_be_fetched(models: Path, shop: Shop) -> None:
    with pytest.raises(UsageError, match="published nowhere"):
        fetch(DEMO_LIVER_CT, models, shop)


def test_an_archive_that_is_not_what_it_was_is_refused_and_removed(
    tmp_path: Path, models: Path, shop: Shop, shelf: Shelf
) -> None:
    ledger.hold_archive(models, "8277846/Task779_Kidney.zip", "ab" * 32)
    with pytest.raises(ModelError, match=r"is not what it was: its SHA-256 begins with .*, not with abababababab"):
        fetch(TASK779_KIDNEYS, models, shop)
    assert arrived(shop) == []
    assert not (models / TASK779_KIDNEYS.name).exists()


def test_a_checksum_of_the_catalogue_is_held(models: Path, shop: Shop, archive: Path) -> None:
    right, wrong = (replace(TASK779_KIDNEYS, sha256=value) for value in (file_sha256(archive), "0" * 64))
    with pytest.raises(ModelError, match="not with 000000000000"):
        fetch(wrong, models, shop)
    assert fetch(right, models, shop).name == TASK779_KIDNEYS.name


def test_a_cut_download_goes_on_with_the_next_call(models: Path, shop: Shop, shelf: Shelf) -> None:
    shelf.cuts = [500, 0, 0, 0]
    with pytest.raises(ModelError, match="What arrived is kept") as told:
        fetch(TASK779_KIDNEYS, models, shop)
    assert "aimi models import Task779_Kidney.zip" in told.value.remedy
    assert arrived(shop) == [500]
    fetch(TASK779_KIDNEYS, models, shop)
    assert shelf.asked[-1] == ("/Task779_Kidney.zip", "bytes=500-")


def test_an_archive_that_ends_early_is_told_as_damaged_and_read_anew(models: Path, shop: Shop, shelf: Shelf) -> None:
    shelf.length = 500
    with pytest.raises(ModelError, match="damaged"):
        fetch(TASK779_KIDNEYS, models, shop)
    assert arrived(shop) == []
    assert ledger.archive_sha256(models, "8277846/Task779_Kidney.zip") is None
    shelf.length = None
    assert fetch(TASK779_KIDNEYS, models, shop).name == TASK779_KIDNEYS.name


@pytest.mark.parametrize("name", ["plans.json", "./plans.json", "a" * 300 + "/plans.json"])
def test_an_archive_that_no_disk_takes_is_told_as_damaged_and_read_anew(
    tmp_path: Path, models: Path, shop: Shop, shelf: Shelf, name: str
) -> None:
    right, entries = shelf.content, {f"./{BELOW}{name}": b"{}", f"{BELOW}plans.json": b"{}"}
    shelf.content = zip_of(tmp_path / "bad.zip", *entries.items()).read_bytes()
    with pytest.raises(ModelError, match="damaged"):
        fetch(TASK779_KIDNEYS, models, shop)
    assert arrived(shop) == []
    shelf.content = right
    assert fetch(TASK779_KIDNEYS, models, shop).name == TASK779_KIDNEYS.name


def test_a_full_disk_at_the_import_keeps_the_archive(
    models: Path, shop: Shop, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(archives, "unpack", _full)
        with pytest.raises(ResourceError):
            fetch(TASK779_KIDNEYS, models, shop)
    assert arrived(shop) == [len(shelf.content)]
    fetch(TASK779_KIDNEYS, models, shop)
    assert len(shelf.asked) == 1


def _full(*_: object) -> None:
    raise ResourceError("full")


def test_a_models_folder_that_cannot_be_written_is_told_before_any_request(
    tmp_path: Path, shop: Shop, shelf: Shelf
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be read or written"):
        fetch(TOTALSEGMENTATOR_PARTS[291], tmp_path / "file" / "models", shop)
    assert shelf.asked == []


def test_a_taken_name_is_told(models: Path, shop: Shop) -> None:
    (models / TASK779_KIDNEYS.name).mkdir()
    with pytest.raises(OutputError, match="holds"):
        fetch(TASK779_KIDNEYS, models, shop)


def test_without_a_network_the_way_round_is_told(tmp_path: Path, models: Path, shelf: Shelf) -> None:
    with serve(shelf) as base:
        gone = base
    with pytest.raises(ModelError, match=r"no connection to 127\.0\.0\.1") as told:
        fetch(TASK779_KIDNEYS, models, Shop(tmp_path / "cache", gone, QUICK))
    assert TASK779_KIDNEYS.address in told.value.remedy
    assert "kept" not in told.value.remedy


@pytest.mark.parametrize("mirror", ["ftp://mirror.example", "/a/folder", "mirror.example", "http://"])
def test_a_mirror_that_is_no_address_of_the_web_is_wrong_usage(mirror: str) -> None:
    with pytest.raises(UsageError, match="AIMI_MODELS_SOURCE"):
        address_of(TASK779_KIDNEYS, mirror)


@pytest.mark.parametrize("spec", [TASK779_KIDNEYS, TOTALSEGMENTATOR_PARTS[295]])
def test_a_mirror_holds_the_archives_under_their_own_names(spec: ModelSpec) -> None:
    assert address_of(spec, "https://mirror.example/models/") == f"https://mirror.example/models/{spec.file}"
    assert address_of(spec) == spec.address
