import torch
from torch.nn import functional

from supernet.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear


def filled(module: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    return module


def test_a_smaller_convolution_is_the_first_channels() -> None:
    conv = filled(ElasticConv2d(6, 8, (3,), bias=True))
    x = torch.randn(2, 4, 5, 5)
    expected = functional.conv2d(x, conv.weight[:5, :4], conv.bias[:5], stride=2, padding=1)
    torch.testing.assert_close(conv(x, out_channels=5, kernel=3, stride=2, padding=1), expected)


def test_narrower_heads_are_the_first_channels_of_each() -> None:
    conv = filled(ElasticConv2d(5, 12, (1,), bias=True, out_heads=3))
    weight, bias = conv.sliced(5, 4, 1, out_heads=2)  # heads 0 and 1, the first 2 of 4 channels
    assert torch.equal(weight, conv.weight[[0, 1, 4, 5]])
    assert torch.equal(bias, conv.bias[[0, 1, 4, 5]])
    reader = filled(ElasticConv2d(12, 5, (1,), in_heads=3))
    assert torch.equal(reader.sliced(4, 5, 1, in_heads=2)[0], reader.weight[:, [0, 1, 4, 5]])


def test_fewer_whole_heads_share_memory_with_all() -> None:
    conv = filled(ElasticConv2d(5, 12, (1,), bias=True, out_heads=3))
    weight, bias = conv.sliced(5, 8, 1, out_heads=2)
    assert weight.data_ptr() == conv.weight.data_ptr()
    assert torch.equal(weight, conv.weight[:8])
    assert torch.equal(bias, conv.bias[:8])


def test_a_smaller_kernel_is_at_first_the_centre_of_the_larger() -> None:
    conv = ElasticConv2d(4, 4, (3, 5, 7), depthwise=True)
    with torch.no_grad():
        conv.weight.normal_()
    weight, _ = conv.sliced(3, 3, 3)
    assert torch.equal(weight, conv.weight[:3, :, 2:5, 2:5])


def test_kernels_are_cropped_and_transformed_from_size_to_size() -> None:
    conv = filled(ElasticConv2d(4, 4, (3, 5, 7), depthwise=True))
    # once-for-all, DynamicSeparableConv2d.get_active_filter, for kernel 3 of (3, 5, 7)
    five = conv.weight[:2, :, 1:6, 1:6].reshape(2, 25) @ conv.transform_7to5.T
    three = five.reshape(2, 1, 5, 5)[:, :, 1:4, 1:4].reshape(2, 9) @ conv.transform_5to3.T
    torch.testing.assert_close(conv.sliced(2, 2, 3)[0], three.reshape(2, 1, 3, 3))
    torch.testing.assert_close(conv.sliced(2, 2, 5)[0], five.reshape(2, 1, 5, 5))
    assert torch.equal(conv.sliced(2, 2, 7)[0], conv.weight[:2])


def test_sizes_that_are_not_offered_have_no_transform_of_their_own() -> None:
    conv = filled(ElasticConv2d(4, 4, (3, 7), depthwise=True))
    expected = conv.weight[:, :, 2:5, 2:5].reshape(4, 9) @ conv.transform_7to3.T
    torch.testing.assert_close(conv.sliced(4, 4, 3)[0], expected.reshape(4, 1, 3, 3))
    names = [name for name, _ in conv.named_parameters()]
    assert names == ["weight", "transform_7to3"]


def test_a_layer_of_full_size_uses_its_parameters_unsliced() -> None:
    conv, linear = ElasticConv2d(6, 8, (3,), bias=True), ElasticLinear(6, 8)
    norm = ElasticBatchNorm2d(8)
    assert all(a is b for a, b in zip(conv.sliced(6, 8, 3), (conv.weight, conv.bias), strict=True))
    assert linear.sliced(6, 8)[0] is linear.weight
    assert norm.sliced(8)[0] is norm.weight


def test_a_smaller_linear_layer_is_the_first_features() -> None:
    linear = filled(ElasticLinear(6, 8))
    x = torch.randn(2, 4)
    expected = x @ linear.weight[:5, :4].T + linear.bias[:5]
    torch.testing.assert_close(linear(x, out_features=5), expected)


def test_batch_norm_updates_the_statistics_of_the_channels_it_saw() -> None:
    norm = ElasticBatchNorm2d(4).train()
    x = torch.randn(16, 3, 2, 2) + 5
    y = norm(x)
    assert float(y.mean().detach().abs()) < 1e-5
    torch.testing.assert_close(norm.running_mean[:3], 0.1 * x.mean((0, 2, 3)))
    assert norm.running_mean[3] == 0
    assert norm.running_var[3] == 1


def test_dense_kernels_are_transformed_alike_for_every_pair_of_channels() -> None:
    conv = filled(ElasticConv2d(4, 6, (3, 5)))
    centre = conv.weight[:5, :2, 1:4, 1:4].reshape(10, 9)
    expected = (centre @ conv.transform_5to3.T).reshape(5, 2, 3, 3)
    torch.testing.assert_close(conv.sliced(2, 5, 3)[0], expected)
    x = torch.randn(2, 2, 7, 7)
    found = conv(x, out_channels=5, kernel=3, stride=2, padding=1)
    torch.testing.assert_close(found, functional.conv2d(x, expected, stride=2, padding=1))
