/* query
owner: data-platform
reads: [changed, recomputed_pane]
about: Panes of changed windows that the hot tier still keeps.
*/
SELECT p.tenant, p.device_id, p.metric, p.start_ms, p.readings, p.minimum, p.maximum, p.total, p.first, p.last
FROM recomputed_pane AS p
SEMI JOIN changed AS c
  ON c.tenant = p.tenant AND c.device_id = p.device_id AND c.metric = p.metric
  AND epoch_ms(c.window_start) = p.start_ms - p.start_ms % 60000
WHERE p.start_ms >= getvariable('kept_since_ms')
