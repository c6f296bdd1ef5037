/*
 * 04_load_notices.sql
 *    1,000 notices from a file, one transaction; the trigger does the rest.
 *
 * Run it from the top of the source tree.  The people are invented: no place
 * has a code from X001 to X040.
 */
\copy notice FROM 'examples/notices.csv' WITH (FORMAT csv, HEADER)
