/* view
owner: data-platform
reads: [points]
about: >
  10 s panes per device and metric, duplicates left out. `first` and `last` go by event time, not by arrival: each value
  travels behind its fixed-width millisecond within the pane, so MIN and MAX of that text are the earliest and the latest.
*/
SELECT
  owner, metric, window_start, window_end, window_time AS pane_time,
  COUNT(*) AS readings, MIN(reading) AS minimum, MAX(reading) AS maximum, SUM(reading) AS total,
  MIN(placed) AS earliest, MAX(placed) AS latest, SUM(late) AS late_readings
FROM TABLE(TUMBLE(
  TABLE points, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
GROUP BY owner, metric, window_start, window_end, window_time
