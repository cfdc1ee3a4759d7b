"""Annotate tumors of the breast on PET/CT: ``python apps/breast -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
