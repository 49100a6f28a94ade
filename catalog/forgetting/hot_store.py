"""Forgets a device in Redis."""

from typing import Final, NamedTuple

from redis import Redis

from catalog.forgetting.owner import Owner

_AT_ONCE: Final = 1_000


class HotForgotten(NamedTuple):
    """Keys of the device before and after; its place in the tenant's list of devices counts as one."""

    before: int
    after: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left."""
        return not self.after


def forget_in_hot_store(store: Redis, owner: Owner) -> HotForgotten:
    """Delete all keys with the device's hash tag; RedisError while Redis is away."""
    keys = _keys(store, owner)
    listed = store.zscore(_list_key(owner), owner.device_id) is not None
    store.zrem(_list_key(owner), owner.device_id)
    for begin in range(0, len(keys), _AT_ONCE):
        store.unlink(*keys[begin : begin + _AT_ONCE])
    left = store.zscore(_list_key(owner), owner.device_id) is not None
    return HotForgotten(len(keys) + listed, len(_keys(store, owner)) + left)


def _keys(store: Redis, owner: Owner) -> list[bytes]:
    tag = f"{{{owner.tenant}:{owner.device_id}}}"
    # SCAN may name a key twice.
    return sorted(set(store.scan_iter(match=f"*{tag}*", count=_AT_ONCE)))


def _list_key(owner: Owner) -> str:
    return f"devices:{{{owner.tenant}}}"
