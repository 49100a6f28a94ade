/* view
owner: data-platform
reads: [panes]
about: Panes with their place in the minute (0 to 5), so that coarser windows keep first and last by event time.
*/
SELECT
  owner, metric, pane_time, readings, minimum, maximum, total, earliest, latest, late_readings,
  CAST(EXTRACT(SECOND FROM window_start) / 10 AS STRING) AS place
FROM panes
