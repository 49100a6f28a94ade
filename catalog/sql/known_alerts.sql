/* statements
owner: data-platform
about: What is known of alerts of some devices and rules, for whoever looks for more of them.
reads: alert
writes: nothing
*/

-- name: lasting
SELECT alert_id, device_id, rule, retroactive, onset_ms, end_ms
FROM (
  SELECT
    alert_id, device_id, rule, retroactive, onset_ms,
    CASE
      WHEN cleared_ms IS NOT NULL THEN cleared_ms
      WHEN closed_cause = 'rule' THEN (extract(epoch FROM closed_at) * 1000)::bigint
    END AS end_ms
  FROM alert
  WHERE tenant = %(tenant)s AND device_id = ANY(%(devices)s::text[]) AND rule = ANY(%(rules)s::text[])
    AND onset_ms <= %(until_ms)s AND NOT withdrawn
) AS placed
WHERE end_ms IS NULL OR end_ms >= %(from_ms)s
ORDER BY onset_ms, alert_id;
