/* query
owner: data-platform
reads: [batch]
about: >
  Points (one metric of one reading, of those that count) by minute of event time. The hash of each point's key is summed
  along, so that two sides with equal sums hold the same keys equally often.
*/
SELECT
  CAST(epoch_ms(event_time) // 60000 AS BIGINT) AS minute,
  CAST(count(*) AS UBIGINT) AS expected,
  CAST(sum(hash(tenant, device_id, metric)::HUGEINT) % 18446744073709551616::HUGEINT AS UBIGINT) AS expected_hash,
  CAST(count(*) FILTER (WHERE mark = 'late') AS UBIGINT) AS late,
  CAST(max(epoch_ms(received_at)) AS UBIGINT) AS newest_ms
FROM (
  SELECT tenant, device_id, event_time, received_at, mark, unnest(map_keys(metrics)) AS metric
  FROM batch
  WHERE mark NOT IN ('duplicate', 'replaced'))
GROUP BY minute
