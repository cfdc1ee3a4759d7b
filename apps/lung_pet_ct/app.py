"""Lungs and tumors on FDG PET/CT: one study in, both lungs and the tumors that touch them out."""

from aimi.tasks.lung_pet_ct import LUNG_PET_CT
from operators.application import conduct
from operators.launch import Launched
from operators.pet_ct import PetCtApplication


class LungPetCtApp(PetCtApplication):
    """Select a PET and its CT, find the lungs on the CT and the tumors on both, keep tumors that touch the lungs."""


def run(launched: Launched) -> int:
    """Annotate lungs and tumors on PET/CT; give the exit status."""
    return conduct(LungPetCtApp, LUNG_PET_CT, launched)
