"""`python -m jobs.rules_publisher`: publish rules until SIGTERM, within a second of each change."""

from jobs.publishing.serving import main
from jobs.rules_publisher.publisher import PUBLISHER

if __name__ == "__main__":
    main(PUBLISHER)
