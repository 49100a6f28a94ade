/* catalog
owner: data-platform
about: The Iceberg catalog; same name, database and warehouse as in PyIceberg and Spark.
*/
CREATE CATALOG {catalog} WITH (
  'type' = 'iceberg',
  {catalog_properties}
)
