/* statements
owner: data-platform
about: What people and files change in the registry. A row that is already as asked is left alone.
reads: device, device_profile, site, maintenance_window, tenant
writes: device, device_profile, site, maintenance_window, tenant
*/

-- name: tenant_names
SELECT tenant FROM tenant ORDER BY tenant;

-- name: add_tenant
INSERT INTO tenant (tenant) VALUES (%(tenant)s) ON CONFLICT DO NOTHING;

-- name: site_names
SELECT site FROM site WHERE tenant = %(tenant)s ORDER BY site;

-- name: profile_names
SELECT profile FROM device_profile ORDER BY profile;

-- name: list_devices
SELECT tenant, device_id, site, profile, firmware, tags, timezone, about, updated_at
FROM device
WHERE tenant = %(tenant)s AND device_id > %(after)s
  AND (%(site)s::text IS NULL OR site = %(site)s) AND (%(profile)s::text IS NULL OR profile = %(profile)s)
  AND (%(tag)s::text IS NULL OR %(tag)s = ANY(tags))
ORDER BY device_id
LIMIT %(limit)s;

-- name: get_device
SELECT tenant, device_id, site, profile, firmware, tags, timezone, about, updated_at
FROM device WHERE tenant = %(tenant)s AND device_id = %(device_id)s;

-- name: put_device
INSERT INTO device (tenant, device_id, site, profile, firmware, tags, timezone, about)
VALUES (%(tenant)s, %(device_id)s, %(site)s, %(profile)s, %(firmware)s, %(tags)s, %(timezone)s, %(about)s)
ON CONFLICT (tenant, device_id) DO UPDATE SET
  site = EXCLUDED.site, profile = EXCLUDED.profile, firmware = EXCLUDED.firmware, tags = EXCLUDED.tags,
  timezone = EXCLUDED.timezone, about = EXCLUDED.about
WHERE (device.site, device.profile, device.firmware, device.tags, device.timezone, device.about)
  IS DISTINCT FROM (
    EXCLUDED.site, EXCLUDED.profile, EXCLUDED.firmware, EXCLUDED.tags, EXCLUDED.timezone, EXCLUDED.about
  );

-- name: add_device
INSERT INTO device (tenant, device_id) VALUES (%(tenant)s, %(device_id)s) ON CONFLICT DO NOTHING;

-- name: delete_device
DELETE FROM device WHERE tenant = %(tenant)s AND device_id = %(device_id)s;

-- name: list_profiles
SELECT p.profile, p.about, p.expected_interval_s, p.offline_after_s, p.retention_class, p.warm_days, p.cold_days,
  p.metrics, p.updated_at
FROM device_profile AS p ORDER BY p.profile;

-- name: get_profile
SELECT p.profile, p.about, p.expected_interval_s, p.offline_after_s, p.retention_class, p.warm_days, p.cold_days,
  p.metrics, p.updated_at
FROM device_profile AS p WHERE p.profile = %(profile)s;

-- name: put_profile
INSERT INTO device_profile (
  profile, about, expected_interval_s, offline_after_s, retention_class, warm_days, cold_days, metrics
)
VALUES (
  %(profile)s, %(about)s, %(expected_interval_s)s, %(offline_after_s)s, %(retention_class)s, %(warm_days)s,
  %(cold_days)s, %(metrics)s
)
ON CONFLICT (profile) DO UPDATE SET
  about = EXCLUDED.about, expected_interval_s = EXCLUDED.expected_interval_s,
  offline_after_s = EXCLUDED.offline_after_s, retention_class = EXCLUDED.retention_class,
  warm_days = EXCLUDED.warm_days, cold_days = EXCLUDED.cold_days, metrics = EXCLUDED.metrics
WHERE (
  device_profile.about, device_profile.expected_interval_s, device_profile.offline_after_s,
  device_profile.retention_class, device_profile.warm_days, device_profile.cold_days, device_profile.metrics
) IS DISTINCT FROM (
  EXCLUDED.about, EXCLUDED.expected_interval_s, EXCLUDED.offline_after_s, EXCLUDED.retention_class,
  EXCLUDED.warm_days, EXCLUDED.cold_days, EXCLUDED.metrics
);

-- name: delete_profile
DELETE FROM device_profile WHERE profile = %(profile)s;

-- name: list_sites
SELECT s.tenant, s.site, s.about, s.lat, s.lon, s.timezone, s.updated_at,
  (SELECT count(*) FROM device AS d WHERE d.tenant = s.tenant AND d.site = s.site) AS devices
FROM site AS s WHERE s.tenant = %(tenant)s ORDER BY s.site;

-- name: get_site
SELECT s.tenant, s.site, s.about, s.lat, s.lon, s.timezone, s.updated_at,
  (SELECT count(*) FROM device AS d WHERE d.tenant = s.tenant AND d.site = s.site) AS devices
FROM site AS s WHERE s.tenant = %(tenant)s AND s.site = %(site)s;

-- name: put_site
INSERT INTO site (tenant, site, about, lat, lon, timezone)
VALUES (%(tenant)s, %(site)s, %(about)s, %(lat)s, %(lon)s, %(timezone)s)
ON CONFLICT (tenant, site) DO UPDATE SET
  about = EXCLUDED.about, lat = EXCLUDED.lat, lon = EXCLUDED.lon, timezone = EXCLUDED.timezone
WHERE (site.about, site.lat, site.lon, site.timezone)
  IS DISTINCT FROM (EXCLUDED.about, EXCLUDED.lat, EXCLUDED.lon, EXCLUDED.timezone);

-- name: get_tenant
SELECT tenant, timezone FROM tenant WHERE tenant = %(tenant)s;

-- name: put_tenant
INSERT INTO tenant (tenant, timezone) VALUES (%(tenant)s, %(timezone)s)
ON CONFLICT (tenant) DO UPDATE SET timezone = EXCLUDED.timezone, updated_at = clock_timestamp()
WHERE tenant.timezone IS DISTINCT FROM EXCLUDED.timezone;

-- name: set_device_timezone
UPDATE device SET timezone = %(timezone)s WHERE tenant = %(tenant)s AND device_id = %(device_id)s;

-- name: set_site_timezone
UPDATE site SET timezone = %(timezone)s WHERE tenant = %(tenant)s AND site = %(site)s;

-- name: delete_site
DELETE FROM site WHERE tenant = %(tenant)s AND site = %(site)s;

-- name: list_maintenance
SELECT maintenance_id, tenant, device_id, site, starts_at, ends_at, about
FROM maintenance_window
WHERE tenant = %(tenant)s AND ends_at > to_timestamp(%(now_ms)s / 1000.0)
ORDER BY starts_at, maintenance_id;

-- name: add_maintenance
INSERT INTO maintenance_window (tenant, device_id, site, starts_at, ends_at, about)
SELECT %(tenant)s, %(device_id)s, %(site)s, %(starts_at)s, %(ends_at)s, %(about)s
WHERE NOT EXISTS (
  SELECT 1 FROM maintenance_window
  WHERE tenant = %(tenant)s AND device_id IS NOT DISTINCT FROM %(device_id)s AND site IS NOT DISTINCT FROM %(site)s
    AND starts_at = %(starts_at)s AND ends_at = %(ends_at)s
)
RETURNING maintenance_id;

-- name: find_maintenance
SELECT maintenance_id FROM maintenance_window
WHERE tenant = %(tenant)s AND device_id IS NOT DISTINCT FROM %(device_id)s AND site IS NOT DISTINCT FROM %(site)s
  AND starts_at = %(starts_at)s AND ends_at = %(ends_at)s;

-- name: delete_maintenance
DELETE FROM maintenance_window WHERE tenant = %(tenant)s AND maintenance_id = %(maintenance_id)s;
