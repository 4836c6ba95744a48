"""The client of keys, projects and the audit log; all but `caller` needs the scope `admin`."""

from collections.abc import Iterator

from server.client.connection import Document, quoted
from server.client.requests import Requests
from server.schemas.access import CallerView, ChangeView, KeyView, NewKeyView, ProjectView
from server.schemas.responses import PageOf


class AccessRequests(Requests):
    """Who may do what; see `Client`."""

    def caller(self) -> CallerView:
        """Returns whom the service takes this client for."""
        return self._get("/v1/caller", CallerView)

    def create_key(self, body: Document) -> NewKeyView:
        """Makes an API key; its `key` is shown this once, so the request is never sent twice."""
        return self._post("/v1/keys", body, NewKeyView, is_repeatable=False)

    def key(self, key_id: str) -> KeyView:
        """Returns an API key."""
        return self._get(f"/v1/keys/{quoted(key_id)}", KeyView)

    def keys(self, *, project: str | None = None) -> Iterator[KeyView]:
        """Yields API keys, newest first."""
        return self._pages("/v1/keys", PageOf[KeyView], {"project": project})

    def revoke_key(self, key_id: str) -> KeyView:
        """Makes an API key invalid for ever; again changes nothing."""
        return self._post(f"/v1/keys/{quoted(key_id)}/revoke", None, KeyView)

    def create_project(self, body: Document) -> ProjectView:
        """Makes a project."""
        return self._post("/v1/projects", body, ProjectView)

    def project(self, project_id: str) -> ProjectView:
        """Returns a project, what it may have and what it has."""
        return self._get(f"/v1/projects/{quoted(project_id)}", ProjectView)

    def projects(self) -> Iterator[ProjectView]:
        """Yields projects in descending order of their names."""
        return self._pages("/v1/projects", PageOf[ProjectView])

    def set_quotas(self, project_id: str, body: Document) -> ProjectView:
        """Changes what a project may have; what is not given stays."""
        path = f"/v1/projects/{quoted(project_id)}"
        response = self._connection.send("PATCH", path, body=body)
        return self._connection.parse(response.content, ProjectView)

    def changes(
        self, *, project: str | None = None, key_id: str | None = None
    ) -> Iterator[ChangeView]:
        """Yields the entries of the audit log, newest first."""
        parameters = {"project": project, "key": key_id}
        return self._pages("/v1/audit", PageOf[ChangeView], parameters)
