"""The proof task as processes: what a test kills, or whose file descriptors it searches.

``python -m tests.end_to_end.proof_process command run proof STUDY -o OUT -m MODELS`` is ``aimi run proof ...``;
``... application -i STUDY -o OUT -m MODELS`` is ``python apps/proof``.
"""

import sys

from aimi.tasks import register
from tests.end_to_end.threshold_task import PROOF


def main() -> None:
    road, *arguments = sys.argv[1:]
    with register(PROOF):
        if road == "command":
            from aimi.cli.main import main as command

            sys.argv = ["aimi", *arguments]
            command()
        else:
            from apps.liver_ct.app import LiverCtApp
            from operators.application import main as application

            raise SystemExit(application(LiverCtApp, PROOF, arguments))


if __name__ == "__main__":
    main()
