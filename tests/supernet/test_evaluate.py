import pytest
import torch
from supernet_examples import digits, random_architectures, small_supernet

from supernet.calibrate import calibrate
from supernet.data import resize
from supernet.evaluate import (
    Accuracy,
    accuracy,
    evaluate_architecture,
    extract_calibrated,
    wilson_interval,
)
from supernet.settings import AccuracySettings


def test_the_interval_is_wilsons() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:857-872), Table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_top1_is_in_percent() -> None:
    found = Accuracy(num_correct=81, num_images=263, loss=1.0)
    assert found.top1_percent == pytest.approx(30.798, abs=1e-3)
    assert found.interval_percent == pytest.approx((25.53, 36.62), abs=5e-3)


def test_accuracy_counts_every_image_once_whatever_the_batch_size() -> None:
    supernet = small_supernet()
    architecture = supernet.space.smallest()
    network = supernet.extract(architecture).eval()
    data = digits()
    images = data.normalize(data.validation.images)
    logits = network(images).detach()
    labels = data.validation.labels
    expected = int((logits.argmax(1) == labels).sum())
    loss = float(torch.nn.functional.cross_entropy(logits, labels))
    for batch_size in (64, 100, 1000):
        found = accuracy(network, images, labels, batch_size=batch_size)
        assert (found.num_correct, found.num_images) == (expected, 397)
        assert found.loss == pytest.approx(loss, rel=1e-5)


def test_an_architecture_is_extracted_calibrated_folded_and_classified() -> None:
    supernet = small_supernet()
    data = digits()
    settings = AccuracySettings(calibration_images=1000, batch_size=1000, channels_last=False)
    for architecture in random_architectures(supernet.space, 3):
        network, found = evaluate_architecture(supernet, architecture, data, settings)
        assert not any(layer.op == "batch_norm" for layer in network.layers)
        by_hand = supernet.extract(architecture)
        resolution = supernet.settings.resolution(architecture)
        calibrate(by_hand, resize(data.normalize(data.train.images), resolution), 1000)
        images = resize(data.normalize(data.validation.images), resolution)
        expected = accuracy(by_hand, images, data.validation.labels, batch_size=1000)
        assert found.loss == pytest.approx(expected.loss, rel=1e-3)
        assert found.num_images == 397


def test_evaluation_leaves_the_supernet_as_it_was_and_repeats_itself() -> None:
    supernet = small_supernet().train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    data, settings = digits(), AccuracySettings(calibration_images=64)
    results = [
        evaluate_architecture(supernet, supernet.space.largest(), data, settings)[1]
        for _ in range(2)
    ]
    assert results[0] == results[1]
    assert supernet.training
    assert all(torch.equal(before[name], t) for name, t in supernet.state_dict().items())


def test_the_calibration_seed_draws_the_images() -> None:
    supernet = small_supernet()
    data = digits()

    def statistics(seed: int) -> torch.Tensor:
        settings = AccuracySettings(calibration_images=32, calibration_seed=seed)
        network = extract_calibrated(supernet, supernet.space.largest(), data, settings)
        return network.get_buffer("stem.norm.running_mean")

    assert torch.equal(statistics(0), statistics(0))
    assert not torch.equal(statistics(0), statistics(1))


def test_settings_choose_split_and_precision() -> None:
    supernet = small_supernet()
    data = digits()
    largest = supernet.space.largest()
    full, half = (
        evaluate_architecture(
            supernet, largest, data, AccuracySettings(split="test", precision=precision)
        )[1]
        for precision in ("float32", "bfloat16")
    )
    assert full.num_images == half.num_images == 400
    assert half.loss == pytest.approx(full.loss, rel=0.1)
    assert half.loss != full.loss
