/* statements
owner: data-platform
about: How often devices are expected to send, by their profiles.
reads: device, device_profile
writes: []
*/

-- name: expected_intervals
SELECT d.device_id, p.expected_interval_s
FROM device AS d
JOIN device_profile AS p ON p.profile = d.profile
WHERE d.tenant = %(tenant)s AND d.device_id = ANY(%(device_ids)s);
