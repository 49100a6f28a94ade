"""Mosquitto: the MQTT broker in front of the gateway."""

import subprocess
from typing import Final

from millrace.errors import MillraceError
from millrace.secrets import Secrets, load_secrets
from millrace.settings import Settings
from millrace.stack.accounts import account, give, private_file, private_folder, run_as
from millrace.stack.places import tool
from millrace.stack.probes import mqtt_answers
from millrace.stack.service import Service

# Last levels of topics that devices write where `telemetry` or `status` is meant. A tenant may write them,
# so that what was sent becomes a dead letter: a publish that access rules refuse is acknowledged to an
# MQTT 3.1.1 client and gone. Any word cannot be let through: `alerts` are not a device's.
MISTAKEN_WORDS: Final = (
    "Telemetry", "TELEMETRY", "telemetrie", "telemetries", "telemetry_data", "tele", "data", "Data",
    "metric", "metrics", "reading", "readings", "measurement", "measurements", "sensor", "sensors", "value",
    "values", "event", "events", "up", "message", "messages", "attributes", "location", "Status", "STATUS",
    "state", "State", "STATE", "statuses", "online", "availability", "connection", "lwt", "LWT", "will",
)  # fmt: skip
_ACCOUNT = "mosquitto"
_GATEWAY = "gateway"


def configuration(settings: Settings) -> str:
    """Return mosquitto.conf: nobody without a password, queues as long as the disk allows.

    Who connects and who goes is also told on `$SYS/broker/log/N`, which only the gateway may read.
    """
    folder = settings.folder / "mosquitto"
    user = f"user {_ACCOUNT}\n" if account(_ACCOUNT) else ""
    return f"""\
listener {settings.port("mqtt")} {settings.bind_host}
{user}allow_anonymous false
password_file {folder / "passwords"}
acl_file {folder / "acl"}
persistence true
persistence_location {folder}/
autosave_interval 5
max_inflight_messages 0
max_queued_messages 0
max_queued_bytes 0
max_packet_size 1048576
set_tcp_nodelay true
log_dest stderr
log_dest topic
log_type error
log_type warning
log_type notice
connection_messages true
"""


def access_rules(tenants: list[str]) -> str:
    """Return the ACL: the gateway reads everything and writes alerts; a tenant has its own topics only."""
    alerts = "".join(f"topic write {place}/+/+/alerts\n" for place in ("t", "s"))
    return f"user {_GATEWAY}\ntopic read t/#\ntopic read $SYS/#\n{alerts}" + "".join(
        _tenant_rules(tenant) for tenant in tenants
    )


def _tenant_rules(tenant: str) -> str:
    # `t/tenant/+/+/+/#` is five levels and more; of four only these words, for `alerts` are not a device's.
    places = ("+/telemetry", "+/status", *(f"+/{word}" for word in MISTAKEN_WORDS), "+", "+/+/+/#")
    written = (f"topic write t/{tenant}{place}" for place in ("", *(f"/{place}" for place in places)))
    read = (f"topic read {place}/{tenant}/+/alerts" for place in ("t", "s"))
    return "\n".join((f"\nuser {tenant}", *written, *read, ""))


def passwords(secrets: Secrets) -> str:
    """Return `user:password` lines in clear, for hashing in place."""
    users = {_GATEWAY: secrets.mqtt_gateway} | secrets.tenant_tokens
    return "".join(f"{user}:{password.get_secret_value()}\n" for user, password in users.items())


def _prepare(settings: Settings) -> None:
    secrets = load_secrets(settings)
    folder = private_folder(settings.folder / "mosquitto", _ACCOUNT)
    private_file(folder / "mosquitto.conf", configuration(settings), _ACCOUNT)
    private_file(folder / "acl", access_rules(sorted(secrets.tenant_tokens)), _ACCOUNT)
    private_file(folder / "passwords", passwords(secrets), _ACCOUNT)
    command = [tool("mosquitto_passwd"), "-U", str(folder / "passwords")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        (folder / "passwords").unlink()
        raise MillraceError(
            f"mosquitto_passwd failed: {result.stderr.strip()}", mend="Run `millrace doctor`."
        )
    give(folder / "passwords", _ACCOUNT)


def _command(settings: Settings) -> list[str]:
    conf = str(settings.folder / "mosquitto" / "mosquitto.conf")
    return run_as(_ACCOUNT, [tool("mosquitto"), "-c", conf])


def _ready(settings: Settings) -> bool:
    return mqtt_answers(settings, _GATEWAY, load_secrets(settings).mqtt_gateway.get_secret_value())


SERVICE = Service(
    name="mosquitto",
    about="MQTT broker",
    command=_command,
    prepare=_prepare,
    ready=_ready,
    ports=("mqtt",),
    scheme="mqtt",
    tools=("mosquitto", "mosquitto_passwd"),
)
