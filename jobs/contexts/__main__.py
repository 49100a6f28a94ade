"""`python -m jobs.contexts`: publish contexts until SIGTERM, within a second of each change."""

from jobs.contexts.publisher import PUBLISHER
from jobs.publishing.serving import main

if __name__ == "__main__":
    main(PUBLISHER)
