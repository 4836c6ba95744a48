"""Teachers: networks beside a supernet whose outputs its training learns from."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from supernet.checkpoints import load_supernet
from supernet.data import TensorData, in_memory_format, resize
from supernet.evaluate import extract_calibrated
from supernet.settings import AccuracySettings


def largest_as_teacher(
    path: Path, data: TensorData, settings: AccuracySettings
) -> Callable[[Tensor], Tensor]:
    """Returns a function from normalized images to the logits of a stored supernet's largest.

    The network has batch-norm statistics of its own and stays in eval mode, so that its answer to
    an image does not depend on the rest of the batch (the once-for-all code leaves its teacher in
    training mode). It takes images of any size and brings them to its own.

    Args:
        path: of `supernet.checkpoints.save_supernet`.
        data: to calibrate with; where it lies, the teacher computes.
        settings: say on how many images to calibrate.

    Raises:
        InvalidSupernetError: the file cannot be used.
    """
    supernet = load_supernet(path).to(data.train.images.device)
    network = extract_calibrated(supernet, supernet.space.largest(), data, settings)
    network.requires_grad_(requires_grad=False)
    resolution = network.input_shape[1]

    def teach(images_BCHW: Tensor) -> Tensor:
        inputs_BCHW = resize(images_BCHW, resolution)
        logits_BF: Tensor = network(
            in_memory_format(inputs_BCHW, channels_last=settings.channels_last)
        )
        return logits_BF

    return teach
