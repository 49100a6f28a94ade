/* view
owner: data-platform
reads: [arrivals]
about: >
  What arrived, reduced to a text per shard of devices for each pane of 1 s of log time and batch: activities of devices
  without duplicates, signals, contexts, and the tick of the clock for every shard. `behind` = its pane has closed:
  the log's clock went back, or a partition was taken for idle; it must not be lost.
*/
SELECT
  log_time,
  SUBSTRING(item, 1, POSITION(' ' IN item) - 1) AS shard,
  SUBSTRING(item, POSITION(' ' IN item) + 1) AS part,
  COALESCE(FLOOR(log_time TO SECOND) + INTERVAL '0.999' SECOND <= CURRENT_WATERMARK(log_time), FALSE) AS behind
FROM (
  SELECT
    log_time,
    gather(
      topic, owner, CONCAT(owner, '/', event_id), event_time_ms, kafka_partition, kafka_offset, log_time,
      TRY_CAST(attributes['seq'] AS BIGINT), battery_pct, signal_dbm,
      CASE topic
        WHEN 'telemetry' THEN CAST(NULL AS STRING)
        WHEN 'telemetry.clock' THEN attributes['paused_ms']
        WHEN 'device-signals' THEN attributes['what']
        ELSE JSON_OBJECT(
          'site' VALUE attributes['site'],
          'profile' VALUE attributes['profile'],
          'firmware' VALUE attributes['firmware'],
          'offline_after_ms' VALUE metrics['offline_after_ms'],
          'expected_interval_ms' VALUE metrics['expected_interval_ms'],
          'maintenance_from_ms' VALUE maintenance_from_ms,
          'maintenance_until_ms' VALUE maintenance_until_ms)
      END) AS items
  FROM (
    SELECT
      *, CONCAT(tenant, '/', device_id) AS owner,
      -- Values of the map are never null, so Flink takes a missing key for -1.
      CASE WHEN ARRAY_CONTAINS(MAP_KEYS(metrics), 'battery_pct') THEN metrics['battery_pct'] END AS battery_pct,
      CASE WHEN ARRAY_CONTAINS(MAP_KEYS(metrics), 'signal_dbm') THEN metrics['signal_dbm'] END AS signal_dbm,
      CASE WHEN ARRAY_CONTAINS(MAP_KEYS(metrics), 'maintenance_from_ms')
        THEN metrics['maintenance_from_ms'] END AS maintenance_from_ms,
      CASE WHEN ARRAY_CONTAINS(MAP_KEYS(metrics), 'maintenance_until_ms')
        THEN metrics['maintenance_until_ms'] END AS maintenance_until_ms
    FROM arrivals)
)
CROSS JOIN UNNEST(items) AS gathered_items (item)
