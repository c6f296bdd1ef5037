# The C code is laid out as PostgreSQL's: script/indent would change nothing.

use strict;
use warnings FATAL => 'all';

use Test::More;

if (system('command -v pg_bsd_indent >/dev/null 2>&1') != 0)
{
	plan skip_all => 'no pg_bsd_indent';
}

is(`script/indent --check`, '', 'script/indent would change nothing');
done_testing();
