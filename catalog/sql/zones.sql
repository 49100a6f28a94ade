/* statements
owner: data-platform
about: In which zone each device writes local times, for the gateway and for fixes of dead letters.
reads: device, device_removed, site, tenant
*/

-- name: version
SELECT
  (SELECT max(change) FROM device), (SELECT max(change) FROM device_removed), (SELECT max(updated_at) FROM site),
  (SELECT max(updated_at) FROM tenant);

-- name: tenants
SELECT tenant, timezone FROM tenant WHERE timezone IS NOT NULL;

-- name: devices
SELECT d.tenant, d.device_id, coalesce(d.timezone, s.timezone)
FROM device AS d LEFT JOIN site AS s ON s.tenant = d.tenant AND s.site = d.site
WHERE coalesce(d.timezone, s.timezone) IS NOT NULL;

-- name: of_device
SELECT coalesce(
  (
    SELECT coalesce(d.timezone, s.timezone)
    FROM device AS d LEFT JOIN site AS s ON s.tenant = d.tenant AND s.site = d.site
    WHERE d.tenant = %(tenant)s AND d.device_id = %(device_id)s
  ),
  (SELECT timezone FROM tenant WHERE tenant = %(tenant)s));
