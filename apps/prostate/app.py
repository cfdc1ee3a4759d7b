"""Prostate on MR: one axial T2-weighted series in, the prostate out."""

from aimi.tasks.prostate import PROSTATE
from operators.application import conduct
from operators.launch import Launched
from operators.single_series import SingleSeriesApplication


class ProstateApp(SingleSeriesApplication):
    """Select an axial T2-weighted series, find the prostate with one network, keep the largest centermost component."""


def run(launched: Launched) -> int:
    """Annotate the prostate on MR; give the exit status."""
    return conduct(ProstateApp, PROSTATE, launched)
