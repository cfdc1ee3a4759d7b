"""Seeded variety: every organ draws from a stream of its own, so that one does not change another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aimi.samples.shapes import Point

__all__ = ["Chance"]

_SPREAD = 1.8  # standard deviations at which a bell curve is cut


@dataclass(frozen=True, slots=True)
class Chance:
    """A stream of random numbers."""

    generator: np.random.Generator

    @classmethod
    def of(cls, seed: int, topic: str) -> "Chance":
        """Give the stream of a topic ("liver") for a seed."""
        return cls(np.random.default_rng([seed, *topic.encode()]))

    def between(self, low: float, high: float) -> float:
        """Draw evenly between two numbers."""
        return float(self.generator.uniform(low, high))

    def near(self, mean: float, deviation: float) -> float:
        """Draw from a bell curve without its tails."""
        return mean + deviation * float(np.clip(self.generator.standard_normal(), -_SPREAD, _SPREAD))

    def happens(self, share: float) -> bool:
        """Say yes in a share of cases."""
        return bool(self.generator.random() < share)

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self.generator.integers(low, high + 1))

    def choose(self, weights: Sequence[float]) -> int:
        """Draw an index by weight."""
        return int(self.generator.choice(len(weights), p=np.asarray(weights) / np.sum(weights)))

    def point(self, center: Sequence[float], deviation: float | Sequence[float]) -> Point:
        """Draw a point near another."""
        spread = np.broadcast_to(np.asarray(deviation, np.float64), 3)
        x, y, z = (self.near(mean, float(by)) for mean, by in zip(center, spread, strict=True))
        return x, y, z

    def inside(self) -> Point:
        """Draw a point evenly from the unit ball."""
        direction = self.generator.standard_normal(3)
        direction *= self.generator.random() ** (1 / 3) / np.linalg.norm(direction)
        return float(direction[0]), float(direction[1]), float(direction[2])

    def phases(self) -> tuple[float, ...]:
        """Draw six angles for a :class:`~aimi.samples.shapes.Wobble`."""
        return tuple(float(angle) for angle in self.generator.uniform(0, 2 * np.pi, 6))
