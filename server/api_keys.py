"""API keys as texts: how they are made, recognized and hashed.

A key is `esp_`, 8 characters by which it is found, `_`, and 32 that are secret (160 bits, from the
system's generator). Nobody can guess so many, so one round of SHA-256 hides them as well as a slow
hash would, which is for passwords that people choose.
"""

import hashlib
import hmac
import re
import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # as in ids; 5 bits each
_NUM_PREFIX = 8
_NUM_SECRET = 32
_PATTERN = re.compile(rf"esp_[{_ALPHABET}]{{{_NUM_PREFIX}}}_[{_ALPHABET}]{{{_NUM_SECRET}}}")


def new_key() -> str:
    """Returns a key that nobody has ever had."""
    prefix, secret = (
        "".join(secrets.choice(_ALPHABET) for _ in range(length))
        for length in (_NUM_PREFIX, _NUM_SECRET)
    )
    return f"esp_{prefix}_{secret}"


def is_key(text: str) -> bool:
    """Whether a text looks like a key."""
    return _PATTERN.fullmatch(text) is not None


def hide_keys(text: str) -> str:
    """Returns a text with the secret part of all keys in it replaced by stars."""
    return _PATTERN.sub(lambda found: f"{prefix_of(found[0])}_***", text)


def prefix_of(key: str) -> str:
    """Returns the part of a key that is no secret."""
    return key[: len("esp_") + _NUM_PREFIX]


def hash_of(key: str) -> str:
    """Returns what is stored of a key: its SHA-256 digest in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def matches(key: str, stored_hash: str) -> bool:
    """Whether a key is the one that was stored; takes as long for a wrong one."""
    return hmac.compare_digest(hash_of(key), stored_hash)
