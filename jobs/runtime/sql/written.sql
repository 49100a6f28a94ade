/* sink
owner: data-platform
about: Where the results of writing functions end: the writing itself was the effect.
*/
CREATE TEMPORARY TABLE written (done TINYINT) WITH ('connector' = 'blackhole')
