/* query
owner: data-platform
reads: [warm, cold]
about: >
  Readings of a device in order of event time, with the metrics asked for in their order; one that is being moved to the
  cold tier is in both and counts once.
*/
SELECT
  epoch_ms(event_time) AS event_time_ms,
  list_transform(getvariable('metric_names'), lambda name: metrics[name]) AS figures,
  location.lat AS lat, location.lon AS lon
FROM (
  SELECT tenant, event_time, metrics, location FROM warm
  UNION ALL
  SELECT c.tenant, c.event_time, c.metrics, c.location
  FROM cold AS c
  ANTI JOIN warm AS w ON w.kafka_partition = c.kafka_partition AND w.kafka_offset = c.kafka_offset)
WHERE tenant = getvariable('tenant')
ORDER BY event_time_ms
