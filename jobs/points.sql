/* view
owner: data-platform
reads: [classified]
about: One row per metric of each reading that is no duplicate.
*/
SELECT
  owner, metric, reading, event_time, late,
  CONCAT(place, CAST(reading AS STRING)) AS placed
FROM (
  SELECT
    owner, event_time, metrics,
    CASE WHEN behind THEN 1 ELSE 0 END AS late,
    LPAD(CAST(MOD(event_time_ms, 10000) AS STRING), 4, '0') AS place
  FROM classified
  WHERE verdict <> 1
)
CROSS JOIN UNNEST(metrics) AS entry (metric, reading)
