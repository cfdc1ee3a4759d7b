"""Liver on CT: one axial CT of the abdomen in, the liver out."""

from aimi.tasks.liver_ct import LIVER_CT
from operators.application import conduct
from operators.launch import Launched
from operators.single_series import SingleSeriesApplication


class LiverCtApp(SingleSeriesApplication):
    """Select an axial CT, find the liver with one network, keep its largest component."""


def run(launched: Launched) -> int:
    """Annotate the liver on CT; give the exit status."""
    return conduct(LiverCtApp, LIVER_CT, launched)
