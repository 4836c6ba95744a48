"""Uploads: files that are sent in parts."""

from collections.abc import Collection

from sqlalchemy import delete, select

from server.errors import NotFoundError
from server.ids import new_id
from server.store.base import Page, Transactions, clock, get, insert_new
from server.store.listing import NEWEST, Part, page_of, with_values
from server.store.quotas import check_bytes
from server.tables import UploadRow


class UploadStore(Transactions):
    """Queries about uploads."""

    def add_upload(self, name: str, size_bytes: int, sha256: str) -> tuple[UploadRow, bool]:
        """Adds an upload, once for equal name, size and digest, so that it can be taken up again.

        Returns:
            The row, and whether it is new.

        Raises:
            StorageQuotaError: the project may not have so many bytes.
        """
        with self._write() as session:
            now = clock(session)
            announced = {"name": name, "size_bytes": size_bytes, "sha256": sha256}
            values = {"id": new_id("upl", now), **announced, "created_at": now}
            known = select(UploadRow).filter_by(**announced)
            if session.scalar(known) is None:
                check_bytes(session, size_bytes)
            created = insert_new(session, UploadRow, [values]) == 1
            return session.scalars(known).one(), created

    def get_upload(self, upload_id: str) -> UploadRow:
        """Returns an upload.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, UploadRow, upload_id)

    def list_uploads(
        self, limit: int, part: Part = NEWEST, *, name: str | None = None
    ) -> Page[UploadRow]:
        """Returns uploads."""
        statement = with_values(select(UploadRow), UploadRow, {"name": name})
        with self._read() as session:
            return page_of(session, statement, UploadRow, limit, part, prefix="upl")

    def complete_upload(self, upload_id: str) -> UploadRow:
        """Records that an upload's file is as announced; again changes nothing.

        Raises:
            NotFoundError: there is no such upload.
        """
        with self._write() as session:
            row = get(session, UploadRow, upload_id)
            if row.completed_at is None:
                row.completed_at = clock(session)
            return row

    def delete_upload(self, upload_id: str) -> None:
        """Deletes an upload's row; its file is the caller's to delete.

        Raises:
            NotFoundError: there is none.
        """
        with self._write() as session:
            gone = session.execute(
                delete(UploadRow).where(UploadRow.id == upload_id).returning(UploadRow.id)
            )
            if gone.first() is None:
                raise NotFoundError("upload", upload_id)

    def unknown_uploads(self, upload_ids: Collection[str]) -> set[str]:
        """Returns those of some ids that no upload has."""
        with self._read() as session:
            known = session.scalars(select(UploadRow.id).where(UploadRow.id.in_(upload_ids)))
            return set(upload_ids) - set(known)
