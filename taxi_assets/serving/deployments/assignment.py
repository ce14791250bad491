"""Assigns riders to model versions: by hash, and with as few changes as the shares allow.

A key's hash gives one of 1,000 buckets, each a tenth of a percent of all keys. Each bucket has one version. Weighted
rendezvous hashing would need no table, but a changed share then also moves keys between two other versions.
"""

from collections.abc import Collection, Mapping
from hashlib import blake2b

BUCKETS = 1000

Buckets = Mapping[int, tuple[int, ...]]

_HASH_KEY = b"taxi-routing"
_HASH_BYTES = 8


def bucket_of(key: str) -> int:
    """The bucket of a rider's key or a request's id, from 0 to 999; the same in every process and release."""
    # A JSON string may contain half of a surrogate pair, which UTF-8 refuses.
    content = key.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=_HASH_BYTES, key=_HASH_KEY).digest(), "little") % BUCKETS


def assign_buckets(before: Buckets, champion: int, sizes: Mapping[int, int]) -> Buckets:
    """Assign every bucket to a version, and move as few as these sizes allow.

    A challenger that grows takes buckets by its own pseudo-random order, so that successive challengers get
    independent riders.

    Args:
        before: The buckets of each version until now; empty before the first routing.
        champion: The version that gets the buckets that no challenger takes.
        sizes: Number of buckets of each challenger; at most 1,000 in all.

    Returns:
        The sorted buckets of the champion and of each challenger.
    """
    kept = {version: _in_order(version, before.get(version, ()))[:size] for version, size in sizes.items()}
    of_champion = set(before.get(champion, ()))
    released = set(range(BUCKETS)) - of_champion - {bucket for owned in kept.values() for bucket in owned}
    for version, size in sorted(sizes.items()):
        for source in (released, of_champion):
            taken = _in_order(version, source)[: size - len(kept[version])]
            kept[version] += taken
            source.difference_update(taken)
    return {version: tuple(sorted(owned)) for version, owned in {**kept, champion: [*of_champion, *released]}.items()}


def _in_order(version: int, buckets: Collection[int]) -> list[int]:
    """The buckets in the order in which this version takes them."""
    return sorted(buckets, key=lambda bucket: blake2b(f"{version} {bucket}".encode(), digest_size=_HASH_BYTES).digest())
