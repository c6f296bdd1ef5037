# Nothing of what makes things go wrong on purpose is in an ordinary library:
# no name, no text, no setting.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

# A name of one word alone could stand there for something else.
my @points = slurp_file(tree_dir() . '/src/fault.c') =~ /\{"(\w+)", (?:true|false)\}/g;

cmp_ok(scalar(@points), '>', 10, 'there are fault points in the code');
chomp(my $directory = `$ENV{PG_CONFIG} --pkglibdir`);
my $library = slurp_file("$directory/io_msg.so");
cmp_ok(index($library, 'iomsg_drainer_main'), '>', 0, 'the library is there');
is_deeply([ grep { index($library, $_) >= 0 } qw(iomsg_fault iomsg_http_fault io_msg.fault io_msg_fault), grep { /_/ } @points ],
	[], 'nothing of them is in it');

my $node = iomsg_node('main');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name LIKE 'io_msg.fault%'"), '0', 'no setting either');
$node->stop;
done_testing();
