"""Examples of answers, shown in the OpenAPI document; a test holds them to their schemas."""

from collections.abc import Mapping
from typing import Any

from server.schemas.requests import EXAMPLE_ID

_MOMENT = "2026-11-21T12:00:00.000Z"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_ARCHITECTURE = {"stage0.depth": 2, "stage0.block0.kernel_size": 5}
_DIGEST = "0123456789abcdef"

ANSWERS: Mapping[str, Any] = {
    "ProblemBody": {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "/evaluations must be greater than or equal to 1, got 0",
        "errors": [
            {"pointer": "/evaluations", "rule": "must be greater than or equal to 1", "value": 0}
        ],
        "request_id": "5f0c2a9d1b3e4f60",
    },
    "UploadView": {
        "id": f"upl_{EXAMPLE_ID}",
        "name": "animals.zip",
        "size_bytes": 1_048_576,
        "sha256": _SHA256,
        "offset": 524_288,
        "status": "open",
        "created_at": _MOMENT,
        "completed_at": None,
    },
    "SpaceView": {
        "id": _DIGEST,
        "kind": "mobilenetv3",
        "settings": {"kind": "mobilenetv3", "num_classes": 10},
        "size": "26244000",
        "num_choices": 27,
        "created_at": _MOMENT,
    },
    "CostView": {
        "digest": _DIGEST,
        "architecture": _ARCHITECTURE,
        "input_shape": [1, 8, 8],
        "num_layers": 31,
        "macs": 812_544,
        "num_params": 61_290,
        "num_activations": 44_120,
        "peak_activations": 6_144,
    },
    "EventsView": {
        "items": [
            {
                "id": 17,
                "job": f"job_{EXAMPLE_ID}",
                "attempt": 1,
                "type": "progress",
                "data": {"done": 12, "total": 60},
                "created_at": _MOMENT,
            }
        ],
        "last": 17,
        "ended": False,
    },
    "FrontView": {
        "search": f"sea_{EXAMPLE_ID}",
        "status": "succeeded",
        "objectives": [{"metric": "top1_percent", "goal": "maximize"}],
        "limits": [],
        "num_measured": 60,
        "remeasured": True,
        "feasible": True,
        "points": [
            {
                "number": 41,
                "architecture_digest": _DIGEST,
                "architecture": _ARCHITECTURE,
                "metrics": {"top1_percent": 98.2},
                "intervals": {"top1_percent": [96.4, 99.2]},
                "provenance": {"top1_percent": {"split": "validation", "num_images": 397}},
                "tied_with_next": False,
                "tied_on": [],
            }
        ],
        "least_violating": [],
    },
    "ExportView": {
        "id": f"exp_{EXAMPLE_ID}",
        "search": f"sea_{EXAMPLE_ID}",
        "architecture_digest": _DIGEST,
        "architecture": _ARCHITECTURE,
        "report_test": False,
        "job": f"job_{EXAMPLE_ID}",
        "status": "succeeded",
        "files": [
            {
                "name": "network.onnx",
                "size_bytes": 251_004,
                "sha256": _SHA256,
                "media_type": "application/octet-stream",
                "url": f"/v1/exports/exp_{EXAMPLE_ID}/files/network.onnx",
            }
        ],
        "card": {"seed": 0},
        "test_report": None,
        "created_at": _MOMENT,
    },
}
"""By the names of their schemas."""
