"""Models whose trainer built another network than their plans tell are refused; genuine ones never are."""

import importlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from aimi.engine.checkpoint import V2, fold_file, read_weights
from aimi.engine.folder import ModelFolder, open_folder
from aimi.engine.network import network_of
from aimi.errors import ModelError
from tests.engine import stock_v1, stock_v2
from tests.engine.stock_v1 import CaseV1
from tests.engine.test_equivalence_v2 import CASES

TRAINERS_V2 = "nnunetv2.training.nnUNetTrainer"
PLAIN = f"{TRAINERS_V2}.nnUNetTrainer"
BATCH_NORM = f"{TRAINERS_V2}.variants.network_architecture.nnUNetTrainerBN"
OLD_PLANS = "ignore:Detected old nnU-Net plans format"
CASES_V2 = ("isotropic", "anisotropic", "residual encoder", "old plans", "two channels")


def make_v2(folder: Path, name: str, trainer_path: str, *, is_deep: bool = True) -> Path:
    """Write a v2 folder with the network that a trainer of nnunetv2 builds."""
    case = CASES[name]
    stock_v2.make_model(folder, case)
    trainer = getattr(importlib.import_module(trainer_path), trainer_path.rsplit(".", 1)[-1])
    plans = PlansManager(json.loads((folder / "plans.json").read_text()))
    channels = len(case.normalizations)
    network = trainer.build_network_architecture(
        plans, plans.get_configuration("3d_fullres"), channels, case.heads, is_deep
    )
    write_state(folder, network.state_dict(), trainer.__name__)
    return folder


def write_state(folder: Path, state: dict[str, Any], trainer: str = "nnUNetTrainer") -> None:
    path = fold_file(folder, V2, 0)
    content = torch.load(path, weights_only=False)
    torch.save({**content, "network_weights": state, "trainer_name": trainer}, path)


def read(found: ModelFolder) -> None:
    read_weights(fold_file(found.path, found.layout, 0), found.layout, network_of(found.plans))


def state_of(folder: Path) -> dict[str, Any]:
    return dict(torch.load(fold_file(folder, V2, 0), weights_only=False)["network_weights"])


@pytest.mark.filterwarnings(OLD_PLANS)
@pytest.mark.parametrize("is_deep", [True, False])
@pytest.mark.parametrize("name", CASES_V2)
def test_networks_that_nnunetv2_builds_from_plans_are_read(tmp_path: Path, name: str, is_deep: bool) -> None:
    read(open_folder(make_v2(tmp_path, name, PLAIN, is_deep=is_deep)))


@pytest.mark.filterwarnings(OLD_PLANS)
@pytest.mark.parametrize("name", CASES_V2)
def test_batch_norm_is_refused_though_the_plans_say_instance_norm(tmp_path: Path, name: str) -> None:
    found = open_folder(make_v2(tmp_path, name, BATCH_NORM))
    assert "InstanceNorm3d" in (tmp_path / "plans.json").read_text() or name == "old plans"
    with pytest.raises(ModelError, match="batch normalization"):
        read(found)


PUBLISHED_V2 = (
    "nnUNetTrainerNoMirroring",
    "nnUNetTrainer_DASegOrd0_NoMirroring",
    "nnUNetTrainer_2000epochs_NoMirroring",
    "nnUNetTrainer_4000epochs_NoMirroring",
    "nnUNetTrainerDA5",
    "nnUNetTrainer_1000epochs",
)


@pytest.mark.parametrize("trainer", PUBLISHED_V2)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_published_trainers_are_read_however_their_network_was_wrapped(
    tmp_path: Path, prefix: str, trainer: str
) -> None:
    stock_v2.make_model(tmp_path, CASES["isotropic"])
    write_state(tmp_path, {prefix + name: tensor for name, tensor in state_of(tmp_path).items()}, trainer)
    read(open_folder(tmp_path))


@pytest.mark.parametrize("name", ["isotropic", "residual encoder"])
def test_weights_without_second_names_and_other_heads_are_read(tmp_path: Path, name: str) -> None:
    stock_v2.make_model(tmp_path, CASES[name])
    needed = network_of(open_folder(tmp_path).plans).weights
    state = {name: tensor for name, tensor in state_of(tmp_path).items() if name in needed}
    assert len(state) == len(needed) < len(state_of(tmp_path)) / 2
    write_state(tmp_path, state)
    read(open_folder(tmp_path))


OTHER_NAMES = (
    "encoder.stages.0.0.convs.2.conv.weight",
    "encoder.stages.0.0.convs.2.all_modules.0.weight",
    "encoder.stages.0.0.convs.0.norm.tau",
    "encoder.stages.0.0.convs.0.squeeze_excitation.fc1.weight",
    "decoder.seg_layers.0.scale",
    "head.weight",
    "\x1b[2J",
)


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_tensor_that_the_plans_do_not_call_for_is_refused(tmp_path: Path, name: str) -> None:
    stock_v2.make_model(tmp_path, CASES["isotropic"])
    write_state(tmp_path, {**state_of(tmp_path), name: torch.zeros(4)})
    with pytest.raises(ModelError, match="do not call for") as refusal:
        read(open_folder(tmp_path))
    assert refusal.value.message.isprintable()


VARIANTS = "nnUNet_variants"
READ_V1 = (
    "nnUNetTrainerV2",
    "nnUNetTrainerV2_DP",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_noDeepSupervision",
    f"{VARIANTS}.data_augmentation.nnUNetTrainerV2_DA5",
    f"{VARIANTS}.data_augmentation.nnUNetTrainerV2_noMirroring",
)
REFUSED_V1 = {
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_BN": "batch normalization",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_FRN": "do not call for",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_NoNormalization": "lack",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_3ConvPerStage": "do not call for",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_ReLU_biasInSegOutput": "do not call for",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_ReLU": "trained by nnUNetTrainerV2_ReLU,",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_LReLU_slope_2en1": "trained by",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_GeLU": "trained by",
    f"{VARIANTS}.architectural_variants.nnUNetTrainerV2_Mish": "trained by",
    "competitions_with_custom_Trainers.BraTS2020.nnUNetTrainerV2BraTSRegions": "trained by",
}


@pytest.mark.parametrize("trainer_path", READ_V1)
def test_trainers_of_v1_that_keep_the_network_are_read(tmp_path: Path, trainer_path: str) -> None:
    read(open_folder(stock_v1.make_model(tmp_path, CaseV1(), trainer_path)))


@pytest.mark.parametrize("trainer_path", REFUSED_V1)
def test_trainers_of_v1_that_change_the_network_are_refused(tmp_path: Path, trainer_path: str) -> None:
    stock_v1.make_model(tmp_path, CaseV1(), trainer_path)
    with pytest.raises(ModelError, match=REFUSED_V1[trainer_path]):
        read(open_folder(tmp_path))


@pytest.mark.parametrize(
    "trainer", ["nnUNetTrainerV2_GN", "nnUNetTrainerV2_lReLU_convReLUIN", "nnUNetTrainerV2BraTSRegions_DA4"]
)
def test_a_trainer_of_v1_is_known_by_its_folder_where_the_description_is_missing(tmp_path: Path, trainer: str) -> None:
    root = stock_v1.make_model(tmp_path / f"{trainer}__nnUNetPlansv2.1", CaseV1())
    (root / "fold_0" / "model_final_checkpoint.model.pkl").unlink()
    with pytest.raises(ModelError, match=f"trained by {trainer},"):
        open_folder(root)


@pytest.mark.parametrize("trainer", ["nnUNetTrainerV2_ReLUctant", "nnUNetTrainerV2_DA3", "nnUNetTrainer", "\x1b[2J", 5])
def test_another_name_of_a_trainer_of_v1_decides_nothing(tmp_path: Path, trainer: object) -> None:
    root = stock_v1.make_model(tmp_path, CaseV1())
    (root / "fold_0" / "model_final_checkpoint.model.pkl").write_bytes(pickle.dumps({"name": trainer}))
    read(open_folder(root))
