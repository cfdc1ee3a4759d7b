"""A network that is run in a process with too little memory; says on standard output how that is told."""

import resource
import sys
from pathlib import Path

import numpy as np

from aimi.engine.backends.openvino_backend import OpenVinoBackend, has_bf16
from aimi.errors import ResourceError
from tests.engine.test_memory import make_network

_LEFT = 120 << 20
"""Bytes beyond what the process has; weights and values of the network below are more."""


def main() -> None:
    """Run it."""
    network = make_network(96, (8, 16))
    weights = {name: np.zeros(shape, np.float32) for name, shape in network.weights.items()}
    has_bf16()  # loads OpenVINO
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + _LEFT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        OpenVinoBackend("f32").compile(network, weights)(np.zeros((1, 96, 96, 96), np.float32))
    except ResourceError as error:
        sys.stdout.write(f"told: {error}")


if __name__ == "__main__":
    main()
