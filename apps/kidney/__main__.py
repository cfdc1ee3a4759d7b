"""Annotate kidneys, tumors and cysts on CT: ``python apps/kidney -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
