/* query
owner: data-platform
reads: [stored, span, hour_batch]
about: >
  The readings of each device's span in order of event time, with the metrics asked for in their order. `late` = it came
  late, now or earlier, within an hour of the batch.
*/
SELECT
  s.tenant, s.device_id, s.event_time_ms, s.figures, s.lat, s.lon,
  h.hour_ms IS NOT NULL AND (s.late OR h.unmarked AND s.event_time_ms BETWEEN h.first_ms AND h.last_ms) AS late
FROM (
  SELECT
    tenant, device_id, epoch_ms(event_time) AS event_time_ms, mark = 'late' AS late,
    list_transform(getvariable('metric_names'), lambda name: metrics[name]) AS figures,
    location.lat AS lat, location.lon AS lon
  FROM stored) AS s
JOIN span AS p
  ON p.tenant = s.tenant AND p.device_id = s.device_id AND s.event_time_ms BETWEEN p.from_ms AND p.to_ms
LEFT JOIN hour_batch AS h
  ON h.tenant = s.tenant AND h.device_id = s.device_id AND h.hour_ms = s.event_time_ms - s.event_time_ms % 3600000
ORDER BY s.tenant, s.device_id, s.event_time_ms
