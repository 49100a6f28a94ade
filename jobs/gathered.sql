/* view
owner: data-platform
reads: [arrivals]
about: >
  What arrived, reduced to a text per shard of devices for each pane of 1 s of log time and batch: activities of devices
  without duplicates, signals, contexts, and for every shard the tick of the clock and how far `telemetry` was read.
  `behind` = its pane has closed: the log's clock went back, or a partition was taken for idle; it must not be lost.
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
      topic, owner, CONCAT(owner, '/', event_id), event_time_ms, received_at_ms,
      kafka_partition, kafka_offset, log_time,
      TRY_CAST(told['seq'] AS BIGINT), sent['battery_pct'], sent['signal_dbm'],
      CASE topic
        WHEN 'telemetry' THEN CAST(NULL AS STRING)
        WHEN 'telemetry.clock' THEN CONCAT(COALESCE(told['paused_ms'], '0'), ' ', COALESCE(told['ends'], ''))
        WHEN 'device-signals' THEN told['what']
        ELSE JSON_OBJECT(
          'site' VALUE told['site'],
          'profile' VALUE told['profile'],
          'firmware' VALUE told['firmware'],
          'offline_after_ms' VALUE sent['offline_after_ms'],
          'expected_interval_ms' VALUE sent['expected_interval_ms'],
          'maintenance_from_ms' VALUE sent['maintenance_from_ms'],
          'maintenance_until_ms' VALUE sent['maintenance_until_ms'])
      END) AS items
  FROM (
    SELECT
      *, CONCAT(tenant, '/', device_id) AS owner,
      -- The topic's maps hold no null, and of such a map Flink says that a missing key is -1.
      CAST(metrics AS MAP<STRING, DOUBLE>) AS sent, CAST(attributes AS MAP<STRING, STRING>) AS told
    FROM arrivals)
)
CROSS JOIN UNNEST(items) AS gathered_items (item)
