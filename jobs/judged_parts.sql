/* view
owner: data-platform
reads: [judged]
about: >
  What arrived, as one text per shard of devices and Arrow batch: readings without duplicates, contexts, and for every
  shard the rules that changed and the newest mark of the clock.
*/
SELECT
  SUBSTRING(item, 1, POSITION(' ' IN item) - 1) AS shard,
  SUBSTRING(item, POSITION(' ' IN item) + 1) AS part
FROM (
  SELECT
    gather_judged(
      topic, owner, CONCAT(owner, '/', event_id), event_time_ms, kafka_partition, kafka_offset, log_time,
      CASE WHEN topic IN ('telemetry', 'rules') THEN CAST(metrics AS STRING) END, location.lat, location.lon,
      CASE topic
        WHEN 'rules' THEN JSON_OBJECT('state' VALUE told['state'], 'rule' VALUE told['rule'])
        WHEN 'device-context' THEN JSON_OBJECT(
          'site' VALUE told['site'], 'profile' VALUE told['profile'], 'tags' VALUE told['tags'],
          'registered_ms' VALUE CAST(sent['registered_ms'] AS BIGINT), 'counters' VALUE told['counters'])
      END) AS items
  FROM (
    SELECT
      *, CONCAT(tenant, '/', device_id) AS owner,
      -- The topic's maps hold no null, and of such a map Flink says that a missing key is -1 or an empty text.
      CAST(metrics AS MAP<STRING, DOUBLE>) AS sent, CAST(attributes AS MAP<STRING, STRING>) AS told
    FROM judged)
)
CROSS JOIN UNNEST(items) AS gathered_items (item)
