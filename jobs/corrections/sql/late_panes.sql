/* query
owner: data-platform
reads: [recomputed_pane]
about: The panes that hold late readings and that the hot tier still keeps.
*/
SELECT tenant, device_id, metric, start_ms, readings, minimum, maximum, total, first, last
FROM recomputed_pane
WHERE late_readings > 0 AND start_ms >= getvariable('kept_since_ms')
