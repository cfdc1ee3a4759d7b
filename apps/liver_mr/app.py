"""Liver on MR: one T1-weighted series in, the liver out."""

from aimi.tasks.liver_mr import LIVER_MR
from operators.application import conduct
from operators.launch import Launched
from operators.single_series import SingleSeriesApplication


class LiverMrApp(SingleSeriesApplication):
    """Select a T1-weighted series, find the liver with one network, keep its largest component."""


def run(launched: Launched) -> int:
    """Annotate the liver on MR; give the exit status."""
    return conduct(LiverMrApp, LIVER_MR, launched)
