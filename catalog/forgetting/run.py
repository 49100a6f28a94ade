"""Forgets a device of a stack, store by store; begun again it goes on where it was."""

from typing import Final

import psycopg
from confluent_kafka import KafkaException
from pyiceberg.exceptions import CommitFailedException
from redis import Redis
from redis.exceptions import RedisError

from catalog.forgetting.hot_store import forget_in_hot_store
from catalog.forgetting.lake_store import forget_in_lake
from catalog.forgetting.log_store import forget_in_log
from catalog.forgetting.owner import Owner
from catalog.forgetting.registry_store import forget_in_registry
from catalog.forgetting.report import Report
from catalog.lake import LAKE_AWAY, load_lake
from catalog.migrations import connect
from catalog.turns import own_turn
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.secrets import load_secrets
from millrace.settings import Settings

_TURN_PATIENCE_S: Final = 600.0
_TOLD_PATIENCE_S: Final = 30.0
_AWAY = (psycopg.Error, KafkaException, RedisError, CommitFailedException, *LAKE_AWAY)


def forget(config: Settings, owner: Owner) -> Report:
    """Forget a device in all stores and say what was found and what is left.

    MillraceError when a store is away or does not let it go; what was done until then stays done. The turn at
    writing corrections is held meanwhile: nothing of the device is computed anew.
    """
    began_ms = now_ms()
    try:
        with own_turn(config, _TURN_PATIENCE_S):
            with connect(config) as connection:
                registry = forget_in_registry(connection, owner, _TOLD_PATIENCE_S)
            log = forget_in_log(config.address("kafka"), owner, now_ms())
            lake = forget_in_lake(load_lake(config), owner)
            # Last: the corrector and the stream may have written to it until now.
            hot = forget_in_hot_store(_redis(config), owner)
    except _AWAY as error:
        raise MillraceError(
            f"{owner.key} is not forgotten yet: {error}",
            where="forget",
            mend="`millrace status` says what is down; then forget it again, it goes on where it was.",
        ) from error
    return Report(owner, began_ms, now_ms(), registry, log, lake, hot)


def _redis(config: Settings) -> Redis:
    password = load_secrets(config).redis.get_secret_value()
    return Redis(host=config.bind_host, port=config.port("redis"), password=password, socket_timeout=10)
