"""Where the command begins: signals are taken before anything is imported that takes time."""

from aimi.interruption import Interruption

__all__ = ["main"]


def main() -> None:
    """Run the command ``aimi`` and end the process with its status."""
    interruption = Interruption()
    interruption.watch()
    from aimi.cli.main import main as command

    command(interruption)
