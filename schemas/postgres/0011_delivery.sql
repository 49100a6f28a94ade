/* migration
owner: data-platform
about: >
  A notifier asks channel by channel for what is due, so that a channel with a thousand waiting costs the others nothing;
  people look at the last day of a tenant.
*/
DROP INDEX notification_due;
CREATE INDEX notification_due ON notification (tenant, channel, next_attempt_at)
  WHERE state IN ('pending', 'failed');

CREATE INDEX notification_by_time ON notification (tenant, created_at);
