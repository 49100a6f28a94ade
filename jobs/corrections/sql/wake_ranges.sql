/* query
owner: data-platform
reads: [told_sessions]
writes: [touched_range]
about: A device whose session was told has its turn at once.
*/
UPDATE touched_range AS held
SET not_before_ms = 0
FROM (SELECT DISTINCT tenant, device_id FROM told_sessions) AS t
WHERE held.tenant = t.tenant AND held.device_id = t.device_id AND held.not_before_ms > 0
