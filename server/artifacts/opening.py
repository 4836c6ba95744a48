"""Which storage the settings mean."""

from pathlib import Path

from server.artifacts.local import ArtifactStore
from server.configuration import ConfigurationError, without_secrets
from server.settings import Settings


def open_artifacts(settings: Settings) -> ArtifactStore:
    """Returns the artifacts of the settings: in the data folder, or at `artifacts_url`.

    Raises:
        ConfigurationError: the address is of no storage that can be used here; names the package
            that is missing.
        OSError: the folder cannot be made.
    """
    if not settings.artifacts_url:
        return ArtifactStore(settings.artifacts_folder)
    # Not before it is needed: the API process is to start at once.
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    from server.artifacts.remote import RemoteArtifactStore

    shown = without_secrets(settings.artifacts_url)
    try:
        filesystem, root = fsspec.core.url_to_fs(
            settings.artifacts_url, **settings.artifacts_options
        )
    except ImportError as error:
        raise ConfigurationError(
            f"artifacts_url must be of a storage whose package is installed, got {shown!r}: {error}"
        ) from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"artifacts_url and artifacts_options must open an fsspec storage, got {shown!r}: "
            f"{without_secrets(str(error))}"
        ) from error
    if isinstance(filesystem, LocalFileSystem):
        return ArtifactStore(Path(root))
    return RemoteArtifactStore(
        filesystem, root, settings.cache_folder, settings.artifacts_cache_bytes
    )
