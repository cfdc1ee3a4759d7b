"""Downloads that break in every way: the whole file arrives, or one sentence says why and what arrived is kept."""

import errno
import io
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aimi.errors import AimiError, ModelError, OutputError, ResourceError
from aimi.models import download as downloading
from aimi.models.download import Patience, discard, download
from tests.models.archive_server import Shelf, serve

CONTENT = np.random.default_rng(1).bytes(1_000_000)
OTHER = CONTENT[::-1]
QUICK = Patience(waits=(0.0, 0.0), timeout=5.0, sleep=lambda _: None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(CONTENT)


@pytest.fixture
def address(shelf: Shelf) -> Iterator[str]:
    with serve(shelf) as base:
        yield f"{base}/model.zip"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.zip.partial"


def get(address: str, place: Path, *, held: bool = False) -> bytes:
    download(address, place, progress=lambda _done, _total: None, digest_is_held=held, patience=QUICK)
    return place.read_bytes()


def ranges(shelf: Shelf) -> list[str | None]:
    return [asked for _, asked in shelf.asked]


def cut_off(address: str, shelf: Shelf, place: Path, at: int) -> None:
    """Let a download end after some bytes, as if the process had been killed then."""
    shelf.cuts = [at]
    with pytest.raises(AimiError):
        download(address, place, progress=lambda _done, _total: None, patience=Patience((0.0,), 5.0, _killed))
    shelf.asked.clear()


def _killed(_: float) -> None:
    raise OutputError("killed")


def test_a_file_arrives_whole_and_progress_is_told(address: str, place: Path) -> None:
    told: list[tuple[int, int]] = []
    download(address, place, progress=lambda done, total: told.append((done, total)))
    assert place.read_bytes() == CONTENT
    assert (told[0], told[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))


def test_a_connection_that_is_cut_is_taken_up_where_it_ended(address: str, shelf: Shelf, place: Path) -> None:
    shelf.cuts = [300_000, 1, 400_000]
    assert get(address, place) == CONTENT
    assert ranges(shelf) == [None, "bytes=300000-", "bytes=300001-", "bytes=700001-"]


def test_a_later_call_goes_on_where_an_earlier_process_ended(address: str, shelf: Shelf, place: Path) -> None:
    cut_off(address, shelf, place, 400_000)
    assert place.stat().st_size == 400_000
    assert get(address, place) == CONTENT
    assert ranges(shelf) == ["bytes=400000-"]


def test_a_file_that_arrived_whole_is_not_asked_for_again(address: str, shelf: Shelf, place: Path) -> None:
    get(address, place)
    assert get(address, place) == CONTENT
    assert len(shelf.asked) == 1


def test_a_server_without_ranges_is_read_anew(address: str, shelf: Shelf, place: Path) -> None:
    shelf.ranges, shelf.cuts = False, [300_000, 200_000]
    assert get(address, place) == CONTENT
    assert len(shelf.asked) == 3


@pytest.mark.parametrize("tag", ['"two"', ""])
def test_a_file_that_changed_meanwhile_is_read_anew(address: str, shelf: Shelf, place: Path, tag: str) -> None:
    cut_off(address, shelf, place, 400_000)
    shelf.content, shelf.tag = OTHER, tag
    assert get(address, place) == OTHER


def test_a_server_that_ignores_the_condition_is_found_out_by_its_tag(address: str, shelf: Shelf, place: Path) -> None:
    cut_off(address, shelf, place, 400_000)
    shelf.content, shelf.tag, shelf.ignores_conditions = OTHER, '"two"', True
    assert get(address, place) == OTHER
    assert ranges(shelf) == ["bytes=400000-", None]


@pytest.mark.parametrize("part", ["bytes 0-999999/1000000", "bytes 400000-5/7", "nonsense"])
def test_another_part_than_was_asked_for_is_not_appended(address: str, shelf: Shelf, place: Path, part: str) -> None:
    cut_off(address, shelf, place, 400_000)
    shelf.part = part
    assert get(address, place) == CONTENT
    assert ranges(shelf) == ["bytes=400000-", None]


def test_without_a_validator_a_cut_download_begins_anew(address: str, shelf: Shelf, place: Path) -> None:
    shelf.tag, shelf.cuts = "", [300_000]
    assert get(address, place) == CONTENT
    assert ranges(shelf) == [None, None]


@pytest.mark.parametrize("tag", ["", 'W/"one"'])
def test_the_date_of_a_change_stands_in_for_a_tag_that_may_not_be_used(
    address: str, shelf: Shelf, place: Path, tag: str
) -> None:
    shelf.tag, shelf.changed, shelf.cuts = tag, "Mon, 01 Jan 2024 00:00:00 GMT", [300_000]
    shelf.asked.clear()
    assert get(address, place) == CONTENT
    assert ranges(shelf)[1] == "bytes=300000-"


def test_with_a_held_digest_a_download_goes_on_without_a_validator(address: str, shelf: Shelf, place: Path) -> None:
    shelf.tag, shelf.cuts = "", [300_000]
    assert get(address, place, held=True) == CONTENT
    assert ranges(shelf) == [None, "bytes=300000-"]


def test_a_file_that_became_shorter_is_read_anew(address: str, shelf: Shelf, place: Path) -> None:
    cut_off(address, shelf, place, 400_000)
    shelf.content = CONTENT[:1000]
    assert get(address, place) == CONTENT[:1000]


def test_what_another_server_gave_is_not_completed_by_a_mirror(shelf: Shelf, address: str, place: Path) -> None:
    cut_off(address, shelf, place, 400_000)
    other = Shelf(OTHER, tag=shelf.tag)
    with serve(other) as base:
        assert get(f"{base}/model.zip", place) == OTHER
    assert ranges(other) == [None]


def test_a_length_that_is_too_long_is_told_with_both_numbers(address: str, shelf: Shelf, place: Path) -> None:
    shelf.length = len(CONTENT) + 10
    with pytest.raises(ModelError, match="ended after 1000000 of 1000010 bytes"):
        get(address, place)
    assert place.stat().st_size == len(CONTENT)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_file_that_is_not_there_is_told_at_once(address: str, shelf: Shelf, place: Path, status: int) -> None:
    shelf.statuses = [status] * 9
    with pytest.raises(ModelError, match=f"127.0.0.1.*status {status}"):
        get(address, place)
    assert len(shelf.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(address: str, shelf: Shelf, place: Path, status: int) -> None:
    shelf.statuses = [status, status]
    assert get(address, place) == CONTENT


def test_a_server_that_stays_in_trouble_is_told(address: str, shelf: Shelf, place: Path) -> None:
    shelf.statuses = [500] * 9
    with pytest.raises(ModelError, match="answers with status 500"):
        get(address, place)
    assert len(shelf.asked) == 3


def test_what_arrived_survives_an_error_of_the_server(address: str, shelf: Shelf, place: Path) -> None:
    cut_off(address, shelf, place, 400_000)
    shelf.statuses = [404]
    with pytest.raises(ModelError):
        get(address, place)
    assert place.read_bytes() == CONTENT[:400_000]


def test_nobody_at_the_address_is_told_at_once(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ModelError, match=r"no connection to 127\.0\.0\.1"):
            get(f"http://127.0.0.1:{port}/model.zip", place)


def test_a_name_that_is_not_known_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ModelError, match=r"no connection to models\.invalid \(its name is not known here\)"):
        get("http://models.invalid/model.zip", place)


def test_a_server_that_falls_silent_is_asked_again(shelf: Shelf, address: str, place: Path) -> None:
    shelf.stop = 200_000
    impatient = Patience((0.0,), 0.05, lambda _: None)
    download(address, place, progress=lambda *_: None, patience=impatient)
    assert place.read_bytes() == CONTENT
    assert ranges(shelf) == [None, *(f"bytes={begin}-" for begin in range(200_000, 1_000_000, 200_000))]


def test_a_server_that_stays_silent_is_told(shelf: Shelf, address: str, place: Path) -> None:
    shelf.stop = 0
    with pytest.raises(ModelError, match="connection broke"):
        download(address, place, progress=lambda *_: None, patience=Patience((0.0,), 0.05, lambda _: None))


def test_a_redirection_is_followed_but_never_out_of_http(address: str, shelf: Shelf, place: Path) -> None:
    with serve(Shelf(leads_to=address)) as base:
        assert get(f"{base}/moved.zip", place) == CONTENT
    with serve(Shelf(leads_to="file:///etc/hostname")) as base, pytest.raises(ModelError):
        get(f"{base}/other.zip", place)


def test_a_redirection_does_not_leave_https() -> None:
    request = urllib.request.Request("https://one.example/m.zip")
    with pytest.raises(ModelError, match=r"one\.example leads on to an address that is not https"):
        downloading._SafeRedirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://two.example/m.zip")


def test_a_disk_without_room_is_told_before_anything_is_written(
    address: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=999_999))
    with pytest.raises(ResourceError, match="AIMI_CACHE"):
        get(address, place)
    assert place.stat().st_size == 0


def test_a_disk_that_fills_up_keeps_what_arrived(
    address: str, shelf: Shelf, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(address, shelf, place, 400_000)
    monkeypatch.setattr(downloading, "_write", _full)
    with pytest.raises(ResourceError, match="what arrived is kept"):
        get(address, place)
    assert place.read_bytes() == CONTENT[:400_000]


def _full(stream: io.FileIO, chunk: bytes) -> None:
    raise downloading._refusal(OSError(errno.ENOSPC, "full"))


def test_a_cache_that_cannot_be_made_is_told(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="AIMI_CACHE"):
        get(address, tmp_path / "file" / "m.partial")


def test_two_downloads_of_one_file_do_not_mix(address: str, place: Path) -> None:
    with downloading._locked(place), pytest.raises(OutputError, match="Another process"):
        get(address, place)


def test_what_arrived_can_be_discarded(address: str, place: Path) -> None:
    get(address, place)
    discard(place)
    assert list(place.parent.iterdir()) == []
