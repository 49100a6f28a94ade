/* view
owner: data-platform
reads: [gathered, timely]
about: >
  One row per shard and second of the log: a tick comes with everything that arrived before it. What came after its pane
  had closed follows at once, on its own.
*/
SELECT shard, LISTAGG(part) AS parts
FROM TABLE(TUMBLE(
  TABLE timely, DESCRIPTOR(log_time), INTERVAL '1' SECOND))
GROUP BY shard, window_start, window_end
UNION ALL
SELECT shard, part AS parts
FROM gathered
WHERE behind
