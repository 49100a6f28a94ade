/* statements
owner: data-platform
about: What each device is judged by, for the publisher of contexts and for whoever recomputes sessions.
reads: device_contexts, device, device_profile, maintenance_window, context_publication
writes: context_publication
*/

-- name: progress
SELECT change, at_ms FROM context_publication WHERE topic = %(topic)s FOR UPDATE;

-- name: keep_progress
INSERT INTO context_publication (topic, change, at_ms) VALUES (%(topic)s, %(change)s, %(at_ms)s)
ON CONFLICT (topic) DO UPDATE SET change = EXCLUDED.change, at_ms = EXCLUDED.at_ms;

-- name: changed
SELECT
  c.tenant, c.device_id, c.site, c.profile, c.firmware, c.tags, p.metrics, c.offline_after_s, c.expected_interval_s,
  c.registered_ms, c.windows_ms, c.change
FROM device_contexts(to_timestamp(%(now_ms)s / 1000.0)) AS c
LEFT JOIN device_profile AS p ON p.profile = c.profile
WHERE c.change > %(since)s
ORDER BY c.change
LIMIT %(limit)s;

-- name: ended
SELECT m.tenant, m.device_id
FROM maintenance_window AS m
WHERE m.device_id IS NOT NULL
  AND m.ends_at > to_timestamp(%(since_ms)s / 1000.0) AND m.ends_at <= to_timestamp(%(now_ms)s / 1000.0)
UNION
SELECT d.tenant, d.device_id
FROM maintenance_window AS m JOIN device AS d ON d.tenant = m.tenant AND d.site = m.site
WHERE m.ends_at > to_timestamp(%(since_ms)s / 1000.0) AND m.ends_at <= to_timestamp(%(now_ms)s / 1000.0)
ORDER BY tenant, device_id;

-- name: of_devices
SELECT
  c.tenant, c.device_id, c.site, c.profile, c.firmware, c.tags, p.metrics, c.offline_after_s, c.expected_interval_s,
  c.registered_ms, c.windows_ms, c.change
FROM device_contexts(to_timestamp(%(now_ms)s / 1000.0)) AS c
LEFT JOIN device_profile AS p ON p.profile = c.profile
JOIN unnest(%(tenants)s::text[], %(device_ids)s::text[]) AS wanted (tenant, device_id)
  ON wanted.tenant = c.tenant AND wanted.device_id = c.device_id;
