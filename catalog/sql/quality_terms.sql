/* statements
owner: data-platform
about: >
  What data quality judges devices by: those that have a profile, what it promises, and when silence was announced. Windows
  that touch are one.
reads: device, device_profile, maintenance_window
writes: nothing
*/

-- name: devices
SELECT d.tenant, d.device_id, p.profile, p.expected_interval_s, p.metrics
FROM device AS d JOIN device_profile AS p ON p.profile = d.profile;

-- name: pauses
SELECT tenant, device_id, lower(span) AS from_time, upper(span) AS until_time
FROM (
  SELECT d.tenant, d.device_id, unnest(range_agg(tstzrange(m.starts_at, m.ends_at))) AS span
  FROM maintenance_window AS m
  JOIN device AS d ON d.tenant = m.tenant AND (d.device_id = m.device_id OR d.site = m.site)
  WHERE m.starts_at < to_timestamp(%(until_ms)s / 1000.0) AND m.ends_at > to_timestamp(%(from_ms)s / 1000.0)
    AND d.profile IS NOT NULL
  GROUP BY d.tenant, d.device_id
) AS announced;
