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
      TRY_CAST(attributes['seq'] AS BIGINT), metrics['battery_pct'], metrics['signal_dbm'],
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
          'maintenance_from_ms' VALUE metrics['maintenance_from_ms'],
          'maintenance_until_ms' VALUE metrics['maintenance_until_ms'])
      END) AS items
  FROM (
    SELECT *, CONCAT(tenant, '/', device_id) AS owner
    FROM arrivals)
)
CROSS JOIN UNNEST(items) AS gathered_items (item)
