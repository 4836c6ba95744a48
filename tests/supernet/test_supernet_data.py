from pathlib import Path

import pytest
import torch
from supernet_examples import digits

from supernet.augmentation_settings import AugmentationSettings
from supernet.data import (
    TensorData,
    augment,
    augmentation_generator,
    epoch_order,
    in_memory_format,
    resize,
)
from supernet.datasets import DigitsSource, InvalidDataSetError, load_source, write_data_set


def test_a_stored_data_set_becomes_tensors_with_its_version(tmp_path: Path) -> None:
    path = tmp_path / "digits.safetensors"
    version = write_data_set(load_source(DigitsSource(), Path()), path)
    data = TensorData.from_file(path)
    assert data.version == version
    assert data.train.images.shape == (1000, 1, 8, 8)
    assert torch.equal(data.split("test").labels, digits().test.labels)
    assert data.num_bytes == 1797 * (64 + 8)


def test_a_process_holds_one_copy_of_a_file_while_it_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "digits.safetensors"
    write_data_set(load_source(DigitsSource(), Path()), path)
    data = TensorData.from_file(path)
    assert TensorData.from_file(tmp_path / "." / path.name) is data
    write_data_set(load_source(DigitsSource(split_seed=1), Path()), path)
    changed = TensorData.from_file(path)
    assert changed.version != data.version
    path.unlink()
    with pytest.raises(InvalidDataSetError):
        TensorData.from_file(path)


def test_normalized_training_images_have_mean_0_and_deviation_1() -> None:
    data = digits()
    images = data.normalize(data.train.images)
    assert float(images.mean()) == pytest.approx(0, abs=1e-5)
    assert float(images.std()) == pytest.approx(1, abs=1e-4)


def test_resize_keeps_images_of_that_size_and_averages() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert resize(images, 8) is images
    assert resize(images, 13).shape == (2, 3, 13, 13)
    constant = torch.full((1, 1, 8, 8), 0.7)
    torch.testing.assert_close(resize(constant, 5), torch.full((1, 1, 5, 5), 0.7))


def test_shrinking_is_antialiased() -> None:
    stripes = torch.zeros(1, 1, 16, 16)
    stripes[..., ::4] = 1
    shrunk = resize(stripes, 4)[0, 0, 1:-1, 1:-1]
    assert float(shrunk.std()) < 0.01  # bilinear samples alone would miss the stripes or hit them


@pytest.mark.parametrize("channels", [1, 3])
def test_the_memory_format_is_what_a_convolution_sees(channels: int) -> None:
    weight = torch.randn(4, channels, 3, 3)
    for channels_last in (False, True):
        images = in_memory_format(torch.rand(2, channels, 8, 8), channels_last=channels_last)
        outputs = torch.nn.functional.conv2d(images, weight)
        wanted = torch.channels_last if channels_last else torch.contiguous_format
        assert outputs.is_contiguous(memory_format=wanted)


def test_orders_are_permutations_by_seed_and_epoch() -> None:
    first = epoch_order(50, 0, 0)
    assert first.sort().values.tolist() == list(range(50))
    assert torch.equal(first, epoch_order(50, 0, 0))
    assert not torch.equal(first, epoch_order(50, 0, 1))
    assert not torch.equal(first, epoch_order(50, 1, 0))


def test_crops_are_shifts_and_flips_are_mirrors() -> None:
    images = torch.randint(1, 256, (64, 2, 6, 6), dtype=torch.uint8)
    settings = AugmentationSettings(crop_padding=1, flip=True)
    changed = augment(images, settings, augmentation_generator(0, 0))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    seen = set()
    for image, frame in zip(changed, padded, strict=True):
        candidates = {
            (row, column, mirrored): window.flip(2) if mirrored else window
            for row in range(3)
            for column in range(3)
            for mirrored in (False, True)
            for window in [frame[:, row : row + 6, column : column + 6]]
        }
        found = [key for key, window in candidates.items() if torch.equal(window, image)]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 12  # of 18


def test_no_augmentation_leaves_the_images_alone() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert augment(images, AugmentationSettings(), augmentation_generator(0, 0)) is images


def test_augmentation_is_a_function_of_seed_and_step() -> None:
    images = torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8)
    settings = AugmentationSettings(crop_padding=2, flip=True)

    def at(seed: int, step: int) -> torch.Tensor:
        return augment(images, settings, augmentation_generator(seed, step))

    assert torch.equal(at(1, 2), at(1, 2))
    assert not torch.equal(at(1, 2), at(1, 3))
    assert not torch.equal(at(1, 2), at(2, 2))
