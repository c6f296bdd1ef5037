/*
 * 01_services.sql
 *    The extension, the ente and three of its services.
 *
 * IO has no test environment, so this file begins with the sandbox:
 *    sandbox/io-sandbox --service tari --service multe --service mensa
 * The keys go into the key file on the server, never into a table:
 *    comune tari  tari-primary-key  tari-secondary-key
 * To go live, set base_url to https://api.io.pagopa.it/api/v1 and put the
 * real keys there.
 */
\if :{?base_url}
\else
    \set base_url 'http://127.0.0.1:8080/api/v1'
\endif
\if :{?quota_period}
\else
    \set quota_period '5 s'
\endif

CREATE EXTENSION IF NOT EXISTS io_msg;

-- All services of an ente share its quota: 150 calls in 5 s, unless IO grants more.
INSERT INTO io_msg.account (name, base_url, quota_calls, quota_period)
VALUES ('comune', :'base_url', 150, :'quota_period');

-- The names are ours; the keys tell IO which service it is.
INSERT INTO io_msg.service (name, account, organization_fiscal_code)
VALUES ('tari',  'comune', '01234567890'),
       ('multe', 'comune', '01234567890'),
       ('mensa', 'comune', '01234567890');
