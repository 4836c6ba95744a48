"""How a stitched supernet begins: its anchors' weights, and stitching layers by least squares.

A stitching layer shall turn what one anchor's block gives into what another anchor's block reads
(SN-Net, Pan et al. 2023, arXiv 2302.06586, section 3.2). So it is fitted to both, as they are in
the anchors, on some training images. Three things differ from the released code: the target of a
layer before block k is what block k reads in its anchor, also for the first block, where that code
takes the output of the last one; a layer that several stitches share is solved for all of them
together, where that code averages their solutions; images are not augmented.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from search_space.space import Option
from search_space.stitch_graph import ANCHOR_PREFIX, StitchLayer
from search_space.stitching import StitchSettings
from search_space.tensors import LOW_RANK_UP
from supernet.anchors import AnchorFile, anchor_tensors
from supernet.base import Supernet
from supernet.data import TensorData, in_memory_format, resize
from supernet.errors import InvalidStartError
from supernet.least_squares import LeastSquares, Reason
from supernet.plans import Plan
from supernet.tokens import resampled

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
"""Images at once: their maps, in float64, lie in memory together."""


@dataclass(frozen=True)
class StitchFit:
    """How well a stitching layer does at its beginning what it is for.

    Attributes:
        layer: its name.
        num_stitches: places in the anchors that it was fitted to together.
        num_rows: tokens or pixels, over all images and places.
        num_unknowns: weights of one output channel, its bias included.
        ridge: by which the fit was regularized; 0 where it was not.
        reason: why it was: "asked", "few_rows" (fewer than unknowns) or "dependent_inputs"
            (channels that the others determine); None where it was not.
        unexplained_share: of the targets' variance.
    """

    layer: str
    num_stitches: int
    num_rows: int
    num_unknowns: int
    ridge: float
    reason: Reason | None
    unexplained_share: float


@dataclass(frozen=True)
class FromAnchors:
    """The beginning of a stitched supernet: files of its anchors, and how its layers are fitted.

    Unlike a `supernet.starting.StartingPoint` it takes images and minutes, so trainings do it once
    (`workers.stitching`) and start from the supernet that it leaves.

    Attributes:
        anchors: one file for each anchor of the space, in their order.
        images: training images that stitching layers are fitted on; all where there are fewer.
        seed: draws those images.
        ridge: regularizes the fit, see `supernet.least_squares`; 0 leaves that to need.
    """

    anchors: tuple[AnchorFile, ...]
    images: int = 100
    seed: int = 0
    ridge: float = 0.0

    def apply(self, supernet: Supernet, data: TensorData) -> tuple[StitchFit, ...]:
        """Fills a supernet: the anchors from their files, the stitching layers by least squares.

        Args:
            supernet: stitched; nothing is left of what it computed.
            data: on its device; its training images are used.

        Raises:
            InvalidStartError: the supernet is of another family or has another number of anchors,
                a file does not fit (says which, and which of its tensors), or an anchor overflows.
        """
        settings = stitch_settings(supernet)
        if len(self.anchors) != len(settings.anchors):
            rule = f"must be {len(settings.anchors)}, as in the space"
            raise InvalidStartError("anchors", rule, len(self.anchors))
        found = []
        for position, (file, anchor) in enumerate(zip(self.anchors, settings.anchors, strict=True)):
            try:
                found.append(anchor_tensors(file, anchor.network, anchor.architecture, data))
            except InvalidStartError as error:
                field = f"anchors.{position}.{error.field}"
                raise InvalidStartError(field, error.rule, error.value) from error
        fill_anchors(supernet, found)
        return fit_stitches(supernet, data, images=self.images, seed=self.seed, ridge=self.ridge)


def stitch_settings(supernet: Supernet) -> StitchSettings:
    """Returns the settings of a stitched supernet.

    Raises:
        InvalidStartError: it is of another family.
    """
    if not isinstance(supernet.settings, StitchSettings):
        raise InvalidStartError("kind", "must be 'stitch'", supernet.settings.kind)
    return supernet.settings


@torch.no_grad()
def fill_anchors(supernet: Supernet, anchors: Sequence[Mapping[str, Tensor]]) -> None:
    """Copies trained networks into a stitched supernet, batch-norm statistics included.

    Args:
        supernet: stitched.
        anchors: parameters and statistics of each by their names in `Network`, of the shapes that
            its settings say. Position embeddings of a smaller map are resampled.
    """
    own = supernet.state_dict()
    for number, tensors in enumerate(anchors, start=1):
        for name, tensor in tensors.items():
            target = own[f"anchor{number}.{name}"]
            target.copy_(resampled(tensor, *target.shape[1:]) if tensor.dim() == 3 else tensor)


@torch.no_grad()
def fit_stitches(
    supernet: Supernet, data: TensorData, *, images: int = 100, seed: int = 0, ridge: float = 0.0
) -> tuple[StitchFit, ...]:
    """Sets weight and bias of every stitching layer by least squares; low-rank updates to zero.

    Args:
        supernet: stitched, its anchors trained; they compute in eval mode, with their own
            batch-norm statistics, at the largest resolution.
        data: on its device; its training images are used, unaugmented.
        images: how many; all where there are fewer.
        seed: draws them.
        ridge: see `supernet.least_squares.LeastSquares.solve`.

    Raises:
        InvalidStartError: the supernet is of another family, or an anchor overflows.
    """
    settings = stitch_settings(supernet)
    layers = settings.stitch_layers()
    device = data.train.images.device
    systems = [LeastSquares(each.in_channels, each.out_channels, device) for each in layers]
    was_training = supernet.training
    supernet.eval()
    for values in _activations(supernet, _names(layers), _chosen(data, images, seed), data):
        _check_finite(values)
        for layer, system in zip(layers, systems, strict=True):
            for front, back in layer.pairs:
                system.add(_rows(values[front]), _rows(values[back]))
    supernet.train(was_training)
    own = supernet.state_dict()
    fits = []
    for layer, system in zip(layers, systems, strict=True):
        solution = system.solve(ridge)
        own[f"{layer.name}.weight"].copy_(solution.weight[:, :, None, None])
        own[f"{layer.name}.bias"].copy_(solution.bias)
        if settings.rank:
            own[f"{layer.name}.{LOW_RANK_UP}"].zero_()
        fits.append(
            StitchFit(
                layer=layer.name,
                num_stitches=len(layer.pairs),
                num_rows=solution.num_rows,
                num_unknowns=layer.in_channels + 1,
                ridge=solution.ridge,
                reason=solution.reason,
                unexplained_share=solution.unexplained_share,
            )
        )
    _log_regularized(fits)
    return tuple(fits)


def _chosen(data: TensorData, count: int, seed: int) -> Tensor:
    count = min(count, len(data.train))
    chosen = np.random.default_rng(seed).choice(len(data.train), count, replace=False)
    return data.train.images[torch.from_numpy(chosen).to(data.train.images.device)]


def _names(layers: Sequence[StitchLayer]) -> set[str]:
    return {name for layer in layers for pair in layer.pairs for name in pair}


def _activations(
    supernet: Supernet, names: AbstractSet[str], images: Tensor, data: TensorData
) -> Iterator[dict[str, Tensor]]:
    """Gives outputs of the anchors' layers by name, for some images after the other."""
    settings = stitch_settings(supernet)
    resolution = settings.resolutions[-1]
    plans = []
    for architecture in settings.anchor_architectures():
        layers = settings.lower(_at(architecture, resolution))
        wanted = names & {layer.name for layer in layers}
        if wanted:
            plans.append((Plan(layers, supernet.operation), wanted))
    for batch_BCHW in torch.split(images, BATCH_SIZE):
        inputs = resize(data.normalize(batch_BCHW), resolution)
        inputs = in_memory_format(inputs, channels_last=True)
        values: dict[str, Tensor] = {}
        for plan, wanted in plans:
            values |= plan.outputs(inputs, wanted)
        yield values


def _check_finite(values: Mapping[str, Tensor]) -> None:
    """Returns if anchors' layers give numbers: of others no layer could be fitted.

    Raises:
        InvalidStartError: names the anchor and the layer.
    """
    for name, tensor in values.items():
        if not bool(tensor.isfinite().all()):
            anchor, _, layer = name.partition(".")
            place = int(anchor.removeprefix(ANCHOR_PREFIX)) - 1
            rule = f"must compute finite numbers, which {layer} does not"
            found = tensor[~tensor.isfinite()][0].item()
            raise InvalidStartError(f"anchors.{place}", rule, found)


def _at(architecture: Mapping[str, Option], resolution: int) -> dict[str, Option]:
    """Returns an architecture at a resolution, where the space has several."""
    changed = {"resolution": resolution} if "resolution" in architecture else {}
    return {**architecture, **changed}


def _rows(x_BCHW: Tensor) -> Tensor:
    """Returns the channels of every token or pixel, (B * H * W, C)."""
    return x_BCHW.permute(0, 2, 3, 1).flatten(0, 2)


def _log_regularized(fits: Sequence[StitchFit]) -> None:
    for fit in fits:
        if fit.reason not in (None, "asked"):
            logger.warning(
                "stitching layer %s is regularized (ridge %g, %s): %d rows for %d unknowns",
                fit.layer,
                fit.ridge,
                fit.reason,
                fit.num_rows,
                fit.num_unknowns,
            )
