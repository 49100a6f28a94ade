"""`millrace keys`: secrets of the lake that others give."""

from typing import Final

import typer

app = typer.Typer()

# The secret, the variable it is taken from, what it is called.
_ASKED: Final = (
    ("s3_access_key_id", "AWS_ACCESS_KEY_ID", "id of the buckets' key (empty = none)"),
    ("s3_secret_access_key", "AWS_SECRET_ACCESS_KEY", "its secret"),
    ("catalog_token", "ICEBERG_REST_TOKEN", "token of the REST catalog (empty = none)"),
)


@app.command()
def keys() -> None:
    """Store the key of the lake's buckets and the token of its REST catalog, from variables or asked for."""
    from millrace.secrets import keep_secrets
    from millrace.settings import settings

    given = {secret: _given(variable, name) for secret, variable, name in _ASKED}
    keep_secrets(settings(), given)
    typer.echo(f"kept in {settings().folder / 'secrets.json'}; `millrace down`, then `up`, takes them on")


def _given(variable: str, name: str) -> str:
    import os

    if variable in os.environ:
        return os.environ[variable]
    answer: str = typer.prompt(f"{variable}, {name}", default="", hide_input=True, show_default=False)
    return answer.strip()
