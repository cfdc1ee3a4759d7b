"""Kidneys on CT: one enhanced axial CT of the abdomen in, kidneys, tumors and cysts out."""

from aimi.tasks.kidney import KIDNEY
from operators.application import conduct
from operators.launch import Launched
from operators.single_series import SingleSeriesApplication


class KidneyApp(SingleSeriesApplication):
    """Select an enhanced CT, find kidney, tumor and cyst with one network, keep their two largest components."""


def run(launched: Launched) -> int:
    """Annotate kidneys, tumors and cysts on CT; give the exit status."""
    return conduct(KidneyApp, KIDNEY, launched)
