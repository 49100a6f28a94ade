/* statements
owner: data-platform
about: >
  Earlier alerts of one rule, those of a device before those of its site. Each of the two is a walk along an index that
  ends at the limit, however many alerts there are.
reads: alert, alert_comment
*/

-- name: similar
WITH own AS (
  SELECT * FROM alert
  WHERE tenant = %(tenant)s AND rule = %(rule)s AND device_id = %(device_id)s AND alert_id <> %(alert_id)s
    AND onset_ms <= %(onset_ms)s AND state <> 'withdrawn'
  ORDER BY onset_ms DESC
  LIMIT %(limit)s
), of_site AS (
  SELECT * FROM alert
  WHERE tenant = %(tenant)s AND rule = %(rule)s AND device_id <> %(device_id)s AND site = %(site)s AND site <> ''
    AND onset_ms <= %(onset_ms)s AND state <> 'withdrawn'
  ORDER BY onset_ms DESC
  LIMIT %(limit)s
)
SELECT
  a.alert_id, a.device_id, a.site, a.severity, a.state, a.shadow, a.onset_ms, a.cleared_ms, a.raised_at,
  a.acknowledged_at, a.acknowledged_by, a.closed_at, a.closed_by, a.closed_cause,
  (
    SELECT c.body FROM alert_comment AS c
    WHERE c.tenant = a.tenant AND c.alert_id = a.alert_id
    ORDER BY c.comment_id DESC LIMIT 1
  ) AS last_comment
FROM (SELECT * FROM own UNION ALL SELECT * FROM of_site) AS a
ORDER BY (a.device_id = %(device_id)s) DESC, a.onset_ms DESC, a.alert_id
LIMIT %(limit)s;
