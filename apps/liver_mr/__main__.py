"""Annotate the liver on MR: ``python apps/liver_mr -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
