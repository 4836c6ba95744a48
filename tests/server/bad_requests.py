"""Requests that must be refused: path, body, and the pointer, rule and value to expect.

Capital names stand for ids. `...` is any rule or value; a body that is None is not sent.
"""

from typing import Any, get_args

from search_space.cnn import MobileNetV3Settings
from search_space.families import FAMILIES
from search_space.family import PAPER_COSTS
from search_space.outcomes import METRIC_GOALS
from searchers.settings import SearcherSettings

DIGITS = {"kind": "mobilenetv3", "preset": "digits"}
VIT = {"kind": "vit", "preset": "tiny"}
ANCHORS = {"kind": "anchors", "anchors": [{"kind": "weights", "path": "anchor"}] * 2}
DISTILLED = {
    "kind": "single",
    "architecture": dict(MobileNetV3Settings.from_preset("digits").build().smallest()),
    "distillation": 1.0,
}
DIMENSIONS = ("width", "depth", "kernel_size", "expand_ratio")
OBJECTIVES = [{"metric": "top1_percent"}]
SEARCHERS = sorted(
    one.model_fields["kind"].default for one in get_args(get_args(SearcherSettings)[0])
)


def supernet_body(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "space": DIGITS, "data_set": "DATA_SET"} | changes


def search_body(**changes: Any) -> dict[str, Any]:
    body = {"name": "x", "supernet": "SUPERNET", "objectives": OBJECTIVES, "evaluations": 5}
    return body | changes


def refinement_body(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "search": "SEARCH"} | changes


def campaign_body(**changes: Any) -> dict[str, Any]:
    schedule = {"kind": "cron", "expression": "0 3 * * *"}
    return {"name": "x", "schedule": schedule, "template": template()} | changes


def template(**changes: Any) -> dict[str, Any]:
    return {"search": search_body()} | changes


def stitch(*changes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"kind": "stitch", "anchors": [{"network": VIT | each} for each in changes]} | fields


ANCHOR_SOURCES = [{"kind": "supernet", "supernet": "SUPERNET"}] * 2
SUCCESSIVE = "/evaluator/accuracy/successive"
ASSESSMENTS = "/v1/supernets/SUPERNET/assessments"


def custom(**changes: Any) -> dict[str, Any]:
    choices = [{"name": "a", "options": [1, 2]}]
    return {"kind": "custom", "name": "x", "choices": choices} | changes


CASES: dict[str, tuple[str, Any, str, Any, Any]] = {
    "boolean for a number": (
        "/v1/searches",
        search_body(searcher={"kind": "nsga2", "crossover_probability": False}),
        "/searcher/crossover_probability",
        "must be a number",
        False,
    ),
    "numeral in quotes": (
        "/v1/searches",
        search_body(searcher={"kind": "nsga2", "population_size": "20"}),
        "/searcher/population_size",
        "must be a number",
        "20",
    ),
    "boolean for a number of epochs": (
        "/v1/supernets",
        supernet_body(training={"epochs": True}),
        "/training/epochs",
        "must be a number",
        True,
    ),
    "number for a boolean": (
        "/v1/refinements",
        refinement_body(report_test=1),
        "/report_test",
        "must be a boolean",
        1,
    ),
    "unknown space kind": (
        "/v1/spaces",
        {"kind": "perceptron"},
        "/kind",
        f"must be one of {', '.join(map(repr, FAMILIES))}",
        "perceptron",
    ),
    "no space kind": (
        "/v1/spaces",
        {},
        "/kind",
        f"must be given: one of {', '.join(map(repr, sorted(FAMILIES)))}",
        None,
    ),
    "no kind deep in a body": (
        "/v1/campaigns",
        campaign_body(template=template(search=search_body(searcher={}))),
        "/template/search/searcher/kind",
        f"must be given: one of {', '.join(map(repr, SEARCHERS))}",
        None,
    ),
    "no kind of a space that could be an id": (
        "/v1/supernets",
        supernet_body(space={"preset": "digits"}),
        "/space/kind",
        f"must be given: one of {', '.join(map(repr, sorted(FAMILIES)))}",
        None,
    ),
    "unknown preset": (
        "/v1/spaces",
        {"kind": "mobilenetv3", "preset": "mnist"},
        "/preset",
        "must be 'digits', 'cifar', 'imagenet', 'tiny', 'mobilenetv2' or 'proxyless'",
        "mnist",
    ),
    "a resolution that the strides leave nothing of": (
        "/v1/spaces",
        {"kind": "resnet", "preset": "imagenet", "resolutions": [16, 64]},
        "",
        "resolutions must be at least 32, the product of all strides",
        16,
    ),
    "condition on nothing": (
        "/v1/spaces",
        custom(choices=[{"name": "a", "options": [1], "when": {"parent": "b", "options": [1]}}]),
        "",
        "must be a space: a: when.parent must name an earlier choice, got 'b'",
        ...,
    ),
    "no options": (
        "/v1/spaces",
        custom(choices=[{"name": "a", "options": []}]),
        "/choices/0/options",
        "must have at least 1 item",
        [],
    ),
    "option outside its choices": (
        "/v1/spaces/SPACE/cost",
        {"architecture": {"resolution": 7}},
        "/architecture/resolution",
        "must be one of (8, 10, 12)",
        7,
    ),
    "unknown choice": (
        "/v1/spaces/SPACE/cost",
        {"architecture": {"wings": 2}},
        "/architecture/wings",
        "is not a choice of space 'mobilenetv3'",
        2,
    ),
    "warm start outside the space": (
        "/v1/searches",
        search_body(searcher={"kind": "random", "warm_start": [{"wings": 2}]}),
        "/searcher/warm_start/0/wings",
        "is not a choice of space 'mobilenetv3'",
        2,
    ),
    "reward of one cost for a searcher of one objective": (
        "/v1/searches",
        search_body(
            searcher={
                "kind": "ppo",
                "reward": {"kind": "mnasnet", "metric": "latency_ms", "target": 5},
            }
        ),
        "/searcher/reward/metric",
        ...,
        "latency_ms",
    ),
    "searcher outside that cannot do the problem": (
        "/v1/searches",
        {
            "name": "x",
            "space": DIGITS,
            "searcher": {"kind": "ppo", "reward": {"kind": "scalarized", "weights": [1, 2]}},
            "objectives": OBJECTIVES,
            "evaluations": 5,
            "evaluator": {"kind": "outside"},
        },
        "/searcher/reward/weights",
        ...,
        [1.0, 2.0],
    ),
    "searcher of a matrix that cannot do the problem": (
        "/v1/campaigns",
        campaign_body(
            template=template(
                matrix={
                    "searchers": [
                        {"kind": "random"},
                        {
                            "kind": "ppo",
                            "reward": {"kind": "mnasnet", "metric": "macs", "target": 5},
                        },
                    ],
                    "limits": [[{"metric": "macs", "upper": 9}], []],
                }
            )
        ),
        "/template/matrix/searchers/1/reward/metric",
        ...,
        "macs",
    ),
    "impossible day of a campaign": (
        "/v1/campaigns",
        campaign_body(schedule={"kind": "cron", "expression": "0 0 30 2 *"}),
        "/schedule",
        "expression must have a possible day-of-month",
        "0 0 30 2 *",
    ),
    "impossible date of a campaign": (
        "/v1/campaigns",
        campaign_body(schedule={"kind": "once", "at": "2026-02-30T00:00:00Z"}),
        "/schedule/at",
        "must be a valid datetime or date, day value is outside expected range",
        "2026-02-30T00:00:00Z",
    ),
    "campaign in the past": (
        "/v1/campaigns",
        campaign_body(schedule={"kind": "once", "at": "2001-02-03T00:00:00Z"}),
        "/schedule/at",
        ...,
        "2001-02-03T00:00:00+00:00",
    ),
    "unknown time zone": (
        "/v1/campaigns",
        campaign_body(
            schedule={"kind": "cron", "expression": "0 3 * * *", "time_zone": "Mars/Olympus"}
        ),
        "/schedule/time_zone",
        'must be an IANA time zone such as "Europe/Berlin" or "UTC"',
        "Mars/Olympus",
    ),
    "matrix of a million searches": (
        "/v1/campaigns",
        campaign_body(
            template=template(
                matrix={
                    "devices": [{"threads": 1 + number} for number in range(100)],
                    "searchers": [{"kind": "random", "batch_size": 1 + n} for n in range(100)],
                    "seeds": list(range(100)),
                }
            )
        ),
        "/template/matrix",
        "must have at most 100 searches, got 1000000 (100 devices x 100 searchers x 100 seeds)",
        ...,
    ),
    "matrix with equal entries": (
        "/v1/campaigns",
        campaign_body(template=template(matrix={"seeds": [3, 5, 3]})),
        "/template/matrix",
        "seeds must be distinct: entry 2 is that at 0",
        ...,
    ),
    "matrix of limits on what nobody measures": (
        "/v1/campaigns",
        campaign_body(template=template(matrix={"limits": [[{"metric": "joules", "upper": 1}]]})),
        "/template/matrix/limits/0/0/metric",
        f"must be one of {', '.join(METRIC_GOALS)}",
        "joules",
    ),
    "promotion by a latency that is not measured": (
        "/v1/campaigns",
        campaign_body(promotion={"rule": {"kind": "objective", "metric": "latency_ms"}}),
        "/promotion/rule/metric",
        "must not be latency_ms without /template/search/evaluator/latency or matrix/devices",
        "latency_ms",
    ),
    "promotion by a proxy that is not computed": (
        "/v1/campaigns",
        campaign_body(promotion={"rule": {"kind": "objective", "metric": "synflow"}}),
        "/promotion/rule/metric",
        "must not be synflow unless /template/search/evaluator/proxies/names has it",
        "synflow",
    ),
    "webhook on a host that cannot be": (
        "/v1/webhooks",
        {"name": "x", "url": f"https://{'a' * 64}.example.org"},
        "/url",
        "must have a host of at most 253 characters, 1 to 63 between dots",
        ...,
    ),
    "webhook on a port that cannot be": (
        "/v1/webhooks",
        {"name": "x", "url": "https://example.org:65536"},
        "/url",
        ...,
        ...,
    ),
    "name of a campaign that an address cannot hold": (
        "/v1/campaigns",
        campaign_body(name="Über/all"),
        "/name",
        ...,
        "Über/all",
    ),
    "name of a campaign that is an id": (
        "/v1/campaigns",
        campaign_body(name="cam_01k9qv7m3c8r2n5t6w0x4y1zab"),
        "/name",
        "must not look like the id of something",
        ...,
    ),
    "campaign that makes up for all but skips": (
        "/v1/campaigns",
        campaign_body(catch_up={"kind": "run_all", "max_age_seconds": 3600}),
        "",
        (
            "overlap must be 'queue' where catch_up is run_all, so that what is made up for "
            "runs one after the other"
        ),
        "skip",
    ),
    "latency without a device in a template": (
        "/v1/campaigns",
        campaign_body(
            template=template(matrix={"limits": [[{"metric": "latency_ms", "upper": 1}]]})
        ),
        "/template/search/limits/0/metric",
        ...,
        "latency_ms",
    ),
    "promotion by a metric that nobody knows": (
        "/v1/campaigns",
        campaign_body(promotion={"rule": {"kind": "objective", "metric": "beauty"}}),
        "/promotion/rule/metric",
        f"must be one of {', '.join(METRIC_GOALS)}",
        "beauty",
    ),
    "retraining that distils from nobody": (
        "/v1/campaigns",
        campaign_body(template=template(retraining={"training": {"schedule": DISTILLED}})),
        "/template/retraining/training/schedule",
        "must not distil from a teacher: a campaign has none",
        "single",
    ),
    "warm start of a campaign outside the space": (
        "/v1/campaigns",
        campaign_body(
            template=template(
                matrix={"searchers": [{"kind": "random", "warm_start": [{"wings": 2}]}]}
            )
        ),
        "/template/matrix/searchers/0/warm_start/0/wings",
        "is not a choice of space 'mobilenetv3'",
        2,
    ),
    "too many samples": (
        "/v1/spaces/SPACE/sample",
        {"count": 1001},
        "/count",
        "must be less than or equal to 1000",
        1001,
    ),
    "true is no number": (
        "/v1/spaces/SPACE/sample",
        {"count": True},
        "/count",
        "must be a number",
        True,
    ),
    "data set outside the data folder": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "../../etc/passwd"}},
        "/source/path",
        "must lie inside the data folder",
        "../../etc/passwd",
    ),
    "absolute path": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "/etc/passwd"}},
        "/source/path",
        "must lie inside the data folder",
        "/etc/passwd",
    ),
    "symbolic link out of the data folder": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "link.npz"}},
        "/source/path",
        "must lie inside the data folder, and so must what symbolic links lead to",
        "link.npz",
    ),
    "no such file": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "none.npz"}},
        "/source/path",
        "must name a file in the data folder",
        "none.npz",
    ),
    "a path too long for any file": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "0" * 4096}},
        "/source/path",
        "must name a file in the data folder",
        ...,
    ),
    "images of floats": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "floats.npz"}},
        "/source/images",
        "must be uint8",
        "float64",
    ),
    "a folder of images in no folder": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "image_folder", "path": "none", "image_size": 8}},
        "/source/path",
        "must name a file or folder in the data folder",
        "none",
    ),
    "an empty class folder": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "image_folder", "path": "folder", "image_size": 8}},
        "/source/path",
        "must hold at least one image in every class folder",
        "train/b",
    ),
    "an archive that is none": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "image_folder", "path": "floats.txt", "image_size": 8}},
        "/source/path",
        "must name a folder or a zip or tar archive (truncated header)",
        "floats.txt",
    ),
    "a link out of the data folder for shards": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "webdataset", "path": "link.npz", "image_size": 8}},
        "/source/path",
        "must lie inside the data folder, and so must what symbolic links lead to",
        "link.npz",
    ),
    "a table that is none": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "hugging_face", "path": "floats.txt", "image_size": 8}},
        "/source/path",
        ...,
        "floats.txt",
    ),
    "an unknown data root": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "path": "x.npz", "root": "fast"}},
        "/source/root",
        "must not be given: none is configured",
        "fast",
    ),
    "neither path nor upload": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays"}},
        "/source",
        "must have either a path or an upload",
        ...,
    ),
    "no image size": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "image_folder", "path": "folder"}},
        "/source/image_size",
        "must be given",
        None,
    ),
    "an upload that is not there": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "upload": "upl_0"}},
        "/source/upload",
        "must name an upload",
        "upl_0",
    ),
    "an upload that is used before it is complete": (
        "/v1/data-sets",
        {"name": "x", "source": {"kind": "arrays", "upload": "UPLOAD"}},
        "/source/upload",
        "must name a complete upload; of this one 0 of 10 bytes are there, and it is not completed",
        "UPLOAD",
    ),
    "an upload of nothing": (
        "/v1/uploads",
        {"name": "x", "size_bytes": 0, "sha256": "0" * 64},
        "/size_bytes",
        "must be greater than or equal to 1",
        0,
    ),
    "an upload that is too large": (
        "/v1/uploads",
        {"name": "x", "size_bytes": 2**50, "sha256": "0" * 64},
        "/size_bytes",
        "must be at most 68719476736",
        2**50,
    ),
    "an upload with half a digest": (
        "/v1/uploads",
        {"name": "x", "size_bytes": 1, "sha256": "0" * 32},
        "/sha256",
        "must match pattern '^[0-9a-f]{64}$'",
        "0" * 32,
    ),
    "an upload cut short": (
        "/v1/uploads/UPLOAD/complete",
        None,
        "size_bytes",
        "must be 10 as announced: the upload was cut short",
        0,
    ),
    "erasing that erases nothing": (
        "/v1/supernets",
        supernet_body(training={"augmentation": {"erasing": {"probability": 0}}}),
        "/training/augmentation/erasing/probability",
        "must be greater than 0",
        0,
    ),
    "blank name": (
        "/v1/data-sets",
        {"name": " ", "source": {"kind": "digits"}},
        "/name",
        "must be printable, without spaces at its ends",
        " ",
    ),
    "unknown field": (
        "/v1/supernets",
        supernet_body(epochs=3),
        "/epochs",
        "must not be given: there is no such field",
        3,
    ),
    "no epochs": (
        "/v1/supernets",
        supernet_body(training={"epochs": 0}),
        "/training/epochs",
        "must be greater than or equal to 1",
        0,
    ),
    "no images for a start whose kind is also a field of it": (
        "/v1/supernets",
        supernet_body(start=ANCHORS | {"images": 0}),
        "/start/images",
        "must be greater than or equal to 1",
        0,
    ),
    "an anchor of no kind that there is": (
        "/v1/supernets",
        supernet_body(start=ANCHORS | {"anchors": [{"kind": "zip"}] * 2}),
        "/start/anchors/0/kind",
        "must be one of 'supernet', 'refinement', 'weights', 'timm', 'hugging_face'",
        "zip",
    ),
    "images of other channels": (
        "/v1/supernets",
        supernet_body(space=DIGITS | {"input_channels": 3}),
        "/data_set",
        "must have images of 3 channels, the space's input_channels",
        1,
    ),
    "images of other classes": (
        "/v1/supernets",
        supernet_body(space=DIGITS | {"num_classes": 7}),
        "/data_set",
        "must have 7 classes, the space's num_classes",
        10,
    ),
    "a space without networks": (
        "/v1/supernets",
        supernet_body(space=custom()),
        "/space",
        "must be a space of networks: a custom space has no layers",
        ...,
    ),
    "a batch larger than the data": (
        "/v1/supernets",
        supernet_body(training={"batch_size": 2000}),
        "/training/batch_size",
        "must be at most 1000, the number of training images",
        2000,
    ),
    "a batch too small for its workers": (
        "/v1/supernets",
        supernet_body(
            training={"batch_size": 8, "accumulation_steps": 2}, resources={"num_workers": 3}
        ),
        "/training/batch_size",
        "must give each of 3 workers at least 2 images in each of 2 accumulation_steps",
        8,
    ),
    "recomputation of compiled networks": (
        "/v1/supernets",
        supernet_body(training={"compile": True, "activation_checkpointing": True}),
        "/training/activation_checkpointing",
        "must be off with compile: compiled networks keep what they choose to",
        True,
    ),
    "fewer epochs than phases": (
        "/v1/supernets",
        supernet_body(training={"epochs": 3, "schedule": {"kind": "progressive_shrinking"}}),
        "/training/schedule/phases",
        "must have at most as many phases as the training has epochs (3)",
        ...,
    ),
    "a phase without steps": (
        "/v1/supernets",
        supernet_body(
            training={
                "schedule": {
                    "kind": "progressive_shrinking",
                    "phases": [{"name": "largest", "share": 1}, {"name": "all", "share": 0}],
                }
            }
        ),
        "/training/schedule/phases/1/share",
        "must be greater than 0",
        0,
    ),
    "a phase for what the family has not": (
        "/v1/supernets",
        supernet_body(
            training={
                "schedule": {
                    "kind": "progressive_shrinking",
                    "phases": [
                        {"name": "largest", "share": 1},
                        {"name": "heads", "share": 1, "admitted": {"heads": 2}},
                    ],
                }
            }
        ),
        "/training/schedule/phases/1/admitted/heads",
        f"must be a dimension of the space, one of {DIMENSIONS}",
        "heads",
    ),
    "a warm-up of the teacher without steps": (
        "/v1/supernets",
        supernet_body(
            training={
                "epochs": 10,
                "schedule": {"kind": "delayed_shrinking", "start": 0.01, "ramp_epochs": 1},
            }
        ),
        "/training/schedule/start",
        (
            "must be 0, or leave the largest network alone and what follows at least one of 10 "
            "epochs each"
        ),
        0.01,
    ),
    "a ramp longer than the training": (
        "/v1/supernets",
        supernet_body(
            training={
                "epochs": 10,
                "schedule": {"kind": "delayed_shrinking", "ramp_epochs": 5},
            }
        ),
        "/training/schedule/ramp_epochs",
        "must end before the training does: with start 0.5 of 10 epochs it must be below 5",
        5.0,
    ),
    "a student without a teacher": (
        "/v1/supernets",
        supernet_body(training={"schedule": DISTILLED}),
        "/teacher",
        "must name a supernet, as the schedule distils from one",
        None,
    ),
    "a teacher without a student": (
        "/v1/supernets",
        supernet_body(teacher="SUPERNET"),
        "/teacher",
        "must not be given: the schedule does not distil from a teacher",
        "SUPERNET",
    ),
    "a teacher of other classes": (
        "/v1/supernets",
        supernet_body(
            space={**DIGITS, "num_classes": 11},
            training={"schedule": DISTILLED},
            teacher="SUPERNET",
        ),
        "/data_set",
        "must have 11 classes, the space's num_classes",
        10,
    ),
    "training an architecture of another space": (
        "/v1/supernets",
        supernet_body(training={"schedule": {"kind": "single", "architecture": {"x": 1}}}),
        "/training/schedule/architecture/x",
        "is not a choice of space 'mobilenetv3'",
        1,
    ),
    "an unknown start": (
        "/v1/supernets",
        supernet_body(start={"kind": "warm"}),
        "/start/kind",
        "must be one of 'scratch', 'supernet', 'weights', 'once_for_all', 'anchors'",
        "warm",
    ),
    "weights without a path": (
        "/v1/supernets",
        supernet_body(start={"kind": "weights"}),
        "/start",
        "must have either a path or an upload",
        {"kind": "weights"},
    ),
    "a start in another space": (
        "/v1/supernets",
        supernet_body(
            space={**DIGITS, "head_width": 48}, start={"kind": "supernet", "supernet": "SUPERNET"}
        ),
        "/start/supernet",
        (
            "must be of the same space but for num_classes: "
            "its head_width must be 48, as in the training's space"
        ),
        96,
    ),
    "weights outside the data folder": (
        "/v1/supernets",
        supernet_body(start={"kind": "weights", "path": "link.npz"}),
        "/start/path",
        "must lie inside the data folder, and so must what symbolic links lead to",
        "link.npz",
    ),
    "weights that are not there": (
        "/v1/supernets",
        supernet_body(start={"kind": "weights", "path": "none.safetensors"}),
        "/start/path",
        "must name a file in the data folder",
        "none.safetensors",
    ),
    "weights in another format": (
        "/v1/supernets",
        supernet_body(start={"kind": "weights", "path": "floats.npz"}),
        "/start/path",
        "must name a safetensors file",
        "floats.npz",
    ),
    "weights of another network": (
        "/v1/supernets",
        supernet_body(start={"kind": "weights", "path": "other.safetensors"}),
        "/start/path",
        "must hold the tensors of the space's largest network",
        (
            "182 missing (stem.conv.weight, stem.norm.weight, stem.norm.bias, ...); "
            "1 unexpected (stem.weight)"
        ),
    ),
    "a checkpoint in another format": (
        "/v1/supernets",
        supernet_body(start={"kind": "once_for_all", "path": "floats.npz"}),
        "/start/path",
        "must name a file that torch.save wrote",
        "floats.npz",
    ),
    "a batch larger than the share of each worker": (
        "/v1/supernets",
        supernet_body(training={"batch_size": 7}, resources={"num_workers": 4}),
        "/training/batch_size",
        "must give each of 4 workers at least 2 images in each of 1 accumulation_steps",
        7,
    ),
    "patches that do not tile": (
        "/v1/spaces",
        {"kind": "vit", "preset": "tiny", "resolutions": [9]},
        "",
        "resolutions must be multiples of 4 = patch_size * 2^(number of stages - 1)",
        9,
    ),
    "anchors of other classes": (
        "/v1/spaces",
        stitch({}, {"num_classes": 9}),
        "",
        "anchors.1.network.num_classes must be 10, as in the whole and in all anchors",
        9,
    ),
    "anchors of other grids": (
        "/v1/spaces",
        stitch({}, {"resolutions": [8], "patch_size": 4}, stages=[1]),
        "",
        (
            "anchors.1 must have the grid of anchors.0 where they are stitched: block 1 there "
            "gives height and width (4, 4), block 2 here reads others"
        ),
        [2, 2],
    ),
    "one anchor": ("/v1/spaces", stitch({}), "/anchors", "must have at least 2 items", ...),
    "windows longer than stages": (
        "/v1/spaces",
        stitch({}, {}, scheme={"kind": "one_way", "kernel": 4}),
        "",
        "scheme.kernel must be at most 3, the blocks of the longest stage that it moves over",
        4,
    ),
    "an anchor that is no network of its space": (
        "/v1/spaces",
        {"kind": "stitch", "anchors": [{"network": VIT, "architecture": {"wings": 2}}] * 2},
        "/anchors/0/architecture",
        "wings is not a choice of space 'vit'",
        2,
    ),
    "a field beside one that is called as its member of a union": (
        "/v1/supernets",
        supernet_body(start={"kind": "anchors", "anchors": ANCHOR_SOURCES, "ridge": -1}),
        "/start/ridge",
        "must be greater than or equal to 0",
        -1,
    ),
    "an anchor without its supernet": (
        "/v1/supernets",
        supernet_body(
            start={"kind": "anchors", "anchors": [*ANCHOR_SOURCES, {"kind": "supernet"}]}
        ),
        "/start/anchors/2/supernet",
        "must be given",
        None,
    ),
    "anchors without sources": (
        "/v1/supernets",
        supernet_body(start={"kind": "anchors"}),
        "/start/anchors",
        "must be given",
        None,
    ),
    "zero evaluations": (
        "/v1/searches",
        search_body(evaluations=0),
        "/evaluations",
        "must be greater than or equal to 1",
        0,
    ),
    "negative evaluations": (
        "/v1/searches",
        search_body(evaluations=-60),
        "/evaluations",
        "must be greater than or equal to 1",
        -60,
    ),
    "half an evaluation": (
        "/v1/searches",
        search_body(evaluations=1.5),
        "/evaluations",
        "must be a valid integer, got a number with a fractional part",
        1.5,
    ),
    "unknown metric": (
        "/v1/searches",
        search_body(objectives=[{"metric": "top1_percent"}, {"metric": "beauty"}]),
        "/objectives/1/metric",
        f"must be one of {', '.join(METRIC_GOALS)}",
        "beauty",
    ),
    "no objectives": (
        "/v1/searches",
        search_body(objectives=[]),
        "/objectives",
        "must have at least 1 item",
        [],
    ),
    "one objective twice": (
        "/v1/searches",
        search_body(objectives=OBJECTIVES * 2),
        "/objectives",
        "metrics must be distinct",
        ["top1_percent", "top1_percent"],
    ),
    "an unbounded limit": (
        "/v1/searches",
        search_body(limits=[{"metric": "macs"}]),
        "/limits/0",
        "limit on macs must have a lower or an upper, got neither",
        {"metric": "macs"},
    ),
    "latency that nobody measures": (
        "/v1/searches",
        search_body(limits=[{"metric": "latency_ms", "upper": 1.0}]),
        "/limits/0/metric",
        "must not be latency_ms without /evaluator/latency, which says how it is measured",
        "latency_ms",
    ),
    "a proxy that nobody computes": (
        "/v1/searches",
        search_body(objectives=[{"metric": "zico"}], evaluator={"proxies": {"names": ["synflow"]}}),
        "/objectives/0/metric",
        "must not be zico unless /evaluator/proxies/names has it",
        "zico",
    ),
    "a proxy that nobody knows": (
        "/v1/searches",
        search_body(evaluator={"proxies": {"names": ["luck"]}}),
        "/evaluator/proxies/names/0",
        "must be 'grad_norm', 'jacob_cov', 'naswot', 'snip', 'synflow', 'zen' or 'zico'",
        "luck",
    ),
    "analytic search of what must be measured": (
        "/v1/searches",
        search_body(searcher={"kind": "analytic"}),
        "/searcher/kind",
        "must not be analytic unless the evaluator is of kind computed",
        "analytic",
    ),
    "choices made on the test split": (
        "/v1/searches",
        search_body(evaluator={"accuracy": {"split": "test"}}),
        "/evaluator/accuracy/split",
        "must not be the test split: that is read once, for the network that is reported",
        "test",
    ),
    "evaluations that end early where latency decides": (
        "/v1/searches",
        search_body(
            objectives=[*OBJECTIVES, {"metric": "latency_ms"}],
            evaluator={"latency": {}, "accuracy": {"successive": True}},
        ),
        "/objectives/1/metric",
        f"must be one of top1_percent, {', '.join(PAPER_COSTS)} with {SUCCESSIVE}",
        "latency_ms",
    ),
    "evaluations that end early where the size limits": (
        "/v1/searches",
        search_body(
            limits=[{"metric": "size_bytes", "upper": 1e6}],
            evaluator={"accuracy": {"successive": True}},
        ),
        "/limits/0/metric",
        ...,
        "size_bytes",
    ),
    "evaluations that end early for nothing": (
        "/v1/searches",
        search_body(objectives=[{"metric": "macs"}], evaluator={"accuracy": {"successive": True}}),
        SUCCESSIVE,
        "must be false unless top1_percent in /objectives is to be maximized",
        True,
    ),
    "evaluations that end early for bad networks": (
        "/v1/searches",
        search_body(
            objectives=[{"metric": "top1_percent", "goal": "minimize"}],
            evaluator={"accuracy": {"successive": True}},
        ),
        SUCCESSIVE,
        ...,
        True,
    ),
    "a campaign whose evaluations end early for nothing": (
        "/v1/campaigns",
        campaign_body(
            template=template(
                search=search_body(
                    objectives=[{"metric": "macs"}], evaluator={"accuracy": {"successive": True}}
                )
            )
        ),
        "/template/search/evaluator/accuracy/successive",
        "must be false unless top1_percent in /template/search/objectives is to be maximized",
        True,
    ),
    "less than no memory": (
        "/v1/searches",
        search_body(resources={"activation_memory_mib": -1}),
        "/resources/activation_memory_mib",
        "must be greater than or equal to 0",
        -1,
    ),
    "an assessment whose evaluations end early": (
        ASSESSMENTS,
        {"accuracy": {"successive": True}},
        "/accuracy/successive",
        "must be false: an assessment has no front that a network could fall below",
        True,
    ),
    "a predictor with nothing to choose from": (
        "/v1/searches",
        search_body(searcher={"kind": "linas", "predictor": {"kind": "svr", "costs": []}}),
        "/searcher/predictor/costs",
        ...,
        [],
    ),
    "a population of one": (
        "/v1/searches",
        search_body(searcher={"kind": "nsga2", "population_size": 1}),
        "/searcher/population_size",
        "must be greater than or equal to 2",
        1,
    ),
    "an export of what was never measured": (
        "/v1/exports",
        {"search": "SEARCH", "architecture_digest": "0" * 16},
        "/architecture_digest",
        "must be of an architecture that search SEARCH has measured",
        "0" * 16,
    ),
    "more runs than a soup takes": (
        "/v1/refinements",
        refinement_body(runs=9),
        "/runs",
        "must be less than or equal to 8",
        9,
    ),
    "distillation that pushes away": (
        "/v1/refinements",
        refinement_body(distillation=-1),
        "/distillation",
        "must be greater than or equal to 0",
        -1,
    ),
    "fine-tuning without epochs": (
        "/v1/refinements",
        refinement_body(training={"epochs": 0}),
        "/training/epochs",
        "must be greater than or equal to 1",
        0,
    ),
    "fine-tuning on a schedule": (
        "/v1/refinements",
        refinement_body(training={"schedule": {"kind": "sandwich"}}),
        "/training/schedule",
        "must not be given: each network is trained by itself",
        ...,
    ),
    "a test report without a file": (
        "/v1/refinements",
        refinement_body(report_test=True, export=False),
        "/report_test",
        "must not be true without /export: the test split is read with the exported file",
        True,
    ),
    "a sample of two": (
        ASSESSMENTS,
        {"samples": 2},
        "/samples",
        "must be greater than or equal to 3",
        2,
    ),
    "more strata than samples": (
        ASSESSMENTS,
        {"samples": 5, "strata": 4},
        "/strata",
        "must be at most 3: the samples without the two extremes",
        4,
    ),
    "an assessment on the test split": (
        ASSESSMENTS,
        {"accuracy": {"split": "test"}},
        "/accuracy/split",
        "must not be the test split: that is read once, for the network that is reported",
        "test",
    ),
    "a correlation of two": (
        ASSESSMENTS,
        {"standalone": {"count": 2}},
        "/standalone/count",
        "must be greater than or equal to 3",
        2,
    ),
    "more trained alone than sampled": (
        ASSESSMENTS,
        {"samples": 4, "standalone": {"count": 5}},
        "/standalone/count",
        "must be at most 4, the samples",
        5,
    ),
    "training alone in batches larger than the data": (
        ASSESSMENTS,
        {"standalone": {"training": {"batch_size": 5000}}},
        "/standalone/training/batch_size",
        "must be at most 1000, the number of training images",
        5000,
    ),
    "training alone on a schedule": (
        ASSESSMENTS,
        {"standalone": {"training": {"schedule": {"kind": "sandwich"}}}},
        "/standalone/training/schedule",
        "must not be given: each network is trained by itself",
        ...,
    ),
}
