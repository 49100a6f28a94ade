/* query
owner: data-platform
reads: [settled_hour, far_hour, begun_run]
writes: [touched_hour, followed_run]
about: >
  Hours that were judged go. Others look further back the next time. Runs in which late readings still have an effect are
  followed.
*/
DELETE FROM touched_hour
USING settled_hour AS s
WHERE touched_hour.tenant = s.tenant AND touched_hour.device_id = s.device_id AND touched_hour.hour_ms = s.hour_ms;

UPDATE touched_hour AS held
SET far = far + 1
FROM far_hour AS f
WHERE held.tenant = f.tenant AND held.device_id = f.device_id AND held.hour_ms = f.hour_ms;

INSERT INTO followed_run
SELECT tenant, device_id, rule, form, from_ms, last_ms, until_ms, not_before_ms, kept
FROM begun_run
