"""Every route with an id answers 404 for another project's, whatever routes there are."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from campaign_examples import campaign_body
from examples import (
    KINDS,
    SPACE,
    SPACE_SETTINGS,
    add_export,
    add_search,
    assessed,
    claim,
    search_with_a_front,
)
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from key_examples import client_with, make_key
from live import Live

import server.routes
from server.callers import Caller
from server.routes.common import get_whole_service
from server.store import Chosen, Store
from server.tables import SearchRow

OPERATORS = re.compile(r"/v1/(keys|projects|audit)\b")
"""What looks beyond projects, and needs the scope `admin`."""

SHARED = {"/v1/spaces", "/v1/space-families"}
"""Plain values: the same in all projects."""

NO_IDS = {"name", "image_format"}
EMPTY = {f"/v1/campaigns/{{campaign}}/{what}" for what in ("best", "best.png")}
"""What even the owner does not see here."""


class _TheirsAndRunners:
    """A runner's methods of the service's store, everybody else's of their project's."""

    def __init__(self, theirs: Store, runners: Store) -> None:
        self._theirs = theirs
        self._runners = runners

    def __getattr__(self, name: str) -> Any:
        is_runners = name.startswith(("claim_", "record_", "finish_"))
        return getattr(self._runners if is_runners else self._theirs, name)


def fill(store: Store, project: str) -> dict[str, str]:
    """Makes a row of each kind in a project; returns their ids by the names of path parameters."""
    theirs = store.acting_for(Caller(project_id=project))
    both: Any = _TheirsAndRunners(theirs, store)
    search, digests = search_with_a_front(both)
    export = add_export(theirs, search, digests[0])
    claim(store)
    add_search(theirs, theirs.get_supernet(search.supernet_id), seed=9)
    supernet = theirs.get_supernet(search.supernet_id)
    upload, _ = theirs.add_upload("a.npz", 10, "0" * 64)
    theirs.complete_upload(upload.id)
    assessment_id = assessed(both, supernet.id)
    return {
        "refinement_id": refinement_of(theirs, search, digests[0]),
        "upload_id": upload.id,
        "data_set_id": supernet.data_set_id,
        "space_id": supernet.space_id,
        "supernet_id": supernet.id,
        "search_id": search.id,
        "digest": digests[0],
        "export_id": export.id,
        "job_id": search.job_id,
        "assessment_id": assessment_id,
        "name": "model.onnx",
        "image_format": "png",
    }


def refinement_of(store: Store, search: SearchRow, digest: str) -> str:
    figures: dict[str, Any] = {"metrics": {}, "intervals": {}, "provenance": {}}
    refinement, _ = store.add_refinement(
        name="best",
        search_id=search.id,
        chosen=[Chosen(digest, {}, figures)],
        selection={},
        training={},
        distillation=0.0,
        runs=1,
        resources={},
        export=False,
        report_test=False,
        seed=0,
    )
    return refinement.id


@pytest.fixture
def clients(sqlite_live: Live) -> Iterator[tuple[httpx.Client, httpx.Client, dict[str, str]]]:
    """Somebody of the project that has rows, somebody of one that has none, and the rows' ids."""
    names = ("ours", "theirs")
    mine, other = (make_key(sqlite_live.store, project=name)[0] for name in names)
    ids = fill(sqlite_live.store, "ours")
    with (
        client_with(sqlite_live.client, mine) as owner,
        client_with(sqlite_live.client, other) as stranger,
    ):
        campaign = owner.post("/v1/campaigns", json=campaign_body(ids["supernet_id"])).json()
        run = owner.post(f"/v1/campaigns/{campaign['id']}/run").raise_for_status().json()
        hook = {"name": "hook", "url": "https://8.8.8.8/", "events": ["job.failed"]}
        webhook = owner.post("/v1/webhooks", json=hook).raise_for_status().json()
        ping = owner.post(f"/v1/webhooks/{webhook['id']}/ping").raise_for_status().json()
        ids |= {"campaign": campaign["id"], "occurrence_id": run["id"]}
        ids |= {"webhook_id": webhook["id"], "delivery_id": ping["id"]}
        yield owner, stranger, {name: str(value) for name, value in ids.items()}


def routes(client: httpx.Client) -> Iterator[tuple[str, str, dict[str, Any]]]:
    paths = client.get("/openapi.json").raise_for_status().json()["paths"]
    for path, methods in paths.items():
        if not OPERATORS.match(path):
            yield from ((method.upper(), path, operation) for method, operation in methods.items())


def body_of(operation: dict[str, Any], document: dict[str, Any]) -> Any:
    """An example of the body that an operation takes, so that it is not refused for that."""
    if "requestBody" not in operation:
        return None
    content = operation["requestBody"]["content"].get("application/json")
    if content is None:
        return None
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("examples", [{}])[0]


def ask(
    client: httpx.Client, method: str, address: str, body: Any, *, is_json: bool
) -> httpx.Response:
    if is_json:
        # Whatever there is: what a change is based on is not the question here.
        return client.request(method, address, json=body, headers={"If-Match": "*"})
    headers = {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
    return client.request(method, address, content=b"x", headers=headers)


def test_a_foreign_id_is_not_there(
    clients: tuple[httpx.Client, httpx.Client, dict[str, str]],
) -> None:
    owner, stranger, ids = clients
    document = owner.get("/openapi.json").json()
    statuses, wrong = {}, {}
    for method, path, operation in routes(owner):
        names = {*re.findall(r"\{(\w+)\}", path)} - NO_IDS
        if not names or path.startswith(tuple(SHARED)):
            continue
        # That an id which was never made is not found says nothing of projects.
        missing = names - {*ids}
        assert not missing, f"make one of {missing} in fill(), for {path}"
        address = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
        body, is_json = body_of(operation, document), not path.startswith("/v1/uploads")
        response = ask(stranger, method, address, body, is_json=is_json or method != "PATCH")
        statuses[f"{method} {path}"] = response.status_code
        has_content = "/files/" not in path and "stream" not in path
        if method == "GET" and has_content:
            seen = owner.get(address)
            if seen.status_code != 200 and path not in EMPTY:
                wrong[path] = seen.text
    assert {name: status for name, status in statuses.items() if status != 404} == {}
    assert wrong == {}
    assert len(statuses) >= 20


def test_no_list_shows_a_foreign_row(
    clients: tuple[httpx.Client, httpx.Client, dict[str, str]],
) -> None:
    owner, stranger, ids = clients
    filled = 0
    for method, path, _ in routes(owner):
        if method != "GET" or "{" in path or path in SHARED or not path.startswith("/v1/"):
            continue
        text = stranger.get(path).text
        for name, value in ids.items():
            if name not in {"space_id", "delivery_id", *NO_IDS}:
                assert value not in text, (path, name)
        mine = owner.get(path)
        if "items" in mine.text:
            filled += bool(json.loads(mine.text).get("items"))
    assert filled >= 7


NEVER = "0" * 26
"""The end of ids that nothing ever had."""

SOUGHT = {"search": "search_id", "supernet": "supernet_id", "data_set": "data_set_id"}
"""Parameters of queries, and what they are the ids of."""


def never(identifier: str) -> str:
    return f"{identifier.partition('_')[0]}_{NEVER}"


def told(response: httpx.Response, identifier: str) -> tuple[int, str]:
    """What an answer says, whatever the id that was asked for."""
    text = response.text.replace(identifier, "ID")
    return response.status_code, re.sub(r'"request_id":"\w+"', "", text)


def test_a_query_for_something_foreign_is_one_for_nothing(
    clients: tuple[httpx.Client, httpx.Client, dict[str, str]],
) -> None:
    owner, stranger, ids = clients
    num_asked = 0
    for method, path, operation in routes(owner):
        if method != "GET" or "{" in path or path in SHARED:
            continue
        names = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        for name in names & {*SOUGHT}:
            foreign = ids[SOUGHT[name]]
            answers = [
                told(client.get(path, params={name: sought}), sought)
                for client, sought in (
                    (owner, foreign),
                    (stranger, foreign),
                    (stranger, never(foreign)),
                )
            ]
            assert answers[1] == answers[2] != answers[0], (path, name, answers)
            num_asked += 1
    assert num_asked >= 8


MEANT = {"after": "job", "teacher": "supernet", "supersedes": "data_set"}
"""Fields of bodies that are not called by what they name."""


def naming(ids: dict[str, str], mine: dict[str, str]) -> dict[str, tuple[str, Any]]:
    """Bodies that name something by an id of `ids`, all else being their sender's own."""
    objectives = [{"metric": "top1_percent"}]
    search = {"name": "x", "supernet": mine["supernet_id"], "searcher": {"kind": "random"}}
    search |= {"objectives": objectives, "evaluations": 1}
    theirs = {**search, "supernet": ids["supernet_id"]}
    digits = SPACE_SETTINGS.model_dump(mode="json")
    supernet = {"name": "x", "space": digits, "data_set": mine["data_set_id"]}
    distilled = {"kind": "single", "architecture": dict(SPACE.smallest()), "distillation": 1.0}
    smallest = {**SPACE.smallest(), "resolution": max(SPACE_SETTINGS.resolutions)}
    anchors = [{"network": digits, "architecture": smallest}, {"network": digits}]
    stitched = {**supernet, "space": {"kind": "stitch", "anchors": anchors}}
    own = {"kind": "supernet", "supernet": mine["supernet_id"]}
    table = {"kind": "table", "upload": ids["upload_id"], "choices": ["a"]}
    schedule = {"kind": "cron", "expression": "0 3 * * *"}
    return {
        "search/supernet": ("/v1/searches", theirs),
        "search/job/after": ("/v1/searches", {**search, "job": {"after": [ids["job_id"]]}}),
        "search/evaluator/upload": (
            "/v1/searches",
            {"name": "x", "objectives": objectives, "evaluations": 1, "evaluator": table},
        ),
        "supernet/data_set": ("/v1/supernets", {**supernet, "data_set": ids["data_set_id"]}),
        "supernet/start/supernet": (
            "/v1/supernets",
            {**supernet, "start": {"kind": "supernet", "supernet": ids["supernet_id"]}},
        ),
        "supernet/start/upload": (
            "/v1/supernets",
            {**supernet, "start": {"kind": "weights", "upload": ids["upload_id"]}},
        ),
        **{
            f"supernet/start/anchors/{kind}": (
                "/v1/supernets",
                {**stitched, "start": {"kind": "anchors", "anchors": [own, anchor]}},
            )
            for kind, anchor in {
                "supernet": {"kind": "supernet", "supernet": ids["supernet_id"]},
                "refinement": {"kind": "refinement", "refinement": ids["refinement_id"]},
                "upload": {"kind": "timm", "upload": ids["upload_id"]},
            }.items()
        },
        "supernet/teacher": (
            "/v1/supernets",
            {**supernet, "training": {"schedule": distilled}, "teacher": ids["supernet_id"]},
        ),
        "data_set/upload": (
            "/v1/data-sets",
            {"name": "x", "source": {"kind": "arrays", "upload": ids["upload_id"]}},
        ),
        "data_set/supersedes": (
            "/v1/data-sets",
            {"name": "x", "source": {"kind": "digits"}, "supersedes": ids["data_set_id"]},
        ),
        "export/search": (
            "/v1/exports",
            {"search": ids["search_id"], "architecture_digest": mine["digest"]},
        ),
        "refinement/search": ("/v1/refinements", {"name": "x", "search": ids["search_id"]}),
        "campaign/supernet": (
            "/v1/campaigns",
            {"name": "x", "schedule": schedule, "template": {"search": theirs}},
        ),
    }


def test_a_body_that_names_something_foreign_names_nothing(
    clients: tuple[httpx.Client, httpx.Client, dict[str, str]], sqlite_live: Live
) -> None:
    owner, stranger, ids = clients
    while sqlite_live.store.claim_job("busy", 3600.0, KINDS) is not None:
        pass  # what is left of the owner's
    mine = fill(sqlite_live.store, "theirs")
    before = [client.get("/v1/jobs").text for client in (owner, stranger)]
    foreign = naming(ids, mine)
    nothing = naming({name: never(value) for name, value in ids.items()}, mine)
    for place, (path, body) in foreign.items():
        field = place.rpartition("/")[2]
        named = ids[f"{MEANT.get(field, field)}_id"]
        refused = told(stranger.post(path, json=body), named)
        unknown = told(stranger.post(path, json=nothing[place][1]), never(named))
        assert refused == unknown, place
        assert refused[0] in (404, 422), (place, refused)
    assert [client.get("/v1/jobs").text for client in (owner, stranger)] == before
    # Nor is that so because the bodies are wrong in other ways.
    for place, (path, body) in naming(mine, mine).items():
        response = stranger.post(path, json=body)
        is_refused = place.endswith(("/upload", "/refinement"))
        assert response.is_success != is_refused, (place, response.text)


def test_only_the_operator_s_routes_look_beyond_the_caller_s_project() -> None:
    modules = [
        importlib.import_module(f"server.routes.{module.name}")
        for module in pkgutil.iter_modules(server.routes.__path__)
    ]
    routes = [
        route
        for module in modules
        for route in getattr(module, "router", APIRouter()).routes
        if isinstance(route, APIRoute)
    ]
    assert len(routes) > 60
    beyond = {route.path for route in routes if get_whole_service in calls_of(route.dependant)}
    assert {path for path in beyond if not OPERATORS.match(path)} == {"/readyz"}
    assert "/v1/audit" in beyond


def calls_of(dependant: Dependant) -> set[Any]:
    """All that an endpoint depends on, directly or not."""
    found = {dependant.call}
    for part in dependant.dependencies:
        found |= calls_of(part)
    return found
