"""The shapes of the answers about rules."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from api.answers import Answer, IsoTime, TimeMs

RuleState = Literal["enabled", "shadow", "disabled"]
Definition = Annotated[
    dict[str, JsonValue],
    Field(
        description="A rule as people write it; the folder `rules/` has one of each kind.",
        examples=[
            {
                "rule": "pump-too-hot",
                "about": "Pump temperature stays high",
                "when": {"kind": "threshold", "metric": "temperature_c", "raise_above": 90, "for_s": 60},
                "severity": "warning",
                "notify": ["ops"],
            }
        ],
    ),
]
Version = Annotated[int, Field(description="1 at first, + 1 with each change; the ETag of the rule.")]
Warnings = Annotated[list[str], Field(description="What will not work as it is, such as unknown channels.")]


class RuleAnswer(Answer):
    """A rule as it is now."""

    tenant: str
    rule: str
    version: Version
    state: RuleState
    kind: str = Field(description="Kind of its condition.", examples=["threshold"])
    severity: Literal["info", "warning", "critical"]
    about: str
    updated_at: IsoTime
    updated_at_ms: TimeMs
    updated_by: str
    definition: Definition
    warnings: Warnings


class RulePage(Answer):
    """One page of a tenant's rules, by name; `next_cursor` is null on the last page."""

    tenant: str
    rules: list[RuleAnswer]
    next_cursor: str | None


class RuleVersion(Answer):
    """A rule as it was, or is, at one version."""

    version: Version
    state: Literal["enabled", "shadow", "disabled", "deleted"]
    made_at: IsoTime
    made_at_ms: TimeMs
    made_by: str
    definition: Definition


class RuleKind(Answer):
    """A kind of condition: what `when` of a rule may say."""

    kind: str
    about: str
    condition: dict[str, Any] = Field(description="JSON Schema of `when`.")
    example: Definition = Field(description="A rule of this kind.")


class RuleKinds(Answer):
    """The kinds of conditions there are, and the JSON Schema of what goes around one."""

    kinds: list[RuleKind]
    rule: dict[str, Any] = Field(description="JSON Schema of a rule.")


class RuleVersions(Answer):
    """All versions of a rule, newest first."""

    tenant: str
    rule: str
    versions: list[RuleVersion]


class RulesImported(Answer):
    """What an import did, or with `dry_run` would do, by the names of rules."""

    tenant: str
    dry_run: bool
    created: list[str]
    changed: list[str]
    unchanged: list[str]
    warnings: Warnings
