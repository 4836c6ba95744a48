"""The engine against the plain path, which evaluates one network after another."""

import gc
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from supernet_examples import EXAMPLES, PLAIN, digits, random_architectures, small_supernet

from search_space.cnn import MobileNetV3Settings
from search_space.family import NetworkSettings
from search_space.resnet import ResNetSettings
from search_space.space import Architecture, InvalidArchitectureError
from search_space.vit import VisionTransformerSettings
from supernet.base import Supernet
from supernet.data import TensorData, TensorSplit
from supernet.evaluate import evaluate_architecture, prepare
from supernet.evaluation_engine import Evaluated, EvaluationEngine
from supernet.settings import AccuracySettings

FAMILIES: dict[str, NetworkSettings] = {
    name: EXAMPLES[name] for name in ("mobilenetv3", "stitch")
} | {
    f"{family.model_fields['kind'].default}-tiny": family.from_preset("tiny")
    for family in (MobileNetV3Settings, ResNetSettings, VisionTransformerSettings)
}
SETTINGS = AccuracySettings(calibration_images=40, batch_size=32)
NUM_IMAGES, BATCHES, CALIBRATION_BATCHES = 100, 4, 2
PLENTY = 10**9
PAGE = Path(__file__).parents[2] / "docs" / "evaluation-engine.md"


@cache
def data() -> TensorData:
    """Digits of which few are classified."""
    whole = digits()
    few = TensorSplit(whole.validation.images[:NUM_IMAGES], whole.validation.labels[:NUM_IMAGES])
    return replace(whole, validation=few)


def engine(
    supernet: Supernet, memory_bytes: int = PLENTY, settings: AccuracySettings = SETTINGS
) -> EvaluationEngine:
    return EvaluationEngine(supernet, data(), settings, memory_bytes=memory_bytes)


def plain(*blocks: tuple[int, int]) -> Architecture:
    """Returns a network of `PLAIN` by kernel size and ratio of each of its blocks."""
    values = {"resolution": 8, "stage1.depth": len(blocks)}
    for number, (kernel, ratio) in enumerate(blocks, start=1):
        values[f"stage1.block{number}.kernel_size"] = kernel
        values[f"stage1.block{number}.expand_ratio"] = ratio
    return PLAIN.build().validate(values)


def logits(found: Evaluated, images: TensorData, settings: AccuracySettings) -> torch.Tensor:
    resolution = found.network.input_shape[1]
    with torch.no_grad():
        return found.network(prepare(images.validation.images, images, settings, resolution))


def same(first: Evaluated, second: Evaluated) -> bool:
    ours, theirs = first.network.state_dict(), second.network.state_dict()
    return (
        first.accuracy == second.accuracy
        and first.is_dropped == second.is_dropped
        and ours.keys() == theirs.keys()
        and all(torch.equal(ours[name], theirs[name]) for name in ours)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_found_is_what_the_plain_path_finds(name: str) -> None:
    supernet = small_supernet(settings=FAMILIES[name])
    architectures = random_architectures(supernet.space, 4)
    shared = engine(supernet)
    for _ in range(2):  # first computed, then from what was kept
        for architecture, found in zip(architectures, shared.evaluate(architectures), strict=True):
            network, expected = evaluate_architecture(supernet, architecture, data(), SETTINGS)
            assert found.network.layers == network.layers
            assert not found.network.training
            theirs = logits(Evaluated(network, expected, is_dropped=False), data(), SETTINGS)
            torch.testing.assert_close(
                logits(found, data(), SETTINGS), theirs, atol=1e-4, rtol=1e-4
            )
            assert found.accuracy.num_images == NUM_IMAGES
            assert found.accuracy.num_correct == expected.num_correct
            assert found.accuracy.loss == pytest.approx(expected.loss, rel=1e-4)
            assert not found.is_dropped


@pytest.mark.parametrize("name", ["mobilenetv3", "resnet"])
def test_neither_company_nor_what_is_kept_changes_a_bit(name: str) -> None:
    supernet = small_supernet(settings=EXAMPLES[name])
    architectures = random_architectures(supernet.space, 4)
    alone = [engine(supernet, 0).evaluate([each])[0] for each in architectures]
    for memory_bytes in (0, 20_000, PLENTY):
        shared = engine(supernet, memory_bytes)
        for order in (1, -1):
            together = shared.evaluate(architectures[::order])[::order]
            assert all(map(same, together, alone))


@pytest.mark.parametrize("memory_bytes", [0, 10_000, 50_000, 200_000])
def test_memory_stays_within_its_bound(memory_bytes: int) -> None:
    supernet = small_supernet()
    shared = engine(supernet, memory_bytes)
    for seed in range(2):
        shared.evaluate(random_architectures(supernet.space, 5, seed))
        assert shared.report.peak_bytes <= memory_bytes
        assert shared.report.kept_bytes <= shared.report.peak_bytes
    if memory_bytes >= 50_000:
        assert shared.report.kept_bytes > memory_bytes / 4  # it is used, too


@pytest.mark.parametrize("memory_bytes", [100_000, 400_000])
def test_memory_stays_within_its_bound_when_what_was_cut_short_goes_on(memory_bytes: int) -> None:
    supernet = small_supernet()
    settings = SETTINGS.model_copy(update={"batch_size": 10})
    architectures = random_architectures(supernet.space, 20)
    shared = engine(supernet, memory_bytes, settings)
    for each in architectures:  # of each network the first batch is kept, until there are many
        shared.evaluate([each], floors=[101.0])
        assert shared.report.peak_bytes <= memory_bytes
    together = shared.evaluate(architectures)
    assert shared.report.peak_bytes <= memory_bytes
    assert all(map(same, together, engine(supernet, 0, settings).evaluate(architectures)))


def test_what_is_said_to_be_kept_is_all_that_stays_in_memory() -> None:
    supernet = small_supernet()
    shared = engine(supernet, 1_000_000)
    shared.evaluate([supernet.space.smallest()])
    shared.forget()
    gc.collect()
    before = _tensor_bytes()
    shared.evaluate(random_architectures(supernet.space, 4))
    gc.collect()
    assert shared.report.kept_bytes > 500_000
    assert _tensor_bytes() - before == pytest.approx(shared.report.kept_bytes, rel=0.01)


def _tensor_bytes() -> int:
    tensors = [each for each in gc.get_objects() if type(each) is torch.Tensor]
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def test_blocks_are_counted_exactly() -> None:
    # stem, first.depthwise, first.project; of the first block expand, depthwise, project; of the
    # second all at once, as its input waits for the sum; the head up to the classifier's input; the
    # classifier. Calibration ends with the head's convolution.
    short, long = plain((3, 1)), plain((3, 1), (5, 2))
    batches = BATCHES + CALIBRATION_BATCHES
    apart = batches * (8 + 9)
    supernet = small_supernet(settings=PLAIN)
    shared = engine(supernet)
    shared.evaluate([short, long])
    together = BATCHES * (6 + 2 + 3) + CALIBRATION_BATCHES * (6 + 1)
    assert shared.report.block_executions == together
    assert shared.report.block_executions_saved == apart - together
    assert shared.report.images == 2 * NUM_IMAGES
    shared.evaluate([plain((3, 1), (3, 2))])  # all but the second block and the head are there
    expected = BATCHES * 3 + CALIBRATION_BATCHES * 1
    assert shared.report.block_executions == expected
    assert shared.report.block_executions_saved == batches * 9 - expected


def test_without_memory_every_network_runs_alone() -> None:
    supernet = small_supernet(settings=PLAIN)
    shared = engine(supernet, 0)
    for _ in range(2):
        shared.evaluate([plain((3, 1)), plain((3, 1), (5, 2))])
        executions = BATCHES * (8 + 9) + CALIBRATION_BATCHES * (6 + 7)
        assert shared.report.block_executions == executions
        assert shared.report.kept_bytes == shared.report.peak_bytes == 0


def test_equal_architectures_are_evaluated_once() -> None:
    supernet = small_supernet(settings=PLAIN)
    shared = engine(supernet, 0)
    first, second = shared.evaluate([plain((3, 1))] * 2)
    assert first is second
    assert shared.report.block_executions == BATCHES * 8 + CALIBRATION_BATCHES * 6
    assert shared.report.images == 2 * NUM_IMAGES


def test_what_was_used_least_recently_goes_first() -> None:
    supernet = small_supernet(settings=PLAIN)
    one, other = plain((3, 1)), plain((5, 2))

    grown = plain((3, 1), (3, 2))  # what `one` is, and a block more

    def executions(memory_bytes: int, *before: Architecture) -> int:
        shared = engine(supernet, memory_bytes)
        for architecture in before:
            shared.evaluate([architecture])
        shared.evaluate([grown])
        return shared.report.block_executions

    both = engine(supernet)
    both.evaluate([one, other])
    # With memory for both only the second block and the head are missing.
    few = BATCHES * 3 + CALIBRATION_BATCHES * 1
    assert executions(PLENTY, one, other) == executions(PLENTY, other, one) == few
    # With memory for little more than one of them the older has to go.
    tight = both.report.kept_bytes * 3 // 4
    assert executions(tight, other, one) == few
    assert executions(tight, one, other) > few


def test_precision_is_that_of_the_plain_path() -> None:
    supernet = small_supernet()
    settings = SETTINGS.model_copy(update={"precision": "bfloat16", "channels_last": False})
    architectures = random_architectures(supernet.space, 4)
    half = engine(supernet, PLENTY, settings).evaluate(architectures)
    full = engine(supernet).evaluate(architectures)
    for architecture, found in zip(architectures, half, strict=True):
        _, expected = evaluate_architecture(supernet, architecture, data(), settings)
        assert found.accuracy.num_correct == expected.num_correct
        assert found.accuracy.loss == pytest.approx(expected.loss, rel=1e-4)
    assert [each.accuracy.loss for each in half] != [each.accuracy.loss for each in full]


@pytest.mark.parametrize("name", ["mobilenetv3", "two-way stitch"])
def test_weights_are_not_rounded_where_networks_run_in_half_precision(name: str) -> None:
    supernet = small_supernet(settings=EXAMPLES[name])  # kernel transforms, low-rank updates
    settings = SETTINGS.model_copy(update={"precision": "bfloat16"})
    architectures = random_architectures(supernet.space, 3)
    shared = engine(supernet, 30_000, settings)
    for _ in range(2):  # the second call classifies where it need not calibrate
        for architecture, found in zip(architectures, shared.evaluate(architectures), strict=True):
            network, _ = evaluate_architecture(supernet, architecture, data(), settings)
            torch.testing.assert_close(
                found.network.state_dict(), network.state_dict(), atol=1e-5, rtol=1e-4
            )


def test_the_split_is_the_settings() -> None:
    supernet = small_supernet(settings=PLAIN)
    settings = SETTINGS.model_copy(update={"split": "train", "batch_size": 256})
    (found,) = engine(supernet, 0, settings).evaluate([plain((3, 1))])
    _, expected = evaluate_architecture(supernet, plain((3, 1)), data(), settings)
    assert found.accuracy.num_correct == expected.num_correct
    assert found.accuracy.num_images == 1000


def test_hopeless_networks_are_dropped_and_no_others() -> None:
    supernet = small_supernet(settings=PLAIN)
    settings = SETTINGS.model_copy(update={"batch_size": 20})
    architectures = [plain((3, 1)), plain((3, 2)), plain((5, 1)), plain((5, 2))]
    whole = engine(supernet, PLENTY, settings).evaluate(architectures)
    top1s = [each.accuracy.top1_percent for each in whole]
    shared = engine(supernet, PLENTY, settings)
    floors = [99.0, top1s[1], None, 101.0]
    for _ in range(2):
        found = shared.evaluate(architectures, floors=floors)
        assert [each.is_dropped for each in found] == [True, False, False, True]
        assert shared.report.dropped == 2
        assert same(found[1], whole[1])
        assert same(found[2], whole[2])
        for dropped in (found[0], found[3]):
            assert dropped.accuracy.num_images in range(20, NUM_IMAGES, 20)
        assert shared.report.images == sum(each.accuracy.num_images for each in found)
    assert found[3].accuracy.num_images == 20  # nothing reaches more than 100 percent
    # What the dropped ones left in memory is of their first batches only; no harm comes of it.
    assert all(map(same, shared.evaluate(architectures), whole))


def test_of_equal_architectures_the_lowest_floor_counts() -> None:
    supernet = small_supernet(settings=PLAIN)
    for lower in (None, 0.0):
        found = engine(supernet).evaluate([plain((3, 1))] * 2, floors=[101.0, lower])
        assert not found[0].is_dropped


def test_the_example_on_the_page_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {"data": data()}
    exec(code, names)
    assert len(names["results"]) == 2


def test_bad_input_is_refused() -> None:
    supernet = small_supernet(settings=PLAIN)
    shared = engine(supernet)
    with pytest.raises(ValueError, match="memory_bytes must be at least 0, got -1"):
        engine(supernet, -1)
    with pytest.raises(ValueError, match="one entry for each of 1 architectures, got 2"):
        shared.evaluate([plain((3, 1))], floors=[None, None])
    with pytest.raises(ValueError, match="floors must be finite or None, got nan"):
        shared.evaluate([plain((3, 1))], floors=[float("nan")])
    with pytest.raises(InvalidArchitectureError):
        shared.evaluate([EXAMPLES["resnet"].build().smallest()])
    assert shared.evaluate([]) == []
    assert shared.report.images == shared.report.block_executions == 0


def test_an_engine_that_was_interrupted_starts_anew() -> None:
    supernet = small_supernet(settings=PLAIN)
    calls = 0

    def clock() -> float:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return 0.0

    shared = EvaluationEngine(supernet, data(), SETTINGS, memory_bytes=PLENTY, clock=clock)
    with pytest.raises(KeyboardInterrupt):
        shared.evaluate([plain((3, 1))])
    (found,) = shared.evaluate([plain((3, 1))])
    assert shared.report.block_executions == BATCHES * 8 + CALIBRATION_BATCHES * 6
    assert same(found, engine(supernet, 0).evaluate([plain((3, 1))])[0])
