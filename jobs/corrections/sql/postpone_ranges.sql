/* query
owner: data-platform
reads: [open_range]
writes: [touched_range]
about: Ranges in a session that is still open wait until it is told, or an hour.
*/
UPDATE touched_range AS held
SET not_before_ms = getvariable('final_ms') + 3600000
FROM open_range AS o
WHERE held.tenant = o.tenant AND held.device_id = o.device_id AND held.hour_ms = o.hour_ms
