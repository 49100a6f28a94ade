/* query
owner: data-platform
reads: [late_rows, taken]
writes: [new_row, touched_time]
about: >
  Readings that came late or declared something and are not taken yet, and the times at which others may say the same.
  An import compared its rows with what there was before it stored them; those that declare something are looked at.
*/
CREATE OR REPLACE TEMP TABLE new_row AS
SELECT
  tenant, device_id, epoch_ms(event_time) AS event_time_ms, map_keys(metrics) AS metrics,
  location IS NOT NULL AS located, kafka_partition, kafka_offset, mark,
  mark = 'late' OR epoch_ms(event_time) < getvariable('told_until_ms') AS late,
  source LIKE '%:%' AS declared
FROM late_rows
LEFT JOIN taken USING (kafka_partition)
WHERE kafka_offset >= coalesce(next_offset, 0);

CREATE OR REPLACE TEMP TABLE touched_time AS
SELECT DISTINCT tenant, device_id, event_time_ms FROM new_row WHERE kafka_partition >= 0 OR declared;
