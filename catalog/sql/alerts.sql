/* statements
owner: data-platform
about: >
  What the stream says of alerts, and what time and rules do to them. The stream's last word counts, except that an alert a
  person cleared stays cleared.
reads: alert, alert_consumption, rule, rule_version
writes: alert, alert_history, alert_consumption
*/

-- name: before
SELECT state, severity FROM alert
WHERE tenant = %(tenant)s AND alert_id = %(alert_id)s
FOR NO KEY UPDATE;

-- name: take
INSERT INTO alert (
  tenant, alert_id, rule, rule_version, device_id, site, severity, shadow, retroactive, evidence, onset_ms, at_ms,
  cleared_ms, withdrawn, raised_at, closed_at, closed_by, closed_cause, escalate_at
)
VALUES (
  %(tenant)s, %(alert_id)s, %(rule)s, %(rule_version)s, %(device_id)s, %(site)s, %(severity)s, %(shadow)s,
  %(retroactive)s, %(evidence)s, %(onset_ms)s, %(at_ms)s, %(cleared_ms)s, %(withdrawn)s, %(now)s,
  CASE WHEN %(over)s THEN %(now)s::timestamptz END, CASE WHEN %(over)s THEN 'stream' END,
  CASE WHEN %(over)s THEN 'stream' END, %(escalate_at)s
)
ON CONFLICT (tenant, alert_id) DO UPDATE SET
  rule_version = CASE WHEN %(kind)s = 'raised' THEN EXCLUDED.rule_version ELSE alert.rule_version END,
  site = EXCLUDED.site,
  severity = EXCLUDED.severity,
  shadow = EXCLUDED.shadow,
  retroactive = EXCLUDED.retroactive,
  evidence = CASE WHEN %(over)s THEN alert.evidence ELSE EXCLUDED.evidence END,
  at_ms = EXCLUDED.at_ms,
  cleared_ms = EXCLUDED.cleared_ms,
  withdrawn = EXCLUDED.withdrawn,
  closed_at = CASE
    WHEN %(over)s OR alert.closed_cause = 'person' OR (alert.closed_cause = 'rule' AND %(kind)s <> 'raised')
    THEN coalesce(alert.closed_at, EXCLUDED.closed_at) END,
  closed_by = CASE
    WHEN %(over)s OR alert.closed_cause = 'person' OR (alert.closed_cause = 'rule' AND %(kind)s <> 'raised')
    THEN coalesce(alert.closed_by, EXCLUDED.closed_by) END,
  closed_cause = CASE
    WHEN %(over)s OR alert.closed_cause = 'person' OR (alert.closed_cause = 'rule' AND %(kind)s <> 'raised')
    THEN coalesce(alert.closed_cause, EXCLUDED.closed_cause) END,
  escalate_at = CASE
    WHEN alert.state IN ('cleared', 'withdrawn') THEN EXCLUDED.escalate_at ELSE alert.escalate_at END
RETURNING tenant, alert_id, rule, rule_version, site, state, severity, snoozed_until;

-- name: note
INSERT INTO alert_history (tenant, alert_id, kind, at_ms, actor, detail, noted_at)
VALUES (%(tenant)s, %(alert_id)s, %(kind)s, %(at_ms)s, %(actor)s, %(detail)s, %(now)s)
ON CONFLICT DO NOTHING;

-- name: unacknowledged
UPDATE alert SET escalate_at = NULL
WHERE (tenant, alert_id) IN (
  SELECT tenant, alert_id FROM alert
  WHERE escalate_at <= %(now)s AND state = 'open'
  ORDER BY escalate_at
  LIMIT %(limit)s
  FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING tenant, alert_id, rule, rule_version, site, state, severity, snoozed_until;

-- name: out_of_force
UPDATE alert SET closed_at = %(now)s, closed_by = r.updated_by, closed_cause = 'rule'
FROM rule AS r
WHERE (alert.tenant, alert.alert_id) IN (
  SELECT a.tenant, a.alert_id
  FROM alert AS a JOIN rule AS gone ON gone.tenant = a.tenant AND gone.rule = a.rule
  WHERE gone.state IN ('disabled', 'deleted') AND a.state IN ('open', 'acknowledged')
  LIMIT %(limit)s
  FOR NO KEY UPDATE OF a SKIP LOCKED
) AND r.tenant = alert.tenant AND r.rule = alert.rule
RETURNING
  alert.tenant, alert.alert_id, alert.rule, alert.rule_version, alert.site, alert.state, alert.severity,
  alert.snoozed_until, r.state AS rule_state;

-- name: recipients
SELECT
  v.definition -> 'notify' AS notify,
  (v.definition #>> '{escalate,after_s}')::double precision AS escalate_after_s,
  v.definition #> '{escalate,notify}' AS escalate_to
FROM rule_version AS v
WHERE v.tenant = %(tenant)s AND v.rule = %(rule)s AND v.version = %(version)s;

-- name: consumed
SELECT kafka_partition, next_offset FROM alert_consumption WHERE topic = %(topic)s;

-- name: consume
INSERT INTO alert_consumption (topic, kafka_partition, next_offset)
VALUES (%(topic)s, %(partition)s, %(next_offset)s)
ON CONFLICT (topic, kafka_partition) DO UPDATE SET next_offset = EXCLUDED.next_offset;
