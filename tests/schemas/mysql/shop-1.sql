-- A shop, first part: what a schema of a real application holds, one kind of object after another.
-- Both MariaDB and MySQL take it.

CREATE TABLE countries (
  code CHAR(2) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
  name VARCHAR(80) NOT NULL COMMENT 'in its own language; it''s "quoted"'
) COMMENT='ISO 3166';

CREATE TABLE customers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(190) NOT NULL,
  country CHAR(2) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `Quoted Name` VARCHAR(40) DEFAULT 'it''s; fine',
  born DATE DEFAULT NULL,
  flags SET('vip','blocked') NOT NULL DEFAULT '',
  kind ENUM('person','company') NOT NULL DEFAULT 'person',
  points INT UNSIGNED ZEROFILL DEFAULT 7,
  settings JSON DEFAULT NULL,
  secret BINARY(16) DEFAULT NULL,
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  changed_at DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
  domain VARCHAR(190) GENERATED ALWAYS AS (SUBSTRING_INDEX(email, '@', -1)) VIRTUAL,
  email_lower VARCHAR(190) GENERATED ALWAYS AS (LOWER(email)) STORED,
  UNIQUE KEY customers_email (email),
  KEY customers_domain (domain),
  KEY customers_name (`Quoted Name`(10), id),
  CONSTRAINT customers_country FOREIGN KEY (country) REFERENCES countries (code)
    ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT customers_at CHECK (email LIKE '%@%')
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE products (
  id INT NOT NULL AUTO_INCREMENT,
  name VARCHAR(120) NOT NULL,
  description TEXT,
  price DECIMAL(12,2) NOT NULL CHECK (price >= 0),
  weight DOUBLE DEFAULT NULL,
  photo LONGBLOB,
  PRIMARY KEY (id),
  FULLTEXT KEY products_text (name, description)
) AUTO_INCREMENT=1000;

CREATE TABLE warehouses (
  id INT AUTO_INCREMENT PRIMARY KEY,
  place POINT NOT NULL,
  SPATIAL KEY warehouses_place (place)
);

CREATE TABLE orders (
  id BIGINT NOT NULL AUTO_INCREMENT,
  customer_id BIGINT UNSIGNED NOT NULL,
  state VARCHAR(10) NOT NULL DEFAULT 'new',
  total DECIMAL(12,2) NOT NULL DEFAULT 0.00,
  vat DECIMAL(12,4) GENERATED ALWAYS AS (total * 0.19) STORED,
  placed_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  KEY orders_customer (customer_id, placed_at),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE,
  CONSTRAINT orders_state CHECK (state IN ('new', 'paid', 'sent'))
);

CREATE TABLE order_lines (
  order_id BIGINT NOT NULL,
  line SMALLINT NOT NULL,
  product_id INT NOT NULL,
  amount INT NOT NULL DEFAULT 1,
  PRIMARY KEY (order_id, line),
  FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  FOREIGN KEY (product_id) REFERENCES products (id)
);

CREATE TABLE visits (
  id BIGINT NOT NULL,
  at DATE NOT NULL,
  page VARCHAR(200),
  PRIMARY KEY (id, at)
) PARTITION BY RANGE (TO_DAYS(at)) (
  PARTITION before_2025 VALUES LESS THAN (739617),
  PARTITION y2025 VALUES LESS THAN (739982),
  PARTITION later VALUES LESS THAN MAXVALUE
);

CREATE TABLE shards (k INT NOT NULL PRIMARY KEY, v TEXT) PARTITION BY HASH (k) PARTITIONS 4;
CREATE TABLE regions (
  id INT NOT NULL, region CHAR(1) NOT NULL, PRIMARY KEY (id, region)
) PARTITION BY LIST COLUMNS (region) (
  PARTITION north VALUES IN ('n'), PARTITION others VALUES IN ('s', 'e', 'w')
);

CREATE TABLE notes_latin (id INT PRIMARY KEY, body TEXT) DEFAULT CHARSET=latin1;
CREATE TABLE notes_sjis (id INT PRIMARY KEY, body TEXT CHARACTER SET sjis) DEFAULT CHARSET=utf16;
CREATE TABLE notes_binary (id INT PRIMARY KEY, body VARCHAR(40) COLLATE utf8mb4_bin) ROW_FORMAT=DYNAMIC;
CREATE TABLE old_log (id INT PRIMARY KEY, line VARCHAR(200)) ENGINE=MyISAM;
CREATE TABLE in_memory (id INT PRIMARY KEY) ENGINE=MEMORY;
CREATE TABLE audit (
  id BIGINT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(60), at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX orders_placed ON orders (placed_at DESC);
CREATE UNIQUE INDEX countries_name ON countries (name);
ALTER TABLE audit ADD KEY audit_what (what) COMMENT 'who asks for it';

DELIMITER //
CREATE FUNCTION vat_of(total DECIMAL(12,2)) RETURNS DECIMAL(12,4)
  DETERMINISTIC COMMENT 'nineteen; per cent'
BEGIN
  RETURN total * 0.19;
END//
CREATE FUNCTION open_orders(customer BIGINT) RETURNS INT READS SQL DATA
BEGIN
  DECLARE n INT DEFAULT 0;
  SELECT COUNT(*) INTO n FROM orders WHERE customer_id = customer AND state <> 'sent';
  RETURN n;
END//
CREATE PROCEDURE place_order(IN customer BIGINT, OUT placed BIGINT)
  MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  INSERT INTO orders (customer_id, placed_at) VALUES (customer, NOW(3));
  SET placed = LAST_INSERT_ID();
END//
CREATE PROCEDURE report(IN since DATE)
BEGIN
  DECLARE done INT DEFAULT FALSE;
  DECLARE c BIGINT;
  DECLARE every CURSOR FOR SELECT id FROM customers WHERE created_at >= since;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;
  OPEN every;
  walk: LOOP
    FETCH every INTO c;
    IF done THEN LEAVE walk; END IF;
    SELECT c, open_orders(c);
  END LOOP;
  CLOSE every;
END//
CREATE TRIGGER orders_before BEFORE INSERT ON orders FOR EACH ROW
BEGIN
  IF NEW.total < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'negative; total'; END IF;
END//
CREATE TRIGGER orders_after AFTER INSERT ON orders FOR EACH ROW
  INSERT INTO audit (what) VALUES (CONCAT('order ', NEW.id))//
CREATE EVENT clean_audit ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00'
  ON COMPLETION PRESERVE DISABLE COMMENT 'once a night'
DO BEGIN
  DELETE FROM audit WHERE at < NOW() - INTERVAL 30 DAY;
END//
DELIMITER ;

CREATE VIEW busy_customers AS
  SELECT c.id, c.email, open_orders(c.id) AS open FROM customers c WHERE open_orders(c.id) > 1;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW vip AS
  SELECT id, email FROM customers WHERE FIND_IN_SET('vip', flags) WITH CASCADED CHECK OPTION;
CREATE VIEW vip_domains (domain, n) AS
  SELECT SUBSTRING_INDEX(email, '@', -1), COUNT(*) FROM vip GROUP BY 1;
