"""Where requests may read files: the data folder, the data roots, complete uploads."""

from pathlib import Path

from server.routes.common import Service
from server.uploads import complete_upload_path
from supernet.datasets import Places


def places_of(
    service: Service, upload: str | None, pointer: str, scratch_folder: Path | None = None
) -> Places:
    """Returns where a request may read files.

    Args:
        service: has the settings and the uploads.
        upload: the id of an upload that the request names, if it names one.
        pointer: where in the request's body.
        scratch_folder: where archives are unpacked.

    Raises:
        InvalidRequestError: there is no such upload, or it is not complete.
    """
    settings = service.settings
    uploads = {}
    if upload is not None:
        uploads[upload] = complete_upload_path(service.store, service.uploads, upload, pointer)
    return Places(
        settings.data_folder,
        roots=settings.data_roots,
        uploads=uploads,
        max_data_set_bytes=settings.max_data_set_bytes,
        max_archive_bytes=settings.max_archive_bytes,
        scratch_folder=scratch_folder,
    )
