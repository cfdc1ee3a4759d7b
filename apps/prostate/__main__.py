"""Annotate the prostate on MR: ``python apps/prostate -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
