"""What a GPU's memory holds, and what happens where it does not: on a stand-in, because there may be no GPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aimi.engine import backends, ensemble
from aimi.engine.backends import TileFunction, open_backend
from aimi.engine.backends.torch_backend import SUMS_ON_HOST, Gpu, TorchBackend, _out_of_memory_ignored
from aimi.engine.ensemble import Options, Prediction, load, predict
from aimi.engine.folder import open_folder
from aimi.engine.folds import mirrorings_of
from aimi.engine.gpu_memory import MOST, gpu_need
from aimi.engine.memory import live_values
from aimi.engine.network import network_of
from aimi.engine.orientation import Orientation
from aimi.engine.sliding_window import accumulate, make_tiling
from aimi.errors import ResourceError
from aimi.image import Note
from tests.engine.stand_in_gpu import StandInGpu
from tests.engine.stock_v2 import Case, make_model
from tests.engine.test_equivalence_v2 import as_images, make_case_image
from tests.engine.test_memory import LARGE, make_network

Array = npt.NDArray[np.float32]

NETWORK = make_network(8, (2, 4))
WIDE = make_network(8, (1, 1))  # more outputs than values
RNG = np.random.default_rng(0)
WEIGHTS = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in NETWORK.weights.items()}
TILE = RNG.normal(size=(1, 8, 8, 8)).astype(np.float32)
IMAGE = RNG.normal(size=(1, 12, 8, 12)).astype(np.float32)
TILING = make_tiling((12, 8, 12), (8, 8, 8), 0.5)
SUMS = 4 * 3 * 12 * 8 * 12
"""Bytes."""


def fold_on(gpu: StandInGpu | None) -> TileFunction:
    return TorchBackend("cpu", gpu=gpu).compile(NETWORK, WEIGHTS)


def sums_of(function: TileFunction) -> tuple[Array, list[Note]]:
    """Give the sums of all tiles, beginning with those of a fold before."""
    into, notes = np.full((3, *TILING.shape), 0.3, np.float32), list[Note]()
    accumulate(function, IMAGE, TILING, into, mirrorings=mirrorings_of((2,)), done=lambda: None, tell=notes.append)
    return into, notes


EXPECTED, _ = sums_of(fold_on(None))
ALLOCATIONS = 185
"""Of all tiles, where none is refused."""


def test_the_values_of_a_tile_are_what_torch_allocates() -> None:
    function = fold_on(gpu := StandInGpu())
    with gpu:
        function(TILE)
    assert gpu.peak == 4 * live_values(NETWORK)


def test_weights_are_what_torch_allocates() -> None:
    with StandInGpu() as gpu:
        TorchBackend("cpu", gpu=gpu).compile(NETWORK, WEIGHTS)
    assert gpu.peak == gpu_need(NETWORK).weights


def test_outputs_turned_back_and_weighted_are_what_torch_allocates() -> None:
    weights = {name: np.ones(shape, np.float32) for name, shape in WIDE.weights.items()}
    gpu = StandInGpu()
    function, into = TorchBackend("cpu", gpu=gpu).compile(WIDE, weights), np.zeros((3, 8, 8, 8), np.float32)
    assert isinstance(function, backends.SummingFunction)
    with gpu:
        sums = function.open_sums(into, np.ones((8, 8, 8), np.float32), pytest.fail)
        assert sums is not None
        sums.add(TILE, (1,), (slice(None), slice(0, 8), slice(0, 8), slice(0, 8)))
    assert gpu.peak == into.nbytes + 2 * into.nbytes
    more, most = (gpu_need(replace(WIDE, heads=heads)).tile for heads in (99, 100))
    assert most - more == 2 * 4 * TILE.size


def test_five_folds_of_a_large_network_on_512_x_512_x_300_keep_below_8_gb() -> None:
    need, sums = gpu_need(LARGE), 3 * 4 * 512 * 512 * 300
    assert need.leaves_room(sums, free=need.tile + sums)
    assert need.total + sums < MOST == 8e9
    assert need.total > 4 * 31e6 + 2 * live_values(LARGE)


def test_sums_are_on_the_host_where_they_would_take_more_than_is_free_or_more_than_8_gb() -> None:
    need = gpu_need(LARGE)
    assert not need.leaves_room(100, free=need.tile + 99)
    assert need.leaves_room(MOST - need.total, free=1 << 40)
    assert not need.leaves_room(MOST - need.total + 1, free=1 << 40)


def test_sums_on_the_gpu_are_the_same_bits() -> None:
    function = fold_on(gpu := StandInGpu())
    with gpu:
        sums, notes = sums_of(function)
    np.testing.assert_array_equal(sums, EXPECTED)
    assert not notes
    assert gpu.allocations == ALLOCATIONS
    assert gpu.peak >= SUMS + 4 * live_values(NETWORK)


def test_sums_that_do_not_fit_by_the_estimate_are_kept_on_the_host_before_anything_is_refused() -> None:
    function = fold_on(gpu := StandInGpu(gpu_need(NETWORK).tile + SUMS - 1))
    with gpu:
        sums, notes = sums_of(function)
    np.testing.assert_array_equal(sums, EXPECTED)
    assert notes == [SUMS_ON_HOST]
    assert gpu.peak == 4 * live_values(NETWORK)


@settings(deadline=None, max_examples=10)
@given(number=st.integers(1, ALLOCATIONS))
def test_memory_that_runs_out_at_any_moment_changes_no_bit(number: int) -> None:
    gpu = StandInGpu(refuse=lambda at: at == number)
    function = fold_on(gpu)
    with gpu:
        sums, notes = sums_of(function)
    np.testing.assert_array_equal(sums, EXPECTED)
    assert notes == [SUMS_ON_HOST]


@settings(deadline=None, max_examples=10)
@given(number=st.integers(2, ALLOCATIONS))
def test_a_tile_that_fails_twice_is_run_again_with_nothing_else_in_memory(number: int) -> None:
    gpu = StandInGpu(refuse=lambda at: at in {number, number + 1})
    function = fold_on(gpu)
    with gpu:
        sums, notes = sums_of(function)
    np.testing.assert_array_equal(sums, EXPECTED)
    assert notes == [SUMS_ON_HOST]
    assert gpu.held_when_freed == [0, 0]


def test_memory_of_which_another_program_takes_all_ends_with_what_is_needed_and_free() -> None:
    function = fold_on(gpu := StandInGpu())
    gpu.refuse = lambda at: at > 100
    with gpu, pytest.raises(ResourceError, match=r"about 0\.50 GiB are needed, 1024\.00 GiB are free") as told:
        sums_of(function)
    assert told.value.status == 5
    assert "--device cpu" in told.value.remedy
    assert gpu.held_when_freed[1:] == [0, 0]


def test_weights_that_do_not_fit_end_with_what_is_needed_and_free() -> None:
    with StandInGpu(1000) as gpu, pytest.raises(ResourceError, match=r"about 0\.50 GiB are needed, 0\.00 GiB are free"):
        fold_on(gpu)


def test_memory_of_the_processor_that_runs_out_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    function = fold_on(None)
    monkeypatch.setattr(torch.nn.functional, "conv3d", refuse)
    with pytest.raises(ResourceError, match="not enough memory for the network"):
        function(TILE)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_libraries_tell_in_their_own_words_that_memory_ran_out(error: RuntimeError) -> None:
    with _out_of_memory_ignored():
        raise error


def test_another_error_is_not_taken_for_memory() -> None:
    function = fold_on(gpu := StandInGpu())
    with gpu, pytest.raises(RuntimeError, match="channels"):
        function(np.zeros((2, 8, 8, 8), np.float32))


def test_what_torch_holds_back_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    free = 5
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 100))

    def empty() -> None:
        nonlocal free
        free += 20

    monkeypatch.setattr(torch.cuda, "empty_cache", empty)
    assert Gpu().freed() == 25


def test_a_gpu_on_which_cuda_itself_finds_no_memory_has_none_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    assert Gpu().freed() == 0


def test_bf16_on_a_device_that_does_not_compute_in_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_has_cuda", lambda: True)
    told = {}
    for device in ("cpu-torch", "cuda", "auto"):
        backend, (note,) = open_backend(device, "bf16")
        told[device] = backend.precision, note.code, note.sentence.endswith(f"the run used {backend.precision}.")
        assert open_backend(device, "f32")[1] == ()
    assert told == {
        "cpu-torch": ("f32", "precision-f32", True),
        "cuda": ("f16", "precision-f16", True),
        "auto": ("f16", "precision-f16", True),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"), Case(folds=2))


def label(folder: Path, gpu: StandInGpu, options: Options, monkeypatch: pytest.MonkeyPatch) -> Prediction:
    monkeypatch.setattr(ensemble, "open_backend", lambda *_: (TorchBackend("cpu", gpu=gpu), ()))
    model, images = load(open_folder(folder), options), as_images(make_case_image(1))
    region = np.zeros(images[0].volume.array.shape, np.bool_)
    region[2:5, 3:8, 4:9] = True
    with gpu:
        return predict(images, model, options, region=region if options.folds else None)


ITK = Options(orientation=Orientation.ITK)


@pytest.mark.parametrize("options", [ITK, replace(ITK, ensemble="vote"), replace(ITK, folds=(0,))])
def test_labels_are_the_same_wherever_the_sums_are_kept(
    folder: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu = label(folder, StandInGpu(), options, monkeypatch)
    need = gpu_need(network_of(open_folder(folder).plans))
    by_estimate = label(folder, StandInGpu(need.weights + need.tile), options, monkeypatch)
    run_out = label(folder, StandInGpu(refuse=lambda number: number % 500 == 0), options, monkeypatch)
    assert on_gpu.labels.any() or on_gpu.fold_disagreement
    for found in (by_estimate, run_out):
        np.testing.assert_array_equal(found.labels, on_gpu.labels)
        assert found.fold_disagreement == on_gpu.fold_disagreement
        assert found.near_tie_share == on_gpu.near_tie_share
        assert "gpu-memory" in [note.code for note in found.notes]
    assert "gpu-memory" not in [note.code for note in on_gpu.notes]
