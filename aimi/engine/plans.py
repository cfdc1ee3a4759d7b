"""What the training decided, in one record for nnU-Net v1 and v2.

All axes of a :class:`Plans` are the network's: after ``transpose_forward``. Plans are plain data: they survive a round
through JSON, which is how an imported model keeps them.

References
----------
nnunetv2 2.8.1, ``utilities/plans_handling/plans_handler.py`` and ``utilities/label_handling/label_handling.py``;
nnunet 1.7.1, ``training/network_training/nnUNetTrainer.py``, ``process_plans``, and ``nnUNetTrainerV2.py``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from aimi.engine.resampling import ResamplingRule, Shape
from aimi.errors import ModelError

__all__ = [
    "Architecture",
    "Family",
    "Normalization",
    "Plans",
    "Scheme",
    "plans_from_json",
    "plans_to_json",
    "read_plans_v1",
    "read_plans_v2",
]

_REMEDY = "Use a 3d_fullres model that nnU-Net's standard trainers made."
_MAX_LABEL = 255
_V1_MAX_FEATURES = 320
_V1_KERNEL = 3


class Family(StrEnum):
    """Networks that can be built."""

    PLAIN = "PlainConvUNet"
    RESIDUAL = "ResidualEncoderUNet"
    GENERIC = "Generic_UNet"


class Scheme(StrEnum):
    """What is done to the values of a channel.

    CT : clip to the training's percentiles, subtract its mean, divide by its standard deviation.
    CT_OWN : clip likewise; mean and deviation of the image inside the limits (v1).
    ZSCORE : mean and deviation of the image.
    NONE : nothing.
    TO_01 : from the image's minimum and maximum to 0 .. 1.
    RGB_TO_01 : divide by 255.
    """

    CT = "CTNormalization"
    CT_OWN = "CT2"
    ZSCORE = "ZScoreNormalization"
    NONE = "NoNormalization"
    TO_01 = "RescaleTo01Normalization"
    RGB_TO_01 = "RGBTo01Normalization"


@dataclass(frozen=True, slots=True)
class Normalization:
    """The scheme of a channel with the training's numbers.

    Parameters
    ----------
    inside_mask : only voxels inside the filled non-zero mask count (and, in v1, the others become zero).
    """

    scheme: Scheme
    inside_mask: bool
    mean: float = 0.0
    deviation: float = 1.0
    lower: float = 0.0
    upper: float = 0.0


@dataclass(frozen=True, slots=True)
class Architecture:
    """The network, stage by stage from the full resolution down.

    Parameters
    ----------
    depths : convolutions (plain, generic) or blocks (residual) of each encoder stage.
    decoder_depths : convolutions of each decoder stage, from the lowest resolution up.
    epsilon : of the instance norm; None without one.
    norm_affine : whether the norm has weights.
    slope : of the leaky rectifier; None without one, 0 for a plain one.
    """

    family: Family
    features: tuple[int, ...]
    kernels: tuple[Shape, ...]
    strides: tuple[Shape, ...]
    depths: tuple[int, ...]
    decoder_depths: tuple[int, ...]
    bias: bool
    epsilon: float | None
    norm_affine: bool
    slope: float | None
    nonlinearity_first: bool = False


@dataclass(frozen=True, slots=True)
class Plans:
    """Everything but the weights.

    Parameters
    ----------
    version : of nnU-Net.
    heads : number of the network's outputs.
    regions : label that each output paints, in order; None where outputs compete and the first is background.
    transpose : axis of the array at each axis of the network.
    spacing : mm, network axes.
    mirror_axes : axes that the training mirrored.
    """

    version: int
    channels: int
    heads: int
    regions: tuple[int, ...] | None
    transpose: tuple[int, int, int]
    patch: Shape
    spacing: tuple[float, float, float]
    normalizations: tuple[Normalization, ...]
    data_rule: ResamplingRule
    result_rule: ResamplingRule
    mirror_axes: tuple[int, ...]
    architecture: Architecture


def plans_to_json(plans: Plans) -> dict[str, Any]:
    """Give plans as JSON values."""
    return asdict(plans)


def plans_from_json(content: Mapping[str, Any]) -> Plans:
    """Give plans from what :func:`plans_to_json` gave.

    Raises
    ------
    ModelError
        Something is missing or of the wrong kind.
    """
    try:
        values = {name: _tuples(value) for name, value in content.items()}
        values["normalizations"] = tuple(
            Normalization(**{**entry, "scheme": Scheme(entry["scheme"])}) for entry in content["normalizations"]
        )
        values["data_rule"] = ResamplingRule(**content["data_rule"])
        values["result_rule"] = ResamplingRule(**content["result_rule"])
        entries = {name: _tuples(value) for name, value in content["architecture"].items()}
        values["architecture"] = Architecture(**{**entries, "family": Family(entries["family"])})
        return _sound(Plans(**values))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError("The model's plans are damaged.", _REMEDY) from error


def _sound(plans: Plans) -> Plans:
    """Give plans that a network can be built and run with, or refuse them."""
    network, labels = plans.architecture, plans.regions or (plans.heads - 1,)
    shrunk = [math.prod(stride[axis] for stride in network.strides) for axis in range(3)]
    is_sound = (
        sorted(plans.transpose) == [0, 1, 2]
        and all(0 < step < math.inf for step in plans.spacing)
        and 0 <= min(labels) <= max(labels) <= _MAX_LABEL
        and len(network.features) == len(network.kernels) == len(network.strides) == len(network.depths) > 1
        and all(size > 0 for sizes in (plans.patch, *network.kernels, *network.strides) for size in sizes)
        and all(size % factor == 0 for size, factor in zip(plans.patch, shrunk, strict=True))
        and set(plans.mirror_axes) <= {0, 1, 2}
    )
    if not is_sound:
        raise ModelError("The model's plans contradict themselves: no network can be run with them.", _REMEDY)
    return plans


def read_plans_v2(
    plans: Mapping[str, Any], dataset: Mapping[str, Any], configuration: str, mirror_axes: Sequence[int]
) -> Plans:
    """Give the plans of a v2 model from its plans.json and dataset.json.

    Raises
    ------
    ModelError
        They lack something, or ask for what this engine does not do.
    """
    try:
        return _sound(_read_plans_v2(plans, dataset, configuration, mirror_axes))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            "The model's plans or data set description lack what nnU-Net writes there.", _REMEDY
        ) from error


def _read_plans_v2(
    plans: Mapping[str, Any], dataset: Mapping[str, Any], name: str, mirror_axes: Sequence[int]
) -> Plans:
    configuration = _inherit(plans["configurations"], name)
    if configuration.get("previous_stage"):
        raise ModelError("The model is the second stage of a cascade, which is not run here.", _REMEDY)
    if configuration["preprocessor_name"] != "DefaultPreprocessor":
        raise ModelError(f"The model wants the preprocessor {configuration['preprocessor_name']}.", _REMEDY)
    heads, regions = _heads_v2(dataset)
    channels = len(dataset.get("channel_names") or dataset["modality"])
    intensities = plans.get("foreground_intensity_properties_per_channel") or plans.get(
        "foreground_intensity_properties_by_modality", {}
    )
    normalizations = tuple(
        _normalization_v2(scheme, bool(configuration["use_mask_for_norm"][channel]), intensities.get(str(channel), {}))
        for channel, scheme in enumerate(configuration["normalization_schemes"][:channels])
    )
    if len(normalizations) != channels:
        raise ModelError(f"The plans normalise {len(normalizations)} channels of {channels}.", _REMEDY)
    return Plans(
        version=2,
        channels=channels,
        heads=heads,
        regions=regions,
        transpose=_three(plans["transpose_forward"]),
        patch=_three(configuration["patch_size"]),
        spacing=_three_floats(configuration["spacing"]),
        normalizations=normalizations,
        data_rule=_rule_v2(configuration, "data"),
        result_rule=_rule_v2(configuration, "probabilities"),
        mirror_axes=tuple(int(axis) for axis in mirror_axes),
        architecture=_architecture_v2(configuration),
    )


def _inherit(configurations: Mapping[str, Any], name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    if name in seen or name not in configurations:
        raise ModelError(f"The plans have no usable configuration {name}.", _REMEDY)
    own = configurations[name]
    parent = own.get("inherits_from")
    return {**_inherit(configurations, parent, (*seen, name)), **own} if parent else dict(own)


def _heads_v2(dataset: Mapping[str, Any]) -> tuple[int, tuple[int, ...] | None]:
    labels = {name: value for name, value in dataset["labels"].items() if name != "ignore"}
    if any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        regions = [value for value in labels.values() if value not in (0, [0])]
        order = tuple(int(value) for value in dataset["regions_class_order"])
        if len(order) != len(regions):
            raise ModelError(f"{len(regions)} regions have {len(order)} values in regions_class_order.", _REMEDY)
        return len(regions), order
    values = {int(value[0] if isinstance(value, list) else value) for value in labels.values()}
    return len(values), None


def _normalization_v2(name: str, inside_mask: bool, intensities: Mapping[str, Any]) -> Normalization:
    try:
        scheme = Scheme(name)
    except ValueError:
        raise ModelError(f"The model wants the normalization {name}, which is not known here.", _REMEDY) from None
    if scheme is not Scheme.CT:
        return Normalization(scheme, inside_mask and scheme is Scheme.ZSCORE)
    return Normalization(
        scheme,
        inside_mask=False,
        mean=float(intensities["mean"]),
        deviation=float(intensities["std"]),
        lower=float(intensities["percentile_00_5"]),
        upper=float(intensities["percentile_99_5"]),
    )


def _rule_v2(configuration: Mapping[str, Any], what: str) -> ResamplingRule:
    function = configuration[f"resampling_fn_{what}"]
    if function != "resample_data_or_seg_to_shape":
        raise ModelError(f"The model wants the resampling {function}, which is not known here.", _REMEDY)
    arguments = configuration[f"resampling_fn_{what}_kwargs"]
    return ResamplingRule(
        order=int(arguments.get("order", 3)),
        order_z=int(arguments.get("order_z", 0)),
        separate_z=arguments.get("force_separate_z", False),
    )


def _architecture_v2(configuration: Mapping[str, Any]) -> Architecture:
    if "architecture" not in configuration:
        return _old_architecture_v2(configuration)
    family = _family(str(configuration["architecture"]["network_class_name"]).rsplit(".", 1)[-1])
    keywords = configuration["architecture"]["arch_kwargs"]
    stages = int(keywords["n_stages"])
    depth_key = "n_conv_per_stage" if family is Family.PLAIN else "n_blocks_per_stage"
    norm, nonlinearity = _last(keywords.get("norm_op")), _last(keywords.get("nonlin"))
    if norm not in (None, "InstanceNorm3d") or nonlinearity not in (None, "LeakyReLU", "ReLU"):
        raise ModelError(f"The model's network uses {norm} and {nonlinearity}, which are not known here.", _REMEDY)
    if _last(keywords.get("conv_op")) != "Conv3d" or _last(keywords.get("block")) not in (None, "BasicBlockD"):
        raise ModelError("The model's network is not built of three-dimensional basic blocks.", _REMEDY)
    norm_keywords = keywords.get("norm_op_kwargs") or {}
    default_slope = 0.01 if nonlinearity == "LeakyReLU" else 0.0
    slope = float((keywords.get("nonlin_kwargs") or {}).get("negative_slope", default_slope))
    return Architecture(
        family=family,
        features=_per_stage(keywords["features_per_stage"], stages),
        kernels=tuple(_three(kernel) for kernel in _repeat(keywords["kernel_sizes"], stages)),
        strides=tuple(_three(stride) for stride in _repeat(keywords["strides"], stages)),
        depths=_per_stage(keywords[depth_key], stages),
        decoder_depths=_per_stage(keywords["n_conv_per_stage_decoder"], stages - 1),
        bias=bool(keywords.get("conv_bias", False)),
        epsilon=None if norm is None else float(norm_keywords.get("eps", 1e-5)),
        norm_affine=bool(norm_keywords.get("affine", False)),
        slope=None if nonlinearity is None else slope,
        nonlinearity_first=bool(keywords.get("nonlin_first", False)),
    )


def _old_architecture_v2(configuration: Mapping[str, Any]) -> Architecture:
    # plans before nnunetv2 2.3 name the class and leave the rest to the reader
    depths = _per_stage(configuration["n_conv_per_stage_encoder"], len(configuration["n_conv_per_stage_encoder"]))
    base, most = int(configuration["UNet_base_num_features"]), int(configuration["unet_max_num_features"])
    return Architecture(
        family=_family(str(configuration["UNet_class_name"])),
        features=tuple(min(base * 2**stage, most) for stage in range(len(depths))),
        kernels=tuple(_three(kernel) for kernel in configuration["conv_kernel_sizes"]),
        strides=tuple(_three(stride) for stride in configuration["pool_op_kernel_sizes"]),
        depths=depths,
        decoder_depths=_per_stage(configuration["n_conv_per_stage_decoder"], len(depths) - 1),
        bias=True,
        epsilon=1e-5,
        norm_affine=True,
        slope=0.01,
    )


def _family(name: str) -> Family:
    try:
        return Family(name)
    except ValueError:
        raise ModelError(f"The model's network is a {name}, which is not known here.", _REMEDY) from None


def read_plans_v1(plans: Mapping[Any, Any], stage: int | None) -> Plans:
    """Give the plans of a v1 model from its pickle.

    Parameters
    ----------
    stage : that of the checkpoint; None takes the finest.

    Raises
    ------
    ModelError
        They lack something, or ask for what this engine does not do.
    """
    try:
        return _sound(_read_plans_v1(plans, max(plans["plans_per_stage"]) if stage is None else stage))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError("The model's plans lack what nnU-Net v1 writes there.", _REMEDY) from error


def _read_plans_v1(plans: Mapping[Any, Any], stage: int) -> Plans:
    own = plans["plans_per_stage"][stage]
    channels, heads = int(plans["num_modalities"]), int(plans["num_classes"]) + 1
    if plans.get("preprocessor_name") not in (None, "GenericPreprocessor"):
        raise ModelError(f"The model wants the preprocessor {plans['preprocessor_name']}.", _REMEDY)
    intensities = plans["dataset_properties"].get("intensityproperties") or {}
    export = plans.get("segmentation_export_params") or {}
    return Plans(
        version=1,
        channels=channels,
        heads=heads,
        regions=None,
        transpose=_three(plans.get("transpose_forward") or (0, 1, 2)),
        patch=_three(own["patch_size"]),
        spacing=_three_floats(own["current_spacing"]),
        normalizations=tuple(
            _normalization_v1(
                str(plans["normalization_schemes"][channel]),
                bool(plans["use_mask_for_norm"][channel]),
                intensities.get(channel) or {},
            )
            for channel in range(channels)
        ),
        data_rule=ResamplingRule(order=3),
        result_rule=ResamplingRule(
            order=int(export.get("interpolation_order", 1)),
            order_z=int(export.get("interpolation_order_z", 0)),
            separate_z=export.get("force_separate_z"),
        ),
        mirror_axes=(0, 1, 2),
        architecture=_architecture_v1(own, int(plans["base_num_features"]), int(plans.get("conv_per_stage", 2))),
    )


def _normalization_v1(name: str, inside_mask: bool, intensities: Mapping[str, Any]) -> Normalization:
    scheme = {"CT": Scheme.CT, "CT2": Scheme.CT_OWN, "noNorm": Scheme.NONE}.get(name, Scheme.ZSCORE)
    if scheme not in (Scheme.CT, Scheme.CT_OWN):
        return Normalization(scheme, inside_mask)
    return Normalization(
        scheme,
        inside_mask,
        mean=float(intensities["mean"]),
        deviation=float(intensities["sd"]),
        lower=float(intensities["percentile_00_5"]),
        upper=float(intensities["percentile_99_5"]),
    )


def _architecture_v1(own: Mapping[str, Any], base: int, depth: int) -> Architecture:
    pools = own.get("pool_op_kernel_sizes")
    if pools is None:
        most = max(own["num_pool_per_axis"])
        pools = [[2 if most - count <= level else 1 for count in own["num_pool_per_axis"]] for level in range(most)]
    stages = len(pools) + 1
    kernels = own.get("conv_kernel_sizes")
    if kernels is None:
        kernels = [[_V1_KERNEL] * 3] * stages
    return Architecture(
        family=Family.GENERIC,
        features=tuple(min(base * 2**stage, _V1_MAX_FEATURES) for stage in range(stages)),
        kernels=tuple(_three(kernel) for kernel in kernels),
        strides=((1, 1, 1), *(_three(pool) for pool in pools)),
        depths=(depth,) * stages,
        decoder_depths=(depth,) * (stages - 1),
        bias=True,
        epsilon=1e-5,
        norm_affine=True,
        slope=0.01,
    )


def _three(values: Any) -> tuple[int, int, int]:  # noqa: ANN401 - whatever the plans hold
    if isinstance(values, int):
        return values, values, values
    if len(values) != 3:  # noqa: PLR2004 - axes of a volume
        raise ModelError("The model's configuration is not three-dimensional.", _REMEDY)
    first, second, third = (int(value) for value in values)
    return first, second, third


def _three_floats(values: Sequence[Any]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _repeat(values: Any, count: int) -> list[Any]:  # noqa: ANN401 - one number or a list
    return [values] * count if isinstance(values, int) else list(values)


def _per_stage(values: Any, count: int) -> tuple[int, ...]:  # noqa: ANN401 - one number or a list
    numbers = tuple(int(value) for value in _repeat(values, count))
    if len(numbers) != count:
        raise ModelError(f"The network has {count} stages, a list in the plans has {len(numbers)}.", _REMEDY)
    return numbers


def _last(name: str | None) -> str | None:
    return None if name is None else name.rsplit(".", 1)[-1]


def _tuples(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value
