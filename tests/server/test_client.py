"""The client against the real application on a real port."""

import contextlib
import hashlib
import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import (
    SPACE,
    SPACE_SETTINGS,
    add_export,
    add_supernet,
    claim,
    observe,
    running_search,
    trained_supernet,
)
from live import Live
from pydantic import TypeAdapter

from search_space.families import FAMILIES
from server.artifacts import ArtifactStore
from server.client import (
    ApiError,
    Client,
    DamagedDownloadError,
    NotOurServiceError,
    ServiceUnreachableError,
)
from server.client.errors import field_path
from server.local_service import free_port
from server.schemas.outside import LeaseView, OutcomeBody
from server.store import ExportFile, Store
from supernet.settings import TrainingSettings


@pytest.fixture
def client(sqlite_live: Live) -> Iterator[Client]:
    with Client(str(sqlite_live.client.base_url), patience_s=1.0) as client:
        yield client


class RecordingTransport(httpx.HTTPTransport):
    """The network, remembering what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.method, request.url.path))
        return super().handle_request(request)


def exported_search(live: Live) -> str:
    """The id of an export with one file, of a search that has ended."""
    search, job = running_search(live.store)
    architecture = observe(live.store, search, job, [(97.0, 0.5)])[0]
    live.store.finish_search(job, search.id, {})
    export = add_export(live.store, search, architecture.digest)
    artifacts = ArtifactStore(live.settings.artifacts_folder)
    file = ExportFile("weights.bin", artifacts.add_bytes(b"weights" * 50_000, "text/plain"))
    live.store.record_export(claim(live.store), export.id, [file], {}, None)
    return export.id


def use_data_sets_and_spaces(client: Client) -> None:
    body = {"name": "numbers", "source": {"kind": "digits"}}
    data_set = client.create_data_set(body)
    assert client.create_data_set(body) == data_set
    assert client.data_set(data_set.id) == data_set
    assert list(client.data_sets()) == [data_set]
    assert client.change_data_set(data_set.id, {"name": "digits"}).name == "digits"
    assert client.change_data_set(data_set.id, {"name": "numbers"}) == data_set
    assert list(client.data_sets(name="numbers", sort="-name")) == [data_set]
    kinds = {family.kind for family in client.families().items}
    assert kinds == set(FAMILIES)
    space = client.create_space(SPACE_SETTINGS)
    assert space.id == SPACE.digest
    assert client.space(space.id) == space
    assert list(client.spaces()) == [space]
    (drawn,) = client.sample_space(space.id, 1, seed=3).items
    assert client.cost(space.id, drawn.architecture).digest == drawn.digest


def use_uploads(client: Client, path: Path) -> None:
    path.write_bytes(b"content")
    upload = client.upload(path)
    assert client.upload_status(upload.id) == upload
    assert list(client.uploads()) == [upload]
    client.delete_upload(upload.id)


def use_supernets_and_jobs(client: Client) -> None:
    (data_set,) = client.data_sets()
    supernet = client.create_supernet(
        {
            "name": "a",
            "space": SPACE.digest,
            "data_set": data_set.id,
            "training": TrainingSettings(epochs=1).model_dump(mode="json"),
        }
    )
    assert client.supernet(supernet.id) == supernet
    assert list(client.supernets()) == [supernet]
    assert client.change_supernet(supernet.id, {"labels": {"a": "b"}}).labels == {"a": "b"}
    assert client.job(supernet.job).kind == "train"
    assert client.cancel(supernet.job).status == "cancelled"
    assert client.past_events(supernet.job).ended
    assert [event.type for event in client.events(supernet.job)] == ["queued", "cancelled"]
    assert [job.id for job in client.jobs(status="cancelled")] == [supernet.job]
    assert list(client.jobs(kind="export")) == []


def use_searches_and_exports(client: Client, store: Store) -> None:
    search = client.create_search(
        {
            "name": "b",
            "supernet": trained_supernet(store).id,
            "objectives": [{"metric": "top1_percent"}],
            "evaluations": 3,
        }
    )
    assert client.search(search.id) == search
    assert list(client.searches()) == [search]
    assert client.change_search(search.id, {"description": "x"}).description == "x"
    (architecture,) = observe(store, store.get_search(search.id), claim(store), [(97.0, 0.5)])
    assert client.front(search.id).points[0].architecture_digest == architecture.digest
    assert client.front_picture(search.id, "png").startswith(b"\x89PNG")
    assert b"<svg" in client.front_picture(search.id, "svg")
    (observation,) = client.observations(search.id)
    assert list(client.evaluations(space_id=SPACE.digest)) == [observation.evaluation]
    assert client.architecture(architecture.digest).spaces[0].space == SPACE.digest
    export = client.create_export({"search": search.id, "architecture_digest": architecture.digest})
    assert client.export(export.id) == export
    assert list(client.exports()) == [export]
    client.cancel(export.job)


def use_refinements_and_assessments(client: Client, live: Live, folder: Path) -> None:
    store = live.store
    search, job = running_search(store)
    (architecture,) = observe(store, search, job, [(97.0, 0.5)])
    store.finish_search(job, search.id, {})
    refinement = client.create_refinement({"name": "c", "search": search.id})
    job = claim(store)
    artifacts = ArtifactStore(live.settings.artifacts_folder)
    file = ExportFile("weights.bin", artifacts.add_bytes(b"refined", "text/plain"))
    store.record_refined_files(job, refinement.id, architecture.digest, [file], {})
    (network,) = client.refinement(refinement.id).networks
    client.download(network.files[0], folder / "refined.bin")
    assert (folder / "refined.bin").read_bytes() == b"refined"
    assert [found.id for found in client.refinements()] == [refinement.id]
    store.fail_job(job, {"type": "failed", "message": "x"})

    assessment = client.create_assessment(search.supernet_id, {"samples": 5})
    assert client.assessment(assessment.id).architectures == []
    assert list(client.assessments(supernet_id=search.supernet_id)) == [assessment]
    assert client.assessment_picture(assessment.id, "png").startswith(b"\x89PNG")
    assert b"<svg" in client.assessment_picture(assessment.id, "svg")
    client.cancel(assessment.job)


def ask_the_rest(client: Client) -> None:
    """Calls what tests of its own area use for real; here it only has to be asked for."""
    lease = LeaseView.model_validate(
        {
            "number": 0,
            "architecture_digest": "0" * 16,
            "architecture": {},
            "fence": 1,
            "lease": "lea_" + "0" * 26,
            "worker": None,
            "expires_at": "2026-01-01T00:00:00Z",
        }
    )
    outcome = {"number": 0, "lease": lease.lease, "status": "failed", "reason": "r"}
    told = TypeAdapter[Any](OutcomeBody).validate_python(outcome)
    calls: list[Callable[[], object]] = [
        *(partial(method, "x") for method in (client.kill, client.pause, client.resume)),
        partial(client.set_priority, "x", 1),
        partial(client.delete_job, "x"),
        client.runners,
        partial(client.predictions, "x"),
        partial(client.stitches, "x"),
        partial(client.hypervolume, "x"),
        partial(client.compare, ["x"]),
        partial(client.comparison_picture, ["x"], "png"),
        client.evaluations_in_bulk,
        partial(client.lease_proposals, "x"),
        partial(client.tell_observations, "x", [told]),
        partial(client.renew_leases, "x", [lease]),
        partial(client.release_leases, "x", [lease]),
        *(partial(method, {}) for method in (client.create_webhook, client.create_campaign)),
        client.webhooks,
        partial(client.webhook, "x"),
        partial(client.set_webhook_active, "x", active=False),
        partial(client.delete_webhook, "x"),
        partial(client.ping_webhook, "x"),
        partial(client.deliveries, "x"),
        partial(client.retry_delivery, "x", 1),
        client.campaigns,
        partial(client.campaign, "x"),
        partial(client.change_campaign, "x", {}),
        partial(client.delete_campaign, "x"),
        partial(client.pause_campaign, "x"),
        partial(client.resume_campaign, "x"),
        partial(client.run_campaign, "x"),
        partial(client.next_times, "x"),
        partial(client.occurrences, "x"),
        partial(client.occurrence, "x", "y"),
        partial(client.occurrence_report, "x", "y"),
        partial(client.occurrence_picture, "x", "y", "png"),
        partial(client.occurrence_picture, "x", "y", "svg"),
        partial(client.promotions, "x"),
        partial(client.best, "x"),
        client.caller,
        *(partial(method, {}) for method in (client.create_key, client.create_project)),
        partial(client.key, "x"),
        client.keys,
        partial(client.revoke_key, "x"),
        partial(client.project, "x"),
        client.projects,
        partial(client.set_quotas, "x", {}),
        client.changes,
    ]
    for call in calls:
        with contextlib.suppress(ApiError):
            answer = call()
            if isinstance(answer, Iterator):
                next(answer, None)


def test_every_operation_of_the_api_has_a_method(sqlite_live: Live, tmp_path: Path) -> None:
    transport = RecordingTransport()
    with Client(str(sqlite_live.client.base_url), transport=transport) as client:
        assert client.ready().status == "ok"
        assert client.version().name == "espalier"
        use_uploads(client, tmp_path / "file")
        use_data_sets_and_spaces(client)
        use_supernets_and_jobs(client)
        use_searches_and_exports(client, sqlite_live.store)
        (file,) = client.export(exported_search(sqlite_live)).files
        client.download(file, tmp_path / file.name)
        use_refinements_and_assessments(client, sqlite_live, tmp_path)
        ask_the_rest(client)
    paths: dict[str, Any] = sqlite_live.client.get("/openapi.json").json()["paths"]
    operations = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    used = {
        (method, path)
        for method, path in operations
        for used_method, used_path in transport.requests
        if method == used_method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), used_path)
    }
    assert operations - used == {
        ("GET", "/livez"),  # says nothing that `ready` does not
        ("GET", "/metrics"),  # is for Prometheus
        ("GET", "/v1/campaigns/{campaign}/best/files/{name}"),  # `download` takes any file's url
        ("GET", "/v1/searches/{search_id}/hypervolume.{image_format}"),  # a comparison of one
    }


def test_lists_are_read_to_their_end(sqlite_live: Live, client: Client) -> None:
    submitted = [add_supernet(sqlite_live.store)[1].id for _ in range(120)]
    assert [job.id for job in client.jobs()] == sorted(submitted, reverse=True)


# --- errors ------------------------------------------------------------------------------------


def test_a_refused_request_says_field_rule_and_value(client: Client) -> None:
    body = {
        "name": "x",
        "supernet": "net_1",
        "objectives": [{"metric": "top1_percent"}],
        "limits": [{"metric": "latency_ms", "upper": float("nan")}],
        "evaluations": 0,
    }
    with pytest.raises(ApiError) as caught:
        client.create_search(body)
    assert caught.value.status == 422
    assert not caught.value.is_temporary
    assert str(caught.value) == "limits[0].upper must be a finite number, got 'nan'"
    body["limits"] = [{"metric": "latency_ms", "upper": -1.0}]
    with pytest.raises(ApiError) as caught:
        client.create_search(body)
    (fault,) = caught.value.errors
    assert (fault.field, fault.value) == ("evaluations", 0)
    assert str(caught.value).startswith("evaluations must be ")


def test_what_is_missing_is_named(client: Client) -> None:
    for ask in (client.job, client.search, client.supernet, client.data_set, client.export):
        with pytest.raises(ApiError, match=r"there is no .* 'nothing'") as caught:
            ask("nothing")
        assert (caught.value.status, caught.value.title) == (404, "Not Found")
    with pytest.raises(ApiError, match="there is no job 'nothing'"):
        client.wait("nothing")


@pytest.mark.parametrize("identifier", ["../searches", "a b", "a?b=c", "a/b", "%2e"])
def test_identifiers_are_never_taken_for_paths(client: Client, identifier: str) -> None:
    with pytest.raises(ApiError):
        client.job(identifier)


def test_paths_of_fields() -> None:
    assert field_path("/limits/0/upper") == "limits[0].upper"
    assert field_path("/stages/1/a~1b~0c") == "stages[1].a/b~c"
    assert field_path("limit") == "limit"
    assert field_path("") == ""


def test_a_service_that_is_not_there_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, patience_s=0.3) as client:
        with pytest.raises(ServiceUnreachableError, match=re.escape(url)):
            client.ready()
        started = time.monotonic()
        with pytest.raises(ServiceUnreachableError, match=re.escape(url)):
            client.wait("job_1")
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[::1"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="the address must"):
        Client(url)


def test_proxies_of_the_environment_do_not_stand_before_loopback(
    sqlite_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with Client(str(sqlite_live.client.base_url)) as client:
        assert client.ready().status == "ok"


class _Page(http.server.BaseHTTPRequestHandler):
    """Some other program's server: a page for everything, a proxy's error for jobs."""

    def do_GET(self) -> None:
        self.send_response(502 if "jobs" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"no\n such  upstream")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as inherited
        pass


def test_another_programs_server_is_told_from_ours() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with Client(url) as client:
                with pytest.raises(NotOurServiceError, match="something else than a ReadyView"):
                    client.ready()
                with pytest.raises(
                    ApiError, match=r"^502 Bad Gateway: no such upstream$"
                ) as caught:
                    client.job("x")
                assert caught.value.is_temporary
        finally:
            server.shutdown()


# --- downloads ---------------------------------------------------------------------------------


def test_a_download_is_whole_or_not_there(
    sqlite_live: Live, client: Client, tmp_path: Path
) -> None:
    (file,) = client.export(exported_search(sqlite_live)).files
    path = tmp_path / "w.bin"
    client.download(file, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    path.write_bytes(b"older")
    with pytest.raises(DamagedDownloadError, match=r"weights\.bin must have the digest 0000"):
        client.download(file.model_copy(update={"sha256": "0" * 64}), path)
    assert path.read_bytes() == b"older"
    with pytest.raises(ApiError, match="there is no file"):
        client.download(file.model_copy(update={"url": file.url + "x"}), path)
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["w.bin"]
    client.download(file, path)
    assert path.stat().st_size == file.size_bytes
