"""nnU-Net's networks as a list of layers that any backend can run.

A :class:`Network` is made from plans alone; each layer names the weights that it needs as the checkpoint does. Layer
``n`` makes value ``n + 1``; value 0 is the tile, shape (1, channels, z, y, x); the last value is the result. Only what
inference needs is there: the heads of deep supervision and the second names of one storage are never read.

References
----------
dynamic-network-architectures 0.4, ``unet.py``, ``unet_decoder.py``, ``residual.py``; nnunet 1.7.1, ``generic_UNet.py``.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from aimi.engine.plans import Architecture, Family, Plans
from aimi.engine.resampling import Shape

__all__ = [
    "Addition",
    "AveragePool",
    "Concatenation",
    "Convolution",
    "InstanceNorm",
    "Layer",
    "LeakyRectifier",
    "Network",
    "Softmax",
    "TransposedConvolution",
    "network_of",
]


@dataclass(frozen=True, slots=True)
class Convolution:
    """Weight (out, in, z, y, x); zero padding."""

    source: int
    weight: str
    bias: str | None
    stride: Shape
    padding: Shape


@dataclass(frozen=True, slots=True)
class TransposedConvolution:
    """Weight (in, out, z, y, x); kernel and stride are equal."""

    source: int
    weight: str
    bias: str | None
    stride: Shape


@dataclass(frozen=True, slots=True)
class InstanceNorm:
    """Per channel over the tile, biased variance."""

    source: int
    weight: str | None
    bias: str | None
    epsilon: float


@dataclass(frozen=True, slots=True)
class LeakyRectifier:
    """Negative values times the slope."""

    source: int
    slope: float


@dataclass(frozen=True, slots=True)
class AveragePool:
    """Kernel and stride are equal."""

    source: int
    stride: Shape


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Along the channels."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Addition:
    """Of two values of one shape."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Softmax:
    """Over the channels."""

    source: int


Layer: TypeAlias = (
    Convolution
    | TransposedConvolution
    | InstanceNorm
    | LeakyRectifier
    | AveragePool
    | Concatenation
    | Addition
    | Softmax
)


@dataclass(frozen=True, slots=True)
class Network:
    """A network without its weights.

    Parameters
    ----------
    weights : name and shape of every weight, in the order of use.
    """

    layers: tuple[Layer, ...]
    weights: dict[str, tuple[int, ...]]
    channels: int
    heads: int
    patch: Shape

    def sources(self, layer: Layer) -> tuple[int, ...]:
        """Give the numbers of the values that a layer reads."""
        if isinstance(layer, Concatenation | Addition):
            return layer.first, layer.second
        return (layer.source,)


def network_of(plans: Plans) -> Network:
    """Give the network that plans describe; with v1's plans it ends in the softmax."""
    builder = _Builder(plans.architecture)
    channels = plans.channels
    if plans.architecture.family is Family.GENERIC:
        result = _generic(builder, channels, plans.heads)
        builder.add(Softmax(result))
    else:
        skips = _encode(builder, channels)
        _decode(builder, skips, plans.heads)
    return Network(tuple(builder.layers), builder.weights, channels, plans.heads, plans.patch)


@dataclass(slots=True)
class _Builder:
    """The layers so far; the architecture is at hand for the parts that all families share."""

    architecture: Architecture
    layers: list[Layer] = field(default_factory=list)
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(self, layer: Layer) -> int:
        self.layers.append(layer)
        return len(self.layers)

    def named(self, name: str, shape: tuple[int, ...]) -> str:
        self.weights[name] = shape
        return name

    def convolution(
        self, source: int, name: str, features: tuple[int, int], kernel: Shape, stride: Shape, *, bias: bool
    ) -> int:
        given, made = features
        first, second, third = ((size - 1) // 2 for size in kernel)
        weight = self.named(f"{name}.weight", (made, given, *kernel))
        offset = self.named(f"{name}.bias", (made,)) if bias else None
        return self.add(Convolution(source, weight, offset, stride, (first, second, third)))

    def transposed(self, source: int, name: str, features: tuple[int, int], stride: Shape, *, bias: bool) -> int:
        given, made = features
        weight = self.named(f"{name}.weight", (given, made, *stride))
        offset = self.named(f"{name}.bias", (made,)) if bias else None
        return self.add(TransposedConvolution(source, weight, offset, stride))

    def norm(self, source: int, name: str, features: int) -> int:
        if self.architecture.epsilon is None:
            return source
        weight = bias = None
        if self.architecture.norm_affine:
            weight, bias = self.named(f"{name}.weight", (features,)), self.named(f"{name}.bias", (features,))
        return self.add(InstanceNorm(source, weight, bias, self.architecture.epsilon))

    def rectifier(self, source: int) -> int:
        slope = self.architecture.slope
        return source if slope is None else self.add(LeakyRectifier(source, slope))

    def block(
        self,
        source: int,
        name: str,
        features: tuple[int, int],
        kernel: Shape,
        stride: Shape,
        *,
        names: tuple[str, str] = ("conv", "norm"),
    ) -> int:
        """Add convolution, norm and rectifier."""
        value = self.convolution(source, f"{name}.{names[0]}", features, kernel, stride, bias=self.architecture.bias)
        if self.architecture.nonlinearity_first:
            return self.norm(self.rectifier(value), f"{name}.{names[1]}", features[1])
        return self.rectifier(self.norm(value, f"{name}.{names[1]}", features[1]))


_ONE: Shape = (1, 1, 1)


def _encode(builder: _Builder, channels: int) -> list[tuple[int, int]]:
    """Add the encoder; give value and features of each stage."""
    architecture, value, given = builder.architecture, 0, channels
    if architecture.family is Family.RESIDUAL:
        value = builder.block(
            value, "encoder.stem.convs.0", (given, architecture.features[0]), architecture.kernels[0], _ONE
        )
        given = architecture.features[0]
    skips = []
    for stage, made in enumerate(architecture.features):
        for index in range(architecture.depths[stage]):
            stride = architecture.strides[stage] if index == 0 else _ONE
            if architecture.family is Family.RESIDUAL:
                name = f"encoder.stages.{stage}.blocks.{index}"
                value = _residual(builder, value, name, (given, made), (architecture.kernels[stage], stride))
            else:
                name = f"encoder.stages.{stage}.0.convs.{index}"
                value = builder.block(value, name, (given, made), architecture.kernels[stage], stride)
            given = made
        skips.append((value, made))
    return skips


def _residual(builder: _Builder, source: int, name: str, features: tuple[int, int], window: tuple[Shape, Shape]) -> int:
    given, made = features
    kernel, stride = window
    value = builder.block(source, f"{name}.conv1", (given, made), kernel, stride)
    value = builder.convolution(value, f"{name}.conv2.conv", (made, made), kernel, _ONE, bias=builder.architecture.bias)
    value = builder.norm(value, f"{name}.conv2.norm", made)
    skip = source
    if stride != _ONE:
        skip = builder.add(AveragePool(skip, stride))
    if given != made:
        place = f"{name}.skip.{int(stride != _ONE)}"
        skip = builder.convolution(skip, f"{place}.conv", (given, made), _ONE, _ONE, bias=False)
        skip = builder.norm(skip, f"{place}.norm", made)
    return builder.rectifier(builder.add(Addition(value, skip)))


def _decode(builder: _Builder, skips: list[tuple[int, int]], heads: int) -> None:
    architecture = builder.architecture
    value, given = skips[-1]
    for stage, (skip, made) in enumerate(reversed(skips[:-1])):
        value = builder.transposed(
            value,
            f"decoder.transpconvs.{stage}",
            (given, made),
            architecture.strides[-1 - stage],
            bias=architecture.bias,
        )
        value = builder.add(Concatenation(value, skip))
        given = 2 * made
        for index in range(architecture.decoder_depths[stage]):
            name = f"decoder.stages.{stage}.convs.{index}"
            value = builder.block(value, name, (given, made), architecture.kernels[-2 - stage], _ONE)
            given = made
    builder.convolution(value, f"decoder.seg_layers.{len(skips) - 2}", (given, heads), _ONE, _ONE, bias=True)


_V1_NAMES = ("conv", "instnorm")


def _generic(builder: _Builder, channels: int, heads: int) -> int:
    """Add v1's network; its innermost and decoder stages keep their last convolution in a group of its own."""
    architecture, value, given = builder.architecture, 0, channels
    last = len(architecture.features) - 1
    skips = []
    for stage, made in enumerate(architecture.features):
        for index in range(architecture.depths[stage]):
            name = f"conv_blocks_context.{stage}"
            name += _grouped(index, architecture.depths[stage]) if stage == last else f".blocks.{index}"
            stride = architecture.strides[stage] if index == 0 else _ONE
            value = builder.block(value, name, (given, made), architecture.kernels[stage], stride, names=_V1_NAMES)
            given = made
        skips.append((value, made))
    for stage, (skip, made) in enumerate(reversed(skips[:-1])):
        value = builder.transposed(value, f"tu.{stage}", (given, made), architecture.strides[-1 - stage], bias=False)
        value = builder.add(Concatenation(value, skip))
        given = 2 * made
        depth = architecture.decoder_depths[stage]
        for index in range(depth):
            name = f"conv_blocks_localization.{stage}{_grouped(index, depth)}"
            value = builder.block(value, name, (given, made), architecture.kernels[-1 - stage], _ONE, names=_V1_NAMES)
            given = made
    return builder.convolution(value, f"seg_outputs.{last - 1}", (given, heads), _ONE, _ONE, bias=False)


def _grouped(index: int, depth: int) -> str:
    return ".1.blocks.0" if index == depth - 1 else f".0.blocks.{index}"
