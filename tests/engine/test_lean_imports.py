"""A run on the CPU needs neither torch nor nnU-Net, and tells nobody of it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.engine.threshold_model import make_threshold_model

RUN = """
import sys
from pathlib import Path
import highdicom as hd, numpy as np
from aimi.engine.ensemble import Options, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.orientation import Orientation
from aimi.image import Image
options = Options(orientation=Orientation.RAS, device="cpu")
volume = hd.Volume(np.ones((9, 9, 9), np.int16), np.eye(4), coordinate_system="PATIENT")
found = predict([Image(volume, "HU", None)], load(open_folder(Path(sys.argv[1])), options), options)
assert found.labels.all()
print(*sorted(name for name in ("torch", "nnunetv2", "monai", "SimpleITK", "matplotlib") if name in sys.modules))
"""


def test_cpu_run_imports_no_torch(tmp_path: Path) -> None:
    model = make_threshold_model(tmp_path, (1, 1, 1), 0, patch=(8, 8, 8))
    done = subprocess.run([sys.executable, "-c", RUN, str(model)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_cpu_run_reports_nothing_to_the_makers_of_openvino(tmp_path: Path) -> None:
    model = make_threshold_model(tmp_path / "model", (1, 1, 1), 0, patch=(8, 8, 8))
    home = tmp_path / "home"
    home.mkdir()
    # where CI is set the package would be silent by itself
    kept = {
        name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_ID", "TF_BUILD", "JENKINS_URL")
    }
    script = RUN + "print(*sorted(name for name in sys.modules if name.startswith('openvino_telemetry.')))"
    command = [sys.executable, "-c", script, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**kept, "HOME": str(home)})
    assert done.stdout.strip() == ""
    assert not list(home.iterdir())
