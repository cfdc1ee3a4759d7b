"""The proof task as processes: what a test kills, or whose file descriptors it searches.

``python -m tests.end_to_end.proof_process command run proof STUDY -o OUT -m MODELS`` is ``aimi run proof ...``;
``... application -i STUDY -o OUT -m MODELS`` is ``python apps/proof``.
"""

import sys
from typing import TYPE_CHECKING

from aimi.interruption import Interruption

if TYPE_CHECKING:
    from operators.launch import Launched


def run(launched: "Launched") -> int:
    """Run the proof as an application."""
    from apps.liver_ct.app import LiverCtApp
    from operators.application import conduct
    from tests.end_to_end.threshold_task import PROOF

    return conduct(LiverCtApp, PROOF, launched)


def main() -> None:
    road, *arguments = sys.argv[1:]
    interruption = Interruption()
    interruption.watch()
    if road == "application":
        from operators.launch import launch

        raise SystemExit(launch("tests.end_to_end.proof_process:run", arguments, interruption=interruption))
    from aimi.cli.main import main as command
    from aimi.tasks import register
    from tests.end_to_end.threshold_task import PROOF

    sys.argv = ["aimi", *arguments]
    with register(PROOF):
        command(interruption)


if __name__ == "__main__":
    main()
