/* query
owner: data-platform
reads: [recomputed_pane, remarked_pane]
about: >
  The panes that hold late readings, or one whose mark changed, and that the hot tier still keeps.
*/
SELECT tenant, device_id, metric, start_ms, readings, minimum, maximum, total, first, last
FROM recomputed_pane AS p
WHERE start_ms >= getvariable('kept_since_ms') AND (late_readings > 0 OR EXISTS (
  FROM remarked_pane AS r
  WHERE r.tenant = p.tenant AND r.device_id = p.device_id AND r.pane_ms = p.start_ms))
