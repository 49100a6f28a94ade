"""FastAPI routes, one file per resource: parse, ask a query, answer."""
