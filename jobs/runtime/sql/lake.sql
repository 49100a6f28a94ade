/* catalog
owner: data-platform
about: The Iceberg catalog; same name, database and warehouse as in PyIceberg and Spark.
*/
CREATE CATALOG {catalog} WITH (
  'type' = 'iceberg',
  'catalog-impl' = 'org.apache.iceberg.jdbc.JdbcCatalog',
  'uri' = '{catalog_uri}',
  'jdbc.user' = 'millrace',
  'jdbc.password' = '{catalog_password}',
  'jdbc.schema-version' = 'V1',
  'warehouse' = '{warehouse}'
)
