/* statements
owner: data-platform
about: Who is registered, for the list of all devices that registry, lake and Redis know.
reads: device
*/

-- name: list_registered
SELECT device_id, site, profile, floor(extract(epoch FROM registered_at) * 1000)::bigint
FROM device WHERE tenant = %(tenant)s AND (%(device_id)s::text IS NULL OR device_id = %(device_id)s);
