/* migration
owner: data-platform
about: >
  When a device was registered: the moment from which its silence counts. It is part of the context that is published, so
  that absence rules see a device that never sent anything.
*/
ALTER TABLE device ADD COLUMN registered_at timestamptz NOT NULL DEFAULT now();

-- The shape of what a function returns cannot be replaced.
DROP FUNCTION device_contexts;

CREATE FUNCTION device_contexts(as_of timestamptz)
RETURNS TABLE (
  tenant text, device_id text, site text, profile text, firmware text, tags text[],
  offline_after_s integer, expected_interval_s integer, registered_ms bigint, windows_ms bigint[], change bigint
)
LANGUAGE sql STABLE AS $$
  SELECT
    d.tenant, d.device_id, coalesce(d.site, ''), coalesce(d.profile, 'default'), d.firmware, d.tags,
    p.offline_after_s, p.expected_interval_s, floor(extract(epoch FROM d.registered_at) * 1000)::bigint,
    (
      SELECT array_agg(ARRAY[
        floor(extract(epoch FROM m.starts_at) * 1000)::bigint, floor(extract(epoch FROM m.ends_at) * 1000)::bigint
      ])
      FROM maintenance_window AS m
      WHERE m.tenant = d.tenant AND (m.device_id = d.device_id OR m.site = d.site) AND m.ends_at > as_of
    ),
    d.change
  FROM device AS d LEFT JOIN device_profile AS p ON p.profile = d.profile
  UNION ALL
  SELECT r.tenant, r.device_id, '', 'default', '', '{}', NULL, NULL, NULL, NULL, r.change
  FROM device_removed AS r
$$;

COMMENT ON FUNCTION device_contexts IS
  'what each device is judged by, removed ones included; NULL = built-in default, or not registered; windows that have not ended';
