"""`python -m ingest.gateway mqtt|http`: one protocol in this process until SIGTERM."""

import argparse
import logging
import sys

from catalog.zones import ZoneReader
from ingest.gateway.account import Account
from ingest.gateway.intake import Intake
from ingest.gateway.metrics import GatewayMetrics
from ingest.gateway.producer import KafkaLog
from ingest.gateway.protocol import Protocol, find_protocol, protocol_names
from ingest.gateway.zones import ZoneBook
from millrace.clock import now_ms
from millrace.errors import MillraceError
from millrace.event_times import known_zone
from millrace.settings import Settings, settings

FLUSH_S = 10.0
_log = logging.getLogger("ingest.gateway")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ingest.gateway", description="Run one protocol of the gateway.")
    parser.add_argument("protocol", choices=protocol_names())
    parser.add_argument("--instance", type=int, default=0, help="number of this process among its like")
    return parser.parse_args()


def _serve(protocol: Protocol, configured: Settings, instance: int) -> None:
    metrics = GatewayMetrics(protocol.name)
    port = protocol.metrics_port(configured, instance)
    metrics.serve(configured.bind_host, port)
    log = KafkaLog(configured.address("kafka"), protocol.give_up_ms)
    account = Account(log, f"{protocol.name}-{instance}", now_ms)
    log.attend(account.tell)
    zones = ZoneBook(ZoneReader(configured), known_zone(configured.timezone) if configured.timezone else None)
    metrics.watch_zones(zones.age_s, zones.count)
    zones.start()
    _log.info("gateway_started protocol=%s instance=%d metrics_port=%d", protocol.name, instance, port)
    protocol.run(Intake(log, metrics, now_ms, account, zones.zone_of), configured, instance)
    log.flush(FLUSH_S)
    account.tell(now=True)
    unanswered = log.flush(FLUSH_S)
    _log.info("gateway_stopped protocol=%s unanswered=%d", protocol.name, unanswered)


def main() -> int:
    """Run until SIGTERM; return the process's exit code."""
    arguments = _arguments()
    try:
        configured = settings()
        logging.basicConfig(
            level=configured.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )
        _serve(find_protocol(arguments.protocol), configured, arguments.instance)
    except (MillraceError, OSError):
        _log.exception("gateway_failed protocol=%s", arguments.protocol)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
