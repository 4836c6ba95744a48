from search_space.costs import Costs, costs, peak_activations
from search_space.layers import LayerGraph


def test_costs_of_a_network_counted_by_hand() -> None:
    graph = LayerGraph((3, 8, 8))
    x = graph.conv("conv", graph.input, 4, kernel=3, stride=2)  # 4 x 4 x 4
    x = graph.batch_norm("norm", x)
    x = graph.conv("depthwise", x, 4, kernel=3, groups=4)
    x = graph.flatten("flatten", x)
    graph.linear("classifier", x, 10)
    assert costs(graph.layers()) == Costs(
        macs=64 * 27 + 64 * 9 + 640,
        num_params=4 * 27 + 8 + 4 * 9 + 650,
        num_activations=64 + 64 + 10,
        peak_activations=192 + 64 + 64,
    )


def test_a_shortcut_keeps_its_tensor_alive_until_it_is_added() -> None:
    graph = LayerGraph((1, 2, 2))
    x = graph.conv("a", graph.input, 1)
    y = graph.conv("b", x, 10)
    y = graph.conv("c", y, 1)
    graph.add("add", x, y)
    # While "c" runs: input 4, a 4, b 40, c 4.
    assert peak_activations(graph.layers()) == 52


def test_odd_sizes_round_up_under_stride() -> None:
    graph = LayerGraph((1, 7, 5))
    x = graph.conv("a", graph.input, 1, kernel=5, stride=2)
    assert graph.shape(x) == (1, 4, 3)


def test_pools_cost_nothing_but_memory_and_round_up() -> None:
    graph = LayerGraph((2, 7, 5))
    x = graph.max_pool("max", graph.input, kernel=3, stride=2)
    assert graph.shape(x) == (2, 4, 3)
    x = graph.average_pool("average", x, 2)
    assert graph.shape(x) == (2, 2, 2)
    assert costs(graph.layers()) == Costs(
        macs=0, num_params=0, num_activations=0, peak_activations=70 + 24 + 8
    )
