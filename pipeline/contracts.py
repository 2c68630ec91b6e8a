"""What the parts of the pipeline ask of each other, in types: batches, networks, inferers, losses."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypedDict, TypeVar, runtime_checkable

from torch import Tensor


class Batch(TypedDict, total=False):
    """Slices of a prepared dataset, as `SliceDataset` gives them and `PrepareSlices` puts them on the device.

    image: [N, 1, H, W] in [0, 1]. brain, lesion, support: [N, 1, H, W] bool. scan: N names. row, z: [N], of the arrays
    and of the atlas.
    """

    image: Tensor
    brain: Tensor
    lesion: Tensor
    support: Tensor
    scan: list[str]
    row: Tensor
    z: Tensor


class Scored(NamedTuple):
    """What an inferer finds in N slices; the evaluator hands `map` on as `pred`, the others under their names.

    map: [N, 1, H, W], higher is more abnormal. reconstruction: [N, 1, H, W], the image that the map is the residual of;
    None where there is none. objective: [N], what the inferer has minimised for each slice; None where nothing was.
    """

    map: Tensor
    reconstruction: Tensor | None = None
    objective: Tensor | None = None


# What a network returns.


class Drawn(Protocol):
    """An image drawn by the network, [N, 1, H, W]."""

    @property
    def reconstruction(self) -> Tensor: ...


class Latent(Protocol):
    """Mean and log-variance of a latent code, [N, …]; the log-variance is None for an auto-encoder without a prior."""

    @property
    def mu(self) -> Tensor: ...

    @property
    def logvar(self) -> Tensor | None: ...


class Gaussian(Protocol):
    """A latent code that always has a variance: mean and log-variance, [N, …]."""

    @property
    def mu(self) -> Tensor: ...

    @property
    def logvar(self) -> Tensor: ...


class Encoded(Latent, Protocol):
    """A latent code and the outputs of the residual stages that it was computed from, [N, K_s, H_s, W_s]."""

    @property
    def features(self) -> tuple[Tensor, ...]: ...


class Logits(Latent, Protocol):
    """A latent code, and what was drawn from it before its sigmoid, [N, 1, H, W]."""

    @property
    def logits(self) -> Tensor: ...


class LatentImage(Drawn, Latent, Protocol):
    """An image and the latent code that it was drawn from."""


class DrawnLogits(Drawn, Logits, Protocol):
    """An image before and after its sigmoid, and the latent code that it was drawn from."""


# What an inferer, a loss or a handler asks of a network. A trained one is an `nn.Module` that fits.


class Reconstructor(Protocol):
    """Draws each image [N, 1, H, W] anew."""

    def __call__(self, image: Tensor) -> Drawn: ...


class SamplingReconstructor(Protocol):
    """Draws each image anew; `sample` from the distribution of its latent code, or from its mean."""

    def __call__(self, image: Tensor, *, sample: bool = False) -> Drawn: ...


class BernoulliReconstructor(Protocol):
    """Draws each image anew, as the logits of its grey values."""

    def __call__(self, image: Tensor) -> DrawnLogits: ...


class Detector(Protocol):
    """One logit or score a pixel, [N, 1, H, W]."""

    def __call__(self, image: Tensor) -> Tensor: ...


class Denoiser(Protocol):
    """The noise in each image [N, 1, H, W] of a diffusion at the steps `timesteps`, [1] or [N]."""

    def __call__(self, image: Tensor, timesteps: Tensor) -> Tensor: ...


class Restorer(Protocol):
    """Draws each image [N, 1, H, W] without its corruption of the degree [N] in [0, 1]."""

    def __call__(self, image: Tensor, degree: Tensor) -> Tensor: ...


class PlacedDetector(Protocol):
    """One score a pixel, [N, 1, H, W], of slices whose place in the atlas it knows, z [N]."""

    def __call__(self, image: Tensor, z: Tensor) -> Tensor: ...


class FeatureNetwork(Protocol):
    """Has residual stages, of which the later ones need not be computed."""

    def features(self, image: Tensor, up_to: int = ...) -> tuple[Tensor, ...]: ...


class Encoder(Protocol):
    """Encodes images [N, 1, H, W] to mu, log-variance and the outputs of all residual stages."""

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, ...]]: ...


class EncoderInTraining(Encoder, Protocol):
    """An encoder that can be put into evaluation mode and back, as an `nn.Module` can."""

    training: bool

    def eval(self) -> object: ...

    def train(self, mode: bool = ...) -> object: ...


class Generator(Protocol):
    """Decodes latent vectors [N, latent_size] to logits [N, 1, H, W]."""

    @property
    def latent_size(self) -> int: ...

    def decode(self, z: Tensor) -> Tensor: ...


class ImageFeatures(Protocol):
    """One block of features [N, K, h, w] an image."""

    def features(self, image: Tensor) -> Tensor: ...


class CriticisedReconstructor(Reconstructor, Protocol):
    """A network that draws images, with the critic that it was trained against."""

    @property
    def critic(self) -> ImageFeatures: ...


# What a part of the pipeline is to the others.

NetworkT = TypeVar("NetworkT", contravariant=True)


class MapInferer(Protocol[NetworkT]):
    """From the slices [N, 1, H, W] of a volume, in [0, 1], to their anomaly maps; the network is in evaluation mode."""

    def __call__(self, inputs: Tensor, network: NetworkT) -> Scored: ...


@runtime_checkable
class PlacedInferer(Protocol[NetworkT]):
    """Asks where in the atlas the slices lie, before it scores them; the `Scorer` tells it."""

    def at(self, z: Tensor) -> MapInferer[NetworkT]:
        """The inferer for slices of these heights, z [N], as in Batch."""
        ...
