/* statements
owner: data-platform
about: How long readings of a device stay warm and are kept; NULL = the built-in default.
reads: device, device_profile
*/

-- name: list_terms
SELECT d.tenant || '/' || d.device_id AS owner, p.warm_days, p.cold_days
FROM device AS d JOIN device_profile AS p ON p.profile = d.profile
WHERE p.warm_days IS NOT NULL OR p.cold_days IS NOT NULL;
