/* query
owner: data-platform
reads: [stored]
about: Readings of a device in order of event time, with the metrics asked for in their order.
*/
SELECT
  epoch_ms(event_time) AS event_time_ms,
  list_transform(getvariable('metric_names'), lambda name: metrics[name]) AS figures,
  location.lat AS lat, location.lon AS lon
FROM stored
WHERE tenant = getvariable('tenant')
ORDER BY event_time_ms
