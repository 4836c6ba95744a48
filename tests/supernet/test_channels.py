from search_space.layers import LayerGraph
from search_space.resnet import ResNetSettings
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


def test_groups_of_a_transformer_block_are_its_heads_and_its_hidden_channels() -> None:
    graph = LayerGraph((4, 3, 3))
    x = graph.position("position", graph.conv("patches", graph.input, 6, bias=True))
    y = graph.layer_norm("attention.norm", x)
    q, k, v = (graph.conv(name, y, 8, bias=True, out_heads=2) for name in "qkv")
    y = graph.conv("mix", graph.attention("attention", q, k, v, 2), 6, in_heads=2)
    x = graph.add("attention.add", x, y)
    y = graph.conv("expand", graph.layer_norm("norm", x), 12, bias=True)
    x = graph.add("add", x, graph.conv("project", graph.activation("gelu", y, "gelu"), 6))
    graph.linear("classifier", graph.flatten("flatten", graph.global_pool("pool", x)), 10)
    heads, hidden = channel_groups(graph.layers())
    assert (heads.reader, heads.run) == ("mix", 4)
    assert set(heads.members) == {("q", 0), ("k", 0), ("v", 0), ("mix", 1)}
    assert (hidden.reader, hidden.run) == ("project", 1)
    assert set(hidden.members) == {("expand", 0), ("project", 1)}


def test_channels_that_become_several_features_stay_in_place() -> None:
    graph = LayerGraph((3, 2, 2))
    x = graph.flatten("flatten", graph.conv("conv", graph.input, 4))
    graph.linear("classifier", graph.linear("hidden", x, 5), 10)
    (group,) = channel_groups(graph.layers())
    assert group.members == [("hidden", 0), ("classifier", 1)]


def test_groups_of_bottlenecks_are_their_inner_channels_and_the_stems_output() -> None:
    settings = ResNetSettings.from_preset("tiny", stem_pool=True)
    groups = {
        group.reader: group for group in channel_groups(settings.lower(settings.build().largest()))
    }
    blocks = [f"stage{stage}.block{block}" for stage in (1, 2) for block in (1, 2)]
    inner = {f"{block}.{layer}.conv" for block in blocks for layer in ("spatial", "expand")}
    # The stem's hidden channels and every stage's are sums: nobody may move them.
    assert set(groups) == {*inner, "stage1.block1.reduce.conv"}
    assert set(groups["stage1.block1.reduce.conv"].members) == {
        ("stem.last.conv", 0),
        ("stem.last.norm", 0),
        ("stage1.block1.shortcut.conv", 1),
        ("stage1.block1.reduce.conv", 1),
    }
    assert set(groups["stage2.block1.expand.conv"].members) == {
        ("stage2.block1.spatial.conv", 0),
        ("stage2.block1.spatial.norm", 0),
        ("stage2.block1.expand.conv", 1),
    }
