/* statements
owner: data-platform
reads: [touched_time, stored_places, stored_rows]
writes: [shared_time, rival, said_again, kept_out]
about: >
  Which rows of iot.readings repeat or replace others of their device and event time, for `catalog/repetitions.py`. Marks
  follow from the rows alone, so settling again changes nothing. `place` orders the rows of one time by arrival.
*/

-- name: shared_time
CREATE OR REPLACE TEMP TABLE shared_time AS
SELECT s.tenant, s.device_id, s.event_time_ms
FROM (
  SELECT tenant, device_id, epoch_ms(event_time) AS event_time_ms, kafka_partition, kafka_offset FROM stored_places) AS s
SEMI JOIN touched_time AS t
  ON t.tenant = s.tenant AND t.device_id = s.device_id AND t.event_time_ms = s.event_time_ms
GROUP BY ALL
HAVING count(DISTINCT (s.kafka_partition, s.kafka_offset)) > 1

-- name: rival
CREATE OR REPLACE TEMP TABLE rival AS
SELECT
  *, row_number() OVER (
    PARTITION BY tenant, device_id, event_time_ms ORDER BY received_at, kafka_partition, kafka_offset) AS place
FROM (
  SELECT
    s.tenant, s.device_id, s.event_time_ms, s.event_id, s.received_at, s.kafka_partition, s.kafka_offset, s.mark,
    s.kafka_partition < 0 AS imported, s.mark IN ('on_time', 'late') AS counted,
    s.event_id LIKE 'content-%' AS unnamed,
    CASE WHEN s.source LIKE 'keep:%' THEN 'keep' WHEN s.source LIKE 'replace:%' THEN 'replace' ELSE '' END AS declared,
    list_sort(map_keys(s.metrics)) AS names,
    list_sort(list_transform(map_entries(s.metrics), lambda e: e.key || '=' || (e.value + 0.0)::VARCHAR)) AS points
  FROM (SELECT *, epoch_ms(event_time) AS event_time_ms FROM stored_rows) AS s
  SEMI JOIN shared_time AS t
    ON t.tenant = s.tenant AND t.device_id = s.device_id AND t.event_time_ms = s.event_time_ms
  -- A row that is being moved to the archive is in both tables.
  QUALIFY row_number() OVER (PARTITION BY kafka_partition, kafka_offset) = 1)

-- name: said_again
-- The same identity again, or, where one side has no id of its device's, the same content. What was imported was
-- compared then; what is replaced stays so; of the others the first counts.
CREATE OR REPLACE TEMP TABLE said_again AS
WITH same_id AS (
  SELECT
    *, counted AND row_number() OVER (
      PARTITION BY tenant, device_id, event_time_ms, event_id
      ORDER BY NOT (imported AND counted), mark <> 'replaced', CASE WHEN imported THEN -place ELSE place END) > 1 AS again
  FROM rival
  WHERE mark <> 'duplicate'),
same_content AS (
  SELECT
    * EXCLUDE (again), counted AND NOT imported AND row_number() OVER (
      PARTITION BY tenant, device_id, event_time_ms, points
      ORDER BY NOT (imported AND counted), mark <> 'replaced', place) > 1
    AND (unnamed OR bool_or(unnamed) OVER (PARTITION BY tenant, device_id, event_time_ms, points)) AS again
  FROM same_id
  WHERE NOT again)
SELECT kafka_partition, kafka_offset FROM same_id WHERE again
UNION
SELECT kafka_partition, kafka_offset FROM same_content WHERE again
UNION
-- All that a declared reading says was said before it, by a row that says more.
SELECT l.kafka_partition, l.kafka_offset
FROM same_content AS l
JOIN same_content AS e USING (tenant, device_id, event_time_ms)
WHERE l.counted AND NOT l.imported AND l.declared <> '' AND NOT e.again
  AND (e.kafka_partition, e.kafka_offset) <> (l.kafka_partition, l.kafka_offset)
  AND (e.imported OR e.place < l.place) AND len(e.points) > len(l.points) AND list_has_all(e.points, l.points)

-- name: kept_out
-- What a declared reading replaces whole, and declared readings that stand back behind what is stored.
CREATE OR REPLACE TEMP TABLE kept_out AS
WITH held AS (
  SELECT * FROM rival
  ANTI JOIN said_again USING (kafka_partition, kafka_offset)
  WHERE mark <> 'duplicate')
SELECT o.kafka_partition, o.kafka_offset
FROM held AS o
JOIN held AS r USING (tenant, device_id, event_time_ms)
WHERE o.counted AND r.counted AND r.declared = 'replace' AND r.place > o.place AND list_has_all(r.names, o.names)
UNION
SELECT k.kafka_partition, k.kafka_offset
FROM held AS k
JOIN held AS e USING (tenant, device_id, event_time_ms)
WHERE k.counted AND k.declared = 'keep' AND e.place < k.place AND list_has_all(e.names, k.names)

-- name: changes
SELECT tenant, device_id, event_time_ms, kafka_partition, kafka_offset, 'duplicate' AS mark
FROM rival SEMI JOIN said_again USING (kafka_partition, kafka_offset)
UNION ALL
SELECT tenant, device_id, event_time_ms, kafka_partition, kafka_offset, 'replaced' AS mark
FROM rival SEMI JOIN kept_out USING (kafka_partition, kafka_offset)
