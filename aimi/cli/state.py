"""What the root command knows and every command may ask."""

from dataclasses import dataclass

from aimi.interruption import Interruption

__all__ = ["State"]


@dataclass(frozen=True, slots=True)
class State:
    """Options given before the command's name."""

    debug: bool
    log_json: bool
    interruption: Interruption
