/*
 * io_msg: the current schema, complete, in the order in which it is made.
 */

\echo Use "CREATE EXTENSION io_msg" to load this file. \quit

\ir tables.sql
\ir enqueue.sql
\ir operate.sql
\ir resolve.sql
\ir arm.sql
\ir explain.sql
\ir health.sql
\ir reports.sql
