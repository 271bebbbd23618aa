-- A shop, second part: what becomes of it.

ALTER TABLE customers
  ADD COLUMN phone VARCHAR(30) DEFAULT NULL AFTER email,
  MODIFY COLUMN born DATE DEFAULT NULL COMMENT 'if told',
  DROP KEY customers_domain,
  ADD KEY customers_kind (kind, born);
ALTER TABLE products CHANGE COLUMN weight weight_kg DECIMAL(8,3) DEFAULT 0.000, ADD COLUMN ean CHAR(13) FIRST;
ALTER TABLE orders DROP CONSTRAINT orders_state;
ALTER TABLE orders ADD CONSTRAINT orders_state CHECK (state IN ('new', 'paid', 'sent', 'lost'));
ALTER TABLE order_lines ADD COLUMN price DECIMAL(12,2) NOT NULL DEFAULT 1.50;
ALTER TABLE notes_latin CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
ALTER TABLE notes_binary RENAME TO notes_exact;
RENAME TABLE old_log TO older_log;
ALTER TABLE older_log ENGINE=InnoDB;
ALTER TABLE visits REORGANIZE PARTITION later INTO (
  PARTITION y2026 VALUES LESS THAN (740347), PARTITION later VALUES LESS THAN MAXVALUE
);
ALTER TABLE shards ADD PARTITION PARTITIONS 2;
ALTER TABLE countries COMMENT='ISO 3166-1, alpha 2';
ALTER TABLE warehouses ADD COLUMN area POLYGON NOT NULL;
CREATE SPATIAL INDEX warehouses_area ON warehouses (area);
DROP TABLE in_memory;
DROP INDEX audit_what ON audit;

CREATE TABLE suppliers LIKE customers;
CREATE TABLE cheap_products (id INT PRIMARY KEY) AS SELECT id, name FROM products WHERE price < 5;
CREATE TABLE categories (
  id INT PRIMARY KEY, parent INT, name VARCHAR(40),
  CONSTRAINT categories_parent FOREIGN KEY (parent) REFERENCES categories (id)
);

DROP TRIGGER orders_after;
DELIMITER //
CREATE TRIGGER orders_after AFTER INSERT ON orders FOR EACH ROW
  INSERT INTO audit (what) VALUES (CONCAT('order no. ', NEW.id))//
CREATE TRIGGER orders_before_too BEFORE INSERT ON orders FOR EACH ROW FOLLOWS orders_before
  SET NEW.state = LOWER(NEW.state)//
CREATE TRIGGER orders_gone AFTER DELETE ON orders FOR EACH ROW
  INSERT INTO audit (what) VALUES (CONCAT('gone ', OLD.id))//
CREATE TRIGGER customers_changed BEFORE UPDATE ON customers FOR EACH ROW
BEGIN
  IF NOT NEW.email <=> OLD.email THEN SET NEW.points = 0; END IF;
END//
CREATE EVENT old_orders ON SCHEDULE EVERY 1 WEEK STARTS '2026-01-01 00:00:00' DISABLE
DO DELETE FROM orders WHERE placed_at < NOW() - INTERVAL 10 YEAR//
CREATE FUNCTION full_name(a VARCHAR(20), b VARCHAR(20)) RETURNS VARCHAR(41) NO SQL DETERMINISTIC
  RETURN CONCAT(a, ' ', b)//
CREATE PROCEDURE nothing() BEGIN END//
DELIMITER ;

ALTER EVENT clean_audit COMMENT 'twice a night';
ALTER PROCEDURE report COMMENT 'slow';
DROP VIEW vip_domains;
ALTER VIEW vip AS SELECT id, email, phone FROM customers WHERE FIND_IN_SET('vip', flags);
CREATE OR REPLACE VIEW totals AS
  SELECT o.id, SUM(l.amount * l.price) AS total FROM orders o
  JOIN order_lines l ON l.order_id = o.id GROUP BY o.id;
ALTER TABLE orders AUTO_INCREMENT = 5000;
