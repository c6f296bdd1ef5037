# The library of these tests has the points at which things go wrong; orders that
# make no sense are refused.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgTest;

chomp(my $directory = `$ENV{PG_CONFIG} --pkglibdir`);
my $library = slurp_file("$directory/io_msg.so");
is_deeply([ grep { index($library, $_) < 0 } 'io_msg.fault', fault_points() ], [], 'each point is in the library');

# Each point is met somewhere: by name, or at the end of a transaction.
my $code = join '', map { slurp_file($_) } grep { !m{/fault\.c$} } glob(tree_dir() . '/src/*.c');
my ($commits) = slurp_file(tree_dir() . '/src/fault.c') =~ /^(iomsg_fault_before_commit\(void\).*)/ms;
is_deeply([ grep { $code !~ /FAULT_POINT\((?:exchange, )?"$_"\)|_meet\(exchange, "$_"\)/ && $commits !~ /"$_"/ && $_ ne 'content' }
	fault_points() ], [], 'and somewhere in the code');

my $node = fault_node('orders', start => 0);
$node->start;
sub accepts
{
	my ($orders) = @_;
	my ($status) = $node->psql('postgres', 'ALTER SYSTEM SET io_msg.fault = ' . sql_literal($orders));

	return $status == 0 ? 1 : 0;
}

is(accepts($_), 1, "\"$_\" is an order") foreach '', 'before_claim:kill', 'in_guard:crash:3', 'before_claim:error=40001:2-4',
  'at_stop:sleep=100:2-', 'before_claim:exit, after_body:stop';
is(accepts($_), 0, "\"$_\" is none") foreach 'before_claim', 'nowhere:kill', 'before_claim:dance', 'in_guard:error', 'in_guard:exit',
  'before_claim:kill:0', 'before_claim:kill:4-2', 'before_claim:error=4', 'before_claim:sleep', 'before_claim:kill:1x';
$node->safe_psql('postgres', 'CREATE ROLE nobody_special LOGIN');
is(($node->psql('postgres', 'SHOW io_msg.fault', extra_params => [ '-U', 'nobody_special' ]))[0] == 0 ? 1 : 0, 0,
	'they are not for everybody');
$node->stop;
done_testing();
