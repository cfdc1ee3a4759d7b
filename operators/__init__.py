"""Holoscan operators, each a thin shell around one step of :mod:`aimi.pipeline`."""
