"""``python -m aimi``: the command."""

from aimi.cli.start import main

main()
