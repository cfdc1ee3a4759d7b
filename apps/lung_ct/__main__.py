"""Annotate lungs and nodules on CT: ``python apps/lung_ct -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
