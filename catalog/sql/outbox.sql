/* statements
owner: data-platform
about: >
  Who is owed word of an alert. A message that waits to be sent is only touched under a lock that never waits, because a
  notifier may be sending it.
reads: notification, notification_alert, alert, rule_version, channel
writes: notification, notification_alert
*/

-- name: tell
WITH named AS (
  SELECT DISTINCT named.channel, group_wait_of(%(tenant)s, named.channel, %(site)s, %(severity)s, %(reason)s) AS wait_s
  FROM unnest(%(channels)s::text[]) AS named (channel)
  WHERE NOT EXISTS (
    SELECT 1 FROM notification_alert AS m
    WHERE m.tenant = %(tenant)s AND m.alert_id = %(alert_id)s AND m.reason = %(reason)s AND m.channel = named.channel
  )
), wanted AS (
  SELECT
    channel, wait_s, %(now)s::timestamptz + make_interval(secs => wait_s) AS gathered_at,
    greatest(%(now)s::timestamptz + make_interval(secs => wait_s), %(snoozed_until)s::timestamptz) AS due
  FROM named
), joined AS (
  SELECT wanted.channel, collecting.notification_id
  FROM wanted CROSS JOIN LATERAL (
    SELECT n.notification_id FROM notification AS n
    WHERE n.tenant = %(tenant)s AND n.rule = %(rule)s AND n.site = %(site)s AND n.site <> ''
      AND n.reason = %(reason)s AND n.channel = wanted.channel
      AND n.state = 'pending' AND n.attempts = 0
      AND n.next_attempt_at <= wanted.gathered_at AND wanted.due <= wanted.gathered_at
      -- What this transaction made nobody else has seen; what is due and was not taken yet waits for room.
      AND (n.created_at = %(now)s OR n.next_attempt_at <= %(now)s OR n.next_attempt_at > %(join_from)s)
    ORDER BY n.notification_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
  ) AS collecting
), made AS (
  INSERT INTO notification (
    tenant, alert_id, reason, channel, rule, site, payload, next_attempt_at, created_at, group_wait_s
  )
  SELECT
    %(tenant)s, %(alert_id)s, %(reason)s, wanted.channel, %(rule)s, %(site)s, '{}', wanted.due, %(now)s, wanted.wait_s
  FROM wanted
  WHERE wanted.channel NOT IN (SELECT joined.channel FROM joined)
  RETURNING channel, notification_id
)
INSERT INTO notification_alert (tenant, alert_id, reason, channel, notification_id)
SELECT %(tenant)s, %(alert_id)s, %(reason)s, found.channel, found.notification_id
FROM (SELECT channel, notification_id FROM joined UNION ALL SELECT channel, notification_id FROM made) AS found
RETURNING notification_id;

-- name: messages
SELECT notification_id, reason, channel FROM notification_alert
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s;

-- name: waiting
SELECT n.notification_id FROM notification AS n
WHERE n.notification_id = ANY(%(ids)s) AND n.state = 'pending' AND n.attempts = 0
FOR UPDATE SKIP LOCKED;

-- name: hasten
UPDATE notification AS n SET next_attempt_at = sooner.due, group_wait_s = sooner.wait_s
FROM (
  SELECT
    waiting.notification_id, waiting.wait_s,
    greatest(%(now)s::timestamptz + make_interval(secs => waiting.wait_s), %(snoozed_until)s::timestamptz) AS due
  FROM (
    SELECT m.notification_id, group_wait_of(m.tenant, m.channel, m.site, %(severity)s, m.reason) AS wait_s
    FROM notification AS m WHERE m.notification_id = ANY(%(ids)s)
  ) AS waiting
) AS sooner
WHERE n.notification_id = sooner.notification_id AND n.next_attempt_at > sooner.due;

-- name: leave
DELETE FROM notification_alert
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s AND notification_id = ANY(%(ids)s);

-- name: drop_empty
DELETE FROM notification AS n
WHERE n.notification_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT 1 FROM notification_alert AS m WHERE m.notification_id = n.notification_id);

-- name: describe
WITH member AS (
  SELECT
    m.notification_id, a.tenant, a.alert_id, a.rule, a.rule_version, a.device_id, a.severity, a.state, a.evidence,
    a.onset_ms, a.at_ms, a.cleared_ms,
    row_number() OVER (PARTITION BY m.notification_id ORDER BY a.onset_ms, a.alert_id) AS place,
    array_position(ARRAY['info', 'warning', 'critical'], a.severity) AS rank
  FROM notification_alert AS m JOIN alert AS a ON a.tenant = m.tenant AND a.alert_id = m.alert_id
  WHERE m.notification_id = ANY(%(ids)s)
), said AS (
  SELECT
    notification_id, min(tenant) AS tenant, min(rule) AS rule, max(rule_version) AS rule_version, count(*) AS alerts,
    max(rank) AS rank, min(onset_ms) AS onset_ms, min(alert_id) FILTER (WHERE place = 1) AS first_id,
    jsonb_agg(
      jsonb_build_object(
        'alert_id', alert_id, 'device_id', device_id, 'severity', severity, 'state', state, 'onset_ms', onset_ms,
        'at_ms', at_ms, 'cleared_ms', cleared_ms, 'evidence', evidence
      ) ORDER BY place
    ) FILTER (WHERE place <= %(most_listed)s) AS listed
  FROM member GROUP BY notification_id
)
UPDATE notification AS n SET
  alert_id = said.first_id,
  payload = jsonb_build_object(
    'reason', n.reason, 'tenant', n.tenant, 'site', n.site, 'rule', n.rule, 'rule_version', said.rule_version,
    'about', coalesce(v.definition ->> 'about', ''), 'when', v.definition -> 'when',
    'escalate_after_s', v.definition #> '{escalate,after_s}',
    'severity', (ARRAY['info', 'warning', 'critical'])[said.rank],
    'onset_ms', said.onset_ms, 'count', said.alerts, 'alerts', said.listed
  )
FROM said LEFT JOIN rule_version AS v
  ON v.tenant = said.tenant AND v.rule = said.rule AND v.version = said.rule_version
WHERE n.notification_id = said.notification_id;
