/* statements
owner: data-platform
about: Alerts of some rules, to be compared with each other.
reads: alert
writes: nothing
*/

-- name: lasting
SELECT rule, rule_version, device_id, alert_id, severity, shadow, onset_ms, end_ms
FROM (
  SELECT
    tenant, rule, rule_version, device_id, alert_id, severity, shadow, state, onset_ms,
    CASE
      WHEN cleared_ms IS NOT NULL THEN cleared_ms
      WHEN closed_cause = 'rule' THEN (extract(epoch FROM closed_at) * 1000)::bigint
    END AS end_ms
  FROM alert
) AS placed
WHERE tenant = %(tenant)s AND rule = ANY(%(rules)s::text[]) AND state <> 'withdrawn'
  AND onset_ms < %(to_ms)s AND (end_ms IS NULL OR end_ms >= %(from_ms)s)
ORDER BY onset_ms, alert_id
LIMIT %(limit)s;
