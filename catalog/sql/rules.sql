/* statements
owner: data-platform
about: Rules and their versions; triggers number both versions and changes.
reads: rule, rule_version, channel
writes: rule, audit
*/

-- name: lock
SELECT pg_advisory_xact_lock(hashtext('rule_change'));

-- name: list
SELECT tenant, rule, version, state, definition, updated_at, updated_by
FROM rule
WHERE tenant = %(tenant)s AND rule > %(after)s AND state <> 'deleted'
  AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY rule
LIMIT %(limit)s;

-- name: get
SELECT tenant, rule, version, state, definition, updated_at, updated_by
FROM rule WHERE tenant = %(tenant)s AND rule = ANY(%(rules)s);

-- name: versions
SELECT tenant, rule, version, state, definition, made_at AS updated_at, made_by AS updated_by
FROM rule_version WHERE tenant = %(tenant)s AND rule = %(rule)s
ORDER BY version DESC;

-- name: put
INSERT INTO rule (tenant, rule, state, definition, updated_at, updated_by)
VALUES (%(tenant)s, %(rule)s, %(state)s, %(definition)s, %(at)s, %(actor)s)
ON CONFLICT (tenant, rule) DO UPDATE SET
  state = EXCLUDED.state, definition = EXCLUDED.definition,
  updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by;

-- name: note
INSERT INTO audit (tenant, at, actor, action, subject_kind, subject, detail)
VALUES (%(tenant)s, %(at)s, %(actor)s, %(action)s, 'rule', %(rule)s, %(detail)s);

-- name: changed
SELECT tenant, rule, version, state, definition, change
FROM rule WHERE change > %(since)s
ORDER BY change
LIMIT %(limit)s;

-- name: channels
SELECT channel FROM channel WHERE tenant = %(tenant)s;
