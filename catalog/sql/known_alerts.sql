/* statements
owner: data-platform
about: >
  What is known of alerts of some devices and rules, for whoever looks for more of them; and which of them the stream stands
  behind.
reads: alert
writes: alert (confirmed)
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

-- name: unconfirmed
SELECT tenant, alert_id, device_id, site, rule, rule_version, severity, onset_ms, at_ms, shadow
FROM alert
WHERE at_ms <= %(until_ms)s AND NOT confirmed AND NOT retroactive AND NOT withdrawn
ORDER BY at_ms
LIMIT %(limit)s;

-- name: confirm
UPDATE alert SET confirmed = true
WHERE (tenant, alert_id) IN (SELECT * FROM unnest(%(tenants)s::text[], %(ids)s::text[]));
