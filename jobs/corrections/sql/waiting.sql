/* query
owner: data-platform
reads: [touched_minute, touched_range, touched_hour]
about: How many windows, ranges and hours wait, and since when the oldest that could be corrected does.
*/
SELECT
  (SELECT count(*) FROM touched_minute) AS pending_minutes,
  (SELECT count(*) FROM touched_range) AS pending_ranges,
  (SELECT count(*) FROM touched_hour) AS pending_hours,
  (SELECT min(found_at_ms) FROM touched_minute) AS oldest_minute_found_ms,
  (SELECT min(found_at_ms) FROM touched_range) AS oldest_range_found_ms,
  (SELECT min(found_at_ms) FROM touched_hour) AS oldest_hour_found_ms
