/* view
owner: data-platform
reads: [gathered]
about: Parts whose pane is open.
*/
SELECT log_time, shard, part
FROM gathered
WHERE NOT behind
