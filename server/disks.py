"""What a full disk says, in our words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import DiskFullError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space left, no quota left, larger than a file may be."""


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """Names what there was no room for, should the block find the disk full.

    Raises:
        DiskFullError: it did.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(f"the disk has no room for {what}: {error}") from error
        raise
