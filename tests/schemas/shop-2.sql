-- A shop, second part: what came later.

CREATE TABLE stock.items (
  sku text PRIMARY KEY,
  amount int NOT NULL,
  tags text[] NOT NULL DEFAULT '{}',
  EXCLUDE USING btree (sku WITH =)
);

CREATE FUNCTION stock.no_negative() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  -- a comment; with a semicolon
  IF NEW.amount < 0 THEN
    RAISE EXCEPTION 'only % left; not enough', OLD.amount;
  END IF;
  RETURN NEW;
END
$body$;
CREATE TRIGGER no_negative BEFORE UPDATE ON stock.items
  FOR EACH ROW EXECUTE FUNCTION stock.no_negative();

CREATE MATERIALIZED VIEW stock.totals AS SELECT sum(amount) AS items FROM stock.items;
CREATE UNIQUE INDEX ON stock.totals (items);

CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;

ALTER TYPE order_state ADD VALUE 'returned' AFTER 'sent';
ALTER TABLE orders ADD COLUMN note text COLLATE "C";
ALTER TABLE customers RENAME COLUMN "Quoted Name" TO nickname;
CREATE RULE no_delete AS ON DELETE TO orders DO INSTEAD (SELECT 1; NOTIFY orders);
CREATE STATISTICS customers_by_day ON email, created_at FROM customers;
ALTER TABLE stock.items ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON stock.items USING (amount IS NOT NULL);
CREATE PROCEDURE stock.clear() LANGUAGE sql AS 'DELETE FROM stock.items; DELETE FROM events';
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');

BEGIN;
CREATE TABLE drafts (id int);
DROP TABLE drafts;
CREATE TABLE carts (id uuid PRIMARY KEY, customer_id bigint REFERENCES customers);
COMMIT;
