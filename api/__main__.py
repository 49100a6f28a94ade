"""`python -m api`: serve the API of this stack."""

import uvicorn

from millrace.http_limits import limited_options
from millrace.settings import settings


def main() -> None:
    """Serve until the process is told to stop."""
    config = settings()
    uvicorn.run(
        "api.app:app_from_environment",
        factory=True,
        host=config.bind_host,
        port=config.port("api"),
        log_level=config.log_level.lower(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        **limited_options(config.http),
    )


if __name__ == "__main__":
    main()
