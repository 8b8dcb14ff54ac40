-- How a balance is found, and how long its old versions lie about: 5 to 10 % of its work for a reservation.
--
-- With the warehouse before the SKU each step down the index compared three columns to tell two rows apart. Now it is two,
-- of which the first is a number.
ALTER TABLE stock_balance DROP CONSTRAINT stock_balance_pkey;
ALTER TABLE stock_balance ADD CONSTRAINT stock_balance_pkey PRIMARY KEY (partition, sku, warehouse, lot);

-- A page is cleaned whenever more of it is taken than this, which with 50 was at nearly every update. What is left
-- free holds some ten versions, and so the next ten updates. Pages that are full already stay as they are.
ALTER TABLE stock_balance SET (fillfactor = 85);
