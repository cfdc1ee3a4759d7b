"""Synthetic studies with known truth."""

from aimi.samples.drawing import SAMPLE_TASKS
from aimi.samples.sample import SamplePaths, make_sample

__all__ = ["SAMPLE_TASKS", "SamplePaths", "make_sample"]
