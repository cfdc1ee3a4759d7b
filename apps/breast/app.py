"""Tumors of the breast on FDG PET/CT: one study in, the tumors in the breast region out."""

from aimi.tasks.breast import BREAST
from operators.application import conduct
from operators.launch import Launched
from operators.pet_ct import PetCtApplication


class BreastApp(PetCtApplication):
    """Select a PET and its CT, find breasts and organs on the CT and the tumors on both, keep those of the breast."""


def run(launched: Launched) -> int:
    """Annotate tumors of the breast on PET/CT; give the exit status."""
    return conduct(BreastApp, BREAST, launched)
