"""Starts from anchors: what is kept by value, waited for, refused, and reported."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import structlog.testing
import torch
from command_line import Run
from examples import add_data_set, artifact, claim
from live import Live
from torch import Tensor

from search_space.families import space_settings
from search_space.stitching import StitchSettings
from server.artifacts import ArtifactStore
from server.execution.stitching import all_networks, from_anchors
from server.store import Chosen
from supernet.anchor_layouts import origins
from supernet.anchors import anchor_tensors
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.data import TensorData
from supernet.datasets import DigitsSource, load_source
from supernet.files import sha256_of
from supernet.network import Network
from supernet.stitching import fill_anchors

SPACE = StitchSettings.from_preset("tiny")
FIRST, SECOND = (anchor.network for anchor in SPACE.anchors)


def weights(number: int) -> dict[str, Tensor]:
    """An anchor's tensors under our names, drawn from a seed that is its number."""
    anchor = SPACE.anchors[number - 1]
    layers = anchor.network.lower(anchor.architecture)
    return Network(layers, generator=torch.Generator().manual_seed(number)).state_dict()


def in_layout(kind: Any, number: int) -> dict[str, Tensor]:
    """The same as a package would have written them."""
    anchor, tensors = SPACE.anchors[number - 1], weights(number)
    layers = anchor.network.lower(anchor.architecture)
    parts: dict[str, list[Tensor]] = {}
    for name, origin in origins(anchor.network, layers, kind).items():
        parts.setdefault(origin.name, []).append(
            tensors[name].flatten(1).T if "position" in name else tensors[name]
        )
        if len(parts[origin.name]) == origin.num_parts:
            parts[origin.name] = [torch.cat(parts[origin.name]).reshape(origin.shape)]
    return {name: tensor.contiguous() for name, (tensor,) in parts.items()}


def write(live: Live, name: str, tensors: Mapping[str, Tensor]) -> Path:
    folder = live.settings.data_folder
    folder.mkdir(exist_ok=True)
    safetensors.torch.save_file(dict(tensors), folder / name)
    return folder / name


def post(live: Live, **body: Any) -> Any:
    data_set = add_data_set(live.store).id
    body = {"name": "x", "data_set": data_set, "training": {"batch_size": 8}, **body}
    return live.client.post("/v1/supernets", json=body)


def submit(live: Live, **body: Any) -> dict[str, Any]:
    response = post(live, **body)
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.json()
    return answer


def anchored(*anchors: dict[str, Any], **fields: Any) -> dict[str, Any]:
    start = {"kind": "anchors", "anchors": list(anchors), **fields}
    return {"space": SPACE.model_dump(mode="json"), "start": start}


def images() -> TensorData:
    return TensorData.from_data_set(load_source(DigitsSource(), Path()))


@pytest.mark.parametrize("kind", ["timm", "hugging_face", "weights"])
def test_files_are_kept_as_they_were_when_the_training_was_submitted(
    sqlite_live: Live, kind: str
) -> None:
    first = write(sqlite_live, "first", weights(1))
    second = write(sqlite_live, "second", weights(2) if kind == "weights" else in_layout(kind, 2))
    versions = [sha256_of(first), sha256_of(second)]
    answer = submit(
        sqlite_live,
        **anchored(
            {"kind": "weights", "path": "first"}, {"kind": kind, "path": "second"}, images=7
        ),
    )
    assert answer["start"] == {
        "kind": "anchors",
        "anchors": [
            {"kind": "weights", "path": "first", "version": versions[0]},
            {"kind": kind, "path": "second", "version": versions[1]},
        ],
        "images": 7,
        "seed": 0,
        "ridge": 0.0,
    }
    first.unlink()
    second.unlink()
    assert {file.sha256 for file in sqlite_live.store.list_artifacts(10)} >= {*versions}
    artifacts = ArtifactStore(sqlite_live.settings.artifacts_folder)
    start = from_anchors(claim(sqlite_live.store).spec["start"], artifacts)
    assert (start.images, start.seed, start.ridge) == (7, 0, 0.0)
    supernet = Supernet(SPACE)
    start.apply(supernet, images())
    wanted = Supernet(SPACE)
    fill_anchors(wanted, [weights(1), weights(2)])
    for name, tensor in wanted.state_dict().items():
        if name.startswith("anchor"):
            assert torch.equal(supernet.state_dict()[name], tensor), name


def test_a_training_waits_for_all_its_anchors(sqlite_live: Live) -> None:
    store = sqlite_live.store
    anchors = [submit(sqlite_live, space=each.model_dump(mode="json")) for each in (FIRST, SECOND)]
    named = [{"kind": "supernet", "supernet": each["id"]} for each in anchors]
    answer = submit(sqlite_live, **anchored(*named))
    assert [each["version"] for each in answer["start"]["anchors"]] == [None, None]
    job = sqlite_live.client.get(f"/v1/jobs/{answer['job']}").json()
    assert sorted(job["after"]) == sorted(each["job"] for each in anchors)
    for letter, anchor in zip("ab", anchors, strict=True):
        claimed = claim(store)
        assert claimed.spec["supernet_id"] == anchor["id"]
        store.finish_supernet(claimed, anchor["id"], artifact(letter), {})
    spec = claim(store).spec
    shown = sqlite_live.client.get(f"/v1/supernets/{answer['id']}").json()
    for found in (spec, shown):
        assert found["start"]["anchors"] == [
            {**each, "version": letter * 64} for letter, each in zip("ab", named, strict=True)
        ]


def test_a_supernet_gives_its_anchor_with_its_own_weights(
    sqlite_live: Live, tmp_path: Path
) -> None:
    store, artifacts = sqlite_live.store, ArtifactStore(sqlite_live.settings.artifacts_folder)
    anchor = submit(sqlite_live, space=FIRST.model_dump(mode="json"))
    source = Supernet(FIRST, generator=torch.Generator().manual_seed(5))
    save_supernet(tmp_path / "supernet", source)
    stored = artifacts.add_file(tmp_path / "supernet", "application/octet-stream")
    store.finish_supernet(claim(store), anchor["id"], stored, {})
    write(sqlite_live, "second", weights(2))
    submit(
        sqlite_live,
        **anchored(
            {"kind": "supernet", "supernet": anchor["id"]}, {"kind": "weights", "path": "second"}
        ),
    )
    first, _ = from_anchors(claim(store).spec["start"], artifacts).anchors
    found = anchor_tensors(first, FIRST, SPACE.anchors[0].architecture, images())
    wanted = source.extract(source.space.largest()).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_what_is_not_the_anchor_is_refused_with_its_place(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    write(sqlite_live, "first", weights(1))
    write(sqlite_live, "second", weights(2))
    good = [{"kind": "weights", "path": name} for name in ("first", "second")]
    other = submit(sqlite_live, space={"kind": "vit", "preset": "tiny"})
    same = submit(sqlite_live, space=FIRST.model_dump(mode="json"))
    more = add_data_set(store, "others", "e")
    cases: list[tuple[dict[str, Any], str, str]] = [
        (anchored(*good[::-1]), "/start/anchors/0/path", "must hold the tensors of the anchor"),
        (anchored(*good, good[0]), "/start/anchors", "must be 2, as many as the space's anchors"),
        (
            anchored(*good) | {"space": {"kind": "vit", "preset": "tiny"}},
            "/start/kind",
            "must not be anchors for a space of kind vit",
        ),
        (
            anchored({"kind": "timm", "path": "first"}, good[1]),
            "/start/anchors/0/path",
            "must hold the tensors of the anchor",
        ),
        (
            anchored({"kind": "weights", "path": "third"}, good[1]),
            "/start/anchors/0/path",
            "must name a file in the data folder",
        ),
        (
            anchored({"kind": "supernet", "supernet": other["id"]}, good[1]),
            "/start/anchors/0/supernet",
            "must be of the anchor's space: its stages must be",
        ),
        (
            anchored({"kind": "supernet", "supernet": same["id"]}, good[1]) | {"data_set": more.id},
            "/start/anchors/0/supernet",
            f"must be trained on the images of {more.id}, version eeeeeeeeeeeeeeee",
        ),
        (
            anchored(good[0], {"kind": "weights", "upload": "upl_" + "0" * 26}),
            "/start/anchors/1/upload",
            "must name",
        ),
        (anchored(good[0]), "/start/anchors", "at least 2"),
    ]
    for body, pointer, rule in cases:
        response = post(sqlite_live, **body)
        assert response.status_code == 422, response.text
        (fault,) = response.json()["errors"]
        assert fault["pointer"].startswith(pointer), fault
        assert rule in fault["rule"], fault
    swapped = post(sqlite_live, **cases[0][0]).json()["errors"][0]["value"]
    assert "patches.conv.weight (24, 1, 2, 2) instead of (16, 1, 2, 2)" in swapped
    unknown = anchored({"kind": "supernet", "supernet": "net_nope"}, good[1])
    assert post(sqlite_live, **unknown).status_code == 404
    assert client.get("/v1/supernets").json()["items"][0]["id"] == same["id"]


def test_only_what_a_refinement_is_done_with_can_be_an_anchor(sqlite_live: Live) -> None:
    store = sqlite_live.store
    anchor = submit(sqlite_live, space=FIRST.model_dump(mode="json"))
    store.finish_supernet(claim(store), anchor["id"], artifact("f"), {})
    search, _ = store.add_search(
        name="s",
        supernet_id=anchor["id"],
        searcher={"kind": "random"},
        objectives=[{"metric": "top1_percent"}],
        limits=[],
        evaluations=1,
        evaluator={"accuracy": {}, "latency": None},
        resources={},
        seed=0,
    )
    store.finish_search(claim(store), search.id, {})
    largest = FIRST.build().largest()
    refinement, _ = store.add_refinement(
        name="r",
        search_id=search.id,
        chosen=[Chosen(largest.digest, largest, {})],
        selection={},
        training={},
        distillation=0.0,
        runs=1,
        resources={},
        export=False,
        report_test=False,
        seed=0,
    )
    write(sqlite_live, "second", weights(2))
    named = {"kind": "refinement", "refinement": refinement.id}
    body = anchored(named, {"kind": "weights", "path": "second"})
    (fault,) = post(sqlite_live, **body).json()["errors"]
    assert fault["pointer"] == "/start/anchors/0/refinement"
    assert fault["rule"] == (
        f"must have refined the anchor's architecture, {largest.digest}, and be done with it"
    )
    job = claim(store)
    store.record_fine_tuning(
        job, refinement.id, largest.digest, 0, seed=0, artifact=artifact("a"), accuracy={}
    )
    store.record_refined_weights(job, refinement.id, largest.digest, artifact("b"), {})
    start = submit(sqlite_live, **body)["start"]
    assert start["anchors"][0] == named | {"version": "b" * 64}


def test_uploads_that_are_anchors_are_not_old(sqlite_live: Live) -> None:
    store = sqlite_live.store
    rows = [
        store.add_upload(name, 100, letter * 64)[0] for name, letter in (("a", "a"), ("b", "b"))
    ]
    anchors = [{"kind": "weights", "upload": rows[0].id}, {"kind": "supernet", "supernet": "n"}]
    space, _ = store.add_space(SPACE, SPACE.build())
    anchor = submit(sqlite_live, space=FIRST.model_dump(mode="json"))
    anchors[1]["supernet"] = anchor["id"]
    store.add_supernet(
        name="x",
        space_id=space.id,
        data_set_id=add_data_set(store).id,
        training={},
        resources={},
        seed=0,
        start={"kind": "anchors", "anchors": anchors},
    )
    assert [row.id for row in store.old_uploads(timedelta(0))] == [rows[1].id]


REPORT = {
    "split": "validation",
    "networks": [
        {
            "architecture_digest": "0" * 16,
            "route": "1:1-3",
            "macs": 1000,
            "num_params": 10,
            "top1_percent": 50.0,
            "interval_percent": [40.0, 60.0],
            "num_images": 100,
        },
        {"architecture_digest": "1" * 16, "route": "2:1-3", "reason": "out of memory"},
    ],
    "layers": [
        {
            "layer": "stitch1to2.layer1",
            "num_stitches": 3,
            "num_rows": 10,
            "num_unknowns": 17,
            "ridge": 1e-4,
            "reason": "few_rows",
            "unexplained_share": 0.25,
        }
    ],
}


def report(live: Live, supernet: str) -> dict[str, Any]:
    response = live.client.get(f"/v1/supernets/{supernet}/stitches")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_what_stitches_were_worth_is_recorded_once_and_kept(live: Live) -> None:
    store = live.store
    write(live, "first", weights(1))
    write(live, "second", weights(2))
    answer = submit(
        live, **anchored(*({"kind": "weights", "path": name} for name in ("first", "second")))
    )
    nothing = {"supernet": answer["id"], "status": "queued", "split": None}
    assert report(live, answer["id"]) == nothing | {"networks": [], "layers": []}
    job = claim(store)
    store.record_stitches(job, REPORT)
    store.record_stitches(job, {**REPORT, "networks": []})
    shown = report(live, answer["id"])
    assert (shown["status"], shown["split"], shown["layers"]) == (
        "running",
        "validation",
        REPORT["layers"],
    )
    assert shown["networks"][0] == {**REPORT["networks"][0], "reason": None}
    assert shown["networks"][1]["reason"] == "out of memory"
    assert shown["networks"][1]["top1_percent"] is None
    store.finish_supernet(job, answer["id"], artifact("c"), {})
    while store.delete_old("events", timedelta(0)):
        pass
    assert report(live, answer["id"])["networks"] == shown["networks"]


def test_commands_show_anchors_and_what_stitches_were_worth(
    sqlite_live: Live, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    write(sqlite_live, "first", weights(1))
    write(sqlite_live, "second", weights(2))
    named = [{"kind": "weights", "path": name} for name in ("first", "second")]
    with structlog.testing.capture_logs():
        supernet = submit(sqlite_live, **anchored(*named))["id"]
        sqlite_live.store.record_stitches(claim(sqlite_live.store), REPORT)
        shown = run("supernet", "stitches", supernet)
        assert run("supernet", "stitches", supernet, "--json").json["split"] == "validation"
        assert "anchors first, second" in run("supernet", "show", supernet).out
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["1:1-3", "1.00k", "50.00", "40.00", "to", "60.00"] in rows
    assert ["2:1-3", "out", "of", "memory"] in rows
    (layer,) = (row for row in rows if "stitch1to2.layer1" in row)
    assert layer[1:] == ["3", "10", "17", "25.00", "ridge", "0.0001,", "few", "rows"]


def test_every_route_is_evaluated_at_the_largest_resolution() -> None:
    assert [each["route"] for each in all_networks(SPACE)] == list(SPACE.build().choices[0].options)
    two = space_settings(
        {
            "kind": "stitch",
            "resolutions": [8, 12],
            "anchors": [
                {"network": {**each.model_dump(mode="json"), "resolutions": [8, 12]}}
                for each in (FIRST, SECOND)
            ],
        }
    )
    assert isinstance(two, StitchSettings)
    assert {each["resolution"] for each in all_networks(two)} == {12}
    assert len(all_networks(two)) == len(all_networks(SPACE)) == SPACE.build().size
