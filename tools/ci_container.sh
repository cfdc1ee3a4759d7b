#!/usr/bin/env bash
# Build the liver_ct image and run it as platforms do; lay out the build contexts of the other tasks.
#
# Uses the container engine that DOCKER_HOST or the machine offers; where there is none, starts one of its own below
# build/ and removes it afterwards. Where no engine can be had this fails, unless AIMI_NO_CONTAINER=1 says otherwise.
# AIMI_BASE_IMAGE names a base with Python 3.11; without it one is made of Debian packages. AIMI_CONTAINER_FOLDER is
# another place than build/. AIMI_CONTAINER_FLAVOUR=torch builds and checks the image that holds torch as well.
set -euo pipefail
cd "$(dirname "$0")/.."
work="${AIMI_CONTAINER_FOLDER:-$PWD/build}/container"
engine="${AIMI_CONTAINER_FOLDER:-$PWD/build}/ci-engine"
image="aimi-ci-liver-ct:check"
base="${AIMI_BASE_IMAGE:-aimi-ci-base:bookworm}"
python="$PWD/.venv/bin/python"

flavour="${AIMI_CONTAINER_FLAVOUR:-openvino}"
case "$flavour" in
    openvino) flag="" ;;
    torch) flag="--with-torch" ;;
    *) echo "AIMI_CONTAINER_FLAVOUR is neither openvino nor torch." >&2; exit 2 ;;
esac

say() { printf -- '-- %s (%s s)\n' "$1" "$SECONDS"; }

if [ "${AIMI_NO_CONTAINER:-}" = 1 ]; then
    echo "AIMI_NO_CONTAINER=1: no image was built and nothing was run in a container."
    exit 0
fi

started=""
clean_up() {
    if [ -n "$started" ]; then
        tools/start_engine.sh stop "$engine"
    else
        docker image rm --force "$image" >/dev/null 2>&1 || true
        [ -n "${AIMI_BASE_IMAGE:-}" ] || docker image rm --force "$base" >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

say "engine"
if ! docker info >/dev/null 2>&1; then
    started=yes
    if ! DOCKER_HOST="$(tools/start_engine.sh start "$engine")"; then
        echo "No container engine is here and none could be started. Set AIMI_NO_CONTAINER=1 to leave this step out." >&2
        exit 1
    fi
    export DOCKER_HOST
fi
rm -rf "$work"
mkdir -p "$work/checks"

say "base image"
[ -n "${AIMI_BASE_IMAGE:-}" ] || tools/make_base_image.sh "$base" "$work/base"
say "wheels"
"$python" -c "
import sys
from pathlib import Path
from aimi.map_package.flavours import Flavour, requirements_of
for name, version in requirements_of(Path('apps/liver_ct'), Path('requirements.lock'), Flavour(sys.argv[1])).items():
    print(f'{name}=={version}')
" "$flavour" >"$work/requirements.txt"
"$python" -m pip download -qq --disable-pip-version-check --no-deps --only-binary :all: --dest "$work/wheels" \
    -r "$work/requirements.txt" pip
say "model, sample, real study"
models="$PWD/demo_models"
if [ ! -f "$models/DEMO-liver-ct/plans.json" ]; then
    models="$work/models"
    "$python" -c "import sys; from pathlib import Path; from tests.engine.threshold_model import make_threshold_model
make_threshold_model(Path(sys.argv[1]), (5.0, 2.0, 2.0), 100.0)" "$models/DEMO-liver-ct"
fi
export AIMI_DEMO_MODELS="$models"
"$python" -m aimi sample liver_ct "$work/sample" >/dev/null
data="${AIMI_TEST_DATA:-$PWD/../shared/data}"
"$python" "$data/unpack.py" "$work/data" ct_abdomen_crlm_1004 >/dev/null

say "image"
# shellcheck disable=SC2086  (one flag or none)
"$python" -m aimi package liver_ct -t "$image" $flag -m demo --offline "$work/wheels" --base-image "$base" >"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log"; exit 1; }
tail -n 1 "$work/build.log"
say "checks"
"$python" tools/container_checks.py "$image" "$work/checks" "$models" "$work/sample/study" "$work/data/ct_abdomen_crlm_1004"
say "build contexts of all tasks"
"$python" -c "
import sys
from pathlib import Path
from aimi.map_package.building import Request, lay_out
from aimi.map_package.flavours import Flavour
for application in sorted(Path('apps').glob('*/app.yaml')):
    task = application.parent.name
    request = Request(task=task, models=None, flavour=Flavour.OPENVINO, base=sys.argv[1])
    lay_out(request, Path(sys.argv[2]) / task)
    print(task)
" "$base" "$work/contexts"
say "done"
