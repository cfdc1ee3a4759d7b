"""What the root command finds out and every command may ask."""

from dataclasses import dataclass, field

from aimi.interruption import Interruption

__all__ = ["State"]


@dataclass(slots=True)
class State:
    """Options given before the command's name; set once, by the root command."""

    debug: bool = False
    log_json: bool = False
    interruption: Interruption = field(default_factory=Interruption)
