/* statements
owner: data-platform
about: What people see of alerts, and what they do to them.
reads: alert, alert_history, alert_comment, notification, notification_alert, rule_version, audit
writes: alert, alert_history, alert_comment, audit
*/

-- name: list
SELECT
  tenant, alert_id, rule, rule_version, device_id, site, severity, state, shadow, retroactive, evidence, onset_ms, at_ms,
  cleared_ms, raised_at, acknowledged_at, acknowledged_by, closed_at, closed_by, closed_cause, assignee, snoozed_until
FROM alert
WHERE tenant = %(tenant)s AND onset_ms >= %(from_ms)s AND onset_ms < %(to_ms)s
  AND state = ANY(%(states)s::text[]) AND shadow = ANY(%(shadows)s::boolean[])
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(rule)s::text IS NULL OR rule = %(rule)s)
  AND (%(device)s::text IS NULL OR device_id = %(device)s)
  AND (%(site)s::text IS NULL OR site = %(site)s)
  AND (onset_ms, alert_id) < (%(after_ms)s, %(after_id)s)
ORDER BY onset_ms DESC, alert_id DESC
LIMIT %(limit)s;

-- name: get
SELECT
  tenant, alert_id, rule, rule_version, device_id, site, severity, state, shadow, retroactive, evidence, onset_ms, at_ms,
  cleared_ms, raised_at, acknowledged_at, acknowledged_by, closed_at, closed_by, closed_cause, assignee, snoozed_until
FROM alert WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s;

-- name: lock
SELECT alert_id FROM alert WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s FOR NO KEY UPDATE;

-- name: history
SELECT kind, at_ms, actor, detail, noted_at FROM alert_history
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s
ORDER BY history_id;

-- name: comments
SELECT comment_id, author, body, made_at FROM alert_comment
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s
ORDER BY comment_id;

-- name: notifications
SELECT
  n.notification_id, n.reason, n.channel, n.state, n.attempts, n.next_attempt_at, n.last_error, n.created_at, n.sent_at,
  n.group_wait_s
FROM notification_alert AS m JOIN notification AS n ON n.notification_id = m.notification_id
WHERE m.tenant = %(tenant)s AND m.alert_id = %(alert_id)s
ORDER BY n.notification_id;

-- name: definition
SELECT definition FROM rule_version
WHERE tenant = %(tenant)s AND rule = %(rule)s AND version = %(rule_version)s;

-- name: acknowledge
UPDATE alert SET acknowledged_at = %(at)s, acknowledged_by = %(actor)s
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s;

-- name: clear
UPDATE alert SET closed_at = %(at)s, closed_by = %(actor)s, closed_cause = 'person'
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s;

-- name: assign
UPDATE alert SET assignee = %(assignee)s
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s;

-- name: snooze
UPDATE alert SET
  snoozed_until = %(until)s,
  escalate_at = CASE WHEN escalate_at < %(until)s::timestamptz THEN %(until)s::timestamptz ELSE escalate_at END
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s;

-- name: comment
INSERT INTO alert_comment (tenant, alert_id, author, body, made_at)
VALUES (%(tenant)s, %(alert_id)s, %(actor)s, %(body)s, %(at)s)
RETURNING comment_id;

-- name: note
INSERT INTO alert_history (tenant, alert_id, kind, at_ms, actor, detail, noted_at)
VALUES (%(tenant)s, %(alert_id)s, %(action)s, %(at_ms)s, %(actor)s, %(detail)s, %(at)s)
ON CONFLICT DO NOTHING;

-- name: audit
INSERT INTO audit (tenant, at, actor, action, subject_kind, subject, detail)
VALUES (%(tenant)s, %(at)s, %(actor)s, %(action)s, 'alert', %(alert_id)s, %(detail)s);

-- name: read_audit
SELECT audit_id, at, actor, action, subject_kind, subject, detail
FROM audit
WHERE tenant = %(tenant)s AND audit_id < %(before)s
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(subject_kind)s::text IS NULL OR subject_kind = %(subject_kind)s)
  AND (%(subject)s::text IS NULL OR subject = %(subject)s)
ORDER BY audit_id DESC
LIMIT %(limit)s;
