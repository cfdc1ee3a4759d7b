"""The log: lines for a person, or one JSON object a line for a platform (``--log-json``, ``AIMI_LOG_JSON``)."""

import json
import logging
import sys
from datetime import UTC, datetime

__all__ = ["configure"]


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, stage where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("stage", "status", "done", "total", "seconds_left"):
            if hasattr(record, name):
                entry[name] = getattr(record, name)
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _formatter(*, as_json: bool) -> logging.Formatter:
    if as_json:
        return _JsonFormatter()
    if sys.stderr.isatty():
        return logging.Formatter("aimi: %(message)s")
    return logging.Formatter("%(asctime)s %(levelname)s %(message)s")


def configure(*, as_json: bool, level: int) -> None:
    """Send the log of AIMI to standard error, and that of libraries nowhere.

    Libraries log attribute values and paths, so their records never pass.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(as_json=as_json))
    for name in ("aimi", "operators"):
        ours = logging.getLogger(name)
        ours.handlers = [handler]
        ours.setLevel(level)
        ours.propagate = False
    root = logging.getLogger()
    root.handlers = [logging.NullHandler()]
    logging.captureWarnings(True)
