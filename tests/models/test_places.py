"""Where a user's models and unfinished downloads lie."""

from pathlib import Path

import pytest

from aimi.models.places import cache, user_models

HOME = {"HOME": "/home/a"}


@pytest.mark.parametrize(
    ("environ", "system", "models", "kept"),
    [
        (HOME, "Linux", "/home/a/.local/share/aimi/models", "/home/a/.cache/aimi"),
        (
            {**HOME, "XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c", "AIMI_CACHE": ""},
            "Linux",
            "/d/aimi/models",
            "/c/aimi",
        ),
        (HOME, "Darwin", "/home/a/Library/Application Support/aimi/models", "/home/a/Library/Caches/aimi"),
        ({**HOME, "AIMI_CACHE": "/mine"}, "Darwin", "/home/a/Library/Application Support/aimi/models", "/mine"),
    ],
)
def test_places_are_the_platforms(environ: dict[str, str], system: str, models: str, kept: str) -> None:
    assert (user_models(environ, system), cache(environ, system)) == (Path(models), Path(kept))
