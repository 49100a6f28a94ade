/* query
owner: data-platform
reads: [published_sessions, range_batch]
about: The highest revision of each session of the batch's devices.
*/
SELECT
  tenant, device_id, epoch_ms(session_start) AS start_ms, told.*
FROM (
  SELECT
    tenant, device_id, session_start, arg_max(
      struct_pack(
        end_ms := epoch_ms(session_end), readings := readings, gaps := gaps, battery_min := battery_min,
        battery_max := battery_max, signal_min := signal_min, signal_max := signal_max, site := site,
        profile := profile, late := late_count, revision := revision, superseded := superseded),
      revision) AS told
  FROM published_sessions
  SEMI JOIN range_batch USING (tenant, device_id)
  GROUP BY ALL)
ORDER BY tenant, device_id, start_ms
