"""Annotate lungs and tumors on PET/CT: ``python apps/lung_pet_ct -i STUDY -o OUT -m MODELS``."""

from operators.launch import launch

raise SystemExit(launch("app:run"))
