"""``python -m aimi``: the command."""

from aimi.cli.main import main

main()
