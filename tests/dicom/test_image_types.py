"""Which words of a header may stand in a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimi.dicom.image_types import are_terms


@pytest.mark.parametrize(
    "value", ["", "M", "M\\\\ND", "ADC\\DIFFUSION", "CT_SOM5 SPI", "IN_PHASE", "T2 MAP", "ORIGINAL\\PRIMARY\\M\\NONE"]
)
def test_terms_of_the_standard_and_of_vendors_are_known(value: str) -> None:
    assert are_terms(value)


@pytest.mark.parametrize("value", ["DOE", "M\\DOE", "M DOE", "12345678", "m", "JANE^DOE"])
def test_other_words_and_numbers_are_free_text(value: str) -> None:
    assert not are_terms(value)


@given(st.text(min_size=1))
def test_a_part_that_is_free_text_makes_the_value_free_text(word: str) -> None:
    assert are_terms(f"M\\{word}") == are_terms(word)
