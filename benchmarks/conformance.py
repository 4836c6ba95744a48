"""Does the service keep to its own OpenAPI document? Asked by schemathesis, an independent client.

    python benchmarks/conformance.py [--quick] [--json FILE]

A real server on a real port, over SQLite, with something of every kind stored in it. Four phases:
the document's examples, cases on the edges of every parameter, random ones, and random walks along
the document's links. Checked are: no 5xx, no undeclared status, media type, header or body, no
undeclared method, and that what the document forbids is refused.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Figure, parse_arguments, report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "server"))

from campaign_examples import campaign
from examples import add_export, assessed, claim, search_with_a_front
from key_examples import make_key
from live import Live, serving

from server.artifacts import ArtifactStore
from server.logs import configure_logs
from server.main import open_store
from server.settings import Settings
from server.store import ExportFile

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "negative_data_rejection",
    "use_after_free",
)
CONFIGURATION = """\
[phases.stateful]
# Short walks end before they get anywhere: most of their first steps are refused.
max-steps = 60
[checks.negative_data_rejection]
# Of wrong bodies also those that are too large, or sent for another version than the newest.
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]
[generation]
# They are refused, so that nothing else would be asked.
allow-extra-parameters = false
[parameters]
{hints}
"""
WALKED = {
    "query.created_after": "1970-01-01T00:00:00Z",
    "query.created_before": "2999-01-01T00:00:00Z",
}
"""Between other times lists are empty, and nothing leads on from there."""
GOAL = 2000
_CASES = re.compile(r"([\d,]+) generated")
_LINKS = re.compile(r"API Links: +([\d,]+) covered")
_FOUND = re.compile(r"found ([\d,]+) unique failure")


def seed(live: Live) -> dict[str, str]:
    """Stores something of every kind; returns what parameters of paths may be."""
    store = live.store
    search, digests = search_with_a_front(store)
    export = add_export(store, search, digests[0])
    artifacts = ArtifactStore(live.settings.artifacts_folder)
    file = ExportFile("network.onnx", artifacts.add_bytes(b"onnx" * 100, "text/plain"))
    store.record_export(claim(store), export.id, [file], {"seed": 0}, None)
    assessment = assessed(store, search.supernet_id)
    campaign_name = store.add_campaign(campaign(search.supernet_id)).name
    webhook = store.add_webhook("x", "https://example.com/hook", ["job.succeeded"])
    return {
        "space_id": search.space_id,
        "data_set_id": store.get_supernet(search.supernet_id).data_set_id,
        "search_id": search.id,
        "supernet_id": search.supernet_id,
        "job_id": search.job_id,
        "digest": digests[0],
        "export_id": export.id,
        "name": "network.onnx",
        "upload_id": store.add_upload("a.zip", 1000, "0" * 64)[0].id,
        "assessment_id": assessment,
        "campaign": campaign_name,
        "occurrence_id": store.run_campaign(campaign_name).id,
        "webhook_id": webhook.id,
        "project_id": "default",
    }


def configure(folder: Path, known: dict[str, str]) -> None:
    """Writes what schemathesis shall know."""
    hints = "\n".join(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in known.items())
    (folder / "schemathesis.toml").write_text(CONFIGURATION.format(hints=hints))


def run(live: Live, folder: Path, key: str, phases: str, num_examples: int) -> str:
    """Lets schemathesis ask; returns what it prints."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{live.client.base_url}/openapi.json",
            *("--checks", ",".join(CHECKS)),
            *("--phases", phases),
            *("--max-examples", str(num_examples), "--seed", "1"),
            *("--request-timeout", "60"),  # a busy machine is no fault of the service
            *("--header", f"Authorization: Bearer {key}"),
            # It would wait for the end of a stream that has none; tests of events read it.
            *("--exclude-operation-id", "stream_job_events"),
            # It would revoke its own key, and be told 401 from then on; tests of access revoke.
            *("--exclude-operation-id", "revoke_key"),
            *("--continue-on-failure", "--no-color"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout + result.stderr


def main() -> None:
    """Runs the benchmark."""
    arguments = parse_arguments(__doc__)
    configure_logs("error", "json")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home")
        store = open_store(settings)
        key, _ = make_key(store)
        with serving(settings, store) as live:
            known = {f"path.{name}": value for name, value in seed(live).items()}
            num_examples = 2 if arguments.quick else 22
            configure(folder, known)
            printed = run(live, folder, key, "examples,fuzzing", num_examples)
            if not arguments.quick:
                printed += run(live, folder, key, "coverage", 1)
            configure(folder, known | WALKED)
            printed += run(live, folder, key, "stateful", num_examples)
        store.close()
    print(printed)
    cases, links, faults = (
        sum(int(found.replace(",", "")) for found in pattern.findall(printed))
        for pattern in (_CASES, _LINKS, _FOUND)
    )
    figures = [
        Figure("cases", cases, "", None if arguments.quick else f">= {GOAL}"),
        Figure("links followed", links, "", None),
        Figure("unique faults", faults, "", "<= 0"),
    ]
    report("Conformance to the OpenAPI document", figures, arguments)


if __name__ == "__main__":
    main()
