"""Record the checksums of the demo models as they lie here: ``python -m demo_models.checksums [NAME ...]``.

Training does so by itself; this is for weights that came another way. It makes no test of them: score them first.
"""

import sys
from pathlib import Path

from aimi.engine.checksums import write_checksums

ROOT = Path(__file__).resolve().parent


def main(names: list[str]) -> None:
    """Record the models of these names, or all."""
    for folder in [ROOT / name for name in names] or sorted(ROOT.glob("DEMO-*")):
        write_checksums(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
