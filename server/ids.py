"""Opaque names of rows that sort by the time of their making."""

import os
import random
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_NUM_RANDOM_BITS = 80
_NUM_CHARACTERS = 26  # 48 bits of milliseconds and the random ones

# Not the system's own source for every id: each call of that lets another thread go first, which in
# a busy process takes milliseconds. Ids are names, not secrets.
_random = random.Random()  # noqa: S311 -- see above
os.register_at_fork(after_in_child=_random.seed)

PATTERN = r"^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$"


def new_id(prefix: str, now: datetime) -> str:
    """Returns `prefix`, an underscore and a ULID: milliseconds since 1970, then random bits.

    Args:
        prefix: three lower-case letters that say what the row is.
        now: aware time of its making, by the database's clock.
    """
    return _named(prefix, _milliseconds(now), _random.getrandbits(_NUM_RANDOM_BITS))


def first_id(prefix: str, moment: datetime, *, round_up: bool = False) -> str:
    """Returns what no id of the moment's millisecond, and none of a later one, is less than.

    Args:
        prefix: of the ids.
        moment: aware; before 1970 it is that.
        round_up: whether to go on to the next millisecond.
    """
    return _named(prefix, max(0, _milliseconds(moment)) + round_up, 0)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _named(prefix: str, milliseconds: int, random_bits: int) -> str:
    number = milliseconds << _NUM_RANDOM_BITS | random_bits
    digits = [_ALPHABET[number >> 5 * i & 31] for i in reversed(range(_NUM_CHARACTERS))]
    return f"{prefix}_{''.join(digits)}"
