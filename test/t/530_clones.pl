# A copy that knows nothing of being one (CREATE DATABASE with a template, an
# opened base backup, a cluster that pg_upgrade made) sends nothing, not even
# new rows, until a person arms it; so does a cluster that has moved.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use File::Find;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', init => [ allows_streaming => 1 ],
	'io_msg.instance' => 'production',
	'io_msg.idle_exit' => '100ms', 'io_msg.sweep' => '1s');

add_service($node, 'tari', $io);
wait_for_status($node, enqueue($node, 1), 'sent');
$node->safe_psql('postgres', 'SELECT io_pause()');
my @old = enqueue_many($node, 2, 4);

# Waits until the worker has come, looked, and refused.
sub refused
{
	my ($where, $db) = @_;

	$where->safe_psql($db, 'SELECT io_resume()');
	return ok(poll_until(sub { log_has($where, qr/io_msg sends nothing from database "$db":/) }),
		'its worker looked, and the log says that nothing is sent');
}

# Enqueues in the copy, and shows that nothing leaves before it is armed.
sub sends_only_when_armed
{
	my ($where, $db, $citizen) = @_;
	my $before = () = $io->journal;

	refused($where, $db);
	my $new = enqueue($where, $citizen, database => $db);
	$where->reload;
	ok(poll_until(sub { !grep { $_ ne '' } drainer_pids($where, $db) }), 'its worker has left');
	is(scalar(() = $io->journal), $before, 'no call to IO');
	is(status_of($where, $new, $db), 'queued', 'the new row waits');
	like($where->safe_psql($db, "SELECT io_explain($new)"),
		qr/not armed: it is a copy .* \(io_arm makes it a sender\)/, 'io_explain says why');
	like(($where->psql($db, 'SELECT io_release()'))[2],
		qr/this database is not armed/, 'nothing can be released');
	return $new;
}

# What is in the logs of the servers below a directory.
sub logs_below
{
	my ($dir) = @_;
	my $all = '';

	find({ no_chdir => 1, wanted => sub { $all .= slurp_file($_) if -f && /server\.log$/ } }, $dir);
	return $all;
}

subtest 'a database made from it' => sub
{
	ok(poll_until(sub { ($node->psql('template1',
			'CREATE DATABASE copy TEMPLATE postgres'))[0] == 0 }), 'CREATE DATABASE … TEMPLATE');
	write_keys($node, @{ $node->{iomsg_keys} }, 'copy tari ' . join(' ', $io->keys('tari')));
	my $waiting = sends_only_when_armed($node, 'copy', 10);

	is($node->safe_psql('copy', 'SELECT io_arm()'), 0, 'io_arm adopts none');
	my $new = enqueue($node, 11, database => 'copy');
	wait_for_status($node, $new, 'sent', 'copy');
	is(status_of($node, $_, 'copy'), 'queued', "row $_ is held") foreach @old, $waiting;
	is($node->safe_psql('copy', "SELECT io_release(ids => ARRAY[$waiting])"), 1, 'io_release');
	wait_for_status($node, $waiting, 'sent', 'copy');
	is(join(' ', sort map { $_->{fiscal_code} } $io->ledger),
		join(' ', sort map { fiscal_code($_) } 1, 10, 11), 'IO has what the copy was told to send');
};

subtest 'an opened base backup' => sub
{
	my $copy = PostgreSQL::Test::Cluster->new('clone');

	$node->backup('base');
	$copy->init_from_backup($node, 'base');
	$copy->append_conf('postgresql.conf', "io_msg.instance = 'staging'\n");
	$copy->start;
	my $waiting = sends_only_when_armed($copy, 'postgres', 20);
	is($copy->safe_psql('postgres', 'SELECT io_arm()'), 0, 'io_arm');
	wait_for_status($copy, enqueue($copy, 21), 'sent');
	is(status_of($copy, $_), 'queued', "row $_ is held") foreach @old, $waiting;
	$copy->stop;
};

subtest 'pg_upgrade' => sub
{
	my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
	my $bindir = $node->config_data('--bindir');

	$upgraded->init;
	$upgraded->append_conf('postgresql.conf',
		"shared_preload_libraries = 'io_msg'\nio_msg.instance = 'production'\n"
		  . "io_msg.allowed_hosts = '127.0.0.1'\nio_msg.idle_exit = '100ms'\n"
		  . "io_msg.keys_file = '" . $node->basedir . "/io_msg.keys'\n");

	# Nothing but that setting keeps them back, and then not even that.
	$node->append_conf('postgresql.conf', 'io_msg.enabled = off');
	$node->reload;
	ok(poll_until(sub { $node->safe_psql('postgres', 'SHOW io_msg.enabled') eq 'off' }), 'sending is off');
	$node->safe_psql('postgres', 'SELECT io_resume()');
	ok(poll_until(sub { !drainer_pids($node, 'postgres') }), 'its worker has left');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox
		 WHERE status = 'queued' AND due_at <= clock_timestamp() AND NOT (SELECT paused FROM io_msg.installation)
		   AND NOT EXISTS (SELECT FROM io_msg.service WHERE paused)}), 3, 'rows are due and not paused');
	$node->stop;
	# The log tells each process that is started.
	$_->append_conf('postgresql.conf', "io_msg.enabled = on\nlog_min_messages = debug1") foreach $node, $upgraded;
	ok(-s $node->basedir . '/io_msg.keys', 'the keys are there');
	my $before = () = $io->journal;
	chdir(PostgreSQL::Test::Utils::tempdir) or die "chdir: $!\n";
	$upgraded->command_ok(
		[ 'pg_upgrade', '--no-sync', '--retain', '-d', $node->data_dir, '-D', $upgraded->data_dir,
			'-b', $bindir, '-B', $bindir, '-s', $node->host,
			'-p', $node->port, '-P', $upgraded->port ], 'pg_upgrade');
	is(scalar(() = $io->journal), $before, 'meanwhile no call to IO');
	my $log = logs_below($upgraded->data_dir . '/pg_upgrade_output.d');
	cmp_ok(scalar(() = $log =~ /database system is ready to accept connections/g), '>=', 2,
		'the log of the servers that it starts');
	like($log, qr/DEBUG:/, 'says much');
	is_deeply([ $log =~ /^.*io_msg (?:drainer|launcher).*$/mg ], [], 'and has no worker of ours');
	$upgraded->start;
	ok(poll_until(sub { log_has($upgraded, qr/DEBUG:.*"io_msg launcher"/) }), 'where one is started the log tells');
	my $waiting = sends_only_when_armed($upgraded, 'postgres', 30);
	is($upgraded->safe_psql('postgres', 'SELECT io_arm(adopt => true)'), 4,
		'io_arm(adopt => true) takes all up again');
	wait_for_status($upgraded, $_, 'sent') foreach @old, $waiting;
	my @old_ones = grep { my $cf = $_->{fiscal_code};
		grep { $cf eq fiscal_code($_) } 2 .. 4 } $io->ledger;
	is(scalar @old_ones, 3, 'each once');
	wait_until($upgraded, q{SELECT count(*) = 5 FROM io_msg.outbox WHERE status = 'sent'},
		'and what was sent before is still known');
};

done_testing();
