-- What only MySQL has.
CREATE TABLE invoices (
  id BINARY(16) NOT NULL DEFAULT (UUID_TO_BIN(UUID())) PRIMARY KEY,
  document JSON,
  hidden INT INVISIBLE DEFAULT 0,
  place POINT NOT NULL SRID 4326,
  KEY by_number ((CAST(document->>'$.number' AS UNSIGNED))),
  KEY by_hidden (hidden) INVISIBLE,
  SPATIAL KEY by_place (place)
);
CREATE TABLE tags (
  id INT PRIMARY KEY, words JSON, KEY by_word ((CAST(words AS CHAR(20) ARRAY)))
);
