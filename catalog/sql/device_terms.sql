/* statements
owner: data-platform
about: By what the series of devices are told: how often they should send, what their metrics are, and where they are.
reads: device, device_profile, site
writes: []
*/

-- name: device_terms
SELECT d.device_id, p.expected_interval_s, COALESCE(p.metrics, '{}'::jsonb) AS metrics,
  COALESCE(d.timezone, s.timezone) AS zone
FROM device AS d
LEFT JOIN site AS s ON s.tenant = d.tenant AND s.site = d.site
LEFT JOIN device_profile AS p ON p.profile = d.profile
WHERE d.tenant = %(tenant)s AND d.device_id = ANY(%(device_ids)s);

-- name: counters
SELECT d.device_id, p.metrics
FROM device AS d JOIN device_profile AS p ON p.profile = d.profile
WHERE d.tenant = %(tenant)s AND p.metrics::text LIKE '%%counter%%';
