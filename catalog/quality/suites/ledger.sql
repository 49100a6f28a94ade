/* statements
owner: data-platform
about: One day of iot.ledger, of each minute the revision that counts.
reads: ledger (one day)
writes: nothing
*/

-- name: minutes
SELECT minute, balanced, note FROM ledger QUALIFY row_number() OVER (PARTITION BY minute ORDER BY revision DESC) = 1;
