"""Whether devices can deliver right now."""

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from millrace.secrets import load_secrets
from millrace.settings import Settings
from millrace.stack.probes import http_answers, http_json

_KEEPALIVE_S = 5


class Ingestion:
    """The MQTT broker and both gateways.

    The broker is watched by one kept connection: it notes every new one in its log.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._broker = Client(CallbackAPIVersion.VERSION2, "keeper")
        self._broker.username_pw_set("gateway", load_secrets(settings).mqtt_gateway.get_secret_value())
        self._broker.reconnect_delay_set(min_delay=1, max_delay=1)
        self._broker.connect_async(settings.bind_host, settings.port("mqtt"), _KEEPALIVE_S)
        self._broker.loop_start()

    def accepts(self) -> bool:
        """Ask each of them; false as soon as one does not answer, 2 s at most for a gateway."""
        return (
            self._broker.is_connected()
            and http_answers(self._settings, "gateway_metrics", "/metrics")
            and (http_json(self._settings, "gateway_http", "/health") or {}).get("status") == "ok"
        )

    def close(self) -> None:
        """End the connection."""
        self._broker.disconnect()
        self._broker.loop_stop()
