"""Files of the artifact store that no row refers to, and rows whose file is not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.artifacts import ArtifactStore, StoredFile
from server.errors import DamagedArtifactError, WrongDatabaseError
from server.store import Artifact, Store

_ROWS_PER_QUERY = 500


@dataclass(frozen=True)
class Inventory:
    """What lies in the artifact store, held against the database.

    Attributes:
        num_files: all that lie there.
        size_bytes: their size together.
        garbage: those that no row refers to and that are old enough to go.
        num_young: those that no row refers to but that may just be in the making.
        missing: recorded files that are not there.
        wrong_size: recorded files of another size than recorded.
        damaged: recorded files whose content was read and is not what was stored.
    """

    num_files: int
    size_bytes: int
    garbage: tuple[StoredFile, ...]
    num_young: int
    missing: tuple[Artifact, ...]
    wrong_size: tuple[Artifact, ...]
    damaged: tuple[Artifact, ...]

    @property
    def is_of_another_database(self) -> bool:
        """Whether there are files, and the database knows none of them."""
        return 0 < self.num_files == len(self.garbage) + self.num_young

    @property
    def is_whole(self) -> bool:
        """Whether every recorded file is there as it was stored, as far as that was looked at."""
        return not (self.missing or self.wrong_size or self.damaged)


def take_inventory(
    artifacts: ArtifactStore,
    store: Store,
    grace: timedelta,
    *,
    verify: bool = False,
) -> Inventory:
    """Returns how the files and the rows go together; changes nothing.

    Rows are read after the files are listed, so that a file that is recorded meanwhile is no
    garbage; a file is written before its row, which is what `grace` is for.

    Args:
        artifacts: the files.
        store: the database.
        grace: a file that no row refers to is garbage only when it is as old, by its own time.
        verify: whether to read every file and compare its digest.

    Raises:
        DatabaseUnavailableError: the database does not answer.
        StorageUnavailableError: the storage does not.
    """
    now = store.now()
    listed = {file.name: file for file in artifacts.files()}
    recorded = list(_recorded(store))
    known = {artifact.sha256 for artifact in recorded}
    unknown = [file for name, file in listed.items() if name not in known]
    garbage = tuple(file for file in unknown if _is_old(file, now, grace))
    there = [artifact for artifact in recorded if artifact.sha256 in listed]
    damaged = []
    for artifact in there if verify else ():
        try:
            artifacts.path(artifact.sha256)
        except DamagedArtifactError:
            damaged.append(artifact)
    return Inventory(
        num_files=len(listed),
        size_bytes=sum(file.size_bytes for file in listed.values()),
        garbage=garbage,
        num_young=len(unknown) - len(garbage),
        missing=tuple(artifact for artifact in recorded if artifact.sha256 not in listed),
        wrong_size=tuple(a for a in there if listed[a.sha256].size_bytes != a.size_bytes),
        damaged=tuple(damaged),
    )


def collect_garbage(artifacts: ArtifactStore, store: Store, inventory: Inventory) -> int:
    """Deletes an inventory's garbage, but for what has been recorded or stored again since.

    Returns:
        How many bytes are free now.

    Raises:
        WrongDatabaseError: none of the files is recorded, so they seem to be another database's.
        DatabaseUnavailableError: the database does not answer; what is deleted by then was garbage.
        StorageUnavailableError: the storage does not; likewise.
    """
    if inventory.is_of_another_database and inventory.garbage:
        raise WrongDatabaseError(
            f"this database knows none of the {inventory.num_files} files, which are another's "
            "then: database_url and the storage of artifacts must be of one service"
        )
    garbage = {file.name: file for file in inventory.garbage}
    unknown = store.unknown_artifacts(garbage)
    files = (garbage[name] for name in sorted(unknown))
    return sum(file.size_bytes for file in files if artifacts.delete(file))


def _recorded(store: Store) -> Iterator[Artifact]:
    after = ""
    while rows := store.list_artifacts(_ROWS_PER_QUERY, after):
        yield from rows
        after = rows[-1].sha256


def _is_old(file: StoredFile, now: datetime, grace: timedelta) -> bool:
    return file.modified_at is not None and now - file.modified_at >= grace
