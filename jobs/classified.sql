/* view
owner: data-platform
reads: [telemetry]
about: >
  Each reading with its place in the log and the classifier's verdict: 1 = this event_id was seen in the last 15 min of
  the log, 2 = the hot tier wants it (newest of its device in the batch), 0 = neither.
  `owner` is tenant/device_id in one text, a cheaper key than two. `behind` = older than
  the watermark when its batch had been classified, the moment the windows judge it by.
*/
SELECT
  tenant, device_id, owner, event_id, event_time, event_time_ms, metrics, location, attributes, received_at_ms,
  source, kafka_partition, kafka_offset,
  event_time < CURRENT_WATERMARK(event_time) AS behind,
  classify(CONCAT(owner, '/', event_id), owner, event_time_ms, kafka_partition, kafka_offset, kafka_time) AS verdict
FROM (
  SELECT *, CONCAT(tenant, '/', device_id) AS owner
  FROM telemetry
  WHERE device_id <> '')
