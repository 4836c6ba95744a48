"""Lists: order, filters, times, and cursors that belong to one query."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import (
    SPACE,
    add_data_set,
    add_export,
    add_search,
    add_supernet,
    claim,
    observe,
    search_with_a_front,
    trained_supernet,
)
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from live import Live
from sqlalchemy import Engine, event, text

from server.callers import LOCAL
from server.errors import InvalidRequestError
from server.main import open_store
from server.routes.lists import _decode
from server.settings import Settings
from server.store import Part


def items(live: Live, address: str, limit: int = 2) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    found = []
    url = live.client.build_request("GET", address).url.copy_merge_params({"limit": limit})
    while True:
        response = live.client.get(url)
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["items"]
        if page["next"] is None:
            assert "Link" not in response.headers
            return found
        assert len(page["items"]) == limit
        assert response.headers["Link"] == f'<{page["next"]}>; rel="next"'
        url = httpx.URL(page["next"])


def names(live: Live, address: str) -> list[str]:
    return [item["name"] for item in items(live, address)]


def fault(response: httpx.Response) -> tuple[str, str]:
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    return error["pointer"], error["rule"]


def test_named_lists_are_sorted_both_ways(live: Live) -> None:
    given_names = ["b", "a", "é", "B", "c"]
    for number, name in enumerate(given_names):
        add_data_set(live.store, name, "abcde"[number])
    assert names(live, "/v1/data-sets") == given_names[::-1]
    assert names(live, "/v1/data-sets?sort=created_at") == given_names
    forward = names(live, "/v1/data-sets?sort=name")
    assert sorted(forward) == sorted(given_names)
    assert names(live, "/v1/data-sets?sort=-name") == forward[::-1]
    assert names(live, "/v1/data-sets?name=b") == ["b"]


def test_equal_names_are_all_shown(live: Live) -> None:
    supernet = trained_supernet(live.store)
    ids = [add_search(live.store, supernet, seed).id for seed in range(5)]
    assert [item["id"] for item in items(live, "/v1/searches?sort=name")] == ids
    assert [item["id"] for item in items(live, "/v1/searches?sort=-name&name=fast")] == ids[::-1]


def test_lists_are_filtered(live: Live) -> None:
    store = live.store
    search, digests = search_with_a_front(store)
    export = add_export(store, search, digests[0])
    supernet = store.get_supernet(search.supernet_id)
    other = add_supernet(store)[0]
    counts = {
        f"/v1/supernets?status=succeeded&space={SPACE.digest}": 1,
        f"/v1/supernets?status=queued&data_set={supernet.data_set_id}": 1,
        "/v1/supernets?name=first": 2,
        "/v1/supernets?name=First": 0,
        f"/v1/searches?supernet={supernet.id}&status=succeeded": 1,
        f"/v1/searches?supernet={other.id}": 0,
        f"/v1/searches?space={SPACE.digest}": 1,
        f"/v1/exports?search={search.id}&status=queued": 1,
        f"/v1/exports?architecture_digest={digests[1]}": 0,
        f"/v1/evaluations?search={search.id}&status=measured": 4,
        f"/v1/evaluations?evaluator_digest={search.evaluator_digest}": 4,
        "/v1/evaluations?status=failed": 0,
        "/v1/spaces?kind=mobilenetv3": 1,
        "/v1/spaces?kind=custom": 0,
        "/v1/jobs?kind=train&status=queued": 1,
        f"/v1/refinements?search={search.id}": 0,
        f"/v1/assessments?supernet={supernet.id}&status=queued": 0,
    }
    assert {address: len(items(live, address)) for address in counts} == counts
    assert items(live, f"/v1/exports?search={search.id}")[0]["id"] == export.id


def test_times_cut_lists_without_gap_or_overlap(live: Live, engine: Engine) -> None:
    rows = [add_data_set(live.store, str(number), "abcdef"[number]) for number in range(6)]
    moments = [row.created_at.isoformat() for row in rows]
    everything = names(live, "/v1/data-sets?sort=created_at")
    for moment in moments:
        for sort in ("created_at", "-name"):
            parts = [
                names(live, str(httpx.URL("/v1/data-sets", params={bound: moment, "sort": sort})))
                for bound in ("created_before", "created_after")
            ]
            assert sorted(parts[0] + parts[1]) == everything
            assert str(moments.index(moment)) in parts[1]
    add_supernet(live.store)
    late = "created_after=2999-01-01T00:00:00Z"
    assert items(live, f"/v1/spaces?{late}") == []
    assert len(items(live, "/v1/spaces?created_after=1969-01-01T00:00:00.5-08:00")) == 1
    # Spaces are named by what they are, so that their ids say nothing of the time.
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO spaces (id, kind, settings, size, num_choices, created_at) VALUES "
                "('ffff', 'custom', '{}', '1', 1, '2001-01-01 00:00:00+00:00'),"
                "('0000', 'custom', '{}', '1', 1, '2002-01-01 00:00:00+00:00')"
                if engine.dialect.name == "postgresql"
                else "INSERT INTO spaces (id, kind, settings, size, num_choices, created_at) "
                "VALUES ('ffff', 'custom', '{}', '1', 1, '2001-01-01 00:00:00.000000'),"
                "('0000', 'custom', '{}', '1', 1, '2002-01-01 00:00:00.000000')"
            )
        )
    shown = [item["id"] for item in items(live, "/v1/spaces?sort=created_at", limit=1)]
    assert shown == ["ffff", "0000", SPACE.digest]
    assert [item["id"] for item in items(live, "/v1/spaces?kind=custom", 1)] == ["0000", "ffff"]


@pytest.mark.parametrize(
    "moment",
    [
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01",
        "1700000000",
        "yesterday",
        "",
        "0001-01-01T00:00:00+23:59",
        "2026-01-01T00:00:00 01:00",
    ],
)
def test_impossible_times_are_refused(sqlite_live: Live, moment: str) -> None:
    response = sqlite_live.client.get("/v1/searches", params={"created_after": moment})
    pointer, rule = fault(response)
    assert pointer == "created_after"
    assert rule.startswith("must be a time of RFC 3339")
    assert response.json()["errors"][0]["value"] == moment


def test_no_time_between_two_is_refused(sqlite_live: Live) -> None:
    query = "created_after=2026-01-02T00:00:00Z&created_before=2026-01-02T01:00:00%2B01:00"
    found = fault(sqlite_live.client.get(f"/v1/jobs?{query}"))
    rule = "must be earlier than created_before, 2026-01-02T00:00:00+00:00"
    assert found == ("created_after", rule)


@pytest.mark.parametrize("query", ["stauts=queued", "sort=name", "sort=size", "sort=--created_at"])
def test_what_a_list_does_not_take_is_refused(sqlite_live: Live, query: str) -> None:
    pointer, rule = fault(sqlite_live.client.get(f"/v1/jobs?{query}"))
    assert pointer == query.partition("=")[0]
    assert "must" in rule or "should" in rule


def test_parameters_that_would_be_lost_are_refused(sqlite_live: Live) -> None:
    for method, address, pointer, rule in (
        ("GET", "/v1/evaluations.ndjson?serach=a", "serach", "the parameters are search, space"),
        ("GET", "/v1/comparisons?search=a&reference=b&searches=c", "searches", "reference, search"),
        ("GET", "/v1/jobs/x/events?afer=5", "afer", "the parameters are after, limit"),
        ("GET", "/v1/searches/x?after=5", "after", "there are none"),
        ("POST", "/v1/jobs/x/kill?now=1", "now", "there are none"),
        ("GET", "/v1/jobs?status=queued&status=failed", "status", "must be given once"),
        ("GET", "/v1/jobs?limit=5&limit=6", "limit", "must be given once"),
        ("GET", "/v1/spaces?kind=%00", "kind", "must not hold NUL characters"),
        ("GET", "/v1/audit?key=a%00b", "key", "must not hold NUL characters"),
    ):
        found, told = fault(sqlite_live.client.request(method, address))
        assert found == pointer, address
        assert rule in told, address
    # What takes several may be given them, and monitors may add what they like.
    assert sqlite_live.client.get("/v1/comparisons?search=a&search=b").status_code == 404
    assert sqlite_live.client.get("/livez?probe=7").status_code == 200


def test_cursors_belong_to_one_query(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    supernet = trained_supernet(store)
    search, *_ = (add_search(store, supernet, seed) for seed in range(3))
    observe(store, search, claim(store), [(90.0 + i, 1.0) for i in range(3)])
    queries = [
        "/v1/searches?",
        "/v1/searches?sort=name",
        "/v1/searches?sort=created_at",
        "/v1/searches?name=fast",
        f"/v1/searches?supernet={supernet.id}",
        "/v1/jobs?",
        "/v1/jobs?status=queued",
        "/v1/evaluations?",
        f"/v1/searches/{search.id}/evaluations?",
    ]
    cursors = {}
    for query in queries:
        following = client.get(f"{query}&limit=1").json()["next"]
        cursors[query] = httpx.URL(following).params["cursor"]
    for query, (origin, cursor) in itertools.product(queries, cursors.items()):
        response = client.get(f"{query}&cursor={cursor}")
        if origin == query:
            assert response.status_code == 200
            continue
        pointer, rule = fault(response)
        assert pointer == "cursor"
        assert "belongs to another query" in rule
    # The page's size and the default order by its name are no other query.
    cursor = cursors["/v1/searches?"]
    same = client.get(f"/v1/searches?limit=7&sort=-created_at&cursor={cursor}")
    assert len(same.json()["items"]) == 2


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_forged_cursors_are_refused(sqlite_live: Live) -> None:
    add_data_set(sqlite_live.store, "a", "a")
    add_data_set(sqlite_live.store, "b", "b")
    for query in ("/v1/data-sets?", "/v1/data-sets?sort=name&", "/v1/spaces?", "/v1/evaluations?"):
        real = sqlite_live.client.get(f"/v1/data-sets?{query.partition('?')[2]}limit=1").json()
        cursor = httpx.URL(real["next"]).params["cursor"]
        binding = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0]
        for forged in (
            "x",
            "%00",
            encoded(5),
            encoded([binding]),
            encoded([binding, 5]),
            encoded([binding, "{"]),
            encoded([binding, "[" * 100_0]),
            encoded([binding, "5"]),
            encoded([binding, "[]"]),
            encoded([binding, '["a", "b", "c"]']),
            encoded([binding, "[1, 2]"]),
            encoded([binding, '["\\u0000"]']),
            encoded([binding, '["\\ud800", "\\ud800"]']),
            encoded([binding, "\ud800"]),
        ):
            response = sqlite_live.client.get(f"{query}cursor={forged}")
            assert fault(response)[0] == "cursor", forged


@hypothesis_settings(max_examples=40, deadline=None)
@given(cursor=st.text(alphabet="ABCDEFabcdef0123456789-_=%&", max_size=60))
def test_no_text_is_a_cursor(cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="cursor must"):
        _decode("a query", cursor)


LISTS = (
    ("list_searches", {}, Part()),
    ("list_supernets", {}, Part()),
    ("list_data_sets", {}, Part()),
    ("list_uploads", {}, Part()),
    ("list_exports", {}, Part()),
    ("list_refinements", {}, Part()),
    ("list_evaluations", {}, Part()),
    ("list_assessments", {}, Part()),
    ("list_jobs", {}, Part()),
    ("list_jobs", {"status": "queued"}, Part()),
    ("list_jobs", {"kind": "search", "status": "queued"}, Part()),
    ("list_searches", {}, Part("name")),
    ("list_searches", {"name": "fast"}, Part()),
    ("list_searches", {"supernet_id": "n"}, Part()),
    ("list_supernets", {"space_id": "s"}, Part(descending=False)),
    ("list_supernets", {"data_set_id": "d"}, Part()),
    ("list_spaces", {}, Part()),
    ("list_spaces", {"kind": "custom"}, Part()),
    ("list_data_sets", {}, Part("name")),
    ("list_uploads", {}, Part("name")),
    ("list_exports", {"search_id": "s"}, Part()),
    ("list_refinements", {}, Part("name")),
    ("list_refinements", {"search_id": "s"}, Part()),
    ("list_evaluations", {"search_id": "s"}, Part()),
    ("list_evaluations", {"status": "failed"}, Part()),
    ("list_evaluations", {"evaluator_digest": "e"}, Part()),
    ("list_assessments", {"supernet_id": "n"}, Part()),
    ("list_campaigns", {}, Part()),
    ("list_occurrences", {"campaign_id": "c"}, Part()),
    ("list_promotions", {"campaign_id": "c"}, Part()),
)


def test_every_list_is_read_along_an_index(tmp_path: Path) -> None:
    """SQLite's plan of each query sorts nothing."""
    store = open_store(Settings(home=tmp_path))
    engine = store._engine
    statements: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "ORDER BY" in statement:
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    for method, filters, part in LISTS:
        getattr(store.acting_for(LOCAL), method)(limit=5, part=part, **filters)
    event.remove(engine, "before_cursor_execute", note)
    assert len(statements) == len(LISTS)
    sorted_by_hand = []
    with engine.connect() as connection:
        for statement, parameters in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            details = [row[3] for row in plan]
            if any("TEMP B-TREE" in detail for detail in details):
                sorted_by_hand.append((statement, details))
    store.close()
    assert sorted_by_hand == []
