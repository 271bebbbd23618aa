-- What a MongoDB server says of itself in its hello, as JSON. The proxies say it to clients that have
-- not logged in yet. NULL for other engines.
ALTER TABLE servers ADD COLUMN mongo TEXT;
