"""Bringing a large file over HTTP, going on where an earlier try was cut off.

What has arrived lies in one file; beside it stands, as JSON, what the server said of the whole: its length and a
validator (a strong ETag, else the date of its last change). Bytes of two versions are never put together: a try goes
on only where the server confirms the validator, or where the caller holds the digest of the whole; else it begins anew.
Only http and https are spoken, and a redirection never leaves https.

References
----------
RFC 9110, sections 8.8 (validators), 13.1.5 (If-Range), 14 (ranges).
"""

import contextlib
import errno
import fcntl
import http.client
import io
import json
import os
import re
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import aimi
from aimi.errors import ModelError, OutputError, ResourceError

__all__ = ["Patience", "Progress", "discard", "download"]

Progress = Callable[[int, int], None]
"""(bytes done, of all); with an unknown length both are the same."""

_CHUNK = 1 << 18
_MIB = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    Parameters
    ----------
    waits : seconds before each further try after one that brought nothing new.
    timeout : seconds without a byte after which a try has failed.
    """

    waits: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    timeout: float = 30.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class _Whole:
    """What is known of the whole file."""

    address: str
    validator: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class _Errand:
    """What stays the same in all tries."""

    address: str
    place: Path
    stream: io.FileIO
    progress: Progress
    digest_is_held: bool
    timeout: float


class _CutError(Exception):
    """A try ended early, and another one may not."""


class _Response(Protocol):
    """The part of an HTTP response that is used here."""

    status: int
    headers: Mapping[str, str]

    def read1(self, amount: int) -> bytes:
        """Give up to so many bytes; none at the end."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirections, but not from https to something that can be altered on its way."""

    def redirect_request(self, req: urllib.request.Request, *args: Any, **kwargs: Any) -> urllib.request.Request | None:  # noqa: ANN401 - as the class it overrides
        """Give the request that follows a redirection."""
        following = super().redirect_request(req, *args, **kwargs)
        if following is not None and req.type == "https" and following.type != "https":
            raise ModelError(f"{req.host} leads on to an address that is not https.")
        return following


def download(
    address: str,
    place: Path,
    *,
    progress: Progress,
    digest_is_held: bool = False,
    patience: Patience | None = None,
) -> None:
    """Bring a file to a place; what lies there from an earlier try is kept and completed.

    Parameters
    ----------
    digest_is_held : the caller compares the whole with a digest: a try goes on without a validator, too.

    Raises
    ------
    ModelError
        The server cannot be reached, has no such file, or is cut off again and again; what arrived is kept.
    ResourceError
        The disk is full; what arrived is kept.
    OutputError
        The place cannot be written, or another process is writing it.
    """
    patience = patience or Patience()
    with _locked(place) as stream:
        errand = _Errand(address, place, stream, progress, digest_is_held, patience.timeout)
        best, failures = _size(stream), 0
        while True:
            try:
                _try(errand)
            except _CutError as err:
                failures = 0 if _size(stream) > best else failures + 1
                best = max(best, _size(stream))
                if failures > len(patience.waits):
                    raise ModelError(
                        f"{_host(address)} could not be read to the end: {err}.", "Try again later."
                    ) from err
                patience.sleep(patience.waits[max(failures - 1, 0)])
            else:
                return


def discard(place: Path) -> None:
    """Remove what has arrived."""
    for path in (place, _beside(place)):
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[io.FileIO]:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        stream = place.open("ab", buffering=0)
    except OSError as err:
        raise _refusal(err) from err
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            raise OutputError("Another process is downloading this file.", "Wait until it has ended.") from err
        yield stream


def _try(errand: _Errand) -> None:
    known = _read_whole(errand.place) or _Whole(errand.address)
    stream, is_same_place = errand.stream, known.address == errand.address
    have = _size(stream)
    if have and known.size == have and (is_same_place or errand.digest_is_held):
        return
    validator = known.validator if is_same_place else ""
    headers = {"User-Agent": f"aimi/{aimi.__version__}", "Accept-Encoding": "identity"}
    if have and (validator or errand.digest_is_held):
        headers["Range"] = f"bytes={have}-"
    if "Range" in headers and validator:
        headers["If-Range"] = validator
    request = urllib.request.Request(errand.address, headers=headers)  # noqa: S310 - the opener has http and https alone
    with _open(request, errand) as response:
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            whole = _continued(errand, response, known)
        else:
            stream.truncate(0)
            whole = _Whole(errand.address, _validator(response.headers), _length(response.headers))
        _write_whole(errand.place, whole)
        _require_room(errand.place, whole, _size(stream))
        _copy(response, stream, whole, errand.progress)


def _continued(errand: _Errand, response: _Response, known: _Whole) -> _Whole:
    """Give what is known of the whole after an answer that goes on, or start anew where it does not fit."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    validator = _validator(response.headers)
    before = known.validator if known.address == errand.address else ""
    fits = found is not None and int(found[1]) == _size(errand.stream) and known.size in (None, int(found[2]))
    if found is None or not fits or (before and validator not in ("", before)):
        errand.stream.truncate(0)
        raise _CutError("it gave another part than it was asked for")
    return _Whole(errand.address, validator or before, int(found[2]))


@contextlib.contextmanager
def _open(request: urllib.request.Request, errand: _Errand) -> Iterator[_Response]:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
        _SafeRedirects,
    ):
        opener.add_handler(handler())
    try:
        response = opener.open(request, timeout=errand.timeout)
    except urllib.error.HTTPError as err:
        if err.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            errand.stream.truncate(0)
        with err:
            raise _answer(request, err.code) from err
    except (OSError, http.client.HTTPException) as err:
        raise _no_connection(request, err) from err
    with response:
        yield response


def _answer(request: urllib.request.Request, code: int) -> Exception:
    """Give the outcome of an answer that is no file."""
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return _CutError("it has fewer bytes than arrived before")
    if code in _PASSING:
        return _CutError(f"it answers with status {code}")
    return ModelError(f"{request.host} does not give the file: it answers with status {code}.")


def _no_connection(request: urllib.request.Request, err: Exception) -> Exception:
    """Give the outcome of a connection that failed: at once where nobody is there, else another try."""
    reason = err.reason if isinstance(err, urllib.error.URLError) else err
    if isinstance(reason, (TimeoutError, ConnectionResetError, ConnectionAbortedError, http.client.HTTPException)):
        return _CutError("the connection broke")
    words = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    if isinstance(reason, socket.gaierror):
        words = "its name is not known here"
    return ModelError(f"There is no connection to {request.host} ({words}).")


def _copy(response: _Response, stream: io.FileIO, whole: _Whole, progress: Progress) -> None:
    done = _size(stream)
    progress(done, whole.size or done)
    while chunk := _read(response):
        _write(stream, chunk)
        done += len(chunk)
        progress(done, whole.size or done)
    if whole.size is not None and done < whole.size:
        raise _CutError(f"the connection ended after {done} of {whole.size} bytes")
    if whole.size is not None and done > whole.size:
        stream.truncate(0)
        raise _CutError("it gave more bytes than it said")


def _read(response: _Response) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException, ValueError) as err:
        raise _CutError("the connection broke") from err


def _write(stream: io.FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    try:
        while left:
            left = left[stream.write(left) :]
    except OSError as err:
        raise _refusal(err) from err


def _require_room(place: Path, whole: _Whole, have: int) -> None:
    needed = (whole.size or 0) - have
    free = shutil.disk_usage(place.parent).free
    if needed > free:
        message = f"The download needs {needed // _MIB + 1} MiB on the disk of the cache; {free // _MIB} MiB are free."
        raise ResourceError(message, "Free space, or name another cache folder with AIMI_CACHE.")


def _refusal(err: OSError) -> OutputError | ResourceError:
    reason = os.strerror(err.errno) if err.errno else type(err).__name__
    if err.errno in _FULL:
        return ResourceError(
            f"The disk of the cache is full ({reason}).", "Free space and go on: what arrived is kept."
        )
    return OutputError(f"The cache folder cannot be written ({reason}).", "Name another one with AIMI_CACHE.")


def _validator(headers: Mapping[str, str]) -> str:
    """Give what tells one version of a file from another; a weak tag may not be used with ranges."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _host(address: str) -> str:
    return urllib.parse.urlsplit(address).netloc


def _size(stream: io.FileIO) -> int:
    return os.fstat(stream.fileno()).st_size


def _beside(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _read_whole(place: Path) -> _Whole | None:
    try:
        found = json.loads(_beside(place).read_text(encoding="utf-8"))
        size = found["size"]
        return _Whole(str(found["address"]), str(found["validator"]), None if size is None else int(size))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_whole(place: Path, whole: _Whole) -> None:
    path = _beside(place)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(asdict(whole)), encoding="utf-8")
        temporary.replace(path)
    except OSError as err:
        raise _refusal(err) from err
