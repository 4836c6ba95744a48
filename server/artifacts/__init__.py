"""Content-addressed files: in a folder, or at an fsspec address with a folder as its cache."""

from server.artifacts.local import ArtifactStore, StoredFile
from server.artifacts.opening import open_artifacts

__all__ = ["ArtifactStore", "StoredFile", "open_artifacts"]
