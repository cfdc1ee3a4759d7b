"""Lungs and nodules on CT: one axial CT of the chest in, both lungs and their nodules out."""

from aimi.tasks.lung_ct import LUNG_CT
from operators.application import conduct
from operators.launch import Launched
from operators.single_series import SingleSeriesApplication


class LungCtApp(SingleSeriesApplication):
    """Select a chest CT, find lungs and nodules with two networks, keep nodules of 3 to 30 mm at or in the lungs."""


def run(launched: Launched) -> int:
    """Annotate lungs and nodules on CT; give the exit status."""
    return conduct(LungCtApp, LUNG_CT, launched)
