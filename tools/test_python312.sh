#!/usr/bin/env bash
# Lint and the torch-free tests on Python 3.12, where that interpreter is present.
set -euo pipefail
cd "$(dirname "$0")/.."
python312=""
for candidate in python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python3.12; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
        python312="$candidate"
        break
    fi
done
if [ -z "$python312" ]; then
    echo "Python 3.12 is not present: its tests are left out."
    exit 0
fi
venv=.venv312
lock=build/requirements-torch-free.lock
mkdir -p build
grep -vE '^(torch|torchvision|nnunetv2|timm|dynamic_network_architectures|acvl_utils|batchgenerators|batchgeneratorsv2|monai|monai-deploy-app-sdk|holoscan-cu13|holoscan-cli|cupy-cuda13x|cuda-.*|nvidia-.*|tritonclient|perf_analyzer|python-rapidjson)==' requirements.lock > "$lock"
if ! cmp -s "$lock" "$venv/.lock" 2>/dev/null; then
    "$python312" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$lock"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    cp "$lock" "$venv/.lock"
fi
"$venv/bin/ruff" check --target-version py312 .
# Types are those of the whole environment: here torch and nnunetv2 are not installed.
.venv/bin/mypy --python-version 3.12
AIMI_TORCH_FREE=1 "$venv/bin/python" -m pytest -q -m "not torch and not holoscan"
