"""The shape of what became of an AWS IoT Events model."""

from typing import Literal

from pydantic import Field

from api.answers import Answer
from api.rule_answers import Definition, Warnings


class TranslationNote(Answer):
    """Something to know before a rule is enabled."""

    kind: Literal["differs", "left out"] = Field(
        description="differs: a rule does it in another way; left out: no rule does it."
    )
    where: str = Field(description="Place in the model.", examples=["state Cold, transition doorAndWarm"])
    what: str


class TranslatedRule(Answer):
    """A rule made of the model."""

    rule: str
    outcome: Literal["created", "unchanged", "kept"] = Field(
        description="kept: there is another rule of this name, which was left as it is."
    )
    says: str = Field(description="Its condition in words.")
    definition: Definition


class AwsImported(Answer):
    """What an import made of a model, or with `dry_run` would make."""

    tenant: str
    dry_run: bool
    state: Literal["enabled", "shadow"] = Field(
        description="shadow: it raises alerts of which nobody is told."
    )
    rules: list[TranslatedRule]
    notes: list[TranslationNote]
    warnings: Warnings
