/* insert
owner: data-platform
position: 3
reads: [panes, placed_panes]
writes: [iot.rollups_1m, redis.series]
about: 10 s panes to the hot tier; minutes, built from panes, to the lake.
*/
INSERT INTO written
SELECT write_panes(
  SUBSTRING(owner, 1, POSITION('/' IN owner) - 1), SUBSTRING(owner, POSITION('/' IN owner) + 1),
  metric, window_start, readings, minimum, maximum, total,
  CAST(SUBSTRING(earliest, 5) AS DOUBLE), CAST(SUBSTRING(latest, 5) AS DOUBLE))
FROM panes;

INSERT INTO lake.iot.rollups_1m
SELECT
  SUBSTRING(owner, 1, POSITION('/' IN owner) - 1) AS tenant,
  SUBSTRING(owner, POSITION('/' IN owner) + 1) AS device_id,
  metric, CAST(window_start AS TIMESTAMP_LTZ(6)) AS window_start,
  MIN(minimum) AS `min`, MAX(maximum) AS `max`, SUM(total) AS `sum`, SUM(readings) AS `count`,
  CAST(SUBSTRING(MIN(CONCAT(place, earliest)), 6) AS DOUBLE) AS `first`,
  CAST(SUBSTRING(MAX(CONCAT(place, latest)), 6) AS DOUBLE) AS `last`,
  SUM(late_readings) AS late_count, 0 AS revision, TRUE AS complete
FROM TABLE(TUMBLE(
  TABLE placed_panes, DESCRIPTOR(pane_time), INTERVAL '1' MINUTE))
GROUP BY owner, metric, window_start, window_end
