"""How values become grey: one window per modality (the values that are black and white)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aimi.image import Image

__all__ = ["LUNG", "SOFT_TISSUE", "Window", "default_window", "suv_window", "to_grey"]

_SAMPLES = 1_000_000
_MR_PERCENTILES = (1.0, 99.5)
_PET_BODY_FRACTION = 0.02
_PET_PERCENTILE = 99.0
_SUV_LIMIT = 7.0
_SUV_UNITS = "GML"
_BQML = "BQML"
_WHOLE_FROM = 100


@dataclass(frozen=True, slots=True)
class Window:
    """Which values are shown.

    Parameters
    ----------
    low, high : shown black and white; the other way round if ``is_inverted``.
    caption : what the picture says of it.
    """

    low: float
    high: float
    caption: str
    is_inverted: bool = False


SOFT_TISSUE = Window(-160.0, 240.0, "W 400 L 40 HU")
LUNG = Window(-1350.0, 150.0, "W 1500 L -600 HU")


def suv_window(suv_per_unit: float) -> Window:
    """Give the window from SUV 0 to 7 for a PET whose values times ``suv_per_unit`` are SUV."""
    return Window(0.0, _SUV_LIMIT / suv_per_unit, f"SUV 0 to {_SUV_LIMIT:g}", is_inverted=True)


def default_window(image: Image, modality: str) -> Window:
    """Give the window in which a modality is read.

    CT: soft tissue. PET: inverted, from 0; SUV to 7, other units to the 99th percentile of what takes up anything
    (more than 2 % of the maximum). MR and all else: 1st to 99.5th percentile of what is not 0.
    """
    if modality == "CT":
        return SOFT_TISSUE
    values = image.volume.array.reshape(-1)[:: max(1, image.volume.array.size // _SAMPLES)]
    if modality == "PT":
        if image.units == _SUV_UNITS:
            return suv_window(1.0)
        body = values[values > _PET_BODY_FRACTION * float(values.max())]
        high = _percentile(body, _PET_PERCENTILE, 1.0)
        words = f"0 to {high / 1000:.1f} kBq/ml" if image.units == _BQML else f"0 to {high:.4g} {image.units}"
        return Window(0.0, high, words, is_inverted=True)
    signal = values[values != 0]
    low, high = (_percentile(signal, percentile, 0.0) for percentile in _MR_PERCENTILES)
    return Window(low, max(high, low + 1e-6), f"window {_words(low)} to {_words(high)}")


def _words(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.3g}"


def _percentile(values: npt.NDArray[np.float32], percentile: float, if_empty: float) -> float:
    return float(np.percentile(values, percentile)) if values.size else if_empty


def to_grey(values: npt.NDArray[np.float32], window: Window) -> npt.NDArray[np.uint8]:
    """Give values of any shape as grey, 0 to 255."""
    share = np.clip((values - window.low) / (window.high - window.low), 0.0, 1.0)
    if window.is_inverted:
        share = 1.0 - share
    grey: npt.NDArray[np.uint8] = np.rint(share * 255).astype(np.uint8)
    return grey
