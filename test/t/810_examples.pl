# The files of examples/ run in the order of their names, as a person would run
# them; the sandbox gets what they promise, and no more.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

# The examples name their CSV from the top of the tree.
chdir(tree_dir()) or die "chdir: $!\n";
my @files = map { s{^examples/}{}r } sort glob('examples/*.sql');

my @services = qw(tari multe mensa);
my $io = start_sandbox(service => \@services, quota_period_ms => 100, processing_delay_ms => 50);
my $node = iomsg_node('main', extension => 0, 'io_msg.poll_delay' => '500ms');
$node->safe_psql('postgres', 'CREATE DATABASE comune');
write_keys($node, map { join ' ', 'comune', $_, $io->keys($_) } @services);

my @run;

# Runs one file and returns what it prints.
sub run_example
{
	my ($file, %variables) = @_;
	my @command = ('psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
		'-d', $node->connstr('comune'), '-f', "examples/$file");

	push @command, '-v', "$_=$variables{$_}" foreach sort keys %variables;
	my $result = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);
	ok($result, "$file runs") or diag($err);
	is($err, '', "$file has nothing to complain of");
	push @run, $file;
	return $out;
}

sub query { return $node->safe_psql('comune', $_[0]); }

run_example('01_services.sql', base_url => $io->base_url, quota_period => '100 ms');
run_example('02_notices.sql');
run_example('03_trigger.sql');
run_example('04_load_notices.sql');

# The people and the notices of the CSV.
is(query('SELECT count(*), count(DISTINCT notice_number) FROM notice'), '1000|1000', '1,000 notices');
is(query('SELECT count(*) FROM notice WHERE NOT io_is_fiscal_code(fiscal_code, true)'),
	'0', 'all fiscal codes are valid with their check character');
is(query(q{SELECT count(*) FROM notice WHERE substr(fiscal_code, 12, 4) !~ '^X0[0-4][0-9]$'}),
	'0', 'and of places that do not exist');
is(query(q{SELECT count(*) FROM notice WHERE left(notice_number, 16)::numeric % 93
	<> right(notice_number, 2)::integer}), '0', 'the notice numbers have their check digits');

is(run_example('05_rollback.sql'), "100\n0\n", 'a batch that is rolled back was never there');
ok(poll_until(sub { query(q{SELECT count(*) = 1000 FROM io_msg.message WHERE io_status = 'PROCESSED'}) eq 't' }),
	'every notice is delivered') or diag(query('SELECT status, io_status, count(*) FROM io_msg.message GROUP BY 1, 2'));

# One message for each notice, with what the notice says.
my %ledger = map { $_->{content}{payment_data}{notice_number} => $_ } $io->ledger;
is(scalar $io->ledger, 1000, 'IO has accepted 1,000 messages');
is(scalar keys %ledger, 1000, 'one for each notice');
my $wrong = 0;
foreach my $line (split /\n/, query(q{SELECT n.notice_number, n.service, n.fiscal_code, n.amount, m.message_id,
	to_char((n.due_date + TIME '23:59:59') AT TIME ZONE 'Europe/Rome' AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
	FROM notice AS n JOIN io_msg.message AS m ON m.reference = n.notice_number}))
{
	my ($number, $service, $fiscal_code, $amount, $id, $due) = split /\|/, $line;
	my $got = $ledger{$number};

	$wrong++ unless $got && $got->{service} eq $service && $got->{fiscal_code} eq $fiscal_code
	  && $got->{id} eq $id && $got->{content}{payment_data}{amount} == $amount
	  && $got->{content}{due_date} =~ /^\Q$due\E/;
}
is($wrong, 0, 'with its person, service, amount and due date');
like($ledger{'301270000001001057'}{content}{markdown}, qr/importo: \*\*419,56 \x{20ac}\*\*/, 'the amount is written as in Italy');

like(run_example('06_reports.sql'), qr/^sent\|PROCESSED\|1000$/m, 'the report says so');
is(query('SELECT count(*) FROM io_msg.unreachable'), '0', 'no paper letter is needed');

like(run_example('07_operate.sql'), qr/^message \d+ was accepted by IO/m, 'a message is explained');
is(query('SELECT count(*) FROM io_msg.service WHERE paused'), '0', 'nothing stays paused');

my $canteen = query(q{SELECT count(*) FROM notice WHERE service = 'mensa'});
is(run_example('08_campaign.sql'), "$canteen\n$canteen\n", 'the campaign is queued and taken back');
is(query(q{SELECT count(*) FROM io_msg.message WHERE status NOT IN ('sent', 'cancelled')}), '0', 'nothing is left');
is(scalar $io->ledger, 1000, 'nobody got a reminder');

is_deeply(\@run, \@files, 'all files were run, in the order of their names');

$node->stop;
done_testing();
