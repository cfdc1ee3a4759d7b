"""Annotate the liver on CT: ``python apps/liver_ct -i STUDY -o OUT -m MODELS``."""

from app import run

raise SystemExit(run())
