"""Campaigns through the client and the command line; the example of the docs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from campaign_examples import campaign_body, search_template
from command_line import Run
from examples import trained_supernet
from live import Live
from test_campaign_api import RULE, run_once

from server.client import ApiError, Client
from server.schemas.campaign_bodies import CampaignBody

PAGE = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")


@pytest.fixture
def live(sqlite_live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    with structlog.testing.capture_logs():
        yield sqlite_live


@pytest.fixture
def body(live: Live) -> dict[str, Any]:
    supernet_id = trained_supernet(live.store).id
    template = {"search": search_template(supernet_id), "matrix": {"seeds": [0, 1]}}
    return campaign_body(supernet_id, template=template, promotion={"rule": RULE})


def test_the_client_does_all_that_the_api_does(
    live: Live, body: dict[str, Any], tmp_path: Path
) -> None:
    with Client(str(live.client.base_url)) as client:
        made = client.create_campaign(body)
        assert client.campaign("nightly") == made
        assert list(client.campaigns()) == [made]
        assert client.change_campaign("nightly", {"overlap": "queue"}, made.revision).revision == 2
        with pytest.raises(ApiError, match="If-Match"):
            client.change_campaign("nightly", {"overlap": "skip"}, made.revision)
        assert client.pause_campaign("nightly").status == "paused"
        assert client.resume_campaign("nightly").status == "active"
        assert len(client.next_times("nightly", 4)) == 4
        occurrence_id = run_once(live)
        (occurrence,) = client.occurrences("nightly", status="succeeded")
        assert client.occurrence("nightly", occurrence_id) == occurrence
        report = client.occurrence_report("nightly", occurrence_id)
        assert report.searches[0].hypervolume
        assert client.occurrence_picture("nightly", occurrence_id, "png").startswith(b"\x89PNG")
        best = client.best("nightly")
        assert [one.export for one in client.promotions("nightly")] == [best.export.id]
        client.download(best.export.files[0], tmp_path / "best.onnx")
        assert (tmp_path / "best.onnx").read_bytes() == b"network 0"
        client.delete_campaign("nightly")
        assert list(client.campaigns()) == []


def test_the_commands(live: Live, body: dict[str, Any], run: Run, tmp_path: Path) -> None:
    path = tmp_path / "campaign.json"
    path.write_text(json.dumps(body))
    assert "every 600 s" in run("campaign", "create", str(path)).out
    assert "nightly" in run("campaign", "list").out
    assert "0 evaluations" in run("campaign", "show", "nightly").out
    assert run("campaign", "pause", "nightly").out == "nightly is paused\n"
    assert "is active, next at" in run("campaign", "resume", "nightly").out
    assert len(run("campaign", "next", "nightly", "--count", "3").out.splitlines()) == 3
    nothing = run("campaign", "history", "nightly", "--plot", str(tmp_path / "x.png"))
    assert (nothing.code, "nothing was started yet" in nothing.complaint) == (2, True)
    run_once(live)
    assert "skipped" not in run("campaign", "run", "nightly").out
    assert "is not done yet, and overlap is skip" in run("campaign", "run", "nightly").out
    picture = tmp_path / "volumes.svg"
    listed = run("campaign", "history", "nightly", "--plot", str(picture))
    assert "succeeded" in listed.out
    assert b"<svg" in picture.read_bytes()
    assert run("campaign", "history", "nightly", "--plot", "x.gif").code == 2
    folder = tmp_path / "best"
    assert "the first" in run("campaign", "best", "nightly", "-o", str(folder)).out
    assert (folder / "model.onnx").read_bytes() == b"network 0"
    refused = run("campaign", "delete", "nightly")
    assert (refused.code, "cannot be deleted" in refused.complaint) == (1, True)
    assert "there is no campaign 'x'" in run("campaign", "show", "x").complaint


def test_the_example_of_the_docs_is_a_campaign(
    live: Live, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet_id = trained_supernet(live.store).id
    (document,) = re.findall(r"^```json\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    text = document.replace("SUPERNET", supernet_id)
    CampaignBody.model_validate_json(text)
    (tmp_path / "campaign.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^espalier (campaign (?!best).*)$", PAGE, flags=re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        arguments = command.partition(" #")[0].split()
        if "--plot" not in arguments:
            assert run(*arguments).code == 0, command
    assert live.store.find_campaign("digits-nightly").is_paused is False
