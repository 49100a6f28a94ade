CREATE OR REPLACE TABLE counted AS
SELECT *, epoch_ms(event_time) AS event_time_ms FROM actual_readings WHERE mark NOT IN ('duplicate', 'replaced');

CREATE OR REPLACE VIEW reading_differences AS
SELECT 'stored more than once' AS what, kafka_partition || '/' || kafka_offset AS place, '1 row' AS expected,
  count(*) || ' rows' AS found
FROM actual_readings GROUP BY kafka_partition, kafka_offset HAVING count(*) > 1
UNION ALL
SELECT 'not exactly one row that is no duplicate', device_id || ' ' || event_id, '1', count(*)::VARCHAR
FROM counted GROUP BY device_id, event_id HAVING count(*) > 1
UNION ALL
SELECT 'missing reading', e.device_id || ' ' || e.event_id, e.event_time_ms::VARCHAR, 'nothing'
FROM expected_readings e ANTI JOIN counted USING (device_id, event_id)
UNION ALL
SELECT 'unexpected reading', a.device_id || ' ' || a.event_id, 'nothing', a.event_time_ms::VARCHAR
FROM actual_readings_ms a ANTI JOIN expected_readings USING (device_id, event_id)
UNION ALL
SELECT 'event time', device_id || ' ' || event_id, e.event_time_ms::VARCHAR, a.event_time_ms::VARCHAR
FROM expected_readings e JOIN counted a USING (device_id, event_id) WHERE e.event_time_ms <> a.event_time_ms
UNION ALL
SELECT 'location', device_id || ' ' || event_id, e.lat || ',' || e.lon, a."location"::VARCHAR
FROM expected_readings e JOIN counted a USING (device_id, event_id)
WHERE e.lat IS DISTINCT FROM a."location".lat OR e.lon IS DISTINCT FROM a."location".lon
UNION ALL
SELECT 'attributes', device_id || ' ' || event_id, e.attributes::VARCHAR, a.attributes::VARCHAR
FROM expected_readings e JOIN counted a USING (device_id, event_id)
WHERE list_sort(map_entries(coalesce(e.attributes, MAP {})))
  IS DISTINCT FROM list_sort(map_entries(coalesce(a.attributes, MAP {})))
UNION ALL
SELECT 'metric', device_id || ' ' || event_id || ' ' || metric, e.value::VARCHAR, a.value::VARCHAR
FROM expected_points e
FULL JOIN (
  SELECT device_id, event_id, entry.key AS metric, entry.value AS value
  FROM (SELECT device_id, event_id, unnest(map_entries(metrics)) AS entry FROM counted)
) a USING (device_id, event_id, metric)
SEMI JOIN expected_readings USING (device_id, event_id)
SEMI JOIN counted USING (device_id, event_id)
WHERE e.value IS NULL OR a.value IS NULL OR NOT near(e.value, a.value);
