/* query
owner: data-platform
reads: [new_row, rival, changed_mark]
writes: [new_late, touched_minute, remarked_pane, touched_range, taken]
about: >
  Readings that came late and are not taken yet become the minutes and the ranges of event time they touch. Ranges are kept per device and
  hour, so that a device that is late for days needs a bounded number of them. Of those that only declared something, the
  times count at which a mark changed. `repeated` = it does not count, by what was found of its time.
*/
CREATE OR REPLACE TEMP TABLE new_late AS
SELECT
  n.* EXCLUDE (late), r.kafka_offset IS NOT NULL AS repeated
FROM new_row AS n
LEFT JOIN (
  SELECT kafka_partition, kafka_offset FROM rival WHERE NOT counted
  UNION
  SELECT kafka_partition, kafka_offset FROM changed_mark) AS r USING (kafka_partition, kafka_offset)
WHERE n.late OR EXISTS (
  FROM changed_mark AS c
  WHERE c.tenant = n.tenant AND c.device_id = n.device_id AND c.event_time_ms = n.event_time_ms);

INSERT INTO touched_minute
SELECT tenant, device_id, minute_ms, getvariable('now_ms')
FROM (SELECT DISTINCT tenant, device_id, event_time_ms - event_time_ms % 60000 AS minute_ms FROM new_late)
ANTI JOIN touched_minute USING (tenant, device_id, minute_ms);

INSERT INTO remarked_pane
SELECT tenant, device_id, pane_ms
FROM (SELECT DISTINCT tenant, device_id, event_time_ms - event_time_ms % 10000 AS pane_ms FROM changed_mark)
ANTI JOIN remarked_pane USING (tenant, device_id, pane_ms);

CREATE OR REPLACE TEMP TABLE new_range AS
SELECT
  tenant, device_id, event_time_ms - event_time_ms % 3600000 AS hour_ms,
  min(event_time_ms) AS first_ms, max(event_time_ms) AS last_ms
FROM new_late
GROUP BY ALL;

UPDATE touched_range AS held
SET
  first_ms = least(held.first_ms, n.first_ms),
  last_ms = greatest(held.last_ms, n.last_ms),
  grown_at_ms = getvariable('now_ms')
FROM new_range AS n
WHERE held.tenant = n.tenant AND held.device_id = n.device_id AND held.hour_ms = n.hour_ms;

INSERT INTO touched_range
SELECT tenant, device_id, hour_ms, first_ms, last_ms, getvariable('now_ms'), getvariable('now_ms'), 0, 0
FROM new_range
ANTI JOIN touched_range USING (tenant, device_id, hour_ms);

CREATE OR REPLACE TEMP TABLE reached AS
SELECT kafka_partition, max(next_offset) AS next_offset
FROM (
  SELECT kafka_partition, next_offset FROM taken
  UNION ALL
  SELECT kafka_partition, kafka_offset + 1 FROM new_row)
GROUP BY kafka_partition;
DELETE FROM taken;
INSERT INTO taken SELECT kafka_partition, next_offset FROM reached;
