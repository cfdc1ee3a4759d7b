"""How the demo models are made; not part of the wheel."""
