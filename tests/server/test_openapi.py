"""The OpenAPI document is complete, and the service keeps to it."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from campaign_examples import campaign
from examples import (
    SPACE,
    add_export,
    add_search,
    assessed,
    claim,
    observe,
    search_with_a_front,
    trained_supernet,
)
from jsonschema import Draft202012Validator
from key_examples import make_key
from live import Live

OPERATIONS = {
    "live",
    "ready",
    "version",
    "metrics",
    "create_upload",
    "list_uploads",
    "get_upload",
    "append_to_upload",
    "complete_upload",
    "delete_upload",
    "create_data_set",
    "list_data_sets",
    "get_data_set",
    "change_data_set",
    "list_space_families",
    "create_space",
    "list_spaces",
    "get_space",
    "sample_space",
    "cost_architecture",
    "create_supernet",
    "list_supernets",
    "get_supernet",
    "get_stitches",
    "change_supernet",
    "create_search",
    "list_searches",
    "get_search",
    "change_search",
    "list_search_evaluations",
    "lease_proposals",
    "tell_observations",
    "renew_leases",
    "release_leases",
    "get_front",
    "get_front_png",
    "get_front_svg",
    "get_predictions",
    "list_evaluations",
    "get_architecture",
    "create_export",
    "list_exports",
    "get_export",
    "download_export_file",
    "create_refinement",
    "list_refinements",
    "get_refinement",
    "download_refinement_file",
    "create_assessment",
    "list_assessments",
    "get_assessment",
    "get_assessment_png",
    "get_assessment_svg",
    "create_campaign",
    "list_campaigns",
    "get_campaign",
    "change_campaign",
    "delete_campaign",
    "pause_campaign",
    "resume_campaign",
    "run_campaign",
    "list_campaign_times",
    "list_occurrences",
    "get_occurrence",
    "get_occurrence_report",
    "get_occurrence_report_png",
    "get_occurrence_report_svg",
    "list_promotions",
    "get_campaign_best",
    "download_campaign_best_file",
    "get_hypervolume",
    "get_hypervolume_picture",
    "compare_searches",
    "compare_searches_picture",
    "export_evaluations",
    "create_webhook",
    "list_webhooks",
    "get_webhook",
    "change_webhook",
    "delete_webhook",
    "ping_webhook",
    "list_deliveries",
    "retry_delivery",
    "list_jobs",
    "get_job",
    "cancel_job",
    "kill_job",
    "pause_job",
    "resume_job",
    "change_job",
    "delete_job",
    "list_runners",
    "list_job_events",
    "stream_job_events",
    "get_caller",
    "create_key",
    "list_keys",
    "get_key",
    "revoke_key",
    "create_project",
    "list_projects",
    "get_project",
    "set_quotas",
    "list_changes",
}


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_names_every_operation_and_error(sqlite_live: Live) -> None:
    document = sqlite_live.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {operation["operationId"] for _, operation in operations(document)} == OPERATIONS
    for name, operation in operations(document):
        responses = operation["responses"]
        assert operation["description"], name
        always = {"400", "401", "403", "413", "415", "421", "422", "429", "500", "503"}
        assert always <= set(responses), name
        if "{" in name:
            assert "404" in responses or "space-families" in name, name
        for status, response in responses.items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_examples_of_bodies_are_valid(sqlite_live: Live) -> None:
    document = sqlite_live.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    examples = {
        name: schema["examples"] for name, schema in schemas.items() if "examples" in schema
    }
    for name, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if content["schema"].get("format") == "binary":
                continue
            members = content["schema"].get("oneOf", [content["schema"]])
            shown = {one.get("$ref", "").rpartition("/")[2] for one in members}
            assert "examples" in content or shown <= set(examples), name
    assert {"ProblemBody", "FrontView", "ExportView", "EventsView"} <= set(examples)
    for name, values in examples.items():
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        for value in values:
            Draft202012Validator(whole).validate(value)


def test_what_creates_heeds_idempotency_keys(sqlite_live: Live) -> None:
    document = sqlite_live.client.get("/openapi.json").json()
    unnamed = set()
    for name, operation in operations(document):
        if not name.startswith("POST") or not {"201", "202"} & set(operation["responses"]):
            continue
        headers = {one["name"] for one in operation.get("parameters", ())}
        if "Idempotency-Key" not in headers:
            unnamed.add(operation["operationId"])
    # A key is shown once and never stored; the others change nothing when they come again.
    assert unnamed == {"create_key", "cancel_job", "kill_job", "pause_job", "resume_job"}


def links_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Operations with what they are linked to, and the links' parameters."""
    for _, operation in operations(document):
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                yield operation["operationId"], link["operationId"], link["parameters"]


def test_links_lead_from_creation_and_lists_to_all_that_can_be_done(sqlite_live: Live) -> None:
    document = sqlite_live.client.get("/openapi.json").json()
    needed = {
        operation["operationId"]: set(re.findall(r"\{(\w+)\}", name))
        for name, operation in operations(document)
    }
    links = list(links_of(document))
    for source, target, parameters in links:
        assert set(parameters) == needed[target], (source, target)
    pairs = {(source, target) for source, target, _ in links}
    for chain in (
        ("create_search", "get_search", "lease_proposals"),
        ("list_searches", "get_search", "get_front_png"),
        ("create_supernet", "create_assessment", "get_assessment"),
        ("get_supernet", "get_job", "cancel_job", "delete_job"),
        ("create_upload", "complete_upload", "delete_upload"),
        ("create_webhook", "list_deliveries", "retry_delivery"),
        ("create_key", "revoke_key", "get_key"),
        ("list_campaigns", "get_campaign", "run_campaign", "get_occurrence_report"),
        ("create_project", "set_quotas", "get_project"),
    ):
        assert {*itertools.pairwise(chain)} <= pairs, chain
    linked = {target for _, target, _ in links}
    # Of what is named by more than an id: files, formats, digests.
    assert {name for name, parameters in needed.items() if parameters} - linked == {
        "compare_searches_picture",
        "download_campaign_best_file",
        "download_export_file",
        "download_refinement_file",
        "get_architecture",
        "get_hypervolume_picture",
    }


def value_of(expression: str, body: Any, asked: dict[str, str]) -> str | None:
    """What a link's expression stands for; None where an empty list has no first item."""
    if expression.startswith("$request.path."):
        return asked[expression.removeprefix("$request.path.")]
    for part in expression.removeprefix("$response.body#/").split("/"):
        if body == []:
            return None
        body = body[int(part)] if isinstance(body, list) else body[part]
    return str(body)


def test_links_can_be_followed(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    search, digests = search_with_a_front(store)
    add_export(store, search, digests[0])
    store.add_upload("a.zip", 1000, "0" * 64)
    store.add_campaign(campaign(search.supernet_id))
    store.run_campaign("nightly")
    document = client.get("/openapi.json").json()
    paths = {
        operation["operationId"]: path
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method == "get"
    }
    pending = [(name, path) for name, path in paths.items() if name.startswith("list_")]
    pending = [(name, path) for name, path in pending if "{" not in path]
    # It has no end; and nothing was promoted.
    followed, unanswered = set(), {"stream_job_events", "get_campaign_best"}
    for name, path in pending:  # grows
        response = client.get(path)
        assert response.status_code == 200, (name, path, response.text)
        followed.add(name)
        links = document["paths"][paths[name]]["get"]["responses"]["200"].get("links", {})
        for link in links.values():
            target = link["operationId"]
            if target not in paths or target in {*followed, *unanswered}:
                continue
            asked = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", paths[name]), path)
            assert asked is not None
            values = {
                parameter: value_of(expression, response.json(), asked.groupdict())
                for parameter, expression in link["parameters"].items()
            }
            if None not in values.values():
                pending.append((target, paths[target].format(**values)))
    expected = {
        "get_search",
        "get_front_svg",
        "get_job",
        "get_export",
        "get_occurrence",
        "get_space",
    }
    assert expected <= followed


@pytest.mark.slow
def test_an_independent_client_finds_no_fault(sqlite_live: Live, tmp_path: Path) -> None:
    store = sqlite_live.store
    search = add_search(store, trained_supernet(store))
    job = claim(store)
    (architecture,) = observe(store, search, job, [(90.0, 1.0)])
    store.finish_search(job, search.id, {})
    known = {
        "space_id": SPACE.digest,
        "search_id": search.id,
        "supernet_id": search.supernet_id,
        "job_id": search.job_id,
        "digest": architecture.digest,
        "upload_id": store.add_upload("a.zip", 1000, "0" * 64)[0].id,
        "assessment_id": assessed(store, search.supernet_id),
        "campaign": store.add_campaign(campaign(search.supernet_id)).name,
        "occurrence_id": store.run_campaign("nightly").id,
    }
    hints = "\n".join(f'"path.{name}" = {json.dumps(value)}' for name, value in known.items())
    options = "[generation]\nallow-extra-parameters = false\n"  # they are refused
    (tmp_path / "schemathesis.toml").write_text(f"{options}[parameters]\n{hints}\n")
    checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "unsupported_method",
        "negative_data_rejection",
    ]
    result = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"{sqlite_live.client.base_url}/openapi.json",
            *("--checks", ",".join(checks)),
            *("--phases", "examples,fuzzing,stateful"),
            *("--max-examples", "3", "--seed", "1"),
            # Its ten seconds are too few for the first data set on a machine with much else to do.
            *("--request-timeout", "60"),
            # It makes keys, and from the first one on every request needs one.
            *("--header", f"Authorization: Bearer {make_key(store)[0]}"),
            # It would revoke its own key, and be told 401 from then on; tests of access revoke.
            *("--exclude-operation-id", "revoke_key"),
            # It would wait for the end of a stream that has none; tests of events read it.
            *("--exclude-operation-id", "stream_job_events"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
