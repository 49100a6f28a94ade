/* statements
owner: data-platform
about: One day of iot.alert_events by kind and severity.
reads: alert_events (one day)
writes: nothing
*/

-- name: kinds
SELECT kind, severity, count(*) AS changes, max(epoch(onset) - epoch("at")) AS onset_after_s
FROM alert_events
GROUP BY kind, severity;
