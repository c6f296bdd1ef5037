/*
 * 02_notices.sql
 *    The payment notices of a back office.  Nothing here knows of IO.
 */
CREATE TABLE notice (
    notice_number text PRIMARY KEY CHECK (notice_number ~ '^[0-3][0-9]{17}$'),
    service       text NOT NULL,    -- tari, multe, mensa
    debtor        text NOT NULL,
    fiscal_code   text NOT NULL,
    description   text NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),    -- euro cents
    due_date      date NOT NULL
);
