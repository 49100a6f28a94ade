"""What the gateway counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from ingest.gateway.normalise import Rejection

_ACK_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class GatewayMetrics:
    """Counters of one gateway process; readings and rejections count once Kafka has them."""

    def __init__(self, protocol: str) -> None:
        self.registry = CollectorRegistry()
        self._protocol = protocol
        self._accepted = self._counter("accepted", "Readings acknowledged by Kafka")
        self._payloads = self._counter("payloads", "Payloads received")
        self._bytes = self._counter("received_bytes", "Payload bytes received")
        self._unstored = self._counter("unstored_payloads", "Payloads not acknowledged: Kafka refused")
        self._rejected = Counter(
            "millrace_gateway_rejected",
            "Elements refused and kept as dead letters, by reason",
            ("protocol", "reason"),
            registry=self.registry,
        )
        self._ack_seconds = Histogram(
            "millrace_gateway_kafka_ack_seconds",
            "From receiving a payload to Kafka's acknowledgement of all of it",
            ("protocol",),
            buckets=_ACK_BUCKETS_S,
            registry=self.registry,
        ).labels(protocol)
        self._waiting = Gauge(
            "millrace_gateway_waiting_payloads",
            "Payloads received and not yet acknowledged by Kafka",
            ("protocol",),
            registry=self.registry,
        ).labels(protocol)

    def _counter(self, name: str, about: str) -> Counter:
        counter = Counter(f"millrace_gateway_{name}", about, ("protocol",), registry=self.registry)
        return counter.labels(self._protocol)

    def received(self, size_bytes: int) -> None:
        """Count one payload on its way in."""
        self._payloads.inc()
        self._bytes.inc(size_bytes)
        self._waiting.inc()

    def stored(self, accepted: int, rejections: list[Rejection], waited_s: float) -> None:
        """Count one payload Kafka has in full."""
        self._waiting.dec()
        self._ack_seconds.observe(waited_s)
        self._accepted.inc(accepted)
        for rejection in rejections:
            self._rejected.labels(self._protocol, rejection.reason.value).inc()

    def unstored(self) -> None:
        """Count one payload Kafka did not take in full."""
        self._waiting.dec()
        self._unstored.inc()

    def watch_zones(self, age_s: Callable[[], float], count: Callable[[], int]) -> None:
        """Show how old the gateway's copy of the time zones is, and of how many devices it has one."""
        told = (
            ("age_seconds", "Since the registry last told the time zones of devices; +Inf: never", age_s),
            ("devices", "Devices with a time zone of their own or of their site", count),
        )
        for name, about, figure in told:
            gauge = Gauge(f"millrace_gateway_zones_{name}", about, ("protocol",), registry=self.registry)
            gauge.labels(self._protocol).set_function(figure)

    def serve(self, host: str, port: int) -> None:
        """Answer `GET /metrics` from a background thread."""
        start_http_server(port, host, self.registry)
