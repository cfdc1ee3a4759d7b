"""A server on this machine that gives one file, and fails as servers do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Shelf", "serve"]


@dataclass
class Shelf:
    """What the server has, and how it behaves; it may be changed between requests.

    Parameters
    ----------
    tag, changed : validators; empty ones are not sent.
    ranges : parts of the file can be asked for.
    ignores_conditions : even of a file that is not the one of which the client has a part.
    cuts : for each coming answer, after how many bytes of it the connection is closed.
    statuses : answers that come before any file.
    length : a wrong length that is told of the whole.
    part : a wrong Content-Range.
    leads_to : where every request is sent on to.
    stop : after how many bytes an answer stands still until ``go_on`` is set.
    """

    content: bytes = b""
    tag: str = '"one"'
    changed: str = ""
    ranges: bool = True
    ignores_conditions: bool = False
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    length: int | None = None
    part: str = ""
    leads_to: str = ""
    stop: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of every request."""


@contextmanager
def serve(shelf: Shelf) -> Iterator[str]:
    """Run the server, and give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, shelf)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        shelf.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, shelf: Shelf) -> None:
    asked = handler.headers.get("Range")
    shelf.asked.append((handler.path, asked))
    if shelf.statuses:
        handler.send_error(shelf.statuses.pop(0))
        return
    if shelf.leads_to:
        handler.send_response(302)
        handler.send_header("Location", shelf.leads_to)
        handler.end_headers()
        return
    begin = 0
    condition = handler.headers.get("If-Range")
    holds = shelf.ignores_conditions or condition in (None, shelf.tag, shelf.changed)
    if asked and shelf.ranges and holds:
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
    _send(handler, shelf, begin)


def _send(handler: BaseHTTPRequestHandler, shelf: Shelf, begin: int) -> None:
    whole = len(shelf.content) if shelf.length is None else shelf.length
    if begin and begin >= whole:
        handler.send_error(416)
        return
    handler.send_response(206 if begin else 200)
    if begin:
        handler.send_header("Content-Range", shelf.part or f"bytes {begin}-{whole - 1}/{whole}")
    for name, value in (("ETag", shelf.tag), ("Last-Modified", shelf.changed)):
        if value:
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(whole - begin))
    handler.end_headers()
    body = shelf.content[begin:]
    if shelf.stop is not None:
        handler.wfile.write(body[: shelf.stop])
        shelf.go_on.wait()
        body = body[shelf.stop :]
    handler.wfile.write(body[: shelf.cuts.pop(0)] if shelf.cuts else body)
