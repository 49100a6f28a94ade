/* query
owner: data-platform
reads: [settled_range, unsettled_range]
writes: [touched_range]
about: >
  Ranges that are right now go. The others wait until event time has passed their session, or look further around
  themselves next time, twice as far as the last time.
*/
DELETE FROM touched_range
USING settled_range AS s
WHERE touched_range.tenant = s.tenant AND touched_range.device_id = s.device_id AND touched_range.hour_ms = s.hour_ms;

UPDATE touched_range AS held
SET
  not_before_ms = u.until_ms,
  reach_ms = CASE WHEN u.more_ms = 0 THEN held.reach_ms ELSE least(greatest(2 * held.reach_ms, u.more_ms), 2764800000) END
FROM unsettled_range AS u
WHERE held.tenant = u.tenant AND held.device_id = u.device_id AND held.hour_ms = u.hour_ms
