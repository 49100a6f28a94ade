/* statements
owner: data-platform
about: Who is registered, for the list of all devices that registry, lake and Redis know.
reads: device, device_profile, site
*/

-- name: list_registered
SELECT device_id, site, profile, floor(extract(epoch FROM registered_at) * 1000)::bigint
FROM device WHERE tenant = %(tenant)s AND (%(device_id)s::text IS NULL OR device_id = %(device_id)s);

-- name: list_names
SELECT 'sites', site FROM site WHERE tenant = %(tenant)s
UNION SELECT 'tags', unnest(tags) FROM device WHERE tenant = %(tenant)s
UNION SELECT 'profiles', profile FROM device_profile
UNION SELECT 'metrics', jsonb_object_keys(p.metrics)
FROM device_profile AS p
WHERE EXISTS (SELECT 1 FROM device AS d WHERE d.tenant = %(tenant)s AND d.profile = p.profile);
