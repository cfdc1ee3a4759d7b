"""Put the CUDA run-time library where Holoscan looks for it.

Holoscan 4.2.0 links libcudart.so.13 without declaring it: a machine without a CUDA toolkit cannot import it.
The wheel nvidia-cuda-runtime holds the library; no GPU and no driver are needed.
"""

import sys
import sysconfig
from pathlib import Path


def main() -> int:
    """Link the library beside Holoscan's own; do nothing where either is not installed."""
    packages = Path(sysconfig.get_paths()["purelib"])
    library = packages / "nvidia" / "cu13" / "lib" / "libcudart.so.13"
    folder = packages / "holoscan" / "lib"
    link = folder / library.name
    if library.is_file() and folder.is_dir() and not link.exists():
        link.symlink_to(library)
    return 0


if __name__ == "__main__":
    sys.exit(main())
