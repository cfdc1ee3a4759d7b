"""The Dockerfile of an image: one stage that installs, and the base with the result on top.

Nothing but the base comes from outside: packages come from wheels in the context, so the build needs no network.
Where no wheels are given, pip fetches them in the first stage. The second stage is the base and one layer.
PYTHONHASHSEED fixes the order of sets in compiled files, so that the layer is the same each time.
"""

import json
from collections.abc import Mapping

from aimi.map_package import places

__all__ = ["STAGE_LABEL", "dockerfile"]

STAGE_LABEL = "org.monai.map.stage=build"
"""Marks what the first stage leaves behind, so that it alone is removed."""

_TEMPLATE = """\
FROM {base} AS build
LABEL {stage_label}
COPY . /context
RUN mkdir -p /image/opt/holoscan /image/var/holoscan /image/etc \\
    && cp -R /context/app /context/lib /context/docs /image/opt/holoscan/ \\
    && cp -R /context/models /image/opt/holoscan/models \\
    && cp /context/tools /image/opt/holoscan/entrypoint \\
    && cp /context/app.config /image/var/holoscan/app.yaml \\
    && cp -R /context/etc/. /image/etc/ \\
    && PYTHONHASHSEED=0 SOURCE_DATE_EPOCH={epoch} {python} /context/assemble.py --root /image \\
        --requirements /context/pip/requirements.txt{wheels} --may-lack {may_lack}

FROM {base}
{labels}
{environment}
COPY --from=build /image/ /
WORKDIR {workdir}
USER {user}
ENTRYPOINT {entrypoint}
"""


def dockerfile(
    *,
    base: str,
    python: str,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    may_lack: frozenset[str],
    has_wheels: bool,
    epoch: int,
    user: str = "1000:1000",
) -> str:
    """Give the text of a Dockerfile.

    Parameters
    ----------
    base : image with Python 3.11.
    python : its interpreter.
    labels, environment : of the image; written as JSON strings, so no character in them can end a line.
    may_lack : modules that the code names and this image need not have.
    has_wheels : packages come from the context.
    epoch : the date of every file, in seconds.
    """
    return _TEMPLATE.format(
        base=base,
        python=python,
        epoch=epoch,
        stage_label=STAGE_LABEL,
        wheels=" --wheels /context/wheels" if has_wheels else "",
        may_lack=",".join(sorted(may_lack)) or "''",
        labels="\n".join(f"LABEL {key}={_quoted(value)}" for key, value in sorted(labels.items())),
        environment="\n".join(f"ENV {key}={_quoted(value)}" for key, value in sorted(environment.items())),
        workdir=places.WORKDIR,
        user=user,
        entrypoint=json.dumps([places.ENTRYPOINT]),
    )


def _quoted(value: str) -> str:
    """Quote a value as the builder reads it: a JSON string whose dollar signs are not expanded."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")
