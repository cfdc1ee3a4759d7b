"""Annotate the liver on CT: ``python apps/liver_ct -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
