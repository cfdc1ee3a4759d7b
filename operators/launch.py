"""Start an application: signals, log and paths first, heavy packages after.

Nothing heavy is imported before the signals are taken and the first line is logged: threads that numerical
libraries start at their import would otherwise take a signal with its default action, and a platform would
see nothing of a container for seconds.

The command line has the paths alone, as the platform gives them (``-i -o -m -w -l``); every other option
is an ``AIMI_*`` variable.
"""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aimi import log_format
from aimi.errors import AimiError, UsageError
from aimi.interruption import Interruption
from aimi.options import RunOptions, clock_of_environment, flag

__all__ = ["Launched", "launch"]

logger = logging.getLogger(__name__)

_INPUT_VARIABLES = ("HOLOSCAN_INPUT_PATH", "MONAI_INPUTPATH", "MERCURE_IN_DIR")
_OUTPUT_VARIABLES = ("HOLOSCAN_OUTPUT_PATH", "MONAI_OUTPUTPATH", "MERCURE_OUT_DIR")
_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Launched:
    """What the platform asked for."""

    options: RunOptions
    source: Path
    folder: Path
    models: str | None
    debug: bool
    clock: Callable[[], datetime]
    interruption: Interruption


def launch(
    application: str,
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    interruption: Interruption | None = None,
) -> int:
    """Run an application and give the exit status.

    Parameters
    ----------
    application : ``module:function``; the function takes a :class:`Launched` and gives the exit status.
    interruption : one that watches already, or None to begin watching.
    """
    watching = interruption or Interruption()
    if interruption is None:
        watching.watch()
    parsed = _parse(sys.argv[1:] if arguments is None else arguments, environ)
    log_format.configure(as_json=bool(environ.get("AIMI_LOG_JSON")), level=_LEVELS[parsed.log_level])
    logger.info("Starting")
    try:
        log_format.configure(as_json=flag(environ, "AIMI_LOG_JSON"), level=_LEVELS[parsed.log_level])
        launched = _launched(parsed, environ, watching)
    except AimiError as err:
        logger.error("%s", err, extra={"status": err.status})  # noqa: TRY400  (one sentence)
        return err.status
    module, name = application.split(":")
    run: Callable[[Launched], int] = getattr(importlib.import_module(module), name)
    return run(launched)


def _launched(parsed: argparse.Namespace, environ: Mapping[str, str], interruption: Interruption) -> Launched:
    options = RunOptions.from_environment(environ)
    source = _path(parsed.input, _INPUT_VARIABLES, environ, "input (-i)")
    if not source.exists():
        raise UsageError("The input does not exist.", "Name a folder or file with -i.")
    folder = _path(parsed.output, _OUTPUT_VARIABLES, environ, "output (-o)")
    return Launched(
        options=options,
        source=source,
        folder=folder,
        models=parsed.model,
        debug=flag(environ, "AIMI_DEBUG"),
        clock=clock_of_environment(environ),
        interruption=interruption,
    )


def _path(named: str | None, variables: Sequence[str], environ: Mapping[str, str], what: str) -> Path:
    found = named or next((environ[variable] for variable in variables if environ.get(variable)), None)
    if found is None:
        raise UsageError(f"No {what} was named.", f"Give it, or set {variables[0]}.")
    return Path(found)


def _parse(arguments: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="One DICOM study in, one DICOM Segmentation out. Research use only.",
        epilog="Other options are environment variables (AIMI_SERIES, AIMI_DEVICE, ...): see `aimi run --help`.",
    )
    parser.add_argument("-i", "--input", help="the study: a folder or file")
    parser.add_argument("-o", "--output", help="where the result goes; made when it does not exist")
    parser.add_argument("-m", "--model", "--models", dest="model", help="folder with the models, or `demo`")
    parser.add_argument("-w", "--workdir", help="accepted for the platform's sake; nothing is written there")
    level = environ.get("AIMI_LOG_LEVEL", "INFO").upper()
    parser.add_argument("-l", "--log-level", choices=sorted(_LEVELS), default=level if level in _LEVELS else "INFO")
    return parser.parse_args(arguments)
