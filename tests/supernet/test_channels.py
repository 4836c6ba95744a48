from search_space.layers import LayerGraph
from supernet.channels import channel_groups


def test_groups_of_an_inverted_residual_are_its_hidden_and_its_squeezed_channels() -> None:
    graph = LayerGraph((3, 8, 8))
    x = graph.conv("stem", graph.input, 4)
    y = graph.batch_norm("expand.norm", graph.conv("expand.conv", x, 6))
    y = graph.conv("depthwise", y, 6, kernel=3, groups=6)
    gate = graph.conv("squeeze", graph.global_pool("pool", y), 2, bias=True)
    gate = graph.activation("gate", graph.conv("excite", gate, 6, bias=True), "hard_sigmoid")
    y = graph.conv("project", graph.multiply("multiply", y, gate), 4)
    x = graph.add("add", x, y)
    x = graph.flatten("flatten", graph.global_pool("last_pool", x))
    graph.linear("classifier", x, 10)
    hidden, squeezed = channel_groups(graph.layers())
    assert hidden.reader == "project"
    assert set(hidden.members) == {
        ("expand.conv", 0),
        ("expand.norm", 0),
        ("depthwise", 0),
        ("squeeze", 1),
        ("excite", 0),
        ("project", 1),
    }
    assert squeezed.reader == "excite"
    assert set(squeezed.members) == {("squeeze", 0), ("excite", 1)}


def test_channels_that_become_several_features_stay_in_place() -> None:
    graph = LayerGraph((3, 2, 2))
    x = graph.flatten("flatten", graph.conv("conv", graph.input, 4))
    graph.linear("classifier", graph.linear("hidden", x, 5), 10)
    (group,) = channel_groups(graph.layers())
    assert group.members == [("hidden", 0), ("classifier", 1)]
